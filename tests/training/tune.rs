//! `tune`: each kind of task beside transformers, kills, exports, bad input.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::{Place, Ran, root, shared_corpora};
use serde_json::Value;

use super::curve;
use super::labelled::{SETS, TRAIN, copy, json, place, tune};

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[track_caller]
fn assert_close(own: &[f64], wanted: &[f64], limit: f64) {
    assert_eq!(own.len(), wanted.len());
    for (own, wanted) in own.iter().zip(wanted) {
        assert!((own - wanted).abs() < limit, "{own}, not {wanted}");
    }
}

/// The losses of all ten steps, and dev's logits of the best epoch, are those of transformers and of sentence-transformers.
#[test]
fn ten_steps_are_those_of_transformers() {
    for (name, _) in SETS {
        let place = place(name);
        let ran = tune(&place, &[]).exits(0);
        let expected = json(&place.join("set/expected.json"));
        let losses: Vec<f64> =
            curve(&place.join("run"), "train/loss").into_iter().map(|(_, loss)| loss).collect();
        assert_close(&losses, &numbers(&expected["losses"]), 1e-5);
        let scores = json(&place.join("run/scores.json"));
        let epoch = scores["seeds"][0]["best_epoch"].as_u64().unwrap() as usize;
        let wanted = &expected["dev_logits"][epoch - 1];
        let predictions = place.join("run/seeds/5/predictions");
        match name {
            "tokens" => check_labels(&predictions.join("dev.conll"), wanted),
            "spans" => check_spans(&predictions.join("dev_nbest.json"), wanted),
            _ => {
                for (line, wanted) in
                    lines(&predictions.join("dev.jsonl")).iter().zip(wanted.as_array().unwrap())
                {
                    // What is the same for every choice has no gradient, and its steps are noise.
                    let of = |value: &Value| {
                        let all = numbers(value);
                        let mean = all.iter().sum::<f64>() / all.len() as f64;
                        let shift = if name == "choice" { mean } else { 0.0 };
                        all.iter().map(|number| number - shift).collect::<Vec<_>>()
                    };
                    assert_close(&of(&line["logits"]), &of(wanted), 1e-5);
                }
            }
        }
        assert!(ran.out.contains("a guess") && ran.out.contains("scores    "), "{}", ran.out);
    }
}

/// The labels are those of the largest logits.
fn check_labels(path: &Path, wanted: &Value) {
    let labels = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"];
    let text = fs::read_to_string(path).unwrap();
    let own: Vec<&str> =
        text.lines().filter(|line| !line.is_empty()).map(|line| line.rsplit(' ').next().unwrap()).collect();
    let rows = wanted.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    let wanted: Vec<&str> = rows
        .map(|logits| {
            let logits = numbers(logits);
            labels[(0..5).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap()]
        })
        .collect();
    assert_eq!(own, wanted);
}

/// Each answer's logits are among those of the windows, but for what is the same for all: that has no gradient, and its steps are
/// noise.
fn check_spans(path: &Path, wanted: &Value) {
    let windows = wanted.as_array().unwrap().iter();
    let all: Vec<Vec<f64>> = windows
        .flat_map(|window| window.as_array().unwrap().iter().map(numbers).collect::<Vec<_>>())
        .collect();
    for (side, key) in [(0, "start_logit"), (1, "end_logit")] {
        let candidates = json(path);
        let candidates = candidates.as_object().unwrap().values().flat_map(|list| list.as_array().unwrap());
        let own: Vec<f64> = candidates.map(|candidate| candidate[key].as_f64().unwrap()).collect();
        let apart = |own: f64| {
            let differences = all.iter().map(|logits| own - logits[side]);
            differences.min_by(|one, other| one.abs().total_cmp(&other.abs())).unwrap()
        };
        let shift = apart(own[0]);
        assert!(own.len() > 20 && shift.abs() < 1e-3, "{shift}");
        own.iter().for_each(|own| assert!(apart(own - shift).abs() < 1e-5, "{own}, {shift}"));
    }
}

