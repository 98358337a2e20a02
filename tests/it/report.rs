//! `quanci report`: a page that holds what is in the data set, is sound HTML, does nothing by itself and shows in a browser.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, ParseError, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult,
    Tokenizer, TokenizerOpts,
};
use integration_tests::{Place, hashes};

use crate::{novels, place};

/// What could do something if it were taken for markup.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>'\"&lt;\u{202e}";

const SMALL: &str = "[clean]\nmin_han_ratio = 0.3\n[instances]\ncopies = 2\n\
                     [output]\npath = \"out\"\nvalidation = 0.05\nshards = 4\nbucket_mb = 1\n";

/// A data set of the samples and of a hostile corpus.
fn prepared() -> Place {
    let place = place();
    let text =
        format!("{HOSTILE}\n\n今天天气很好，我们一起去公园散步。公园里有很多人{HOSTILE}，大家都很高兴。\n");
    place.write("hostile.txt", text);
    let corpus = format!(
        "{}\n[[corpus]]\nname = {:?}\nformat = \"paragraphs\"\npaths = [\"hostile.txt\"]",
        novels(),
        "</title><script>alert(2)</script>"
    );
    place.settings(&corpus, SMALL);
    place.run(&["prepare", "run.toml"]).exits(0);
    place
}

fn page(place: &Place, arguments: &[&str]) -> String {
    place.run(&[&["report", "out", "-o", "page.html"], arguments].concat()).exits(0);
    fs::read_to_string(place.join("page.html")).unwrap()
}

/// A page as its tokens: elements with their attributes, text, and what is wrong with it.
#[derive(Default)]
struct Parsed {
    elements: Vec<(String, BTreeMap<String, String>)>,
    open: Vec<String>,
    text: String,
    problems: Vec<String>,
}

const VOID: [&str; 4] = ["meta", "input", "img", "link"];

