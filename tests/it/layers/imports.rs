//! Which file of a crate uses which other one, read from the source text: `use` declarations, and paths in the code.
//!
//! An edge goes from the file that names an item to the file that defines it: a re-export is followed to its source.
//! `mod child;` is no edge, and neither is `pub use child::Item`, unless the file uses the item itself. Code for tests
//! alone does not count. Calls of methods have no path, so they are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::tokens::{Token, tokens, without_tests};

/// Files by the files they use. Paths are relative to the crate's `src`.
pub(super) type Graph = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// The module path of a file, such as `["jobs", "prepare"]`; empty for the root of the crate.
type Module = Vec<String>;

/// A name that a `use` declaration brings into a module.
struct Import {
    /// The name, or `*`.
    name: String,
    path: Vec<String>,
    is_public: bool,
}

/// A source file.
struct SourceFile {
    path: PathBuf,
    imports: Vec<Import>,
    /// Names of functions, types, constants and macros.
    items: BTreeSet<String>,
    /// Paths in the code, outside of `use`.
    paths: Vec<Vec<String>>,
    /// Words of the code, outside of `use`.
    words: BTreeSet<String>,
}

/// The source files of a crate by their modules.
struct Crate(BTreeMap<Module, SourceFile>);

/// The graph of the crate whose sources are in `src`.
pub(super) fn graph(src: &Path) -> Graph {
    let mut files = Crate(BTreeMap::new());
    add_files(src, &mut Vec::new(), &mut files);
    let edges = files.0.iter().map(|(module, file)| (file.path.clone(), files.used_by(module, file)));
    edges.collect()
}

fn add_files(folder: &Path, module: &mut Module, files: &mut Crate) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // `main.rs` is a crate of its own, and tests may use what they like.
        if stem == "main" || stem == "tests" {
            continue;
        }
        let is_own = stem == "mod" || (stem == "lib" && module.is_empty());
        module.extend((!is_own).then_some(stem));
        if path.is_dir() {
            add_files(&path, module, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = relative(&path, module, is_own);
            files.0.insert(module.clone(), SourceFile::read(&path, name));
        }
        if !is_own {
            module.pop();
        }
    }
}

fn relative(path: &Path, module: &[String], is_own: bool) -> PathBuf {
    let folders = module.len() - usize::from(!is_own);
    let name = path.file_name().unwrap();
    module[..folders].iter().collect::<PathBuf>().join(name)
}

impl SourceFile {
    fn read(path: &Path, name: PathBuf) -> SourceFile {
        let all = without_tests(tokens(&fs::read_to_string(path).unwrap()));
        let (imports, paths, items, words) = Default::default();
        let mut file = SourceFile { path: name, imports, items, paths, words };
        let mut at = 0;
        let mut is_public = false;
        while at < all.len() {
            let next = all.get(at + 1);
            match &all[at] {
                Token::Word(word) if word == "pub" => {
                    is_public = true;
                    at += 1;
                    // `pub(in crate::x)` names no item.
                    if next == Some(&Token::Mark('(')) {
                        at += all[at..].iter().position(|token| *token == Token::Mark(')')).unwrap() + 1;
                    }
                    continue;
                }
                Token::Word(word) if word == "use" && next != Some(&Token::Mark('<')) => {
                    at = import_tree(&all, at + 1, &mut Vec::new(), is_public, &mut file.imports);
                }
                // Declaring a child is no use of it.
                Token::Word(word) if word == "mod" => at += 2,
                Token::Word(word) => {
                    let defines = matches!(
                        word.as_str(),
                        "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union"
                    );
                    if let (true, Some(Token::Word(name))) = (defines, next) {
                        file.items.insert(name.clone());
                    }
                    let before = at.checked_sub(1).map(|before| &all[before]);
                    if !matches!(before, Some(Token::PathSeparator | Token::Mark('.'))) {
                        file.words.insert(word.clone());
                        file.paths.push(path_at(&all[at..]));
                    }
                    at += 1;
                }
                _ => at += 1,
            }
            is_public = false;
        }
        file.paths.retain(|path| path.len() > 1);
        file
    }
}

