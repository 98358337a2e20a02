//! Whatever is wrong is said, with what to do, and the right exit code.

use std::fs;

use integration_tests::Ran;

use crate::{MODEL, Settings, place};

const PHASE: &str = "steps = 4\nglobal_batch = 8\nmicro_batch = 4\n";
const MORE: &str = "[data]\nlanes = 4\n[log]\nevery_steps = 1\ntensorboard = false\n";

/// What `check` says of the settings with something changed.
fn check(model: &str, phase: &str, more: &str, arguments: &[&str]) -> Ran {
    let place = place();
    place.write("model.json", model);
    let settings = Settings { output: "run", phase, more }.write(&place);
    let ran = place.run(&[&["check", settings.as_str()], arguments].concat());
    assert!(!place.join("run").exists(), "check writes nothing");
    ran
}

#[test]
fn sound_settings_pass() {
    check(MODEL, PHASE, MORE, &[]).exits(0);
}

#[test]
fn a_sample_is_told() {
    let pipeline = integration_tests::Place::new(env!("CARGO_BIN_EXE_quanci-under-test"));
    let corpus = format!(
        "name = \"n\"\nformat = \"paragraphs\"\npaths = [{:?}]",
        integration_tests::samples().join("public-domain/*.txt")
    );
    pipeline.settings(&corpus, "[instances]\nmax_seq_len = 64\n");
    pipeline.run(&["prepare", "run.toml", "--sample", "50%"]).exits(0);
    let place = place();
    let data = pipeline.join("out-sample");
    let text = format!(
        "seed = 7\nmodel = \"model.json\"\noutput = \"run\"\n[[phase]]\ndata = [{{ path = {data:?} }}]\n{PHASE}\n{MORE}"
    );
    place.write("sample.toml", text);
    place.run(&["check", "sample.toml"]).exits(0).says(&["warning:", "a sample with 50 % of the documents"]);
}

#[test]
fn every_problem_of_a_file_at_once() {
    let phase = "steps = 4\nglobal_batch = 10\nmicro_batch = 4\nlearning_rat = 1\n";
    let ran = check(MODEL, phase, "[optimizer]\nname = \"adam\"\n[logs]\n", &[]).exits(2);
    ran.says(&[
        "`phase[0].global_batch` = 10 is no multiple",
        "did you mean `learning_rate`",
        "adamw",
        "`logs` is unknown",
    ]);
}

#[test]
fn model_and_data_that_do_not_fit() {
    let other = MODEL
        .replace("21128", "20000")
        .replace("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 32");
    let ran = check(&other, PHASE, MORE, &[]).exits(2);
    ran.says(&["vocabulary of 21128 entries", "20000", "rows of 64 tokens", "positions for 32"]);
    check(&MODEL.replace("\"num_attention_heads\": 2", "\"num_attention_heads\": 3"), PHASE, MORE, &[])
        .exits(3)
        .says(&["`hidden_size` = 64 is no multiple of `num_attention_heads` = 3"]);
    check("{", PHASE, MORE, &[]).exits(3).says(&["not a BERT's config.json"]);
}

#[test]
fn ranks_that_do_not_divide() {
    check(MODEL, PHASE, MORE, &["--ranks", "3"]).exits(2).says(&["lanes", "3"]);
    check(MODEL, PHASE, &MORE.replace("lanes = 4", "lanes = 4000000"), &[]).exits(2).says(&["lanes"]);
}

#[test]
fn masks_that_cannot_be() {
    let more = format!("{MORE}[masking]\nunit = \"piece\"\n");
    check(MODEL, PHASE, &more, &[]).exits(2).says(&["mode = \"dynamic\""]);
}

/// A copy of the data set with one change.
fn with_data(change: impl Fn(&std::path::Path)) -> Ran {
    let place = place();
    let copied =
        std::process::Command::new("cp").arg("-r").arg(crate::data()).arg(place.join("data")).status();
    assert!(copied.unwrap().success());
    change(&place.join("data"));
    place.write(
        "run.toml",
        format!("model = \"model.json\"\noutput = \"run\"\n[[phase]]\ndata = [{{ path = \"data\" }}]\n{PHASE}\n{MORE}"),
    );
    place.run(&["pretrain", "run.toml"])
}

