//! Public corpora: where they come from, under which licence, what goes wrong with them, and how they are read. All of it is in
//! their descriptors (`corpora/descriptors/`), which are part of the program.

use std::path::Path;
use std::sync::LazyLock;

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

/// The names of the descriptors, and their texts.
const TEXTS: [(&str, &str); 24] = [
    ("baike2018qa", include_str!("../../corpora/descriptors/baike2018qa.toml")),
    ("cci3", include_str!("../../corpora/descriptors/cci3.toml")),
    ("chinese-poetry", include_str!("../../corpora/descriptors/chinese-poetry.toml")),
    ("chinesewebtext", include_str!("../../corpora/descriptors/chinesewebtext.toml")),
    ("cluecorpus2020", include_str!("../../corpora/descriptors/cluecorpus2020.toml")),
    ("cluecorpussmall", include_str!("../../corpora/descriptors/cluecorpussmall.toml")),
    ("cmrc2018-drcd", include_str!("../../corpora/descriptors/cmrc2018-drcd.toml")),
    ("fineweb-2-zh", include_str!("../../corpora/descriptors/fineweb-2-zh.toml")),
    ("fudan-classification", include_str!("../../corpora/descriptors/fudan-classification.toml")),
    ("gutenberg-novels", include_str!("../../corpora/descriptors/gutenberg-novels.toml")),
    ("hotel-reviews", include_str!("../../corpora/descriptors/hotel-reviews.toml")),
    ("lcsts", include_str!("../../corpora/descriptors/lcsts.toml")),
    ("map-cc", include_str!("../../corpora/descriptors/map-cc.toml")),
    ("news2016zh", include_str!("../../corpora/descriptors/news2016zh.toml")),
    ("peoples-daily-1998", include_str!("../../corpora/descriptors/peoples-daily-1998.toml")),
    ("skypile-150b", include_str!("../../corpora/descriptors/skypile-150b.toml")),
    ("sogoucs", include_str!("../../corpora/descriptors/sogoucs.toml")),
    ("thucnews", include_str!("../../corpora/descriptors/thucnews.toml")),
    ("webtext2019zh", include_str!("../../corpora/descriptors/webtext2019zh.toml")),
    ("weibo-senti-100k", include_str!("../../corpora/descriptors/weibo-senti-100k.toml")),
    ("wiki2019zh", include_str!("../../corpora/descriptors/wiki2019zh.toml")),
    ("wikipedia-zh", include_str!("../../corpora/descriptors/wikipedia-zh.toml")),
    ("wikipedia-zh-wikiextractor", include_str!("../../corpora/descriptors/wikipedia-zh-wikiextractor.toml")),
    ("wudao-200g", include_str!("../../corpora/descriptors/wudao-200g.toml")),
];

/// A descriptor: what is to be known of one public corpus.
#[derive(Debug, Clone, Serialize)]
pub struct Descriptor {
    /// Its name, which `quanci corpora` takes.
    pub name: &'static str,
    /// Where it comes from, and what it is like.
    #[serde(flatten)]
    pub about: About,
    /// How its files are read; more than one if it has parts of different shapes.
    pub corpus: Vec<KnownCorpus>,
}

/// `[about]` of a descriptor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What it is.
    pub title: String,
    /// A page about it, if there is a lasting one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Who made it, and where it is.
    pub source: String,
    /// What one may do with it.
    pub licence: String,
    /// How large it is.
    pub size: String,
    /// What its files are like.
    pub shape: String,
    /// `simplified`, `traditional` or `both`.
    pub characters: String,
    /// Shell commands that fetch it, where it can be had without asking.
    pub fetch: Vec<String>,
    /// What goes wrong with it, and which settings help.
    pub notes: Vec<String>,
}

/// `[[corpus]]` of a descriptor: a public corpus as settings name it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownCorpus {
    /// The value of `corpus` in settings: the name of its descriptor, or its own if the descriptor has several.
    #[serde(skip_deserializing)]
    pub key: String,
    /// Its name in the column `source`.
    pub name: String,
    /// Globs of its files, below `data/`.
    pub paths: Vec<String>,
    /// The name of its format.
    pub format: String,
    /// The fields with its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_field: Option<TextField>,
    /// The name of its encoding, if it is one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(skip)]
    files: Vec<GlobMatcher>,
}

/// One field or several.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TextField {
    /// One.
    One(String),
    /// Several, joined.
    Several(Vec<String>),
}