/// The path that begins with the first of these tokens.
fn path_at(tokens: &[Token]) -> Vec<String> {
    let mut path = Vec::new();
    for pair in tokens.chunks(2) {
        let Token::Word(word) = &pair[0] else { break };
        path.push(word.clone());
        if pair.get(1) != Some(&Token::PathSeparator) {
            break;
        }
    }
    path
}

/// Reads a tree of a `use` declaration, from `at` on, and gives the place behind it.
fn import_tree(
    all: &[Token],
    mut at: usize,
    prefix: &mut Vec<String>,
    is_public: bool,
    imports: &mut Vec<Import>,
) -> usize {
    let begun = prefix.len();
    loop {
        match &all[at] {
            Token::Word(word) if word == "as" => {
                let Token::Word(name) = &all[at + 1] else { panic!("`as` without a name") };
                imports.last_mut().expect("something is renamed").name = name.clone();
                at += 2;
            }
            Token::Word(word) => {
                prefix.push(word.clone());
                at += 1;
                if all[at] != Token::PathSeparator {
                    let is_self = word == "self" && prefix.len() > 1;
                    let path = prefix[..prefix.len() - usize::from(is_self)].to_vec();
                    let name = path.last().cloned().unwrap_or_default();
                    imports.push(Import { name, path, is_public });
                }
            }
            Token::PathSeparator => at += 1,
            Token::Mark('*') => {
                imports.push(Import { name: "*".to_owned(), path: prefix.clone(), is_public });
                at += 1;
            }
            Token::Mark('{') => {
                at += 1;
                while all[at] != Token::Mark('}') {
                    at = import_tree(all, at, prefix, is_public, imports);
                    at += usize::from(all[at] == Token::Mark(','));
                }
                at += 1;
            }
            _ => break,
        }
    }
    prefix.truncate(begun);
    at
}

impl Crate {
    /// The files that a file uses.
    fn used_by(&self, module: &Module, file: &SourceFile) -> BTreeSet<PathBuf> {
        let mut used = BTreeSet::new();
        for import in &file.imports {
            let Some((target, is_module)) = self.resolve(module, &import.path, 0) else { continue };
            let is_below = target.len() > module.len() && target.starts_with(module);
            let is_facade = import.is_public && is_below && !file.words.contains(&import.name);
            // The name of a module alone uses nothing yet: the paths that begin with it do.
            if !is_facade && (!is_module || import.name == "*") {
                used.insert(target);
            }
        }
        for path in &file.paths {
            used.extend(self.resolve(module, path, 0).map(|(target, _)| target));
        }
        used.into_iter()
            .filter(|target| target != module)
            .map(|target| self.0[&target].path.clone())
            .collect()
    }

    /// The module that defines what `path` names in `module`, and whether it names that module itself; none for
    /// another crate, or for a local name.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<(Module, bool)> {
        // Re-exports that lead in a circle are the compiler's business.
        if depth > 8 {
            return None;
        }
        let mut at: Module = module.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => (at, rest) = (Vec::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            // Any other path begins with a child, or with a name that was imported.
            first => {
                let imported = self.0[&at].imports.iter().any(|import| import.name == first);
                if !imported && !self.0.contains_key(&child(&at, first)) {
                    return None;
                }
            }
        }
        while let Some(name) = rest.first() {
            let below = child(&at, name);
            if self.0.contains_key(&below) {
                (at, rest) = (below, &rest[1..]);
                continue;
            }
            let file = &self.0[&at];
            let followed = file.imports.iter().find(|import| import.name == *name && import.path != path);
            let globs = file.imports.iter().filter(|import| import.name == "*");
            if let Some(import) = followed {
                return self.resolve(&at, &[&import.path, &rest[1..]].concat(), depth + 1);
            }
            if !file.items.contains(name) {
                let mut targets = globs.filter_map(|import| self.resolve(&at, &import.path, depth + 1));
                let defines = |(target, _): &(Module, bool)| self.0[target].items.contains(name);
                return targets.find(defines).map(|(target, _)| (target, false)).or(Some((at, false)));
            }
            return Some((at, false));
        }
        Some((at, true))
    }
}

fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}
