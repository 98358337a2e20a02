//! Labels are even, and lengths do not give them away: on the whole of the larger corpora where they are, else on the samples.

use integration_tests::{Place, shared_corpora};

use crate::{novels, place};

fn medium() -> Option<String> {
    let medium = shared_corpora()?.join("medium");
    let paths =
        |names: &[&str]| format!("{:?}", names.iter().map(|name| medium.join(name)).collect::<Vec<_>>());
    let running = paths(&["classical-novels*", "gutenberg*", "prc-laws*", "song-poems*"]);
    let (sentences, lines) = (paths(&["histories*"]), paths(&["*.jsonl.zst"]));
    Some(format!(
        "format = \"paragraphs\"\npaths = {running}\n[[corpus]]\nformat = \"sentences\"\npaths = {sentences}\n\
         [[corpus]]\nformat = \"jsonl\"\ntext_field = [\"title\", \"text\"]\npaths = {lines}\n"
    ))
}

fn stats(place: &Place, corpus: &str) -> serde_json::Value {
    place.settings(corpus, "[instances]\ncopies = 2\n");
    place.run(&["prepare", "run.toml"]).exits(0);
    place.run(&["verify", "out"]).exits(0);
    place.run(&["stats", "out", "--json"]).exits(0).json()["stats"].clone()
}

#[test]
fn labels_are_even_and_lengths_do_not_tell_them() {
    let place = place();
    let stats = stats(&place, &medium().unwrap_or_else(novels));
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let share = number(&stats["counters"]["train"]["label_one"]) / number(&stats["train"]["rows"]);
    let accuracy = number(&stats["leak"]["accuracy"]);
    println!("label 1: {share:.4}; guessed from lengths: {accuracy:.4}");
    assert!((0.49..=0.51).contains(&share), "{share}");
    assert!(accuracy <= 0.53, "{accuracy}");
}
