//! Near-duplicates: how many, and some clusters with what was kept and what was dropped.

use std::path::Path;

use serde::Deserialize;

use super::html::{Section, both, escape, paragraph};
use crate::counters::NearDuplicateCounts;
use crate::error::Error;
use crate::view::table::count;

/// Clusters on the page.
const CLUSTERS: usize = 12;

/// A line of `near-duplicates.jsonl`: what the page shows of it.
#[derive(Debug, Deserialize)]
struct Pair {
    kept: String,
    similarity: f64,
    kept_text: String,
    dropped_text: String,
    dropped_split: String,
}

/// The section; `folder` is that of the data set, of which `is_sample` is true if it is a sample.
///
/// # Errors
/// If the file of near-duplicates cannot be read.
pub(super) fn section(
    folder: &Path,
    counts: &NearDuplicateCounts,
    is_sample: bool,
) -> Result<Section, Error> {
    let path = folder.join("near-duplicates.jsonl");
    let bytes = quanci_store::read(&path).map_err(Error::io("read", &path))?;
    let damaged =
        |error| Error::input(&path, format!("is damaged ({error}); `quanci verify` compares checksums"));
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let pairs: Vec<Pair> = lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(damaged)?;
    let NearDuplicateCounts { documents, clusters, largest, leaked } = *counts;
    let dropped = documents.saturating_sub(clusters);
    let mut body = paragraph(
        "",
        &format!(
            "{} documents have near-duplicates, in {} clusters of up to {}; {} of them were dropped, {} of these from the \
             validation split, as training has one.",
            count(documents),
            count(clusters),
            count(largest),
            count(dropped),
            count(leaked)
        ),
        &format!(
            "{} 篇文档有近似重复，分为 {} 组，最大的一组有 {} 篇；去掉了其中 {} 篇，包括验证集中的 {} 篇，因为训练集里已有。",
            count(documents),
            count(clusters),
            count(largest),
            count(dropped),
            count(leaked)
        ),
    );
    if is_sample {
        body.push_str(&paragraph(
            "note",
            "This is a sample: of most documents the near-duplicates are not in it. The whole corpus has a larger share of them.",
            "这是抽样：多数文档的近似重复不在其中，全部语料里近似重复的比例更高。",
        ));
    }
    if !pairs.is_empty() {
        body.push_str(&paragraph(
            "note",
            "Some of them: the beginning of the document that was kept, and of those that were dropped, with the share of \
             equal rows of their MinHash signatures. Two may be joined by a third.",
            "其中一些：留下的文档的开头，以及去掉的文档的开头，附 MinHash 签名中相同行的比例。两篇可能是经由第三篇连在一起的。",
        ));
    }
    // The lines of a cluster stand together.
    for cluster in pairs.chunk_by(|a, b| a.kept == b.kept).take(CLUSTERS) {
        body.push_str(&format!(
            "<ul class=\"samples\">\n<li><b>{}</b> <bdi>{}</bdi></li>\n",
            both("kept", "留下"),
            escape(&cluster[0].kept_text)
        ));
        for pair in cluster {
            let split = match pair.dropped_split.as_str() {
                "validation" => both(" validation", " 验证集"),
                _ => String::new(),
            };
            body.push_str(&format!(
                "<li>{:.0} %{split} <bdi>{}</bdi></li>\n",
                100.0 * pair.similarity,
                escape(&pair.dropped_text)
            ));
        }
        body.push_str("</ul>\n");
    }
    Ok(Section { id: "near-duplicates", title: ("Near-duplicates", "近似重复"), body })
}
