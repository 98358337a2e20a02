//! Other people's checkpoints: each is read as it was meant, or refused by name. `tests/fixtures/checkpoints` holds them.

mod shapes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use integration_tests::{Place, Ran, fixture};
use quanci_trainer::model::weights;
use serde_json::json;

const TRAIN: &str = env!("CARGO_BIN_EXE_quanci-train-under-test");

/// A folder with the checkpoint `name` as `model`: what differs from the reference, laid over a copy of it.
pub(crate) fn place(name: &str) -> Place {
    let place = Place::new(TRAIN);
    let (reference, own) = (fixture("checkpoints/reference"), fixture("checkpoints").join(name));
    let is_weights = |name: &str| name.contains("model");
    let mut names =
        fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let has_weights = own != reference && names.any(|name| is_weights(&name));
    fs::create_dir(place.join("model")).unwrap();
    for folder in [&reference, &own] {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if !(has_weights && folder == &reference && entry.file_name() == "model.safetensors") {
                fs::copy(entry.path(), place.join("model").join(entry.file_name())).unwrap();
            }
        }
    }
    fs::copy(fixture("checkpoints/lines.txt"), place.join("lines.txt")).unwrap();
    place
}

/// Runs `features` of the checkpoint over the two lines.
fn run_features(place: &Place, more: &[&str]) -> Ran {
    place.run(
        &[&["features", "--model", "model", "-o", "f.safetensors", "lines.txt", "--threads", "1"], more]
            .concat(),
    )
}

/// The largest difference of each kind of feature from the reference's.
fn differences(place: &Place) -> BTreeMap<&'static str, f64> {
    static REFERENCE: OnceLock<Place> = OnceLock::new();
    let reference = REFERENCE.get_or_init(|| {
        let place = self::place("reference");
        run_features(&place, &[]).exits(0);
        place
    });
    let theirs: BTreeMap<_, _> =
        weights::read(&reference.join("f.safetensors")).unwrap().into_iter().collect();
    let mut found = BTreeMap::new();
    for (name, tensor) in weights::read(&place.join("f.safetensors")).unwrap() {
        let kind = ["hidden", "pooled", "input_ids"].into_iter().find(|kind| name.starts_with(kind)).unwrap();
        assert_eq!(tensor.size(), theirs[&name].size());
        let difference = (tensor - &theirs[&name]).abs().max().double_value(&[]);
        let most = found.entry(kind).or_insert(0.0);
        *most = f64::max(*most, difference);
    }
    found
}

#[track_caller]
fn assert_reference(place: &Place, limit: f64) {
    for (kind, difference) in differences(place) {
        assert!(difference <= limit, "{kind} differs by {difference}");
    }
}

/// The data set that all these models can learn from.
fn data() -> &'static Path {
    static DATA: OnceLock<Place> = OnceLock::new();
    let place = DATA.get_or_init(|| {
        let place = Place::new(env!("CARGO_BIN_EXE_quanci-under-test"));
        let (corpus, vocab) = (fixture("checkpoints/corpus.txt"), fixture("checkpoints/reference/vocab.txt"));
        let settings = format!(
            "seed = 1\nvocab = {vocab:?}\n[[corpus]]\nname = \"c\"\npaths = [{corpus:?}]\nformat = \"sentences\"\n[instances]\n\
             max_seq_len = 32\ncopies = 1\n[output]\npath = \"out\"\nshards = 1\nvalidation = 0.05\n"
        );
        place.write("data.toml", settings);
        place.run(&["prepare", "data.toml", "--out", "data", "--threads", "1"]).exits(0);
        place
    });
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| place.join("data"))
}

/// Settings of a run of `config` that begins with the checkpoint.
pub(crate) fn settings(place: &Place, config: &str) {
    let data = data();
    let text = format!(
        "seed = 3\nmodel = {config:?}\ninit_from = \"model\"\noutput = \"run\"\n[[phase]]\ndata = [{{ path = {data:?} }}]\nsteps = 4\n\
         global_batch = 16\nmicro_batch = 8\nlearning_rate = 1e-4\n[data]\nlanes = 4\nworkers = 1\n[checkpoint]\nevery_steps = 2\n\
         [evaluation]\nevery_steps = 2\n[log]\nevery_steps = 1\ntensorboard = false\n"
    );
    place.write("run.toml", text);
    fs::copy(fixture("checkpoints/reference/config.json"), place.join("reference.json")).unwrap();
}

