//! `corpora`: public corpora, and how they are read.

use quanci_cli::Output;
use serde_json::json;

use crate::corpora::{self, Descriptor};
use crate::error::Error;

/// Characters in a line of prose.
const WIDTH: usize = 100;

/// `quanci corpora`: all of them, or one with all that is known of it.
pub(super) fn corpora(name: Option<&str>, output: &Output) -> Result<(), Error> {
    let descriptors = corpora::descriptors();
    let Some(name) = name else {
        let width = descriptors.iter().map(|descriptor| descriptor.name.len()).max().unwrap_or(0);
        for Descriptor { name, about, .. } in descriptors {
            output.result(format_args!("{name:width$}  {}", about.title));
        }
        output.json(&json!({ "ok": true, "corpora": descriptors }));
        return Ok(());
    };
    // The parts of a descriptor have names of their own in settings.
    let is_named = |descriptor: &&Descriptor| {
        descriptor.name == name || descriptor.corpus.iter().any(|known| known.key == name)
    };
    let Some(descriptor) = descriptors.iter().find(is_named) else {
        return Err(Error::settings(format!(
            "no public corpus {name:?} is known; `quanci corpora` lists those that are"
        )));
    };
    output.result(shown(descriptor).trim_end());
    output.json(&json!({ "ok": true, "corpora": [descriptor] }));
    Ok(())
}

/// All that is known of a corpus.
fn shown(descriptor: &Descriptor) -> String {
    let about = &descriptor.about;
    let mut page = format!("{}: {}\n\n", descriptor.name, about.title);
    let home = about.home.iter().map(|home| ("home", home));
    let facts = [
        ("source", &about.source),
        ("licence", &about.licence),
        ("size", &about.size),
        ("shape", &about.shape),
        ("script", &about.characters),
    ];
    for (label, text) in home.chain(facts) {
        paragraph(&mut page, &format!("{label:<9}"), text);
    }
    page.push('\n');
    about.notes.iter().for_each(|note| paragraph(&mut page, "- ", note));
    if !about.fetch.is_empty() {
        page.push_str("\nfetch it:\n");
        // As they are: they are pasted into a shell.
        about.fetch.iter().for_each(|line| page.push_str(&format!("  {line}\n")));
    }
    page.push_str("\nread it:\n");
    for known in &descriptor.corpus {
        let paths: Vec<String> = known.paths.iter().map(|path| format!("{path:?}")).collect();
        page.push_str(&format!(
            "  [[corpus]]\n  corpus = {:?}\n  paths = [{}]\n",
            known.key,
            paths.join(", ")
        ));
        let mut brought = vec![format!("format = {:?}", known.format)];
        match known.fields() {
            [] => {}
            [field] => brought.push(format!("text_field = {field:?}")),
            fields => brought.push(format!("text_field = {fields:?}")),
        }
        brought.extend(known.encoding.iter().map(|encoding| format!("encoding = {encoding:?}")));
        page.push_str(&format!("  # {}\n", brought.join(", ")));
    }
    page
}

/// Appends a text in lines of [`WIDTH`] characters, indented by the length of `label`, which stands before the first.
fn paragraph(page: &mut String, label: &str, text: &str) {
    let indent = label.chars().count();
    let mut width = indent;
    page.push_str(label);
    for (at, word) in text.split_whitespace().enumerate() {
        let chars = word.chars().count();
        if at > 0 && width + 1 + chars > WIDTH {
            page.push('\n');
            page.push_str(&" ".repeat(indent));
            width = indent;
        } else if at > 0 {
            page.push(' ');
            width += 1;
        }
        page.push_str(word);
        width += chars;
    }
    page.push('\n');
}
