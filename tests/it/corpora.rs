//! Public corpora by name: `quanci corpora`, and `corpus` in settings.

use serde_json::Value;

use crate::place;

#[test]
fn all_are_listed_and_shown() {
    let place = place();
    let list = place.run(&["corpora", "--json"]).exits(0);
    let list: Value = serde_json::from_str(&list.out).unwrap();
    let corpora = list["corpora"].as_array().unwrap();
    assert!(corpora.len() >= 24, "{}", corpora.len());
    for corpus in corpora {
        let name = corpus["name"].as_str().unwrap();
        let shown = place.run(&["corpora", name]).exits(0).out;
        for part in ["source", "licence", "size", "shape", "read it:", "[[corpus]]"] {
            assert!(shown.contains(part), "{name}: {shown}");
        }
        assert!(shown.lines().filter(|line| !line.starts_with("  ")).all(|line| line.chars().count() <= 120));
        // What it says of reading is valid: the settings name only what is missing, the files.
        let read = shown.split("read it:").nth(1).unwrap();
        let settings = format!("vocab = \"vocab.txt\"\n{read}\n[output]\npath = \"out\"\n");
        place.write("named.toml", settings);
        let told = place.run(&["check", "named.toml"]).err;
        assert!(!told.contains("corpus\":") && !told.contains("format"), "{name}: {told}");
    }
    // A part of a descriptor leads to it too.
    assert!(place.run(&["corpora", "drcd"]).exits(0).out.starts_with("cmrc2018-drcd:"));
    place
        .run(&["corpora", "no-such"])
        .exits(2)
        .says(&["no public corpus \"no-such\"", "`quanci corpora` lists"]);
}

#[test]
fn a_name_brings_how_its_files_are_read() {
    let place = place();
    let record = r#"{"news_id": "1", "title": "河面起雾", "desc": "不要的", "content": "清晨的河面上起了一层薄雾，渔船离开了码头。"}"#;
    place.write("news.json", format!("{record}\n{}\n", record.replace("河面", "山上")));
    let id = |corpus: &str| {
        place.settings(corpus, "");
        place.run(&["prepare", "run.toml", "--force"]).exits(0);
        let manifest = std::fs::read_to_string(place.join("out/manifest.json")).unwrap();
        serde_json::from_str::<Value>(&manifest).unwrap()["data_id"].as_str().unwrap().to_owned()
    };
    let paths = "paths = [\"news.json\"]";
    let named = id(&format!("corpus = \"news2016zh\"\n{paths}"));
    let written = "format = \"jsonl\"\ntext_field = [\"title\", \"content\"]";
    assert_eq!(named, id(&format!("name = \"news2016zh\"\n{written}\n{paths}")));
    // What is written besides goes before it.
    let other = id(&format!("corpus = \"news2016zh\"\nname = \"n\"\ntext_field = \"content\"\n{paths}"));
    assert_eq!(other, id(&format!("name = \"n\"\nformat = \"jsonl\"\ntext_field = \"content\"\n{paths}")));
}

#[test]
fn unknown_names_are_errors() {
    let place = place();
    place.write("a.txt", "天气不错。");
    place.settings("corpus = \"wikipedia\"\npaths = [\"a.txt\"]", "");
    place.run(&["check", "run.toml"]).exits(2).says(&["corpus[0].corpus", "did you mean `wikipedia-zh`?"]);
    place.settings("corpus = 7\nformat = \"files\"\npaths = [\"a.txt\"]", "");
    place.run(&["check", "run.toml"]).exits(2).says(&["corpus[0].corpus", "must be"]);
}

#[test]
fn small_corpora_are_used_more_often() {
    let place = place();
    let document = |n: u32| format!("第{n}只渔船离开了码头，船夫们低声说着话，老人坐在门口修补渔网。\n\n");
    place.write("large.txt", (0..1000).map(document).collect::<String>());
    place.write("small.txt", (2000..2100).map(document).collect::<String>());
    let table =
        |name: &str| format!("name = \"{name}\"\nformat = \"paragraphs\"\npaths = [\"{name}.txt\"]\n");
    place.settings(
        &format!("{}[[corpus]]\n{}", table("large"), table("small")),
        "[instances]\nobjective = \"mlm\"\ncopies = 1\n",
    );
    // A row a document, as objective = "mlm" cuts rows from one document.
    let rows = |more: &[&str]| {
        place.run(&[&["prepare", "run.toml", "--force"], more].concat()).exits(0);
        let stats = place.run(&["stats", "out", "--json"]).exits(0).json()["stats"].clone();
        let rows = |name: &str| stats["train"]["sources"][name]["rows"].as_u64().unwrap();
        (rows("large"), rows("small"), stats["counters"]["weights"].clone())
    };
    let (large, small, weights) = rows(&[]);
    assert_eq!((large, small, weights), (1000, 100, Value::Null));
    let (large, small, weights) = rows(&["--set", "sampling_exponent=0.5"]);
    // √10, a fraction of the documents drawn.
    assert!(large == 1000 && (290..=345).contains(&small), "{small}");
    assert!((3.1..3.3).contains(&weights["small"].as_f64().unwrap()) && weights["large"] == 1.0, "{weights}");
    let (large, small, _) = rows(&["--set", "sampling_exponent=0"]);
    assert!(large == 1000 && (980..=1020).contains(&small), "{small}");
    place
        .run(&["check", "run.toml", "--set", "sampling_exponent=2"])
        .exits(2)
        .says(&["sampling_exponent", "between"]);
}