/// `check` and `pretrain` of a run that begins with the checkpoint: both say the same.
fn check_and_pretrain(place: &Place, more: &[&str]) -> [Ran; 2] {
    ["check", "pretrain"].map(|command| place.run(&[&[command, "run.toml", "--threads", "1"], more].concat()))
}

#[test]
fn names_of_every_kind_are_read() {
    for (name, limit) in [
        ("20-a-no-prefix", 0.0),
        ("20-b-no-prefix-bin", 0.0),
        ("20-c-gamma-beta", 0.0),
        ("20-d-orig-mod", 0.0),
        ("20-j-half", 0.005),
        ("20-k-bf16-bin", 0.052), // what transformers computes with these weights differs by 0.0514
        ("21-a-nvidia", 0.0),
        ("21-c-plain-legacy-with-optimizer", 0.0),
        ("21-d-plain-zip-with-optimizer", 0.0),
        ("21-g-other-file-name", 0.0),
        ("21-h-legacy-extra-scalars", 0.0),
        ("21-i-state-dict-with-rng", 0.0),
        ("22-a-safetensors", 0.0),
        ("27-c-only-decoder-weight", 0.0),
    ] {
        let place = place(name);
        let ran = run_features(&place, &[]);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        for (kind, difference) in differences(&place) {
            assert!(difference <= limit, "{name}: {kind} differs by {difference}");
        }
    }
}

/// Heads alone may be missing, with a word.
#[test]
fn heads_are_drawn_anew_with_a_word() {
    let place = place("20-i-no-pooler-no-nsp");
    run_features(&place, &[]).exits(0).says(&[
        "drawn anew",
        "bert.pooler.dense.weight",
        "cls.seq_relationship.bias",
    ]);
    let found = differences(&place);
    assert_eq!((found["hidden"], found["input_ids"]), (0.0, 0.0));
    assert!(found["pooled"] > 0.0);
}

#[test]
fn a_file_may_be_named_instead_of_its_folder() {
    let place = place("21-g-other-file-name");
    fs::rename(place.join("model/pytorch_model.pt"), place.join("model/ckpt_8601.pt")).unwrap();
    fs::copy(place.join("model/ckpt_8601.pt"), place.join("model/ckpt_9000.pt")).unwrap();
    run_features(&place, &[]).exits(3).says(&["several files", "ckpt_8601.pt", "ckpt_9000.pt"]);
    // One thread, as in all comparisons: with another number sums are taken in another order.
    let features =
        ["features", "--model", "model/ckpt_8601.pt", "-o", "f.safetensors", "lines.txt", "--threads", "1"];
    place.run(&features).exits(0);
    assert_reference(&place, 0.0);
    // What lies beside the weights of a training run is no second candidate.
    fs::rename(place.join("model/ckpt_9000.pt"), place.join("model/optimizer.pt")).unwrap();
    run_features(&place, &["--force"]).exits(0);
}

/// DeepSpeed keeps the weights in a folder of their own; the model's config stays where it was.
#[test]
fn weights_of_deepspeed_lie_deeper_than_their_config() {
    let place = place("20-b-no-prefix-bin");
    place.write("model/latest", "global_step7");
    let deeper = place.join("model/global_step7");
    fs::create_dir(&deeper).unwrap();
    fs::rename(place.join("model/pytorch_model.bin"), deeper.join("mp_rank_00_model_states.pt")).unwrap();
    run_features(&place, &[]).exits(0);
    let found = differences(&place);
    assert_eq!((found["hidden"], found["input_ids"]), (0.0, 0.0));
}

