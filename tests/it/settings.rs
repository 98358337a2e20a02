//! `check`, and every message about settings.

use std::fs;

use integration_tests::schema::Schema;
use integration_tests::{root, samples};

use crate::{novels, place, vocab_settings};

#[test]
fn all_problems_at_once_with_the_nearest_key() {
    let place = place();
    let corpus = "format = \"sentense\"\npaths = [\"x.txt\"]\ntext_feild = \"text\"";
    let more = "[instances]\nmax_seq_len = \"long\"\nshort_seq_prob = 1.5\n[maskin]\nprob = 0.15\n[masking]\nunit = \"words\"\nreplace = { mask = 0.5 }\n";
    place.settings(corpus, more);
    let ran = place.run(&["check", "run.toml"]).exits(2).says(&[
        "`corpus[0].format` is \"sentense\"",
        "did you mean `sentences`",
        "`corpus[0].text_feild` is unknown; did you mean `text_field`?",
        "`instances.max_seq_len` must be an integer, not a string",
        "`instances.short_seq_prob` is 1.5; it must lie between 0 and 1",
        "`maskin` is unknown; did you mean `masking`?",
        "`masking.unit` is \"words\"",
        "did you mean `word`",
        "run.toml:3:",
    ]);
    assert!(ran.err.contains("problems:"), "{}", ran.err);
}

#[test]
fn overrides_are_settings_too() {
    let place = place();
    place.settings(&novels(), "");
    let run = |set: &str| place.run(&["check", "run.toml", "--set", set]);
    run("masking.unit=piece").exits(0);
    run("masking.prob=0.3").exits(0);
    run("masking.prob=abc").exits(2).says(&["--set: `masking.prob` must be a number"]);
    run("maskng.prob=0.1").exits(2).says(&["`maskng` is unknown; did you mean `masking`?"]);
    run("nonsense").exits(2).says(&["--set nonsense: write it as key=value"]);
    run("masking.max_predictions=3").exits(0).says(&["warning: `masking.max_predictions` = 3"]);
}

#[test]
fn bad_toml_names_its_line() {
    let place = place();
    place.write("run.toml", "seed = 1\n[[corpus]\n");
    place.run(&["check", "run.toml"]).exits(2).says(&["run.toml:2: not TOML"]);
    place.run(&["check", "missing.toml"]).exits(3).says(&["missing.toml", "No such file"]);
    place.run(&["prepare"]).exits(2);
}

#[test]
fn every_config_that_we_ship_passes() {
    let place = place();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("configs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // The trainer's are checked by its own tests.
        if !name.ends_with(".toml") || name.starts_with("pretrain-") || name.starts_with("tune-") {
            continue;
        }
        // Their corpora and vocabularies are not here: anything but a problem with the settings will do.
        let ran = place.run(&["check", path.to_str().unwrap()]);
        assert!(matches!(ran.code, Some(0 | 3)), "{}: {}", path.display(), ran.err);
        seen += 1;
    }
    assert!(seen >= 2, "{seen} configs");
    let quickstart = root().join("configs/vocab-quickstart.toml");
    place.run(&["check", quickstart.to_str().unwrap()]).exits(0);
}

/// What `config show` prints are the same settings, and all of them.
#[test]
fn settings_are_shown_with_their_defaults() {
    let place = place();
    place.write("novel.txt", "好。\n");
    place.settings("format = \"paragraphs\"\npaths = [\"novel.txt\"]", "[masking]\nprob = 0.2\n");
    let shown = place.run(&["config", "show", "run.toml", "--set", "instances.copies=3"]).exits(0).out;
    for line in ["prob = 0.2", "copies = 3", "max_seq_len = 128", "[[corpus]]", "encoding = \"auto\""] {
        assert!(shown.lines().any(|own| own == line), "{line}: {shown}");
    }
    place.write("shown.toml", &shown);
    assert_eq!(place.run(&["config", "show", "shown.toml"]).exits(0).out, shown);
    // Settings under which other defaults hold, or have no effect.
    place.write("tales.txt", fs::read(samples().join("public-domain/yijianzhi-tales.txt")).unwrap());
    for more in
        ["clean.preset=web-zh", "masking.mode=dynamic", "clean.near_duplicates=true", "segment.words=none"]
    {
        let own = ["--set", more, "--set", "corpus[0].paths=tales.txt"];
        let shown = place.run(&[&["config", "show", "run.toml"], &own[..]].concat()).exits(0).out;
        place.write("shown.toml", &shown);
        let data_id = |arguments: &[&str]| {
            place.run(&[&["prepare"], arguments, &["--out", "data", "--force"]].concat()).exits(0);
            let manifest: serde_json::Value =
                serde_json::from_slice(&fs::read(place.join("data/manifest.json")).unwrap()).unwrap();
            manifest["data_id"].as_str().unwrap().to_owned()
        };
        assert_eq!(data_id(&["shown.toml"]), data_id(&[&["run.toml"], &own[..]].concat()), "{more}");
    }
    let object = place.run(&["config", "show", "run.toml", "--json"]).exits(0).out;
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object["settings"]["masking"]["prob"], 0.2);
    place.run(&["config", "show", "run.toml", "--set", "masking.prob=2"]).exits(2).says(&["masking.prob"]);
}

