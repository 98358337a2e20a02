//! The two architectures: BERT, and ALBERT, whose layers share their weights and whose embeddings are narrower than its layers
//! (Lan et al. 2020).
//!
//! The code names parameters as transformers' `BertForPreTraining` does. A model's own names are those of its class in transformers:
//! an ALBERT's are those of `AlbertForPreTraining` (transformers, models/albert/modeling_albert.py), by the table below.

/// What a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// A layer's weights are its own (google-research/bert).
    Bert,
    /// One layer's weights serve for all layers (google-research/albert).
    Albert,
}

/// Modules as `BertForPreTraining` names them, an ALBERT's one layer as its first, and as `AlbertForPreTraining` does.
const ALBERT: [(&str, &str); 19] = [
    ("bert.embeddings.word_embeddings", "albert.embeddings.word_embeddings"),
    ("bert.embeddings.position_embeddings", "albert.embeddings.position_embeddings"),
    ("bert.embeddings.token_type_embeddings", "albert.embeddings.token_type_embeddings"),
    ("bert.embeddings.LayerNorm", "albert.embeddings.LayerNorm"),
    (EMBEDDING_MAPPING, "albert.encoder.embedding_hidden_mapping_in"),
    (
        "bert.encoder.layer.0.attention.self.query",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query",
    ),
    (
        "bert.encoder.layer.0.attention.self.key",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.key",
    ),
    (
        "bert.encoder.layer.0.attention.self.value",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.value",
    ),
    (
        "bert.encoder.layer.0.attention.output.dense",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.dense",
    ),
    (
        "bert.encoder.layer.0.attention.output.LayerNorm",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.LayerNorm",
    ),
    ("bert.encoder.layer.0.intermediate.dense", "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn"),
    ("bert.encoder.layer.0.output.dense", "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output"),
    (
        "bert.encoder.layer.0.output.LayerNorm",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm",
    ),
    ("bert.pooler.dense", "albert.pooler"),
    ("cls.predictions.transform.dense", "predictions.dense"),
    ("cls.predictions.transform.LayerNorm", "predictions.LayerNorm"),
    ("cls.predictions.decoder", "predictions.decoder"),
    ("cls.predictions", "predictions"),
    ("cls.seq_relationship", "sop_classifier.classifier"),
];

/// The product from an ALBERT's embeddings to the width of its layers.
pub(super) const EMBEDDING_MAPPING: &str = "bert.encoder.embedding_hidden_mapping_in";

impl Architecture {
    /// `model_type` in transformers.
    pub fn model_type(self) -> &'static str {
        match self {
            Architecture::Bert => "bert",
            Architecture::Albert => "albert",
        }
    }

    /// In words.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Architecture::Bert => "a BERT",
            Architecture::Albert => "an ALBERT",
        }
    }

    /// The class of transformers for a purpose: `ForPreTraining`, `Model`.
    pub fn class(self, purpose: &str) -> String {
        match self {
            Architecture::Bert => format!("Bert{purpose}"),
            Architecture::Albert => format!("Albert{purpose}"),
        }
    }

    /// The model's own name of the parameter that `BertForPreTraining` calls `bert`.
    pub(super) fn own_name(self, bert: &str) -> String {
        match self {
            Architecture::Bert => bert.to_owned(),
            Architecture::Albert => swapped(bert, |&(bert, own)| [bert, own]),
        }
    }

    /// The name in `BertForPreTraining` of the parameter that the model calls `own`.
    pub(super) fn bert_name(self, own: &str) -> String {
        match self {
            Architecture::Bert => own.to_owned(),
            Architecture::Albert => swapped(own, |&(bert, own)| [own, bert]),
        }
    }

    /// The beginning of the encoder's names: those of embeddings, layers and pooler.
    pub fn encoder(self) -> &'static str {
        match self {
            Architecture::Bert => "bert.",
            Architecture::Albert => "albert.",
        }
    }

    /// The beginning of the pooler's names.
    pub fn pooler(self) -> &'static str {
        match self {
            Architecture::Bert => "bert.pooler.",
            Architecture::Albert => "albert.pooler.",
        }
    }

    /// The beginning of the names of the head of masked tokens.
    pub fn masked_head(self) -> &'static str {
        match self {
            Architecture::Bert => "cls.predictions.",
            Architecture::Albert => "predictions.",
        }
    }

    /// The beginning of the names of the head of pairs.
    pub fn pair_head(self) -> &'static str {
        match self {
            Architecture::Bert => "cls.seq_relationship.",
            Architecture::Albert => "sop_classifier.",
        }
    }

    /// The beginnings of the names of all heads of pretraining.
    pub(super) fn heads(self) -> &'static [&'static str] {
        match self {
            Architecture::Bert => &["cls."],
            Architecture::Albert => &["predictions.", "sop_classifier."],
        }
    }
}

/// A name with its module, all but the last part, in the other names of a pair.
fn swapped(name: &str, pair: impl Fn(&(&'static str, &'static str)) -> [&'static str; 2]) -> String {
    let Some((module, last)) = name.rsplit_once('.') else { return name.to_owned() };
    match ALBERT.iter().map(pair).find(|[from, _]| *from == module) {
        Some([_, to]) => format!("{to}.{last}"),
        None => name.to_owned(),
    }
}

/// True for a scale or shift of a LayerNorm, whichever the architecture.
pub(super) fn is_of_layer_norm(name: &str) -> bool {
    name.contains("LayerNorm") || name.contains("layer_norm")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_there_and_back() {
        for (bert, own) in ALBERT {
            let (bert, own) = (format!("{bert}.weight"), format!("{own}.weight"));
            assert_eq!(Architecture::Albert.own_name(&bert), own);
            assert_eq!(Architecture::Albert.bert_name(&own), bert);
            assert_eq!(Architecture::Bert.own_name(&bert), bert);
            let starts = [Architecture::Albert.encoder()]
                .into_iter()
                .chain(Architecture::Albert.heads().iter().copied());
            assert!(starts.into_iter().any(|start| own.starts_with(start)), "{own}");
        }
        let own: BTreeSet<&str> = ALBERT.iter().map(|(_, own)| *own).collect();
        assert_eq!(own.len(), ALBERT.len());
        assert_eq!(Architecture::Albert.bert_name("classifier.weight"), "classifier.weight");
    }

    #[test]
    fn norms_are_known_by_both_spellings() {
        let layer = "bert.encoder.layer.0.output";
        for name in ["LayerNorm.weight", "LayerNorm.bias"].map(|last| format!("{layer}.{last}")) {
            assert!(is_of_layer_norm(&name) && is_of_layer_norm(&Architecture::Albert.own_name(&name)));
        }
        assert!(!is_of_layer_norm(
            &Architecture::Albert.own_name("bert.encoder.layer.0.output.dense.weight")
        ));
    }
}
