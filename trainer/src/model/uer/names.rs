//! From the names of UER-py and TencentPretrain (layers/, encoders/transformer_encoder.py, targets/) to transformers', and back.

use crate::model::architecture::{Architecture, EMBEDDING_MAPPING};
use crate::model::header::{Change, Renamed, TensorHeader};

/// The word embeddings, since July 2023 and before.
const WORDS: [&str; 2] = ["embedding.word.embedding.weight", "embedding.word_embedding.weight"];

/// The parts of a layer: UER's name, transformers', and whether it is a LayerNorm.
const LAYER: [(&str, &str, bool); 8] = [
    ("self_attn.linear_layers.0", "attention.self.query", false),
    ("self_attn.linear_layers.1", "attention.self.key", false),
    ("self_attn.linear_layers.2", "attention.self.value", false),
    ("self_attn.final_linear", "attention.output.dense", false),
    ("layer_norm_1", "attention.output.LayerNorm", true),
    ("feed_forward.linear_1", "intermediate.dense", false),
    ("feed_forward.linear_2", "output.dense", false),
    ("layer_norm_2", "output.LayerNorm", true),
];

/// Everything else: UER's name, those that it had before July 2023, transformers', and what it is.
const OTHERS: [(&str, &[&str], &str, Part); 10] = [
    (
        "embedding.word.embedding",
        &["embedding.word_embedding"],
        "bert.embeddings.word_embeddings",
        Part::Plain,
    ),
    (
        "embedding.pos.embedding",
        &["embedding.position_embedding"],
        "bert.embeddings.position_embeddings",
        Part::Plain,
    ),
    (
        "embedding.seg.embedding",
        &["embedding.segment_embedding"],
        "bert.embeddings.token_type_embeddings",
        Part::Segments,
    ),
    ("embedding.layer_norm", &[], "bert.embeddings.LayerNorm", Part::Norm),
    ("encoder.linear", &[], EMBEDDING_MAPPING, Part::Plain),
    ("target.mlm.linear_1", &["target.mlm_linear_1"], "cls.predictions.transform.dense", Part::Plain),
    ("target.mlm.layer_norm", &["target.layer_norm"], "cls.predictions.transform.LayerNorm", Part::Norm),
    ("target.mlm.linear_2", &["target.mlm_linear_2"], "cls.predictions.decoder", Part::Plain),
    (
        "target.sp.linear_1",
        &["target.sp_linear_1", "target.nsp_linear_1", "target.sop_linear_1"],
        "bert.pooler.dense",
        Part::Plain,
    ),
    (
        "target.sp.linear_2",
        &["target.sp_linear_2", "target.nsp_linear_2", "target.sop_linear_2"],
        "cls.seq_relationship",
        Part::Plain,
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Plain,
    /// Three rows: padding, and the two segments.
    Segments,
    /// A LayerNorm by the unbiased deviation.
    Norm,
}

/// True if these are names of UER's.
pub(in crate::model) fn is_uer(names: &[String]) -> bool {
    let is_known =
        |name: &String| WORDS.contains(&name.as_str()) || name.contains("self_attn.linear_layers.");
    names.iter().any(is_known)
}

/// What model has these names, if it is none that can be read.
pub(in crate::model) fn refused(tensors: &[TensorHeader], names: &[String]) -> Option<String> {
    let has = |part: &str| names.iter().any(|name| name.starts_with(part));
    let is_shared = has("encoder.transformer.self_attn.");
    let what = if is_shared != has("encoder.linear.") {
        "a model of UER whose layers share their weights (parameter_sharing) or whose embeddings are narrower than its layers \
         (factorized_embedding_parameterization): both together are an ALBERT, one alone is nobody's model"
    } else if has("encoder.layer_norm.") {
        "a model of UER with LayerNorm before its blocks (layernorm_positioning \"pre\"), such as GPT-2: it is no BERT"
    } else if ["encoder.rnn", "encoder.forward", "encoder.gate", "encoder.conv"].iter().any(|part| has(part))
    {
        "a recurrent or convolutional model of UER: it is no BERT"
    } else if has("embedding.embedding_0.") || has("encoder.encoder_0.") {
        "a dual encoder of UER, which holds two models: save one of them"
    } else if has("target.lm.") || has("target.output_layer.") || has("target.bilm.") {
        "a language model of UER that reads in one direction (target lm): it is no BERT"
    } else if !has("embedding.layer_norm.") || !has("embedding.seg") {
        "a model of UER without segments, or without a LayerNorm after its embeddings: it is no BERT"
    } else if tensors.iter().zip(names).any(|(tensor, name)| is_odd(tensor, name, architecture(names))) {
        "a model of UER whose table of segments has not three rows, or whose LayerNorms are one number wide"
    } else {
        return None;
    };
    Some(format!("it is {what}"))
}

/// The architecture of the model that has these names: layers that share their weights have no numbers.
pub(in crate::model) fn architecture(names: &[String]) -> Architecture {
    let is_shared = names.iter().any(|name| name.starts_with("encoder.transformer.self_attn."));
    if is_shared { Architecture::Albert } else { Architecture::Bert }
}

fn is_odd(tensor: &TensorHeader, name: &str, architecture: Architecture) -> bool {
    let Some(renamed) = renamed(name, architecture) else { return false };
    match renamed.change {
        Change::WithoutFirstRow => tensor.sizes.first() != Some(&3),
        change => change.sizes(&tensor.sizes).is_none(),
    }
}

/// The name in transformers of a parameter of a model of this architecture; none if it is of something else.
pub(in crate::model) fn renamed(name: &str, architecture: Architecture) -> Option<Renamed> {
    match architecture {
        Architecture::Bert => bert_renamed(name),
        Architecture::Albert => {
            let numbered = name.strip_prefix(SHARED).map(|part| format!("{FIRST}{part}"));
            let Renamed { name, change } = bert_renamed(numbered.as_deref().unwrap_or(name))?;
            Some(Renamed { name: architecture.own_name(&name), change })
        }
    }
}

/// What stands before a part of the layer that all share, and of a first layer.
const SHARED: &str = "encoder.transformer.";
const FIRST: &str = "encoder.transformer.0.";

fn bert_renamed(name: &str) -> Option<Renamed> {
    let (module, last) = name.rsplit_once('.')?;
    if let Some(rest) = module.strip_prefix("encoder.transformer.") {
        let (layer, part) = rest.split_once('.')?;
        let layer: u32 = layer.parse().ok()?;
        let &(_, ours, norm) = LAYER.iter().find(|(uer, ..)| *uer == part)?;
        let part = if norm { Part::Norm } else { Part::Plain };
        return with_last(&format!("bert.encoder.layer.{layer}.{ours}"), last, part);
    }
    let known = OTHERS.iter().find(|(new, old, ..)| *new == module || old.contains(&module))?;
    let &(_, _, ours, part) = known;
    if (ours, last) == ("cls.predictions.decoder", "bias") {
        return Some(Renamed { name: "cls.predictions.bias".to_owned(), change: Change::None });
    }
    with_last(ours, last, part)
}

fn with_last(module: &str, last: &str, part: Part) -> Option<Renamed> {
    let (last, change) = match (last, part) {
        ("gamma", Part::Norm) => ("weight", Change::ToBiasedNorm),
        ("beta", Part::Norm) => ("bias", Change::None),
        ("weight", Part::Segments) => ("weight", Change::WithoutFirstRow),
        ("weight" | "bias", Part::Plain) => (last, Change::None),
        _ => return None,
    };
    Some(Renamed { name: format!("{module}.{last}"), change })
}

/// The name that UER has for a parameter of a model of this architecture, and what is done to it; none if it has no such parameter.
pub(in crate::model) fn to_uer(name: &str, architecture: Architecture) -> Option<Renamed> {
    let Renamed { name, change } = bert_to_uer(&architecture.bert_name(name))?;
    let part = name.strip_prefix(FIRST).filter(|_| architecture == Architecture::Albert);
    Some(Renamed { name: part.map_or(name.clone(), |part| format!("{SHARED}{part}")), change })
}

fn bert_to_uer(name: &str) -> Option<Renamed> {
    if ["cls.predictions.bias", "cls.predictions.decoder.bias"].contains(&name) {
        return Some(Renamed { name: "target.mlm.linear_2.bias".to_owned(), change: Change::None });
    }
    let (module, last) = name.rsplit_once('.')?;
    let (uer, part) = match module.strip_prefix("bert.encoder.layer.") {
        Some(rest) => {
            let (layer, own) = rest.split_once('.')?;
            let &(uer, _, norm) = LAYER.iter().find(|(_, ours, _)| *ours == own)?;
            (format!("encoder.transformer.{layer}.{uer}"), if norm { Part::Norm } else { Part::Plain })
        }
        None => {
            let &(uer, _, _, part) = OTHERS.iter().find(|(_, _, ours, _)| *ours == module)?;
            (uer.to_owned(), part)
        }
    };
    let (last, change) = match (last, part) {
        ("weight", Part::Norm) => ("gamma", Change::ToUnbiasedNorm),
        ("bias", Part::Norm) => ("beta", Change::None),
        ("weight", Part::Segments) => ("weight", Change::WithFirstRow),
        (last, _) => (last, Change::None),
    };
    Some(Renamed { name: format!("{uer}.{last}"), change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        for (uer, ours, change) in [
            ("embedding.word.embedding.weight", "bert.embeddings.word_embeddings.weight", Change::None),
            (
                "embedding.seg.embedding.weight",
                "bert.embeddings.token_type_embeddings.weight",
                Change::WithoutFirstRow,
            ),
            ("embedding.layer_norm.gamma", "bert.embeddings.LayerNorm.weight", Change::ToBiasedNorm),
            (
                "encoder.transformer.11.self_attn.linear_layers.2.bias",
                "bert.encoder.layer.11.attention.self.value.bias",
                Change::None,
            ),
            (
                "encoder.transformer.0.layer_norm_2.beta",
                "bert.encoder.layer.0.output.LayerNorm.bias",
                Change::None,
            ),
            (
                "target.mlm.layer_norm.gamma",
                "cls.predictions.transform.LayerNorm.weight",
                Change::ToBiasedNorm,
            ),
            ("target.mlm.linear_2.bias", "cls.predictions.bias", Change::None),
            ("target.mlm.linear_2.weight", "cls.predictions.decoder.weight", Change::None),
            ("target.sp.linear_1.weight", "bert.pooler.dense.weight", Change::None),
            ("target.sp.linear_2.bias", "cls.seq_relationship.bias", Change::None),
        ] {
            assert_eq!(renamed(uer, Architecture::Bert), Some(Renamed { name: ours.to_owned(), change }));
            assert_eq!(to_uer(ours, Architecture::Bert).unwrap().name, uer);
        }
        for (old, new) in [
            ("embedding.word_embedding.weight", "embedding.word.embedding.weight"),
            ("embedding.segment_embedding.weight", "embedding.seg.embedding.weight"),
            ("target.layer_norm.beta", "target.mlm.layer_norm.beta"),
            ("target.nsp_linear_2.weight", "target.sp.linear_2.weight"),
            ("target.mlm_linear_2.weight", "target.mlm.linear_2.weight"),
        ] {
            assert_eq!(renamed(old, Architecture::Bert), renamed(new, Architecture::Bert), "{old}");
        }
        for name in ["target.cls.linear_1.weight", "encoder.transformer.self_attn.final_linear.bias", "x"] {
            assert_eq!(renamed(name, Architecture::Bert), None, "{name}");
        }
        for (uer, ours) in [
            ("embedding.pos.embedding.weight", "albert.embeddings.position_embeddings.weight"),
            ("encoder.linear.bias", "albert.encoder.embedding_hidden_mapping_in.bias"),
            (
                "encoder.transformer.self_attn.linear_layers.1.weight",
                "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.key.weight",
            ),
            (
                "encoder.transformer.layer_norm_2.gamma",
                "albert.encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm.weight",
            ),
            (
                "encoder.transformer.feed_forward.linear_2.bias",
                "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output.bias",
            ),
            ("target.mlm.linear_1.weight", "predictions.dense.weight"),
            ("target.mlm.linear_2.bias", "predictions.bias"),
            ("target.sp.linear_1.bias", "albert.pooler.bias"),
            ("target.sp.linear_2.weight", "sop_classifier.classifier.weight"),
        ] {
            assert_eq!(renamed(uer, Architecture::Albert).unwrap().name, ours);
            assert_eq!(to_uer(ours, Architecture::Albert).unwrap().name, uer);
        }
    }
}
