//! From the names of google-research/bert (modeling.py, run_pretraining.py, optimization.py) and google-research/albert (modeling.py)
//! to transformers', and back.

use crate::model::architecture::Architecture;
use crate::model::header::{Change, Renamed, TensorHeader};

/// The variables of an optimizer, by the end of their names.
const SLOTS: [&str; 4] = ["adam_m", "adam_v", "lamb_m", "lamb_v"];
/// The updates that were done.
pub(in crate::model) const STEP: &str = "global_step";
/// Other variables of an optimizer.
const OTHERS: [&str; 2] = ["beta1_power", "beta2_power"];
/// What a checkpoint of TensorFlow 2 has, whose names are those of Python's objects.
const OBJECT_GRAPH: &str = "_CHECKPOINTABLE_OBJECT_GRAPH";

/// True for what an optimizer keeps beside the weights, and for the step.
pub(in crate::model) fn is_of_optimizer(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    SLOTS.contains(&last) || OTHERS.contains(&last) || name == STEP
}

/// What model has these names, if it is none that can be read.
pub(in crate::model) fn refused(tensors: &[TensorHeader]) -> Option<String> {
    let known = [
        (
            OBJECT_GRAPH,
            "a checkpoint of TensorFlow 2, whose names are those of Python's objects: save it with \
             tf.compat.v1.train.Saver under the names of google-research/bert",
        ),
        (
            "/layer_shared/",
            "an ALBERT of brightmart/albert_zh, which adds positions to embeddings that are as wide as its layers: take one of \
             Google's or UER's",
        ),
        (
            "/group_1/",
            "an ALBERT with several groups of layers (num_hidden_groups): one, whose weights serve for all layers, is computed",
        ),
        (
            "/inner_group_1/",
            "an ALBERT with several layers in a group (inner_group_num): one, whose weights serve for all layers, is computed",
        ),
    ];
    let found = known.into_iter().find(|(part, _)| tensors.iter().any(|tensor| tensor.name.contains(part)));
    found.map(|(_, what)| format!("it is {what}"))
}

/// The layer of an ALBERT, and what a BERT's first is called.
const LAYERS: [&str; 2] = ["bert/encoder/transformer/group_0/inner_group_0", "bert/encoder/layer_0"];
/// The parts of a layer: as google-research/albert names them, and as google-research/bert does.
const ALBERT_LAYER: [[&str; 2]; 8] = [
    ["attention_1/self/query", "attention/self/query"],
    ["attention_1/self/key", "attention/self/key"],
    ["attention_1/self/value", "attention/self/value"],
    ["attention_1/output/dense", "attention/output/dense"],
    ["LayerNorm", "attention/output/LayerNorm"],
    ["ffn_1/intermediate/dense", "intermediate/dense"],
    ["ffn_1/intermediate/output/dense", "output/dense"],
    ["LayerNorm_1", "output/LayerNorm"],
];

/// The architecture of the model that has these variables.
pub(in crate::model) fn architecture(tensors: &[TensorHeader]) -> Architecture {
    let is_shared = tensors.iter().any(|tensor| tensor.name.starts_with(LAYERS[0]));
    if is_shared { Architecture::Albert } else { Architecture::Bert }
}

/// A variable of the layer `from` as the layer `to` names it, both among [`LAYERS`]; others stay what they are.
fn of_other_layer(name: &str, from: usize, to: usize) -> String {
    let within = name.strip_prefix(LAYERS[from]).and_then(|rest| rest.strip_prefix('/'));
    let Some((part, last)) = within.and_then(|rest| rest.rsplit_once('/')) else { return name.to_owned() };
    match ALBERT_LAYER.iter().find(|names| names[from] == part) {
        Some(names) => format!("{}/{}/{last}", LAYERS[to], names[to]),
        None => name.to_owned(),
    }
}

/// The name in transformers of a variable of a model of this architecture. A name of something else stays what it is, with dots.
pub(in crate::model) fn renamed(name: &str, architecture: Architecture) -> Renamed {
    match architecture {
        Architecture::Bert => bert_renamed(name),
        Architecture::Albert => {
            let Renamed { name, change } = bert_renamed(&of_other_layer(name, 0, 1));
            Renamed { name: architecture.own_name(&name), change }
        }
    }
}

fn bert_renamed(name: &str) -> Renamed {
    let parts: Vec<&str> = name.split('/').collect();
    let mut change = Change::None;
    let mut names: Vec<String> = Vec::new();
    for part in &parts {
        names.push(match *part {
            "kernel" => {
                change = Change::Transposed;
                "weight".to_owned()
            }
            "gamma" | "output_weights" => "weight".to_owned(),
            "beta" | "output_bias" => "bias".to_owned(),
            part if part.ends_with("_embeddings") => format!("{part}.weight"),
            part => match part.strip_prefix("layer_").filter(|layer| layer.parse::<u32>().is_ok()) {
                Some(layer) => format!("layer.{layer}"),
                None => part.to_owned(),
            },
        });
    }
    Renamed { name: names.join("."), change }
}

/// The name that google-research/bert or google-research/albert has for a parameter; none if it has no such variable.
pub(in crate::model) fn to_google(name: &str, architecture: Architecture) -> Option<Renamed> {
    let Renamed { name, change } = bert_to_google(&architecture.bert_name(name))?;
    match architecture {
        Architecture::Bert => Some(Renamed { name, change }),
        Architecture::Albert => Some(Renamed { name: of_other_layer(&name, 1, 0), change }),
    }
}

