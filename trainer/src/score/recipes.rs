//! The recipes of `configs/`, as part of the program: a table can be made where no clone of the sources is.

/// Text of `configs/tune-NAME.toml` by name.
macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../configs/tune-", $name, ".toml")))),*]
    };
}

/// Every recipe: the name of its set, and its text.
const RECIPES: &[(&str, &str)] = recipes![
    "afqmc",
    "book-review",
    "bq",
    "c3-dialogue",
    "c3-mixed",
    "chnsenticorp",
    "cluener",
    "cmnli",
    "cmrc2018",
    "cola",
    "drcd",
    "ewect-usual",
    "iflytek",
    "lcqmc",
    "mnli",
    "mrpc",
    "msra-ner",
    "ocnli",
    "paws-x-zh",
    "peoples-daily-ner",
    "qnli",
    "qqp",
    "rte",
    "squad1",
    "squad2",
    "sst-2",
    "sts-b",
    "thucnews-titles",
    "tnews",
    "wnli",
    "xnli-zh",
];

/// The recipe of a known set.
pub(super) fn recipe(set: &str) -> Option<&'static str> {
    RECIPES.iter().find(|(name, _)| *name == set).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::known_sets;

    #[test]
    fn every_known_set_has_a_recipe_and_no_other() {
        let known: Vec<&str> = known_sets().iter().map(|set| set.name.as_str()).collect();
        assert!(known.iter().all(|name| recipe(name).is_some()));
        assert!(RECIPES.iter().all(|(name, _)| known.contains(name)));
        assert_eq!(known.len(), RECIPES.len());
        for (name, text) in RECIPES {
            assert!(text.contains(&format!("task = \"{name}\"")), "{name}");
        }
    }
}