/// What is left behind: a folder that says what it is, scores beside a guess, predictions.
#[test]
fn a_run_leaves_model_scores_and_predictions() {
    let place = place("classification");
    tune(&place, &["--set", "seeds=[1, 2]", "--set", "shuffle=true"]).exits(0);
    let config = json(&place.join("run/model/config.json"));
    assert_eq!(config["architectures"][0], "BertForSequenceClassification");
    assert_eq!(config["id2label"], serde_json::json!({"0": "bad", "1": "good", "2": "neither"}));
    assert_eq!(config["problem_type"], "single_label_classification");
    assert!(place.join("run/model/vocab.txt").exists() && place.join("run/model/model.safetensors").exists());
    let card = fs::read_to_string(place.join("run/model/README.md")).unwrap();
    for part in [
        "pipeline_tag: text-classification",
        "| dev | accuracy |",
        "train.tsv (SHA-256",
        "corpora of pretraining",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    assert!(!card.contains(place.path().to_str().unwrap()), "{card}");
    let scores = json(&place.join("run/scores.json"));
    let each: Vec<f64> = (0..2).map(|at| scores["seeds"][at]["dev"]["accuracy"].as_f64().unwrap()).collect();
    assert!((scores["dev"]["accuracy"]["mean"].as_f64().unwrap() - (each[0] + each[1]) / 2.0).abs() < 1e-12);
    assert_eq!(scores["dev"]["accuracy"]["best"].as_f64().unwrap(), each[0].max(each[1]));
    assert!(scores["dev"]["accuracy"]["deviation"].is_number());
    // The most frequent label of training, on dev.
    let labels = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(place.join("set").join(name)).unwrap();
        text.lines().skip(1).map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    let count = |labels: &[String], label: &str| labels.iter().filter(|own| *own == label).count();
    let train = labels("train.tsv");
    let most = ["neither", "good", "bad"].into_iter().max_by_key(|label| count(&train, label)).unwrap();
    let dev = labels("dev.tsv");
    let guess = count(&dev, most) as f64 / dev.len() as f64;
    assert_eq!(scores["guess"]["dev"]["accuracy"].as_f64().unwrap(), guess);
    let table = fs::read_to_string(place.join("run/seeds/2/predictions/dev.tsv")).unwrap();
    assert_eq!((table.lines().next().unwrap(), table.lines().count()), ("index\tprediction", dev.len() + 1));
    // The seeds differ in head, order and dropout.
    let model = |seed: u64| fs::read(place.join(format!("run/seeds/{seed}/best.safetensors"))).unwrap();
    assert!(model(1) != model(2));
}

/// A run that is stopped at any step ends as one that is not, bit for bit.
#[test]
fn a_stopped_run_resumes_exactly() {
    let settings = [
        "--set",
        "seeds=[1, 2]",
        "--set",
        "shuffle=true",
        "--set",
        "epochs=40",
        "--set",
        "checkpoint.every_steps=7",
    ];
    let whole = place("classification");
    fs::write(whole.join("set/model/config.json"), with_dropout(&whole)).unwrap();
    tune(&whole, &settings).exits(0);
    let stopped = place("classification");
    fs::write(stopped.join("set/model/config.json"), with_dropout(&stopped)).unwrap();
    let log = stopped.join("run/log.jsonl");
    let (mut seen, mut stops) = (0, 0);
    loop {
        let all = [&["tune", "tune.toml", "--threads", "1"], &settings[..]].concat();
        let mut child = stopped.command(&all).spawn().unwrap();
        let begun = Instant::now();
        // A while after its last line of before.
        let wanted = seen + 37;
        while child.try_wait().unwrap().is_none()
            && count_lines(&log) < wanted
            && begun.elapsed() < Duration::from_secs(60)
        {
            thread::sleep(Duration::from_millis(2));
        }
        seen = count_lines(&log);
        let signal = if stops % 2 == 0 { "-TERM" } else { "-KILL" };
        if child.try_wait().unwrap().is_none() {
            Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        }
        if child.wait().unwrap().success() {
            break;
        }
        stops += 1;
        assert!(stops < 60);
    }
    assert!(stops >= 3, "{stops}");
    for file in [
        "model/model.safetensors",
        "seeds/1/best.safetensors",
        "seeds/1/predictions/dev.jsonl",
        "seeds/2/predictions/dev.tsv",
    ] {
        let read = |place: &Place| fs::read(place.join("run").join(file)).unwrap();
        assert!(read(&whole) == read(&stopped), "{file}");
    }
    let seeds = |place: &Place| json(&place.join("run/scores.json"))["seeds"].clone();
    for (one, other) in seeds(&whole).as_array().unwrap().iter().zip(seeds(&stopped).as_array().unwrap()) {
        assert_eq!(one["best_epoch"], other["best_epoch"]);
        let of = |seed: &Value| -> Vec<f64> {
            seed["epochs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|epoch| epoch["dev"]["macro_f1"].as_f64().unwrap())
                .collect()
        };
        assert_close(&of(one), &of(other), 1e-12);
    }
    assert_eq!(curve(&whole.join("run"), "train/loss"), curve(&stopped.join("run"), "train/loss"));
}

fn count_lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn with_dropout(place: &Place) -> String {
    let mut config = json(&place.join("set/model/config.json"));
    config["hidden_dropout_prob"] = 0.1.into();
    config["attention_probs_dropout_prob"] = 0.1.into();
    config.to_string()
}

#[test]
fn a_run_may_not_change() {
    let place = place("classification");
    tune(&place, &[]).exits(0);
    tune(&place, &["--set", "learning_rate=1e-3"])
        .exits(2)
        .says(&["`learning_rate` was", "--accept-changes learning_rate"]);
    let path = place.join("set/train.tsv");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "good\t山\t水\n").unwrap();
    tune(&place, &[]).exits(2).says(&["`data"]);
    tune(&place, &["--resume", "none"]).exits(3).says(&["holds a run already"]);
}

/// A tuned model is one to begin with; labels in another order are not mixed up.
#[test]
fn a_head_is_taken_only_with_its_labels() {
    let place = place("classification");
    let ran = tune(&place, &["--check"]).exits(0);
    assert!(ran.out.contains("no problem found"), "{}", ran.out);
    ran.says(&["its head is for the same labels"]);
    assert!(!place.join("run").exists());
    let ran = tune(&place, &["--check", "--set", "set.labels=[\"good\", \"bad\", \"neither\"]"]).exits(0);
    ran.says(&["its head is for other labels, and is drawn anew"]);
    let ran = tune(
        &place,
        &[
            "--check",
            "--set",
            "init_from=random",
            "--set",
            "model=set/model/config.json",
            "--set",
            "tokenizer=set/model",
        ],
    );
    assert!(!ran.exits(0).err.contains("init_from"));
}

#[test]
fn bad_sets_are_refused_with_their_place() {
    let check = |name: &str, change: &dyn Fn(&Place), code: i32, parts: &[&str]| {
        let place = place(name);
        change(&place);
        tune(&place, &[]).exits(code).says(parts);
        assert!(!place.join("run/model").exists(), "{parts:?}");
    };
    let file = |name: &'static str, content: &'static [u8]| {
        move |place: &Place| fs::write(place.join("set").join(name), content).unwrap()
    };
    let classes = "classification";
    check(
        classes,
        &file("dev.tsv", b"label\ttext_a\ttext_b\nugly\ta\tb\n"),
        3,
        &["line 2", "\"ugly\"", "set.labels"],
    );
    check(classes, &file("dev.tsv", b"label\ttext_a\ttext_b\n"), 3, &["no examples for dev"]);
    check(classes, &file("dev.tsv", b"label\ttext_a\ttext_b\ngood\ta\n"), 3, &["line 2 has 2 columns"]);
    check(classes, &file("train.tsv", b"label\ttext\ngood\ta\n"), 3, &["no column text_a", "label, text"]);
    check(
        classes,
        &file("train.tsv", b"label\ttext_a\ttext_b\ngood\t\xd6\xd0\tb\n"),
        3,
        &["line 2 is no UTF-8"],
    );
    check(classes, &file("train.tsv", b"label\ttext_a\ttext_b\ngood\ta\tb\n"), 3, &["one label alone"]);
    check(classes, &|place| fs::remove_file(place.join("set/dev.tsv")).unwrap(), 3, &["dev.tsv"]);
    check(
        "regression",
        &file("train.jsonl", b"{\"text\": \"a\", \"score\": \"high\"}\n"),
        3,
        &["line 1", "is no number"],
    );
    check(
        "regression",
        &file("train.jsonl", b"{\"text\": \"a\", \"score\": NaN}\n"),
        3,
        &["line 1 is no object"],
    );
    check("regression", &file("train.jsonl", b"{\"score\": 1.0}\n"), 3, &["no column text"]);
    check("tokens", &file("train.conll", "山 O\n水\n".as_bytes()), 3, &["line 2 has no label"]);
    check("spans", &file("train.json", b"{}"), 3, &["not a file of SQuAD's form"]);
    let nowhere = r#"{"data": [{"paragraphs": [{"context": "山水", "qas": [{"id": "1", "question": "人", "answers": [{"text": "书", "answer_start": 0}]}]}]}]}"#;
    check("spans", &file("train.json", nowhere.as_bytes()), 3, &["none of its 1 questions has an answer"]);
    let unanswered = r#"{"data": [{"paragraphs": [{"context": "山水", "qas": [{"id": "1", "question": "人", "answers": []}]}]}]}"#;
    check(
        "spans",
        &file("dev.json", unanswered.as_bytes()),
        3,
        &["question 1 has no answer", "unanswerable"],
    );
    check(
        "choice",
        &file("dev.json", b"[[[\"a\"], [{\"question\": \"q\", \"choice\": [\"a\", \"b\"]}], \"7\"]]"),
        3,
        &["7-0 has no answer"],
    );
}

#[test]
fn what_is_cut_or_mended_is_told() {
    let classes = place("classification");
    tune(&classes, &["--check"]).exits(0).says(&["train: ", "rows are longer than 24 tokens, and cut"]);
    let spans = place("spans");
    let path = spans.join("set/dev.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("\"answer_start\": ", "\"answer_start\": 9"))
        .unwrap();
    tune(&spans, &["--check"]).exits(0).says(&["dev: 5 of 5 answers do not stand where `answer_start` says"]);
    let tokens = place("tokens");
    let long = "山 O\n".repeat(60) + "\n水 B-NEW\n";
    fs::write(tokens.join("set/dev.conll"), long).unwrap();
    tune(&tokens, &[]).exits(0).says(&["dev: 1 of 2 sentences", "1 words have the label B-NEW"]);
    let predicted = fs::read_to_string(tokens.join("run/seeds/5/predictions/dev.conll")).unwrap();
    assert_eq!(predicted.lines().filter(|line| !line.is_empty()).count(), 61);
}

