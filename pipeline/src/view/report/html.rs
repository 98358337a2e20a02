//! The frame of the page, and how text gets into it. Whatever comes from a data set passes through [`escape`].

use std::fmt::Write;

use quanci_cli::visible;

use crate::work::REPORT_MARK;

/// A section: its anchor, its title and its content.
pub(super) struct Section {
    /// The anchor.
    pub(super) id: &'static str,
    /// The title, in English and Chinese.
    pub(super) title: (&'static str, &'static str),
    /// The content, as HTML.
    pub(super) body: String,
}

/// Foreign text as HTML, for elements and attributes: no character of it is markup, and none changes the direction of others.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in visible(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // No page may hold them, not even escaped.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// HTML in both languages, of which the page shows one at a time.
pub(super) fn both(en: &str, zh: &str) -> String {
    format!("<span lang=\"en\">{en}</span><span lang=\"zh\">{zh}</span>")
}

/// A paragraph in both languages.
pub(super) fn paragraph(class: &str, en: &str, zh: &str) -> String {
    format!("<p class=\"{class}\">{}</p>\n", both(en, zh))
}

/// A heading within a section.
pub(super) fn heading(en: &str, zh: &str) -> String {
    format!("<h3>{}</h3>\n", both(en, zh))
}

/// A table of cells that are HTML; the first `left` columns are text, the others numbers. The first row is the header.
pub(super) fn table(rows: &[Vec<String>], left: usize) -> String {
    let mut table = "<div class=\"scroll\"><table>\n".to_owned();
    for (i, row) in rows.iter().enumerate() {
        let (open, close) = if i == 0 { ("<thead>", "</thead>\n<tbody>\n") } else { ("", "\n") };
        let name = if i == 0 { "th" } else { "td" };
        table.push_str(open);
        table.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let class = if column < left { "" } else { " class=\"n\"" };
            // Writing to a string cannot fail.
            write!(table, "<{name}{class}>{cell}</{name}>").ok();
        }
        table.push_str("</tr>");
        table.push_str(close);
    }
    table.push_str("</tbody></table></div>\n");
    table
}

/// The whole page. `head` is its title as text, and what stands above the sections as HTML.
pub(super) fn page((title, head): &(String, String), sections: &[Section], chinese: bool) -> String {
    let (language, en, zh) = if chinese { ("zh", "", " checked") } else { ("en", " checked", "") };
    let version = env!("CARGO_PKG_VERSION");
    let style = include_str!("style.css");
    let links: String = sections
        .iter()
        .map(|section| {
            format!("<a href=\"#{}\">{}</a>\n", section.id, both(section.title.0, section.title.1))
        })
        .collect();
    let bodies: String = sections
        .iter()
        .map(|Section { id, title, body }| {
            format!("<section id=\"{id}\">\n<h2>{}</h2>\n{body}</section>\n", both(title.0, title.1))
        })
        .collect();
    let made = both(
        &format!("Made by <code>quanci report</code> {version}. No scripts, nothing from the network."),
        &format!("由 <code>quanci report</code> {version} 生成。没有脚本，也不访问网络。"),
    );
    format!(
        "{REPORT_MARK}, made by quanci {version} -->\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"generator\" content=\"quanci {version}\">\n<title>{}</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
         <input type=\"radio\" name=\"language\" id=\"in-en\"{en}>\n<input type=\"radio\" name=\"language\" id=\"in-zh\"{zh}>\n\
         <div class=\"page\">\n<header>\n<div class=\"switch\"><label for=\"in-en\" lang=\"en-x\">English</label>\
         <label for=\"in-zh\" lang=\"zh-x\">中文</label></div>\n{head}<nav>\n{links}</nav>\n</header>\n<main>\n{bodies}</main>\n\
         <footer>{made}</footer>\n</div>\n</body>\n</html>\n",
        escape(title),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let hostile = "</script><img src=x onerror=\"alert('1')\">&amp;\u{202e}\u{0}\u{ffff}";
        let escaped = escape(hostile);
        assert!(!escaped.contains(['<', '>', '"', '\'', '\u{202e}', '\u{0}', '\u{ffff}']), "{escaped}");
        assert!(escaped.contains("&amp;amp;"), "{escaped}");
    }
}