struct Sink(RefCell<Parsed>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut parsed = self.0.borrow_mut();
        match token {
            CharacterTokens(text) => parsed.text.push_str(&text),
            ParseError(problem) => parsed.problems.push(problem.into_owned()),
            TagToken(Tag { kind: StartTag, name, self_closing, attrs, .. }) => {
                let value = |attribute: html5ever::Attribute| {
                    (attribute.name.local.to_string(), attribute.value.to_string())
                };
                parsed.elements.push((name.to_string(), attrs.into_iter().map(value).collect()));
                if !self_closing && !VOID.contains(&&*name) {
                    parsed.open.push(name.to_string());
                }
            }
            TagToken(Tag { name, .. }) => {
                let last = parsed.open.pop();
                if last.as_deref() != Some(&*name) {
                    parsed.problems.push(format!("</{name}> closes {last:?}"));
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn parse(page: &str) -> Parsed {
    let options = TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(Sink(RefCell::default()), options);
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(page));
    drop(tokenizer.feed(&input));
    tokenizer.end();
    let mut parsed = tokenizer.sink.0.take();
    let open = std::mem::take(&mut parsed.open);
    parsed.problems.extend(open.into_iter().map(|name| format!("<{name}> is not closed")));
    parsed
}

/// The sum of the counts of a chart's series.
fn sum(page: &str, chart: &str, series: &str) -> u64 {
    let begin = page.find(&format!("id=\"chart-{chart}\"")).unwrap();
    let drawing = &page[begin..begin + page[begin..].find("</svg>").unwrap()];
    let before = format!("<rect class=\"{series}\" data-n=\"");
    let rects = drawing.split(&before).skip(1);
    rects.map(|rect| rect.split('"').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn near_duplicates_are_shown() {
    let place = place();
    let text = "清晨的河面上起了一层薄雾，渔船一只接一只地离开码头，船夫们低声说着话，老人坐在门口修补渔网。"
        .repeat(3);
    let other = text.replacen("薄雾", "<b>", 1);
    place.write("twice.txt", format!("{text}\n\n{other}\n\n{}\n", "天气不错，我们去公园。".repeat(9)));
    place.settings(
        "format = \"paragraphs\"\npaths = [\"twice.txt\"]",
        "[clean]\nnear_duplicates = true\nnear_duplicate_bands = 40\nnear_duplicate_rows = 3\n",
    );
    place.run(&["prepare", "run.toml"]).exits(0);
    let page = page(&place, &[]);
    assert!(page.contains("id=\"near-duplicates\"") && page.contains("2 documents have near-duplicates"));
    let parsed = parse(&page);
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    assert!(parsed.text.contains("<b>") && parsed.text.contains("near-duplicate"), "as text, not as markup");
    assert!(
        parsed
            .elements
            .iter()
            .any(|(_, attributes)| attributes.get("id").is_some_and(|id| id == "near-duplicates"))
    );
    place.write("out/near-duplicates.jsonl", "{");
    let wrong = place.run(&["report", "out", "-o", "page.html"]).exits(3);
    wrong.says(&["near-duplicates.jsonl", "is damaged"]);
}

#[test]
fn a_page_is_sound_and_does_nothing() {
    let place = prepared();
    let page = page(&place, &[]);
    let parsed = parse(&page);
    assert!(parsed.problems.is_empty(), "{:#?}", parsed.problems);
    let mut ids = BTreeSet::new();
    for (name, attributes) in &parsed.elements {
        assert!(
            !["script", "iframe", "object", "embed", "link", "img", "base", "form"].contains(&&**name),
            "{name}"
        );
        for (key, value) in attributes {
            assert!(!key.starts_with("on") && key != "src", "{name} {key}={value}");
            assert!(key != "href" || value.starts_with('#'), "{value}");
            assert!(key != "id" || ids.insert(value.clone()), "{value} twice");
        }
    }
    let links = parsed.elements.iter().filter_map(|(_, attributes)| attributes.get("href"));
    assert!(links.clone().count() >= 7 && links.clone().all(|link| ids.contains(&link[1..])));
    // The hostile texts are there, as text.
    assert!(parsed.text.contains("</title><script>alert(2)</script>"));
    assert!(parsed.text.contains("</script><img src=x onerror=alert(1)>'\"&lt;\\u{202e}"));
    assert!(!page.contains(&place.path().display().to_string()), "a path of this machine");
    // A planted fault is found.
    assert!(!parse(&page.replacen("</section>", "", 1)).problems.is_empty());
}

#[test]
fn a_page_shows_what_is_in_the_data_set() {
    let place = prepared();
    let page = page(&place, &[]);
    let stats = place.run(&["stats", "out", "--json"]).exits(0).json()["stats"].clone();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let (counters, text) = (&stats["counters"], &stats["text"]);
    assert_eq!(sum(&page, "rows", "s0"), number(&counters["train"]["instances"]));
    assert_eq!(sum(&page, "documents", "s0"), number(&text["documents"]["number"]));
    assert_eq!(sum(&page, "sentences", "s0"), number(&text["sentences"]["number"]));
    let words: u64 = text["word_lengths"].as_array().unwrap().iter().map(number).sum();
    assert_eq!(sum(&page, "words", "s0"), words);
    let label = |label: usize| number(&stats["train"]["labels"][label]["rows"]);
    assert_eq!([sum(&page, "labels", "s0"), sum(&page, "labels", "s1")], [label(0), label(1)]);
    // Every document of the first copy, and all of their tokens but those of random sides.
    assert_eq!(text["share"], 1.0);
    let documents = number(&text["documents"]["number"]);
    let kept = number(&counters["train"]["documents"]);
    assert!(
        documents <= kept && kept - documents <= number(&counters["train"]["documents"]) / 50,
        "{documents} of {kept}"
    );
    // The waterfall: what was found, less what was dropped, is what was kept.
    let flow = &page[page.find("id=\"waterfall\"").unwrap()..];
    let flow = &flow[..flow.find("</section>").unwrap()];
    let steps = |class: &str| -> u64 {
        let of = flow.split("class=\"step ").skip(1).filter(|step| step.starts_with(class));
        of.map(|step| {
            let n = step.split("data-n=\"").nth(1).unwrap();
            n.split('"').next().unwrap().parse::<u64>().unwrap()
        })
        .sum()
    };
    let validation = number(&counters["validation"]["documents"]);
    assert_eq!(steps("keep"), kept + validation);
    assert_eq!(steps("all"), steps("keep") + steps("drop"));
    let dropped = counters["dropped"]["counts"].as_object().unwrap();
    assert!(dropped.contains_key("not_chinese"), "{dropped:?}");
    let dropped = dropped.iter().filter(|(reason, _)| *reason != "no_instance").map(|(_, n)| number(n));
    assert_eq!(steps("drop"), dropped.sum::<u64>());
    // Both languages of everything; ten instances; the fingerprints.
    let count = |of: &str| page.matches(of).count();
    assert_eq!(count("lang=\"en\">"), count("lang=\"zh\">") + 1, "and <html>");
    assert_eq!(count("<article>"), 10);
    assert!(page.contains(stats["data_id"].as_str().unwrap()));
    assert!(page.contains("instances.copies") || page.contains("copies = 2"));
    let masked = place.run(&["inspect", "out", "--seed", "1", "--rows", "10", "--json"]).exits(0).json();
    let masks = masked["rows"].as_array().unwrap().iter().map(|row| number(&row["masked"])).sum::<u64>();
    assert!(masks > 0 && count("<span class=\"m") > 10, "{masks}");
}

#[test]
fn the_same_bytes_every_time() {
    let place = prepared();
    let first = page(&place, &["--threads", "1"]);
    assert_eq!(page(&place, &["--threads", "8"]), first);
    assert_eq!(place.run(&["report", "out", "-o", "-"]).exits(0).out, first);
    fs::rename(place.join("out"), place.join("moved")).unwrap();
    place.run(&["report", "moved"]).exits(0);
    assert_eq!(fs::read_to_string(place.join("report.html")).unwrap(), first);
    let other = place.run(&["report", "moved", "-o", "-", "--seed", "2", "--lang", "zh"]).exits(0).out;
    assert!(other != first && other.contains("<html lang=\"zh\">"));
}

#[test]
fn only_reports_are_replaced() {
    let place = prepared();
    place.write("notes.html", "<!doctype html>\nmine");
    place.run(&["report", "out", "-o", "notes.html"]).exits(3).says(&["notes.html", "no report of quanci"]);
    assert_eq!(fs::read_to_string(place.join("notes.html")).unwrap(), "<!doctype html>\nmine");
    place.run(&["report", "out", "-o", "-", "--json"]).exits(2).says(&["--json"]);
    place.run(&["report", "missing"]).exits(3);
    let told = place.run(&["report", "out", "--json"]).exits(0).json();
    assert_eq!(told["report"], "report.html");
    // In the folder of the data set it is known, as long as it is one of ours.
    place.run(&["report", "out", "-o", "out/report.html"]).exits(0);
    place.run(&["report", "out", "-o", "out/report.html"]).exits(0);
    place.run(&["verify", "out"]).exits(0);
    place.run(&["prepare", "run.toml"]).exits(0);
    assert!(place.join("out/report.html").exists());
    place.run(&["prepare", "run.toml", "--force", "--set", "seed=3"]).exits(0);
    assert!(!hashes(&place.join("out")).contains_key("report.html"), "of the data set that is gone");
    place.write("out/report.html", "mine");
    place.run(&["verify", "out"]).exits(3).says(&["report.html: not part of the data set"]);
    place.run(&["prepare", "run.toml", "--force"]).exits(3).says(&["report.html"]);
    assert_eq!(fs::read_to_string(place.join("out/report.html")).unwrap(), "mine");
}

/// The first of some names of the browser that can be run.
fn chromium() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        println!("skipped: no chromium on the PATH");
    }
    found
}

/// Shows a page and takes a picture of it; returns the messages of its console.
fn shown(browser: &str, page: &Path, picture: &Path) -> Vec<String> {
    let profile = tempfile::tempdir().unwrap();
    let shown = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--window-size=1200,3000",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(shown.status.success(), "{told}");
    told.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
}

#[test]
fn a_browser_shows_it() {
    let Some(browser) = chromium() else { return };
    let place = prepared();
    let sound = page(&place, &[]);
    let picture = place.join("page.png");
    let told = shown(browser, &place.join("page.html"), &picture);
    assert!(told.is_empty(), "{told:#?}");
    let bytes = fs::metadata(&picture).unwrap().len();
    assert!(bytes > 50_000, "a picture of {bytes} bytes");
    // A planted script is not run, and would be seen.
    let planted = place.write("planted.html", sound.replace("</body>", "<script>throw 1</script></body>"));
    assert!(!shown(browser, &planted, &picture).is_empty());
}
