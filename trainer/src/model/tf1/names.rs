//! From the names of google-research/bert (modeling.py, run_pretraining.py, optimization.py) to transformers', and back.

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
            "/inner_group_",
            "an ALBERT, whose layers share their weights and whose embeddings are narrower than its layers: quanci's model \
             is BERT, which cannot hold it",
        ),
    ];
    let found = known.into_iter().find(|(part, _)| tensors.iter().any(|tensor| tensor.name.contains(part)));
    found.map(|(_, what)| format!("it is {what}"))
}

/// A variable's name as transformers has it. A name of something else stays what it is, with dots.
pub(in crate::model) fn renamed(name: &str) -> Renamed {
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

/// The name that google-research/bert has for a parameter; none if it has no such variable.
pub(in crate::model) fn to_google(name: &str) -> Option<Renamed> {
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
            assert_eq!(renamed(google), Renamed { name: ours.to_owned(), change });
            assert_eq!(to_google(ours), Some(Renamed { name: google.to_owned(), change }));
        }
        assert_eq!(to_google("cls.predictions.decoder.weight"), None);
        assert!(is_of_optimizer("bert/pooler/dense/bias/adam_v") && is_of_optimizer("global_step"));
        assert!(!is_of_optimizer("bert/pooler/dense/bias"));
    }
}