#[test]
fn settings_from_standard_input() {
    let place = place();
    place.write("novel.txt", "好。\n");
    place.settings("format = \"paragraphs\"\npaths = [\"novel.txt\"]", "");
    let text = fs::read(place.join("run.toml")).unwrap();
    let from_file = place.run(&["config", "show", "run.toml"]).exits(0).out;
    assert_eq!(place.run_with_input(&["config", "show", "-"], &text).exits(0).out, from_file);
    let wrong = place.run_with_input(&["check", "-"], b"seed = 1\n[[corpus]\n");
    wrong.exits(2).says(&["<stdin>:2: not TOML"]);
}

#[test]
fn colors_are_as_asked_for() {
    let place = place();
    let err = |color: &[&str]| place.run(&[&["check", "missing.toml"], color].concat()).exits(3).err;
    assert!(!err(&[]).contains('\u{1b}'));
    assert!(err(&["--color", "always"]).contains('\u{1b}'));
    assert!(!err(&["--color", "never"]).contains('\u{1b}'));
}

/// What `quanci schema` prints is JSON Schema; it takes what we ship, and finds what `check` finds in single values.
#[test]
fn the_schema_says_what_check_says() {
    let place = place();
    let schema_of = |run| Schema::new(&place.run(&["schema", run]).exits(0).out);
    for run in ["prepare", "vocab"] {
        schema_of(run).takes_configs(&format!("{run}-"));
    }
    let schema = schema_of("prepare");
    let good = "vocab = \"v.txt\"\n[output]\npath = \"out\"\n[[corpus]]\nformat = \"sentences\"\npaths = [\"a.txt\"]\n";
    schema.check(good).unwrap();
    for (wrong, at) in [
        ("[masking]\nporb = 0.1\n", "/masking"),
        ("[masking]\nprob = 1.5\n", "/masking/prob"),
        ("[masking]\nprob = \"0.1\"\n", "/masking/prob"),
        ("[[corpus]]\nformat = \"novel\"\n", "/corpus/1/format"),
    ] {
        let found = schema.check(&format!("{good}{wrong}")).unwrap_err();
        assert!(found.contains(at), "{wrong}: {found}");
        place.write("run.toml", format!("{good}{wrong}"));
        place.run(&["check", "run.toml"]).exits(2);
    }
}

#[test]
fn every_problem_of_the_inputs_too() {
    let place = place();
    place.write("good.txt", "好。\n");
    let more = "[[corpus]]\nformat = \"jsonl\"\npaths = [\"gone/*.jsonl\"]\n";
    place.settings("format = \"paragraphs\"\npaths = [\"missing.txt\", \"good.txt\"]", more);
    let ran = place.run(&["check", "run.toml", "--set", "vocab=nowhere.txt"]).exits(3);
    ran.says(&["nowhere.txt", "missing.txt", "gone/*.jsonl"]);
}

/// `-V` is the version alone; `--version` also says what the program was built from.
#[test]
fn versions() {
    let place = place();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(place.run(&["-V"]).exits(0).out, format!("quanci {version}\n"));
    let long = place.run(&["--version"]).exits(0).out;
    let lines: Vec<&str> = long.lines().collect();
    let [first, commit, features] = lines[..] else { panic!("{long}") };
    assert_eq!((first, features), (format!("quanci {version}").as_str(), "features s3, gcs, azure"));
    assert_eq!(commit, format!("commit {}", quanci_commit::commit!().unwrap_or("unknown")));
    // As git says, where it is there and the sources are a repository.
    let git = std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root()).output();
    if let Some(git) = git.ok().filter(|git| git.status.success() && root().join(".git").exists()) {
        let hash = String::from_utf8(git.stdout).unwrap();
        let told = commit.trim_start_matches("commit ");
        assert!(hash.starts_with(told) || option_env!("QUANCI_COMMIT").is_some(), "{commit}, {hash}");
    }
}