#[test]
fn data_sets_that_are_none() {
    with_data(|data| fs::remove_file(data.join("manifest.json")).unwrap())
        .exits(3)
        .says(&["no manifest.json"]);
    with_data(|data| {
        let path = data.join("manifest.json");
        let text =
            fs::read_to_string(&path).unwrap().replace("\"format_version\": 1", "\"format_version\": 9");
        fs::write(path, text).unwrap();
    })
    .exits(3)
    .says(&["format version 9"]);
    let entry =
        fs::read_dir(crate::data().join("copy-00")).unwrap().map(|e| e.unwrap().file_name()).min().unwrap();
    let shard = format!("copy-00/{}", entry.to_str().unwrap());
    with_data(|data| fs::remove_file(data.join(&shard)).unwrap()).exits(3).says(&["part-00000"]);
    with_data(|data| {
        let bytes = fs::read(data.join(&shard)).unwrap();
        fs::write(data.join(&shard), &bytes[..bytes.len() / 2]).unwrap();
    })
    .exits(3)
    .says(&["part-00000"]);
}

/// One bit of a shard's content flips: sizes are right, and Parquet finds nothing wrong.
#[test]
fn a_bit_that_flips_is_found() {
    let flip = |data: &std::path::Path| {
        for entry in fs::read_dir(data.join("copy-00")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            fs::write(path, bytes).unwrap();
        }
    };
    with_data(flip).exits(3).says(&["part-", "damaged: its SHA-256", "make the data set again"]);
}

#[test]
fn cuda_that_is_not_there() {
    if std::path::Path::new("/dev/nvidia0").exists() {
        return;
    }
    let place = place();
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    place.run(&["pretrain", &settings, "--device", "cuda"]).exits(2).says(&["--device cuda"]);
}

#[test]
fn a_resumed_run_with_other_settings() {
    let place = place();
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    place.run(&["pretrain", &settings]).exits(0);
    let longer =
        ["pretrain", settings.as_str(), "--set", "optimizer.weight_decay=0.1", "--set", "log.every_steps=2"];
    place.run(&longer).exits(2).says(&[
        "`optimizer.weight_decay` was 0.01",
        "is 0.1",
        "--accept-changes optimizer.weight_decay",
    ]);
    place.run(&[&longer[..], &["--accept-changes", "optimizer.weight_decay"]].concat()).exits(0);
    place
        .run(&[&longer[..], &["--accept-changes", "optimiser"]].concat())
        .exits(2)
        .says(&["--accept-changes optimiser: there is no such key"]);
    let more_steps = ["pretrain", &settings, "--set", "phase[0].steps=6"];
    let accepted = ["--accept-changes", "phases[0].steps", "--accept-changes", "optimizer.weight_decay"];
    place.run(&[&more_steps[..], &accepted].concat()).exits(0).says(&["step 6/6"]);
    place.run(&["pretrain", &settings, "--resume", "none"]).exits(3).says(&["holds a run already"]);
    place.run(&["pretrain", &settings, "--resume", "nowhere"]).exits(3).says(&["nowhere"]);
}

/// A run is never begun anew over checkpoints, not even over damaged ones.
#[test]
fn a_run_whose_checkpoints_are_all_damaged() {
    let place = place();
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    place.run(&["pretrain", &settings]).exits(0);
    let checkpoint = place.join("run/checkpoints/step-0000000004");
    fs::write(checkpoint.join("optimizer.safetensors"), "x").unwrap();
    let before = fs::read(checkpoint.join("model.safetensors")).unwrap();
    let ran = place.run(&["pretrain", &settings]).exits(3);
    ran.says(&["passed over", "none of its 1 checkpoints can be read", "begin anew"]);
    assert_eq!(fs::read(checkpoint.join("model.safetensors")).unwrap(), before);
}

#[test]
fn no_validation_rows_is_a_warning_in_training_and_an_error_in_eval() {
    let place = place();
    let data = crate::prepare(place.path(), "bare", "[instances]\nmax_seq_len = 64\ncopies = 1\n");
    place.write(
        "run.toml",
        format!("model = \"model.json\"\noutput = \"run\"\n[[phase]]\ndata = [{{ path = {data:?} }}]\n{PHASE}\n{MORE}"),
    );
    place.run(&["pretrain", "run.toml"]).exits(0).says(&["no validation rows"]);
    let data = data.to_str().unwrap();
    place.run(&["eval", "--model", "run/model", "--data", data]).exits(3).says(&["output.validation"]);
}