/// A run that begins with a bare encoder begins with its weights.
#[test]
fn a_run_begins_with_what_it_names() {
    let first_loss = |name: &str| {
        let place = place(name);
        settings(&place, "reference.json");
        for ran in check_and_pretrain(&place, &[]) {
            ran.exits(0);
        }
        crate::curve(&place.join("run"), "train/loss")[0].1
    };
    // Without the MLM head, the loss is another; with all weights it is the reference's.
    let (whole, wrapped) = (first_loss("reference"), first_loss("20-d-orig-mod"));
    assert_eq!(whole, wrapped);
    assert_eq!(whole, first_loss("21-c-plain-legacy-with-optimizer"));
    first_loss("20-a-no-prefix");
}

/// Names of another program are an error with the list, and never a random model.
#[test]
fn missing_parameters_are_an_error_unless_allowed() {
    let place = place("20-a-no-prefix");
    rename_parameters(&place.join("model/model.safetensors"));
    let missing = ["bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.output.LayerNorm.bias"];
    run_features(&place, &[]).exits(2).says(&missing).says(&["embeddings_word_embeddings_weight"]);
    assert!(!place.join("f.safetensors").exists());
    settings(&place, "reference.json");
    for ran in check_and_pretrain(&place, &[]) {
        ran.exits(2).says(&missing).says(&["allow_missing"]);
    }
    run_features(&place, &["--allow-missing", "bert."])
        .exits(0)
        .says(&["drawn anew", "bert.encoder.layer.0"]);

    // A model of more layers than the checkpoint.
    let place = self::place("reference");
    let config = fs::read_to_string(place.join("model/config.json")).unwrap();
    settings(&place, "deep.json");
    place.write("deep.json", config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"));
    for ran in check_and_pretrain(&place, &[]) {
        let ran = ran.exits(2).says(&["bert.encoder.layer.2.attention.self.query.weight"]);
        assert!(!ran.err.contains("layer.1."), "{}", ran.err);
    }
    let allowed = ["--set", "allow_missing=[\"bert.encoder.layer.2.\"]"];
    for ran in check_and_pretrain(&place, &allowed) {
        ran.exits(0).says(&["drawn anew: bert.encoder.layer.2."]);
    }
    place
        .run(&["check", "run.toml", "--set", "allow_missing=[\"bert.encoder.layers\"]"])
        .exits(2)
        .says(&["`allow_missing` names bert.encoder.layers"]);
}

/// Names that nobody knows.
fn rename_parameters(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..start].to_vec()).unwrap();
    let renamed = header.replace("embeddings.", "embeddings_").replace("encoder.", "encoder_");
    bytes.splice(8..start, renamed.into_bytes());
    fs::write(path, bytes).unwrap();
}

/// UER's names are read, its scales changed for BERT's LayerNorm.
#[test]
fn names_of_uer_are_read() {
    let place = place("23-uer");
    run_features(&place, &[]).exits(0).says(&["√(15/16)", "drawn anew: bert.pooler.dense.weight"]);
}