/// A page for each command, which groff takes without a word where it is there; files of others stay.
#[test]
fn manual_pages() {
    let place = place();
    let ran = place.run(&["man", "pages", "--json"]).exits(0);
    let files: Vec<String> = serde_json::from_value(ran.json()["files"].clone()).unwrap();
    let reference = fs::read_to_string(root().join("docs/en/reference-quanci-commands.md")).unwrap();
    for command in reference.lines().filter_map(|line| line.strip_prefix("## `quanci ")?.strip_suffix('`')) {
        assert!(files.contains(&format!("pages/quanci-{command}.1")), "{command}: {files:?}");
    }
    assert!(files.contains(&"pages/quanci-config-show.1".to_owned()));
    for file in &files {
        let text = fs::read_to_string(place.join(file)).unwrap();
        assert!(text.contains("\n.TH ") && text.contains("EXIT STATUS"), "{file}: {text}");
        let mut groff = std::process::Command::new("groff");
        let Ok(ran) = groff.args(["-man", "-Tutf8", "-Kutf8", "-ww"]).arg(place.join(file)).output() else {
            continue;
        };
        assert!(
            ran.status.success() && ran.stderr.is_empty(),
            "{file}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        assert!(!ran.stdout.is_empty(), "{file}");
    }
    place.write("pages/quanci-vocab.1", "mine");
    place.run(&["man", "pages"]).exits(3).says(&["pages/quanci-vocab.1: is there already", "--force"]);
    assert_eq!(fs::read_to_string(place.join("pages/quanci-vocab.1")).unwrap(), "mine");
    place.run(&["man", "pages", "--force"]).exits(0);
}

#[test]
fn completions_come_out() {
    let ran = place().run(&["completions", "bash"]).exits(0);
    assert!(ran.out.contains("quanci"));
}

/// Before, each of these was a folder of this name in the working directory, or a file that is not there.
#[test]
fn addresses_that_are_written_wrongly() {
    let place = place();
    place.write("a.txt", "今天天气很好。我们去公园。\n");
    let corpus = |path: &str| format!("format = \"paragraphs\"\npaths = [{path:?}]");
    let addresses = [
        ("s3:/typo/x", "write \"s3://typo/x\""),
        ("s3:typo/x", "write \"s3://typo/x\""),
        ("S3://bucket/x", "write \"s3://bucket/x\""),
        ("gs:/bucket/x", "write \"gs://bucket/x\""),
        ("az:/bucket/x", "write \"az://bucket/x\""),
        ("file://a/x", "write the path alone, \"/a/x\""),
        ("http://host/x", "of a kind that is not read or written here (http:)"),
        ("hdfs://host/x", "(hdfs:)"),
    ];
    for (address, right) in addresses {
        place.settings(&corpus("a.txt"), "");
        for command in [
            &["prepare", "run.toml", "--out", address][..],
            &["plan", "run.toml", "-o", "plan.json", "--out", address],
            &["plan", "run.toml", "-o", address],
            &["check", address],
            &["init", address],
            &["verify", address],
            &["stats", address],
            &["inspect", address],
            &["status", "--plan", address],
        ] {
            place.run(command).exits(2).says(&[right]);
        }
        for key in ["output.path", "output.work", "vocab", "segment.user_dict"] {
            let ran = place.run(&["check", "run.toml", "--set", &format!("{key}={address:?}")]);
            ran.exits(2).says(&[right, &format!("`{key}`")]);
        }
        place.settings(&corpus(address), "");
        for command in ["check", "prepare"] {
            place.run(&[command, "run.toml"]).exits(2).says(&[right, "run.toml:", "`corpus[0].paths`"]);
        }
        place.write("v.toml", vocab_settings("").replace("v/vocab.txt", address));
        place.run(&["vocab", "v.toml"]).exits(2).says(&[right, "`vocabulary.path`"]);
    }
    let mut left: Vec<String> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["a.txt", "run.toml", "v.toml"], "nothing is written");
}

/// A name with a colon is a name, and one that looks like an address is a name behind `./`.
#[test]
fn names_that_look_like_addresses() {
    let place = place();
    for name in ["s3:/a.txt", "第一章：a.txt", "x:y.txt"] {
        let text = "今天天气很好。我们去公园。\n晚上下雨了。明天再去。\n";
        place.write(name, text);
        place.settings(&format!("format = \"paragraphs\"\npaths = [{:?}]", format!("./{name}")), "");
        let out = format!("./gs:out-{}", name.len());
        place.run(&["prepare", "run.toml", "--set", "instances.objective=mlm", "--out", &out]).exits(0);
        assert!(place.join(&out).join("manifest.json").exists());
    }
    place.settings("format = \"paragraphs\"\npaths = [\"x:y.txt\"]", "[instances]\nobjective = \"mlm\"\n");
    let url = format!("file://{}", place.join("url").display());
    place.run(&["prepare", "run.toml", "--out", &url]).exits(0);
    assert!(place.join("url/manifest.json").exists());
}

#[test]
fn columns_by_number() {
    let place = place();
    place.write("a.tsv", "体育\t姚明今天退役了。球迷们很难过。\n财经\t股市今天又涨了。大家很高兴。\n");
    for number in ["2", "\"2\"", "[2]", "[1, \"2\"]"] {
        let corpus = format!("format = \"tsv\"\nheader = false\ntext_field = {number}\npaths = [\"a.tsv\"]");
        place.settings(&corpus, "[instances]\nobjective = \"mlm\"\n");
        place.run(&["check", "run.toml"]).exits(0);
        place.run(&["prepare", "run.toml", "--force"]).exits(0).says(&["documents"]);
    }
    let with =
        |number: &str| place.run(&["check", "run.toml", "--set", &format!("corpus[0].text_field={number}")]);
    with("2").exits(0);
    with("3").exits(3).says(&["a.tsv: has no column 3"]);
    with("0").exits(2).says(&["must be the number of a column, from 1"]);
    with("true").exits(2).says(&["must be a string, a number, or an array of them, not true or false"]);
}