/// The first rank waits for a second one that never comes, and names it.
#[test]
fn a_rank_that_never_comes() {
    let place = place();
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    let mut command = place.command(&["pretrain", &settings, "--timeout", "3"]);
    command.envs([
        ("RANK", "0"),
        ("WORLD_SIZE", "2"),
        ("MASTER_ADDR", "127.0.0.1"),
        ("MASTER_PORT", "29617"),
    ]);
    let begun = std::time::Instant::now();
    Ran::from(command.output().unwrap()).exits(75).says(&["rank 1"]);
    assert!(begun.elapsed().as_secs() < 30);
}

/// Rates that no model bears: the run ends, and names rows.
#[test]
fn a_run_that_diverges_ends() {
    let place = place();
    let phase =
        "steps = 400\nglobal_batch = 8\nmicro_batch = 4\nlearning_rate = 900.0\nschedule = \"constant\"\n";
    let more = format!(
        "{MORE}[precision]\nmax_skipped_steps = 5\n[optimizer]\nclip_norm = 0.0\nweight_decay = 5.0\n"
    );
    let settings = Settings { output: "run", phase, more: &more }.write(&place);
    place.run(&["pretrain", &settings]).exits(1).says(&["no numbers", "learning_rate", "copy-00/part-"]);
}

/// A disk that is full while a checkpoint is written: the run ends, and the checkpoint before it stays.
#[test]
fn a_full_disk_keeps_the_last_good_checkpoint() {
    let place = place();
    fs::create_dir(place.join("small")).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=40m", "tmpfs"])
        .arg(place.join("small"))
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return; // only root can make a small disk
    }
    let phase = PHASE.replace("steps = 4", "steps = 8");
    let more = format!("{MORE}[checkpoint]\nevery_steps = 1\nkeep_last = 9\n");
    let settings = Settings { output: "small/run", phase: &phase, more: &more };
    fs::create_dir_all(place.join("small/run")).unwrap();
    let settings = settings.write(&place);
    let ran = place.run(&["pretrain", &settings]);
    let left = fs::read_dir(place.join("small/run/checkpoints")).unwrap().count();
    let resumable = place.run(&["export", "small/run", "-o", "model"]);
    assert!(std::process::Command::new("umount").arg(place.join("small")).status().unwrap().success());
    ran.exits(3).says(&["cannot write a checkpoint", "small/run", "MB are free", "keep_last"]);
    assert!((1..8).contains(&left), "{left}");
    resumable.exits(0);
}

/// Before, each of these was a folder of this name in the working directory.
#[test]
fn addresses_that_are_written_wrongly() {
    let place = place();
    place.write("model.json", MODEL);
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    for (address, right) in [
        ("s3:/typo/x", "write \"s3://typo/x\""),
        ("S3://bucket/x", "write \"s3://bucket/x\""),
        ("http://host/x", "of a kind that is not read or written here (http:)"),
    ] {
        for key in ["output", "model", "init_from", "cache.folder", "phase[0].data"] {
            let value = if key == "phase[0].data" {
                format!("[{{ path = {address:?} }}]")
            } else {
                format!("{address:?}")
            };
            place.run(&["check", &settings, "--set", &format!("{key}={value}")]).exits(2).says(&[right]);
        }
        for command in [
            &["init", address][..],
            &["export", address, "-o", "x"],
            &["export", "run", "-o", address],
            &["plot", address],
            &["features", "--model", address, "-o", "x", "-"],
            &["eval", "--model", "run", "--data", address],
        ] {
            place.run(command).exits(2).says(&[right]);
        }
    }
    // Objects are no place for a run.
    let set = ["check", &settings, "--set", "output=\"s3://bucket/run\""];
    place.run(&set).exits(2).says(&["`output` must be on this machine"]);
    place.run(&["export", "run", "-o", "s3://bucket/x"]).exits(2).says(&["must be on this machine"]);
}
