//! Public corpora, recognized by the names of their folders and files. Their descriptors (`corpora/descriptors/`) say where
//! they come from, under which licence, what goes wrong with them, and how they are read.

use std::path::Path;
use std::sync::LazyLock;

use globset::{Glob, GlobMatcher};

use super::sniff::FileKind;

/// The descriptors by their names, and the descriptors.
const DESCRIPTORS: [(&str, &str); 13] = [
    ("chinese-poetry", include_str!("../../../corpora/descriptors/chinese-poetry.toml")),
    ("chinesewebtext", include_str!("../../../corpora/descriptors/chinesewebtext.toml")),
    ("cluecorpussmall", include_str!("../../../corpora/descriptors/cluecorpussmall.toml")),
    ("cmrc2018-drcd", include_str!("../../../corpora/descriptors/cmrc2018-drcd.toml")),
    ("fudan-classification", include_str!("../../../corpora/descriptors/fudan-classification.toml")),
    ("gutenberg-novels", include_str!("../../../corpora/descriptors/gutenberg-novels.toml")),
    ("news2016zh", include_str!("../../../corpora/descriptors/news2016zh.toml")),
    ("skypile-150b", include_str!("../../../corpora/descriptors/skypile-150b.toml")),
    ("sogoucs", include_str!("../../../corpora/descriptors/sogoucs.toml")),
    ("thucnews", include_str!("../../../corpora/descriptors/thucnews.toml")),
    ("wiki2019zh", include_str!("../../../corpora/descriptors/wiki2019zh.toml")),
    ("wikipedia-zh", include_str!("../../../corpora/descriptors/wikipedia-zh.toml")),
    (
        "wikipedia-zh-wikiextractor",
        include_str!("../../../corpora/descriptors/wikipedia-zh-wikiextractor.toml"),
    ),
];

/// A public corpus.
#[derive(Debug, Clone)]
pub(super) struct KnownCorpus {
    /// Its name in settings.
    pub(super) name: String,
    /// The name of its descriptor.
    descriptor: &'static str,
    /// The first line about its licence.
    licence: &'static str,
    files: Vec<GlobMatcher>,
    format: String,
    fields: Vec<String>,
}

static KNOWN: LazyLock<Vec<KnownCorpus>> = LazyLock::new(|| {
    DESCRIPTORS.iter().flat_map(|(name, text)| read(name, text).expect("a test reads all of them")).collect()
});

/// The corpora of a descriptor; `None` if it is not one.
fn read(descriptor: &'static str, text: &'static str) -> Option<Vec<KnownCorpus>> {
    let licence = text.lines().find_map(|line| line.strip_prefix("# Licence:"))?.trim();
    let table: toml::Table = text.parse().ok()?;
    let strings = |value: &toml::Value| match value {
        toml::Value::String(one) => Some(vec![one.clone()]),
        toml::Value::Array(all) => all.iter().map(|one| Some(one.as_str()?.to_owned())).collect(),
        _ => None,
    };
    let corpus = |corpus: &toml::Value| {
        let matcher = |path: &String| {
            // Where it lies is the user's choice.
            let path = path.strip_prefix("data/")?;
            Some(Glob::new(&format!("**/{path}")).ok()?.compile_matcher())
        };
        Some(KnownCorpus {
            name: corpus.get("name")?.as_str()?.to_owned(),
            descriptor,
            licence,
            files: strings(corpus.get("paths")?)?.iter().map(matcher).collect::<Option<_>>()?,
            format: corpus.get("format")?.as_str()?.to_owned(),
            fields: corpus.get("text_field").map_or(Some(Vec::new()), strings)?,
        })
    };
    table.get("corpus")?.as_array()?.iter().map(corpus).collect()
}

/// The index of the public corpus that a file belongs to, by its absolute path.
pub(super) fn index_of(path: &Path) -> Option<usize> {
    KNOWN.iter().position(|corpus| corpus.files.iter().any(|files| files.is_match(path)))
}

/// A public corpus.
pub(super) fn corpus(index: usize) -> &'static KnownCorpus {
    &KNOWN[index]
}

impl KnownCorpus {
    /// How its files are read: as its descriptor says, if they have the format and the fields that it says.
    pub(super) fn kind(&self, found: &FileKind) -> FileKind {
        let mut kind = found.clone();
        let has_them = self.fields.iter().all(|field| found.fields.contains(field));
        if kind.format.name() == self.format && !self.fields.is_empty() && has_them {
            kind.fields.clone_from(&self.fields);
        }
        kind
    }

    /// What a user should know of it.
    pub(super) fn note(&self) -> String {
        let KnownCorpus { descriptor, licence, .. } = self;
        format!(
            "a public corpus; corpora/descriptors/{descriptor}.toml has its source and traps. Licence: {licence}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_descriptors_are_known() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/descriptors");
        let files =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = files.map(|name| name.trim_end_matches(".toml").to_owned()).collect();
        names.sort();
        assert_eq!(names, DESCRIPTORS.map(|(name, _)| name));
        assert!(KNOWN.len() > 12);
    }

    #[test]
    fn files_of_public_corpora() {
        let name = |path: &str| index_of(Path::new(path)).map(|index| corpus(index).name.as_str());
        assert_eq!(name("/mnt/big/new2016zh/news2016zh_train.json"), Some("news2016zh"));
        assert_eq!(name("/x/THUCNews/体育/1.txt"), Some("thucnews"));
        assert_eq!(name("/x/wiki_zh/AA/wiki_00"), Some("wiki2019zh"));
        assert_eq!(name("/x/全唐诗/poet.tang.0.json"), None);
        assert_eq!(name("/x/chinese-poetry/全唐诗/poet.tang.1000.json"), Some("poems-tang-song"));
        assert_eq!(name("/x/zhwiki-20260101-pages-articles-multistream.xml.bz2"), Some("wikipedia-zh"));
        assert_eq!(name("/x/news/1.txt"), None);
    }
}
