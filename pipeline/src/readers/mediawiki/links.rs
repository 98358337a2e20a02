//! Links of wikitext: `[[target|label]]`. Files, categories and the same article in other languages are no text.

/// Names of the namespaces of files and categories, in small letters.
const NO_TEXT: [&str; 20] = [
    "file",
    "image",
    "media",
    "category",
    "文件",
    "檔案",
    "档案",
    "图像",
    "圖像",
    "图片",
    "圖片",
    "影像",
    "媒体",
    "媒體",
    "媒體檔案",
    "媒体文件",
    "分类",
    "分類",
    "category talk",
    "image talk",
];

/// Appends what is read of a link.
pub(super) fn link(parts: &[String], text: &mut String) {
    let Some(target) = parts.first().map(|target| target.trim()) else { return };
    let (target, is_named) = match target.strip_prefix(':') {
        Some(target) => (target, true),
        None => (target, false),
    };
    if !is_named && let Some((space, _)) = target.split_once(':') {
        let space = space.trim().replace('_', " ").to_lowercase();
        if NO_TEXT.contains(&space.as_str()) || is_language(&space) {
            return;
        }
    }
    let label = parts[1..].last().map(|label| label.trim()).filter(|label| !label.is_empty());
    text.push_str(label.unwrap_or(target));
}

/// `en`, `zh-yue`, `simple`.
fn is_language(space: &str) -> bool {
    let code = space.split('-').next().unwrap_or_default();
    let is_code = (2..=3).contains(&code.len()) || code == "simple";
    is_code && space.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}
