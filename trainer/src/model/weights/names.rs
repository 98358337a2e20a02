//! From the names of a file to a model's own, those of transformers' `BertForPreTraining` or `AlbertForPreTraining`.
//!
//! A model's names have something before and between them that tells how it was wrapped when it was saved
//! (`module.`, `_orig_mod.`, `model.`, `0.auto_model.`), or lack `bert.`. What stands before them is not looked up in a list but
//! found: it is what stands before most names of the encoder.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::architecture::Architecture;

/// Parts of a name that only say how a model was wrapped: data parallelism, torch.compile, Lightning, FSDP.
const WRAPPERS: [&str; 6] = [
    "module",
    "_orig_mod",
    "_forward_module",
    "_fsdp_wrapped_module",
    "_fpw_module",
    "_checkpoint_wrapped_module",
];

/// A file's tensors by our names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Our name, or one that begins as ours do, and the index of the tensor.
    pub(super) ours: BTreeMap<String, usize>,
    /// The indices of those that have nothing to do with a BERT and its heads.
    pub(super) others: Vec<usize>,
}

/// Maps `names`, those of a file, to names of the parameters `wanted`, those of a model of this architecture.
///
/// # Errors
/// If the file holds two encoders, one name twice, or an encoder of another kind.
pub(super) fn map(
    names: &[&str],
    wanted: &BTreeSet<&str>,
    architecture: Architecture,
) -> Result<Named, String> {
    let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
    let is_of_head = |name: &str| architecture.heads().iter().any(|head| name.starts_with(head));
    let encoder = encoder(wanted, architecture);
    let heads: BTreeSet<&str> = wanted.iter().copied().filter(|name| is_of_head(name)).collect();
    let prefix = prefix(&plain, &encoder)?;
    if prefix.as_deref().is_some_and(|prefix| prefix.contains("roberta")) {
        return Err("its names are those of a RoBERTa, whose positions begin at 2: it is no BERT".to_owned());
    }
    let head_prefix = self::prefix(&plain, &heads)?;
    let mut found = Named::default();
    for (index, (name, given)) in plain.iter().zip(names).enumerate() {
        let of_encoder = prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix));
        let of_head = head_prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix));
        let ours = match (of_head, of_encoder) {
            (Some(rest), _) if is_of_head(rest) => rest.to_owned(),
            (_, Some(rest)) if is_of_encoder(rest) => format!("{}{rest}", architecture.encoder()),
            _ => {
                found.others.push(index);
                continue;
            }
        };
        if let Some(first) = found.ours.insert(ours.clone(), index) {
            return Err(format!("both {} and {given} would be {ours}", names[first]));
        }
    }
    Ok(found)
}

fn is_of_encoder(name: &str) -> bool {
    ["embeddings.", "encoder.", "pooler."].iter().any(|part| name.starts_with(part))
}

/// The names `wanted` of the encoder, without what they begin with.
fn encoder<'a>(wanted: &BTreeSet<&'a str>, architecture: Architecture) -> BTreeSet<&'a str> {
    wanted.iter().filter_map(|name| name.strip_prefix(architecture.encoder())).collect()
}

/// How many of the parameters `wanted` a dictionary with these names has, whatever stands before them.
pub(super) fn matches(names: &[&str], wanted: &BTreeSet<&str>, architecture: Architecture) -> usize {
    let encoder = encoder(wanted, architecture);
    let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
    votes(&plain, &encoder).into_values().max().unwrap_or(0)
}

/// What stands before most of `wanted` in `names`; none where nothing does.
fn prefix(names: &[String], wanted: &BTreeSet<&str>) -> Result<Option<String>, String> {
    let mut votes: Vec<(&str, usize)> = votes(names, wanted).into_iter().collect();
    votes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    match votes[..] {
        [] => Ok(None),
        // A copy that lacks more than half is a part of something else.
        [(first, most), (second, count), ..] if 2 * count > most => {
            Err(format!("it holds two models, as `{first}…` and as `{second}…`: keep one of them"))
        }
        [(first, _), ..] => Ok(Some(first.to_owned())),
    }
}

fn votes<'a>(names: &'a [String], wanted: &BTreeSet<&str>) -> BTreeMap<&'a str, usize> {
    let mut votes = BTreeMap::new();
    for name in names {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(at, _)| at + 1));
        let splits = starts.filter_map(|at| name.split_at_checked(at));
        if let Some((before, _)) = splits.into_iter().find(|(_, rest)| wanted.contains(rest)) {
            *votes.entry(before).or_insert(0) += 1;
        }
    }
    votes
}

/// A name without wrappers, and with transformers' word where others have their own.
pub(super) fn plain(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    for index in 0..parts.len() {
        let after_norm = index > 0 && parts[index - 1] == "LayerNorm";
        parts[index] = match parts[index] {
            // NVIDIA's fused product and activation.
            "dense_act" => "dense",
            // Conversions of TensorFlow checkpoints, up to transformers 2, kept TensorFlow's names.
            "gamma" if after_norm => "weight",
            "beta" if after_norm => "bias",
            part => part,
        };
    }
    parts.join(".")
}