/// Gives every word embedding the same number.
fn fill_words(path: &Path, value: f32) {
    let mut bytes = fs::read(path).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    let place = &header["bert.embeddings.word_embeddings.weight"]["data_offsets"];
    let [from, to] = [0, 1].map(|end| start + place[end].as_u64().unwrap() as usize);
    bytes[from..to].chunks_exact_mut(4).for_each(|number| number.copy_from_slice(&value.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

/// A weight that is no number is refused by name; numbers that are too large to compute with lose nothing.
#[test]
fn no_number_is_lost() {
    let place = place("28-nan-weight");
    settings(&place, "reference.json");
    for ran in check_and_pretrain(&place, &[]) {
        ran.exits(3).says(&["bert.pooler.dense", "1 of its", "NaN"]);
    }
    let place = self::place("28-huge-embedding");
    settings(&place, "reference.json");
    for ran in check_and_pretrain(&place, &[]) {
        ran.exits(0);
    }
    let place = self::place("reference");
    settings(&place, "reference.json");
    fill_words(&place.join("model/model.safetensors"), 3e38);
    place.run(&["check", "run.toml"]).exits(0);
    let ran = place.run(&["pretrain", "run.toml", "--threads", "1", "--set", "phase[0].steps=2"]).exits(0);
    let ran = ran.says(&["all 2 steps were skipped", "1 skipped (gradients not finite)"]);
    assert!(!ran.err.contains("loss 0"), "{}", ran.err);
    let state = fs::read_to_string(place.join("run/checkpoints/step-0000000002/state.json")).unwrap();
    assert!(state.contains("\"NaN\"") || state.contains("Infinity"), "{state}");
    // It goes on, and is not begun anew; its model is exported.
    let ran = place
        .run(&["pretrain", "run.toml", "--threads", "1", "--accept-changes", "phases[0].steps"])
        .exits(0);
    ran.says(&["resumed from", "at step 2"]);
    place.run(&["export", "run", "-o", "x"]).exits(0);
    // As version 0.1.0 wrote it.
    let newest = place.join("run/checkpoints/step-0000000004/state.json");
    let state =
        fs::read_to_string(&newest).unwrap().replace("\"NaN\"", "null").replace("\"Infinity\"", "null");
    fs::write(&newest, state).unwrap();
    place.run(&["pretrain", "run.toml", "--threads", "1"]).exits(0).says(&["resumed from", "at step 4"]);
}

/// The ids that transformers 5.24 gives.
#[test]
fn tokenizers_of_checkpoints_are_obeyed() {
    let ids = |place: &Place, text: &str| -> Vec<i64> {
        place.write("t.txt", text);
        place.run(&["features", "--model", "model", "-o", "t.safetensors", "t.txt", "--force"]).exits(0);
        let read: BTreeMap<_, _> = weights::read(&place.join("t.safetensors")).unwrap().into_iter().collect();
        Vec::try_from(&read["input_ids.0"]).unwrap()
    };
    let uncased = place("reference");
    assert_eq!(ids(&uncased, "A 和 a。"), [2, 176, 1, 176, 6, 3]);
    assert_eq!(ids(&place("25-cased"), "A 和 a。"), [2, 179, 1, 176, 6, 3]);
    assert_eq!(ids(&place("25-cased"), "清晨 é 的"), [2, 108, 91, 1, 116, 3]);
    assert_eq!(ids(&place("25-specials-map"), "清晨 é 的"), [2, 1, 183, 116, 3]);
    let with = |files: &[(&str, serde_json::Value)]| {
        let place = place("reference");
        files
            .iter()
            .for_each(|(name, content)| drop(place.write(&format!("model/{name}"), content.to_string())));
        place
    };
    let config = |value: serde_json::Value| with(&[("tokenizer_config.json", value)]);
    assert_eq!(ids(&config(json!({"do_lower_case": false, "strip_accents": true})), "é e"), [2, 183, 183, 3]);
    assert_eq!(ids(&config(json!({"do_lower_case": true, "strip_accents": false})), "é e"), [2, 1, 183, 3]);
    // A token beside the vocabulary has an id of its own, for which the model may have no row.
    let added = with(&[("added_tokens.json", json!({"渔船": 186}))]);
    assert_eq!(ids(&added, "清晨"), [2, 108, 91, 3]);
    added.write("t.txt", "渔船");
    added
        .run(&["features", "--model", "model", "-o", "u.safetensors", "t.txt"])
        .exits(2)
        .says(&["has the id 186"]);
    run_features(&with(&[("added_tokens.json", json!({"渔船": 20}))]), &[])
        .exits(3)
        .says(&["渔船 was added as 20"]);
    let specials = with(&[(
        "special_tokens_map.json",
        json!({"mask_token": "<mask>", "cls_token": {"content": "<s>"}}),
    )]);
    let vocab = fs::read_to_string(specials.join("model/vocab.txt")).unwrap();
    specials.write("model/vocab.txt", vocab.replace("[MASK]", "<mask>").replace("[CLS]", "<s>"));
    assert_eq!(ids(&specials, "<mask>a zzz"), [2, 4, 176, 1, 3]);
    specials.run(&["fill-mask", "--model", "model", "a<mask>"]).exits(0);
    let other = config(json!({"tokenizer_class": "XLNetTokenizer"}));
    run_features(&other, &[]).exits(3).says(&["XLNetTokenizer"]);
}