impl KnownCorpus {
    /// The fields with its text; none where its format has no fields.
    pub fn fields(&self) -> &[String] {
        match &self.text_field {
            None => &[],
            Some(TextField::One(field)) => std::slice::from_ref(field),
            Some(TextField::Several(fields)) => fields,
        }
    }
}

/// A descriptor as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    about: About,
    corpus: Vec<KnownCorpus>,
}

static DESCRIPTORS: LazyLock<Vec<Descriptor>> = LazyLock::new(|| {
    TEXTS.iter().map(|(name, text)| read(name, text).expect("a test reads all of them")).collect()
});

fn read(name: &'static str, text: &str) -> Result<Descriptor, String> {
    let Written { about, mut corpus } = toml::from_str(text).map_err(|error| error.to_string())?;
    let single = corpus.len() == 1;
    for known in &mut corpus {
        known.key = if single { name.to_owned() } else { known.name.clone() };
        // Where it lies is the user's choice.
        let below = |path: &String| path.strip_prefix("data/").map(|path| format!("**/{path}"));
        let globs: Option<Vec<String>> = known.paths.iter().map(below).collect();
        let globs = globs.ok_or("a path is not below data/")?;
        let matchers = globs.iter().map(|glob| Glob::new(glob).map(|glob| glob.compile_matcher()));
        known.files = matchers.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    }
    Ok(Descriptor { name, about, corpus })
}

/// All descriptors, by name.
pub fn descriptors() -> &'static [Descriptor] {
    &DESCRIPTORS
}

/// All corpora, with their descriptors.
pub fn all() -> impl Iterator<Item = (&'static Descriptor, &'static KnownCorpus)> {
    descriptors().iter().flat_map(|descriptor| descriptor.corpus.iter().map(move |known| (descriptor, known)))
}

/// The corpus that settings name so, and its descriptor.
pub fn named(key: &str) -> Option<(&'static Descriptor, &'static KnownCorpus)> {
    all().find(|(_, known)| known.key == key)
}

/// The corpus that a file belongs to, by its absolute path, and its descriptor.
pub fn of_file(path: &Path) -> Option<(&'static Descriptor, &'static KnownCorpus)> {
    all().find(|(_, known)| known.files.iter().any(|files| files.is_match(path)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_descriptors_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/descriptors");
        let files =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = files.map(|name| name.trim_end_matches(".toml").to_owned()).collect();
        names.sort();
        assert_eq!(names, TEXTS.map(|(name, _)| name));
        for (name, text) in TEXTS {
            let descriptor = read(name, text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let About { title, characters, notes, fetch, home, .. } = &descriptor.about;
            assert!(
                text.starts_with(&format!("# {title}. `quanci corpora {name}` shows this page.")),
                "{name}"
            );
            assert!(["simplified", "traditional", "both"].contains(&characters.as_str()), "{name}");
            assert!(!notes.is_empty() && !descriptor.corpus.is_empty(), "{name}");
            assert!(fetch.iter().all(|line| !line.contains('\n')), "{name}");
            assert!(home.iter().all(|home| home.starts_with("http")), "{name}");
        }
        let keys: BTreeSet<&str> = all().map(|(_, known)| known.key.as_str()).collect();
        assert_eq!(keys.len(), all().count(), "each is named differently");
    }

    #[test]
    fn files_of_public_corpora() {
        let key = |path: &str| of_file(Path::new(path)).map(|(_, known)| known.key.as_str());
        let cases = [
            ("/mnt/big/new2016zh/news2016zh_train.json", Some("news2016zh")),
            ("/x/THUCNews/体育/1.txt", Some("thucnews")),
            ("/x/wiki_zh/AA/wiki_00", Some("wiki2019zh")),
            ("/x/全唐诗/poet.tang.0.json", None),
            ("/x/chinese-poetry/全唐诗/poet.tang.1000.json", Some("chinese-poetry")),
            ("/x/zhwiki-20260101-pages-articles-multistream.xml.bz2", Some("wikipedia-zh")),
            ("/x/wiki-zh/AA/wiki_00", Some("wikipedia-zh-wikiextractor")),
            ("/x/drcd/DRCD_training.json", Some("drcd")),
            ("/x/fineweb-2/data/cmn_Hani/train/000_00000.parquet", Some("fineweb-2-zh")),
            ("/x/news/1.txt", None),
        ];
        for (path, expected) in cases {
            assert_eq!(key(path), expected, "{path}");
        }
        assert!(all().all(|(_, known)| named(&known.key).is_some()));
        assert!(named("wikipedia").is_none());
    }
}