/// The program or architecture that gives tensors these names, and what to do, where it is known. `architecture` is the model's.
pub(super) fn program(names: &[&str], architecture: Architecture) -> Option<&'static str> {
    let known = [
        ("_flat_param", "these are FSDP's flat parameters: save a full state dict (FULL_STATE_DICT)"),
        (
            "language_model.encoder.layers.",
            "these are Megatron-LM's names: convert the checkpoint to Hugging Face's format",
        ),
    ];
    const OF_ALBERT: &str =
        "these are an ALBERT's names: its model's config.json says \"model_type\": \"albert\"";
    const OF_BERT: &str = "these are a BERT's names, and the model is an ALBERT by its config.json";
    let other = match architecture {
        Architecture::Bert => [
            ("albert.", OF_ALBERT),
            ("/inner_group_", OF_ALBERT),
            ("encoder.transformer.self_attn", OF_ALBERT),
        ],
        Architecture::Albert => {
            [("encoder.layer.0.", OF_BERT), ("/layer_0/", OF_BERT), ("encoder.transformer.0.", OF_BERT)]
        }
    };
    known
        .into_iter()
        .chain(other)
        .find(|(part, _)| names.iter().any(|name| name.contains(part)))
        .map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [&str; 5] = [
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.0.output.LayerNorm.weight",
        "bert.pooler.dense.weight",
        "cls.predictions.bias",
        "cls.predictions.transform.dense.weight",
    ];

    fn mapped(names: &[&str]) -> Vec<String> {
        map(names, &BTreeSet::from(WANTED), Architecture::Bert).unwrap().ours.into_keys().collect()
    }

    #[test]
    fn wrappers_are_taken_off() {
        let bare: Vec<&str> = WANTED[..3].iter().map(|name| &name["bert.".len()..]).collect();
        assert_eq!(mapped(&bare), WANTED[..3]);
        for before in
            ["module.", "_orig_mod.", "_orig_mod.module.", "model.", "module.model.", "student.net."]
        {
            let names: Vec<String> = WANTED.iter().map(|name| format!("{before}{name}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert_eq!(mapped(&names), WANTED, "{before}");
        }
        let names: Vec<String> = bare.iter().map(|name| format!("0.auto_model.{name}")).collect();
        assert_eq!(mapped(&names.iter().map(String::as_str).collect::<Vec<_>>()), WANTED[..3]);
        let fsdp = "_fsdp_wrapped_module.bert.encoder.layer.0._fsdp_wrapped_module.output.LayerNorm.gamma";
        assert_eq!(mapped(&[fsdp, "bert.pooler.dense_act.weight"]), WANTED[1..3]);
        // A bare encoder beside heads, and a classifier's own layer.
        let found = map(
            &["embeddings.word_embeddings.weight", "cls.predictions.bias", "classifier.weight"],
            &BTreeSet::from(WANTED),
            Architecture::Bert,
        );
        let found = found.unwrap();
        assert_eq!(found.ours.len(), 2);
        assert_eq!(found.others, [2]);
    }

    #[test]
    fn an_albert_is_found_behind_anything_too() {
        let wanted = [
            "albert.embeddings.word_embeddings.weight",
            "albert.pooler.weight",
            "predictions.dense.weight",
            "sop_classifier.classifier.weight",
        ];
        for before in ["", "module.", "model."] {
            let names = wanted.map(|name| format!("{before}{name}"));
            let names = names.each_ref().map(String::as_str);
            let found = map(&names, &BTreeSet::from(wanted), Architecture::Albert).unwrap();
            assert_eq!(found.ours.into_keys().collect::<Vec<_>>(), wanted, "{before}");
        }
        let bare = ["embeddings.word_embeddings.weight", "pooler.weight", "classifier.weight"];
        let found = map(&bare, &BTreeSet::from(wanted), Architecture::Albert).unwrap();
        assert_eq!(
            (found.ours.into_keys().collect::<Vec<_>>(), found.others),
            (wanted[..2].iter().map(|&name| name.to_owned()).collect(), vec![2])
        );
        assert!(
            program(&["bert/encoder/transformer/group_0/inner_group_0/LayerNorm/beta"], Architecture::Bert)
                .is_some()
        );
        assert!(program(&["bert.encoder.layer.0.output.dense.bias"], Architecture::Albert).is_some());
        assert!(program(&["bert.encoder.layer.0.output.dense.bias"], Architecture::Bert).is_none());
    }

    #[test]
    fn two_models_and_models_of_others_are_refused() {
        let message = |names: &[&str]| map(names, &BTreeSet::from(WANTED), Architecture::Bert).unwrap_err();
        assert!(
            message(&["q.embeddings.word_embeddings.weight", "k.embeddings.word_embeddings.weight"])
                .contains("two models")
        );
        assert!(
            message(&["module.bert.pooler.dense.weight", "bert.pooler.dense.weight"]).contains("would be")
        );
        assert!(message(&["roberta.embeddings.word_embeddings.weight"]).contains("RoBERTa"));
    }
}
