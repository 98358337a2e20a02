//! Every recipe of `configs/` passes `check` on the data sets that `configs/prepare-*.toml` make, and every model has its size.

use std::fs;

use integration_tests::schema::Schema;
use integration_tests::{Place, fixture, root, samples};

/// The samples as wiki2019zh lies: files without an ending, JSON lines with a field `text`.
fn write_wiki(place: &Place) {
    let mut lines = String::new();
    for name in ["classical-novels.txt", "statutes-prc.txt"] {
        let text = fs::read_to_string(samples().join("public-domain").join(name)).unwrap();
        for document in text.split("\n\n") {
            lines.push_str(&serde_json::json!({ "title": "", "text": document }).to_string());
            lines.push('\n');
        }
    }
    fs::create_dir_all(place.join("data/wiki_zh/AA")).unwrap();
    place.write("data/wiki_zh/AA/wiki_00", lines);
    fs::create_dir_all(place.join("tests/fixtures")).unwrap();
    place.write("tests/fixtures/google-zh-vocab.txt", fs::read(fixture("google-zh-vocab.txt")).unwrap());
}

/// The samples once more as Wikipedias of other languages, and vocabularies of the sizes that the recipes have. What language a
/// text is in is nothing that `check` knows.
fn write_cased(place: &Place) {
    let text = fs::read_to_string(samples().join("public-domain/classical-novels.txt")).unwrap();
    let documents: Vec<&str> = text.split("\n\n").collect();
    let languages = ["ar", "de", "en", "es", "fr", "hi", "ja", "ko", "ru", "th", "vi", "zh"];
    let write = |folder: &str, documents: &mut dyn Iterator<Item = &&str>| {
        let lines: Vec<String> =
            documents.map(|document| serde_json::json!({ "text": document }).to_string() + "\n").collect();
        fs::create_dir_all(place.join(folder)).unwrap();
        place.write(&format!("{folder}/wiki_00"), lines.concat());
    };
    write("data/wiki_en/AA", &mut documents.iter());
    for (at, language) in languages.iter().enumerate() {
        let folder = format!("data/wiki/{language}/AA");
        write(&folder, &mut documents.iter().skip(at).step_by(languages.len()));
    }
    let vocabulary = fs::read_to_string(fixture("google-zh-vocab.txt")).unwrap();
    for (name, entries) in [("en-cased", 28_996), ("multi-cased", 119_547)] {
        let more: Vec<String> =
            (vocabulary.lines().count()..entries).map(|id| format!("entry{id}\n")).collect();
        fs::create_dir_all(place.join("out").join(name)).unwrap();
        place.write(&format!("out/{name}/vocab.txt"), vocabulary.clone() + &more.concat());
    }
}

/// A recipe whose data set nobody has made: the message names the command that makes it, and that command does.
#[test]
fn every_recipe_passes_check() {
    let place = Place::new(env!("CARGO_BIN_EXE_quanci-train-under-test"));
    let copied =
        std::process::Command::new("cp").arg("-r").arg(root().join("configs")).arg(place.path()).status();
    assert!(copied.unwrap().success());
    place.run(&["check", "configs/pretrain-uer.toml"]).exits(2).says(&[
        "out/zh-128-mlm",
        "quanci prepare configs/prepare-zh-128-mlm.toml",
        "quanci prepare configs/prepare-zh-512-mlm.toml",
    ]);
    write_wiki(&place);
    write_cased(&place);
    let chinese = ["zh-128", "zh-512", "zh-128-mlm", "zh-512-mlm", "zh-512-sop"];
    for data in
        chinese.into_iter().chain(["en-cased-128", "en-cased-512", "multi-cased-128", "multi-cased-512"])
    {
        let settings = place.join(format!("configs/prepare-{data}.toml"));
        let few =
            ["--set", "instances.copies=1", "--set", "output.validation=0.05", "--set", "output.shards=2"];
        let pipeline = Place::new(env!("CARGO_BIN_EXE_quanci-under-test"));
        pipeline.run(&[&["prepare", settings.to_str().unwrap()], &few[..]].concat()).exits(0);
    }
    let mut checked = 0;
    let mut names: Vec<_> =
        fs::read_dir(place.join("configs")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    for name in names.iter().map(|name| name.to_str().unwrap()) {
        // The quickstart has a vocabulary of its own: the README's first command runs it.
        if name.starts_with("pretrain-") && name != "pretrain-quickstart.toml" {
            // Tiny and mini are meant for one GPU: their global batch is one micro-batch.
            let ranks = if matches!(name, "pretrain-tiny.toml" | "pretrain-mini.toml") { "1" } else { "8" };
            let ran = place.run(&["check", &format!("configs/{name}"), "--ranks", ranks]).exits(0);
            assert!(ran.out.contains("no problem found"), "{name}: {}", ran.out);
            checked += 1;
        }
    }
    assert!(checked >= 12, "{checked}");
}

#[test]
fn the_schema_takes_every_recipe() {
    let place = Place::new(env!("CARGO_BIN_EXE_quanci-train-under-test"));
    for run in ["pretrain", "tune"] {
        Schema::new(&place.run(&["schema", run]).exits(0).out).takes_configs(&format!("{run}-"));
        let config =
            root().join(format!("configs/{run}-{}.toml", if run == "tune" { "cmrc2018" } else { "mini" }));
        let shown = place.run(&["config", "show", config.to_str().unwrap()]).exits(0).out;
        place.write("shown.toml", &shown);
        assert_eq!(place.run(&["config", "show", "shown.toml"]).exits(0).out, shown);
    }
}

#[test]
fn every_model_has_its_size() {
    let mut read = 0;
    for entry in fs::read_dir(root().join("configs/models")).unwrap() {
        let path = entry.unwrap().path();
        let shape = quanci_trainer::model::config::ModelConfig::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if let Some((layers, hidden)) = name.strip_prefix("bert-L").and_then(|rest| rest.split_once("-H")) {
            assert_eq!(shape.num_hidden_layers.to_string(), layers, "{name}");
            assert_eq!(shape.hidden_size.to_string(), hidden, "{name}");
        }
        let millions = shape.encoder_parameters() as f64 / 1e6;
        let wanted = match name.as_str() {
            "bert-tiny" => Some(3.18),
            "bert-mini" => Some(8.77),
            "bert-small" => Some(23.95),
            "bert-medium" => Some(36.56),
            "bert-base" => Some(102.27),
            "bert-large" => Some(325.5),
            "bert-giant" => Some(476.7),
            "rbt3" => Some(38.5),
            "albert-base" => Some(10.55),
            _ => None,
        };
        assert!(wanted.is_none_or(|wanted| (millions - wanted).abs() < 0.06), "{name}: {millions}");
        read += 1;
    }
    assert!(read >= 40, "{read}");
}
