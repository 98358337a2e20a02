//! `configs/tune-*.toml`: each recipe on a few examples of its set.

use std::collections::BTreeSet;
use std::fs;

use integration_tests::{Place, root};
use serde_json::Value;

use super::labelled::{TRAIN, copy};

/// A few examples of a known set, in its own form.
fn write_set(place: &Place, set: &quanci_trainer::config::KnownSet) {
    use quanci_trainer::config::{SetFormat, TaskKind};
    let first = |names: &[String]| names.first().cloned().unwrap_or_default();
    let label = set.labels.first().cloned().unwrap_or_else(|| "1.5".to_owned());
    let other = set.labels.last().cloned().unwrap_or_else(|| "2.5".to_owned());
    let table = || {
        let names: Vec<String> = [&set.text, &set.text_b, &set.label]
            .into_iter()
            .map(|names| first(names))
            .filter(|name| !name.is_empty())
            .collect();
        let width = if set.header == Some(false) {
            names.iter().map(|name| name.parse::<usize>().unwrap()).max().unwrap() + 1
        } else {
            names.len()
        };
        let place_of = |name: &String| {
            if set.header == Some(false) {
                name.parse().unwrap()
            } else {
                names.iter().position(|own| own == name).unwrap()
            }
        };
        let row = |value: &str| {
            let mut row = vec!["山水".to_owned(); width];
            row[place_of(&first(&set.label))] =
                if set.kind == Some(TaskKind::Tokens) { "O B-LOC".to_owned() } else { value.to_owned() };
            if set.kind == Some(TaskKind::Tokens) {
                row[place_of(&first(&set.text))] = "山 水".to_owned();
            }
            row.join("\t") + "\n"
        };
        let header = if set.header == Some(false) { String::new() } else { names.join("\t") + "\n" };
        header + &row(&label) + &row(&other)
    };
    let text = match set.format.unwrap() {
        SetFormat::Tsv | SetFormat::Csv => table(),
        SetFormat::Jsonl => {
            let line = |value: &str| {
                let mut line = serde_json::Map::new();
                for names in [&set.text, &set.text_b] {
                    if !names.is_empty() {
                        line.insert(first(names), "山水".into());
                    }
                }
                line.insert(first(&set.label), value.into());
                Value::Object(line).to_string() + "\n"
            };
            line(&label) + &line(&other)
        }
        SetFormat::Conll => "山 O\n水 B-LOC\n".to_owned(),
        SetFormat::Cluener => "{\"text\": \"山水\", \"label\": {\"scene\": {\"水\": [[1, 1]]}}}\n".to_owned(),
        SetFormat::Squad => r#"{"data": [{"paragraphs": [{"context": "山水", "qas": [{"id": "1", "question": "人", "answers": [{"text": "水", "answer_start": 1}]}]}]}]}"#.to_owned(),
        SetFormat::C3 => r#"[[["山"], [{"question": "人", "choice": ["水", "山"], "answer": "水"}], "1"]]"#.to_owned(),
    };
    for file in [&set.train, &set.dev].into_iter().flatten() {
        place.write(&format!("data/{}/{file}", set.name), &text);
    }
}

/// Every recipe passes `--check` on a set of its form, and every known set has a recipe.
#[test]
fn every_recipe_passes_check() {
    let place = Place::new(TRAIN);
    copy(&root().join("configs"), &place.join("configs"));
    place.write("vocab/vocab.txt", fs::read(integration_tests::fixture("google-zh-vocab.txt")).unwrap());
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(root().join("configs")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if !file.starts_with("tune-") {
            continue;
        }
        let config = format!("configs/{file}");
        let settings: toml::Table = fs::read_to_string(place.join(&config))
            .unwrap()
            .parse()
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let task = settings["task"].as_str().unwrap();
        let set = quanci_trainer::config::known_sets().iter().find(|set| set.name == task).unwrap();
        write_set(&place, set);
        seen.insert(task.to_owned());
        let weights = [
            "--set",
            "init_from=random",
            "--set",
            "model=models/bert-tiny.json",
            "--set",
            "tokenizer=../vocab",
        ];
        let ran = place.run(&[&["tune", &config, "--check"], &weights[..]].concat()).exits(0);
        assert!(ran.out.contains("no problem found"), "{config}: {}", ran.out);
    }
    assert_eq!(seen.len(), quanci_trainer::config::known_sets().len());
}
