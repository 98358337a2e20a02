//! Every recipe of `configs/` passes `check` on data sets of the shape it asks for, and every model has its size.

use std::fs;

use integration_tests::{Place, root};

use crate::prepare;

#[test]
fn every_recipe_passes_check() {
    let place = Place::new(env!("CARGO_BIN_EXE_quanci-train-under-test"));
    fs::create_dir(place.join("out")).unwrap();
    let instances = |length: u32, objective: &str| {
        format!(
            "[instances]\nmax_seq_len = {length}\ncopies = 1\nobjective = \"{objective}\"\n[output]\nvalidation = 0.05\nshards = 2\n"
        )
    };
    for length in [128, 512] {
        prepare(&place.join("out"), &format!("zh-{length}"), &instances(length, "nsp"));
        prepare(&place.join("out"), &format!("zh-{length}-mlm"), &instances(length, "mlm"));
    }
    let copied =
        std::process::Command::new("cp").arg("-r").arg(root().join("configs")).arg(place.path()).status();
    assert!(copied.unwrap().success());
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
    assert!(checked >= 9, "{checked}");
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
            _ => None,
        };
        assert!(wanted.is_none_or(|wanted| (millions - wanted).abs() < 0.06), "{name}: {millions}");
        read += 1;
    }
    assert!(read >= 33, "{read}");
}