fn bert_to_google(name: &str) -> Option<Renamed> {
    // The word embeddings are the decoder there.
    if name.starts_with("cls.predictions.decoder.") {
        return None;
    }
    let (module, last) = name.rsplit_once('.')?;
    let module = module.replace(".layer.", ".layer_").replace('.', "/");
    let norm = module.ends_with("LayerNorm");
    let is_embedding = module.ends_with("_embeddings");
    let is_output = ["cls/predictions", "cls/seq_relationship"].contains(&module.as_str());
    let (last, change) = match (last, norm, is_output) {
        _ if is_embedding => return Some(Renamed { name: module, change: Change::None }),
        ("weight", true, _) => ("gamma", Change::None),
        ("bias", true, _) => ("beta", Change::None),
        ("weight", _, true) => ("output_weights", Change::None),
        ("bias", _, true) => ("output_bias", Change::None),
        ("weight", ..) => ("kernel", Change::Transposed),
        (last, ..) => (last, Change::None),
    };
    Some(Renamed { name: format!("{module}/{last}"), change })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of names that `load_tf_weights_in_bert` of transformers 4 walks.
    #[test]
    fn names_there_and_back() {
        for (google, ours, transposed) in [
            ("bert/embeddings/word_embeddings", "bert.embeddings.word_embeddings.weight", false),
            ("bert/embeddings/LayerNorm/gamma", "bert.embeddings.LayerNorm.weight", false),
            (
                "bert/encoder/layer_11/attention/self/query/kernel",
                "bert.encoder.layer.11.attention.self.query.weight",
                true,
            ),
            (
                "bert/encoder/layer_0/attention/output/LayerNorm/beta",
                "bert.encoder.layer.0.attention.output.LayerNorm.bias",
                false,
            ),
            ("bert/pooler/dense/bias", "bert.pooler.dense.bias", false),
            ("cls/predictions/transform/dense/kernel", "cls.predictions.transform.dense.weight", true),
            ("cls/predictions/output_bias", "cls.predictions.bias", false),
            ("cls/seq_relationship/output_weights", "cls.seq_relationship.weight", false),
            ("cls/seq_relationship/output_bias", "cls.seq_relationship.bias", false),
        ] {
            let change = if transposed { Change::Transposed } else { Change::None };
            assert_eq!(renamed(google, Architecture::Bert), Renamed { name: ours.to_owned(), change });
            assert_eq!(
                to_google(ours, Architecture::Bert),
                Some(Renamed { name: google.to_owned(), change })
            );
        }
        assert_eq!(to_google("cls.predictions.decoder.weight", Architecture::Bert), None);
        assert!(is_of_optimizer("bert/pooler/dense/bias/adam_v") && is_of_optimizer("global_step"));
        assert!(!is_of_optimizer("bert/pooler/dense/bias"));
    }

    /// The table of UER's `convert_albert_from_original_tf_to_uer.py`, and of transformers 4's `load_tf_weights_in_albert`.
    #[test]
    fn names_of_an_albert_there_and_back() {
        let (google_layer, layer) = (
            "bert/encoder/transformer/group_0/inner_group_0",
            "albert.encoder.albert_layer_groups.0.albert_layers.0",
        );
        for (google, ours, transposed) in [
            ("bert/embeddings/position_embeddings", "albert.embeddings.position_embeddings.weight", false),
            ("bert/embeddings/LayerNorm/gamma", "albert.embeddings.LayerNorm.weight", false),
            (
                "bert/encoder/embedding_hidden_mapping_in/kernel",
                "albert.encoder.embedding_hidden_mapping_in.weight",
                true,
            ),
            (
                &format!("{google_layer}/attention_1/self/key/kernel"),
                &format!("{layer}.attention.key.weight"),
                true,
            ),
            (
                &format!("{google_layer}/attention_1/output/dense/bias"),
                &format!("{layer}.attention.dense.bias"),
                false,
            ),
            (&format!("{google_layer}/LayerNorm/beta"), &format!("{layer}.attention.LayerNorm.bias"), false),
            (
                &format!("{google_layer}/ffn_1/intermediate/dense/kernel"),
                &format!("{layer}.ffn.weight"),
                true,
            ),
            (
                &format!("{google_layer}/ffn_1/intermediate/output/dense/kernel"),
                &format!("{layer}.ffn_output.weight"),
                true,
            ),
            (
                &format!("{google_layer}/LayerNorm_1/gamma"),
                &format!("{layer}.full_layer_layer_norm.weight"),
                false,
            ),
            ("bert/pooler/dense/kernel", "albert.pooler.weight", true),
            ("cls/predictions/transform/LayerNorm/gamma", "predictions.LayerNorm.weight", false),
            ("cls/predictions/output_bias", "predictions.bias", false),
            ("cls/seq_relationship/output_weights", "sop_classifier.classifier.weight", false),
        ] {
            let change = if transposed { Change::Transposed } else { Change::None };
            assert_eq!(renamed(google, Architecture::Albert), Renamed { name: ours.to_owned(), change });
            assert_eq!(
                to_google(ours, Architecture::Albert),
                Some(Renamed { name: google.to_owned(), change })
            );
        }
    }
}
