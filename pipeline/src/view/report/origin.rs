//! Where the data set comes from: its settings, its files and their checksums.

use quanci_shards::{Manifest, Split};
use serde_json::Value;

use super::html::{Section, both, escape, heading, table};
use crate::view::table::{count, mean};

/// What tells this data set from others, in a line.
pub(super) fn fingerprint(manifest: &Manifest) -> String {
    let Manifest { data_id, vocabulary, format_version, .. } = manifest;
    format!(
        "<p class=\"note\">{} <code>{}</code> · {} <code>{}</code> ({}) · {} {format_version}</p>\n",
        both("data id", "数据 id"),
        escape(data_id),
        both("vocabulary", "词表"),
        escape(vocabulary.sha256.get(..16).unwrap_or(&vocabulary.sha256)),
        both(
            &format!("{} entries", count(vocabulary.size.into())),
            &format!("{} 个条目", count(vocabulary.size.into()))
        ),
        both("format version", "格式版本"),
    )
}

/// Settings, shards and other files.
pub(super) fn section(manifest: &Manifest) -> Section {
    let body = heading("Settings", "设置")
        + &settings(&manifest.settings)
        + &heading("Shards", "分片")
        + &shards(manifest)
        + &heading("Fingerprints", "指纹")
        + &fingerprints(manifest);
    Section { id: "origin", title: ("Settings and fingerprints", "设置与指纹"), body }
}

/// The settings, a table for each group of keys.
fn settings(settings: &Value) -> String {
    let mut groups: Vec<(String, Vec<(String, String)>)> = vec![(String::new(), Vec::new())];
    for (key, value) in settings.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => {
                let mut keys = Vec::new();
                flatten("", value, &mut keys);
                groups.push((format!("[{key}]"), keys));
            }
            Value::Array(tables) if tables.iter().all(Value::is_object) => {
                for table in tables {
                    let mut keys = Vec::new();
                    flatten("", table, &mut keys);
                    groups.push((format!("[[{key}]]"), keys));
                }
            }
            value => groups[0].1.push((key.clone(), value.to_string())),
        }
    }
    let line = |(key, value): &(String, String)| format!("{} = {}\n", escape(key), escape(value));
    let group = |(name, keys): &(String, Vec<(String, String)>)| {
        let name = if name.is_empty() { String::new() } else { format!("<b>{}</b>\n", escape(name)) };
        format!("<pre>{name}{}</pre>\n", keys.iter().map(line).collect::<String>())
    };
    let shown = groups.iter().filter(|(_, keys)| !keys.is_empty()).map(group).collect::<String>();
    format!("<div class=\"settings\">\n{shown}</div>\n")
}

fn flatten(before: &str, value: &Value, keys: &mut Vec<(String, String)>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let name = if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
        match value {
            Value::Object(inner) if !inner.is_empty() => flatten(&name, value, keys),
            // What is not set is left out.
            Value::Null => {}
            value => keys.push((name, value.to_string())),
        }
    }
}

fn shards(manifest: &Manifest) -> String {
    let mut rows = vec![vec![
        both("split", "部分"),
        both("files", "文件"),
        both("rows", "行"),
        both("tokens", "token"),
        "MB".to_owned(),
        both("bytes per row", "每行字节"),
    ]];
    let copies = (0..manifest.copies).map(|copy| (Split::Train, copy));
    for (split, copy) in copies.chain([(Split::Validation, 0)]) {
        let of: Vec<_> = manifest.shards_of(split, copy).collect();
        if of.is_empty() {
            continue;
        }
        let sum = |value: fn(&quanci_shards::manifest::ShardEntry) -> u64| {
            of.iter().map(|shard| value(shard)).sum::<u64>()
        };
        let (lines, tokens, bytes) =
            (sum(|shard| shard.rows), sum(|shard| shard.tokens), sum(|shard| shard.bytes));
        let name = match split {
            Split::Train => both(&format!("training, copy {copy:02}"), &format!("训练，副本 {copy:02}")),
            Split::Validation => both("validation", "验证"),
        };
        rows.push(vec![
            name,
            count(of.len() as u64),
            count(lines),
            count(tokens),
            format!("{:.2}", bytes as f64 / 1e6),
            mean(bytes, lines),
        ]);
    }
    table(&rows, 1)
}

fn fingerprints(manifest: &Manifest) -> String {
    let mut rows = vec![vec![
        both("of", "对象"),
        both("fingerprint (SHA-256, but for the data id)", "指纹（除数据 id 外为 SHA-256）"),
    ]];
    let mut add = |name: &str, value: &str| {
        rows.push(vec![format!("<bdi>{}</bdi>", escape(name)), format!("<code>{}</code>", escape(value))]);
    };
    add("data id", &manifest.data_id);
    add("manifest.json", &manifest.checksum);
    manifest.files.iter().for_each(|file| add(&file.path, &file.sha256));
    // More than a page can hold is in the manifest.
    const SHARDS: usize = 100;
    manifest.shards.iter().take(SHARDS).for_each(|shard| add(&shard.path, &shard.sha256));
    let left = manifest.shards.len().saturating_sub(SHARDS);
    let more = if left > 0 {
        both(
            &format!("and {} more in manifest.json", count(left as u64)),
            &format!("其余 {} 个见 manifest.json", count(left as u64)),
        )
    } else {
        String::new()
    };
    let summary = both("Checksums of all files", "所有文件的校验和");
    format!(
        "<details class=\"files\"><summary>{summary}</summary>\n{}<p class=\"note\">{more}</p></details>\n",
        table(&rows, 2)
    )
}