#[test]
fn settings_that_do_not_go_together() {
    let place = place("classification");
    tune(&place, &["--set", "max_length=64"]).exits(2).says(&["positions for 32 tokens"]);
    tune(&place, &["--set", "task=chnsenticrop"]).exits(2).says(&["did you mean `chnsenticorp`"]);
    tune(&place, &["--set", "set.metric=correlation"]).exits(2).says(&["is no score of this kind"]);
    tune(&place, &["--set", "seeds=[1, 1]"]).exits(2).says(&["names one seed twice"]);
    tune(&place, &["--set", "init_from=random"])
        .exits(2)
        .says(&["`model` is missing", "`tokenizer` is missing"]);
    let ran: Ran = place
        .command(&["tune", "tune.toml"])
        .env("WORLD_SIZE", "2")
        .env("RANK", "0")
        .env("MASTER_ADDR", "127.0.0.1")
        .env("LOCAL_RANK", "0")
        .env("MASTER_PORT", "1")
        .output()
        .unwrap()
        .into();
    ran.exits(2).says(&["one process on one device"]);
}

/// Real sets, where they are there: what is counted in them.
#[test]
fn real_sets_are_read() {
    let Some(corpora) = shared_corpora() else { return };
    let sets = corpora.join("downstream");
    let place = Place::new(TRAIN);
    copy(&root().join("tests/golden/tuning/classification/model"), &place.join("model"));
    let mut config = json(&place.join("model/config.json"));
    config["vocab_size"] = 21128.into();
    config["max_position_embeddings"] = 512.into();
    place.write("model.json", config.to_string());
    place.write("vocab/vocab.txt", fs::read(integration_tests::fixture("google-zh-vocab.txt")).unwrap());
    let unpack = |from: &str, to: &str| {
        let bytes = zstd::decode_all(&fs::read(sets.join(from)).unwrap()[..]).unwrap();
        place.write(to, bytes);
    };
    unpack("cmrc2018/cmrc2018_dev.json.zst", "cmrc/cmrc2018_dev.json");
    unpack("drcd/DRCD_dev.json.zst", "drcd/DRCD_dev.json");
    unpack("ocnli/train.10k.json.zst", "ocnli/train.10k.json");
    unpack("cluener/train.json.zst", "cluener/train.json");
    fs::copy(sets.join("ocnli/dev.json"), place.join("ocnli/dev.json")).unwrap();
    fs::copy(sets.join("cluener/test.json"), place.join("cluener/dev.json")).unwrap();
    fs::copy(sets.join("cmrc2018/cmrc2018_trial.json"), place.join("cmrc/cmrc2018_trial.json")).unwrap();
    let checked = |task: &str, path: &Path, more: &str| {
        let top = format!(
            "task = {task:?}\npath = {path:?}\ninit_from = \"random\"\nmodel = \"model.json\"\ntokenizer = \"vocab\"\noutput = \"run\"\n{more}\n"
        );
        place.write("real.toml", top);
        let ran = place.run(&["tune", "real.toml", "--check"]).exits(0);
        (ran.out.lines().next().unwrap().to_owned(), ran.err)
    };
    let here = |name: &str| place.join(name);
    let (set, _) = checked("chnsenticorp", &sets.join("chnsenticorp/chnsenticorp.zip"), "");
    assert!(set.contains("train 9600, dev 1200, test 1200"), "{set}");
    let (set, told) = checked("ocnli", &here("ocnli"), "[set]\ntrain = \"train.10k.json\"\ntest_share = 0.1");
    assert!(set.contains("dev 2950") && told.contains("50 rows have the label -"), "{set}\n{told}");
    let (set, told) = checked("cluener", &here("cluener"), "[set]\ntest_share = 0.1");
    assert!(set.contains("dev 1343") && told.contains("entities overlap others"), "{set}\n{told}");
    let (_, told) =
        checked("cmrc2018", &here("cmrc"), "max_length = 512\n[set]\ntrain = \"cmrc2018_trial.json\"");
    assert!(
        told.contains("dev: ") && told.contains("answers do not stand where `answer_start` says"),
        "{told}"
    );
    let (set, _) = checked(
        "drcd",
        &here("drcd"),
        "max_length = 512\n[set]\ntrain = \"DRCD_dev.json\"\ndev_share = 0.2\ntest_share = 0.2",
    );
    assert!(set.contains("test"), "{set}");
    let (set, _) = checked(
        "thucnews-titles",
        &sets.join("thucnews-titles"),
        "[set]\ntrain = \"dev.txt\"\ndev_share = 0.2\ntest_share = 0.2",
    );
    assert!(set.contains("train"), "{set}");
}
