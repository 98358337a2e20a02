//! The commit that a program is built from, for its `--version`.
//!
//! A macro, not a build script: after a commit Cargo compiles again what depends on the changed files of `.git`. Of a macro
//! that is the one target that calls it, here a `main.rs` of a few lines; of a build script it would be the whole package.

mod head;

use std::path::Path;

use proc_macro::TokenStream;

/// The commit as an `Option<&'static str>`: what the environment variable `QUANCI_COMMIT` says at build time, or the first
/// ten digits of the commit that is checked out. None if the sources lie in no repository, as those of an archive.
#[proc_macro]
pub fn commit(_input: TokenStream) -> TokenStream {
    // That of the package that calls the macro.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    // The workspace's own repository: an archive may lie within somebody else's.
    let root = Path::new(&package).ancestors().find(|folder| folder.join("Cargo.lock").exists());
    let head = root.and_then(head::head);
    expression(head.as_ref()).parse().expect("an expression of Rust")
}

/// The expression that takes the macro's place.
fn expression(head: Option<&head::Head>) -> String {
    // Included and never used, so the program does not hold them: Cargo watches what is included.
    let files = head.map(|head| head.files.as_slice()).unwrap_or_default();
    let watched: String = files
        .iter()
        .filter_map(|file| file.to_str())
        .map(|file| format!("const _: &[u8] = ::core::include_bytes!({file:?});"))
        .collect();
    let commit = head.map(|head| head.commit.as_str());
    format!(
        "{{ {watched} match ::core::option_env!(\"QUANCI_COMMIT\") {{ \
         ::core::option::Option::Some(given) if !given.is_empty() => ::core::option::Option::Some(given), \
         _ => {} }} }}",
        match commit {
            Some(commit) => format!("::core::option::Option::Some({commit:?})"),
            None => "::core::option::Option::None".to_owned(),
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_and_watched() {
        let head = head::Head { commit: "0123456789".to_owned(), files: vec!["/r/.git/HEAD".into()] };
        let text = expression(Some(&head));
        assert!(
            text.contains("include_bytes!(\"/r/.git/HEAD\")") && text.contains("Some(\"0123456789\")"),
            "{text}"
        );
        let text = expression(None);
        assert!(text.contains("option_env!(\"QUANCI_COMMIT\")") && text.contains("Option::None"), "{text}");
    }
}
