//! What a display sees of a run: the work of each stage is known in advance, and a resumed run counts what is left.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use quanci_pipeline::engine::{Context, Engine, Local, Stage};
use quanci_pipeline::error::Error;
use quanci_pipeline::jobs::prepare::PrepareJob;
use quanci_pipeline::jobs::vocab::VocabJob;
use quanci_pipeline::plan::Recipe;
use quanci_pipeline::progress::Progress;
use quanci_pipeline::stop::Stop;

/// How much of its work a stage has done, and all of it.
type Work = Option<(u64, u64)>;

/// The local engine, which notes the work of each stage when it ends.
#[derive(Default)]
struct Watched(RefCell<Vec<(String, Work)>>);

impl Engine for Watched {
    fn execute(&self, stage: &dyn Stage, context: &Context) -> Result<(), Error> {
        let result = Local.execute(stage, context);
        self.0.borrow_mut().push((stage.name().to_owned(), context.progress.work()));
        result
    }
}

impl Watched {
    fn of(&self, stage: &str) -> Work {
        self.0.borrow().iter().find(|(name, _)| name == stage).unwrap().1
    }
}

fn context() -> Context {
    Context::new(2, Stop::default(), Progress::default()).unwrap()
}

/// Two corpora, which are tasks of their own, and their sizes.
fn corpora(folder: &Path) -> [u64; 2] {
    ["一", "二"].map(|name| {
        let text: String = (0..400).map(|n| format!("{name}本书的第{n}句话。又一句话说完了。\n\n")).collect();
        let text = if name == "一" { text } else { text.repeat(2) };
        fs::write(folder.join(format!("{name}.txt")), &text).unwrap();
        text.len() as u64
    })
}

const CORPORA: &str = "[[corpus]]\nname = \"a\"\nformat = \"documents\"\npaths = \"一.txt\"\n\
                       [[corpus]]\nname = \"b\"\nformat = \"documents\"\npaths = \"二.txt\"\n";

fn recipe(folder: &Path, settings: &str) -> Recipe {
    fs::write(folder.join("run.toml"), settings).unwrap();
    Recipe::read(&folder.join("run.toml"), &[], None).unwrap()
}

fn prepare(folder: &Path) -> Watched {
    let vocab = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/google-zh-vocab.txt");
    let settings = format!("vocab = {vocab:?}\n{CORPORA}[instances]\ncopies = 3\n[output]\npath = \"out\"\n");
    let (plan, _) = PrepareJob::plan(recipe(folder, &settings)).unwrap();
    let (job, watched) = (PrepareJob::open(plan).unwrap(), Watched::default());
    job.run(&watched, &context(), &mut |_| ()).unwrap();
    watched
}

#[test]
fn a_resumed_run_counts_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = corpora(folder.path());
    let watched = prepare(folder.path());
    assert_eq!(watched.of("map"), Some((first + second, first + second)));
    assert_eq!(watched.of("layout"), None, "of unknown size");
    let (done, all) = watched.of("reduce").unwrap();
    assert!(done == all && all > 0 && all % 3 == 0, "{done} of {all}: buckets, once for each copy");
    // What is left of a run that was killed within map: one part file, of the second corpus, is missing.
    fs::remove_dir_all(folder.path().join("out")).unwrap();
    let work = folder.path().join(".work");
    for entry in fs::read_dir(&work).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("parts") {
            fs::remove_dir_all(path).unwrap();
        }
    }
    let parts = fs::read_dir(work.join("parts")).unwrap().map(|entry| entry.unwrap().path());
    let parts = parts.filter(|path| path.extension().is_some_and(|extension| extension == "part"));
    fs::remove_file(parts.max_by_key(|path| path.metadata().unwrap().len()).unwrap()).unwrap();
    assert_eq!(prepare(folder.path()).of("map"), Some((second, second)));
}

#[test]
fn a_vocabulary_counts_its_text_and_its_entries() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = corpora(folder.path());
    let settings = format!("{CORPORA}[vocabulary]\npath = \"vocab.txt\"\nsize = 300\n");
    let (job, watched) = (
        VocabJob::open(VocabJob::plan(recipe(folder.path(), &settings)).unwrap()).unwrap(),
        Watched::default(),
    );
    job.run(&watched, &context(), &mut |_| ()).unwrap();
    assert_eq!(watched.of("count"), Some((first + second, first + second)));
    let (done, all) = watched.of("train").unwrap();
    assert!(all == 300 && done > 0, "{done} of {all}");
}
