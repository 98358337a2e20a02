//! The lines of an article behind its markup: marks of lists, headings, and what templates leave behind.

/// Sections of notes and links, which hold no prose.
const NO_PROSE: [&str; 34] = [
    "参考文献",
    "參考文獻",
    "参考资料",
    "參考資料",
    "参考来源",
    "參考來源",
    "参考书目",
    "參考書目",
    "参考",
    "參考",
    "参见",
    "參見",
    "参看",
    "參看",
    "另见",
    "另見",
    "外部链接",
    "外部連結",
    "外部连结",
    "外部鏈接",
    "相关链接",
    "相關連結",
    "注释",
    "註釋",
    "注釋",
    "脚注",
    "腳註",
    "备注",
    "備註",
    "相关条目",
    "相關條目",
    "延伸阅读",
    "延伸閱讀",
    "references",
];

/// Lines of text; headings without a text below them are left out.
pub(super) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut headings: Vec<(usize, &str)> = Vec::new();
    // The level of a section that is left out.
    let mut skipped: Option<usize> = None;
    for line in text.split('\n').map(str::trim) {
        if let Some((level, heading)) = heading(line) {
            headings.retain(|&(above, _)| above < level);
            if skipped.is_none_or(|skipped| level <= skipped) {
                skipped = NO_PROSE.contains(&heading.to_lowercase().as_str()).then_some(level);
                headings.push((level, heading));
            }
            continue;
        }
        if skipped.is_some() {
            continue;
        }
        // Of tables that were cut.
        let line = line.trim_start_matches(['*', '#', ':', ';']).trim();
        if line.starts_with(['|', '!']) || line.starts_with("{|") {
            continue;
        }
        let line = without_holes(line.trim_start_matches("----").trim_start_matches('-'));
        if line.chars().any(char::is_alphanumeric) {
            for (_, heading) in headings.drain(..) {
                push_line(&mut out, heading);
            }
            push_line(&mut out, line.trim());
        }
    }
    out
}

fn push_line(out: &mut String, line: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(line);
}

/// The level and the text of `== 历史 ==`.
fn heading(line: &str) -> Option<(usize, &str)> {
    let level = |marks: &mut dyn Iterator<Item = u8>| marks.take_while(|&byte| byte == b'=').count();
    let (before, after) = (level(&mut line.bytes()), level(&mut line.bytes().rev()));
    let level = before.min(after).min(6);
    (level > 0 && line.len() > 2 * level).then(|| (level, line[level..line.len() - level].trim()))
}

/// A line without brackets that hold nothing: `（英语：，1912年－）` was full of templates.
fn without_holes(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut opened: Vec<usize> = Vec::new();
    for c in line.chars() {
        match c {
            '(' | '（' => {
                opened.push(out.len());
                out.push(c);
            }
            ')' | '）' => match opened.pop() {
                Some(at) => {
                    let length = out[at..].chars().next().map_or(0, char::len_utf8);
                    let inner = filled(&out[at + length..]);
                    out.truncate(if inner.is_empty() { at } else { at + length });
                    if !inner.is_empty() {
                        out.push_str(&inner);
                        out.push(c);
                    }
                }
                None => out.push(c),
            },
            // Runs of spaces where something stood.
            ' ' | '\u{a0}' if out.is_empty() || out.ends_with([' ', '（', '(']) => {}
            '\u{a0}' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

/// What is left in brackets without parts that have no text, or a name without its value.
fn filled(inner: &str) -> String {
    const PARTS: [char; 5] = ['，', '；', '、', ',', ';'];
    let has_text = |part: &str| part.chars().any(char::is_alphanumeric);
    let is_hole = |part: &str| !has_text(part) || part.trim_end().ends_with(['：', ':']);
    if !inner.split(PARTS).any(is_hole) {
        return inner.trim_end().to_owned();
    }
    let mut kept = String::new();
    for part in inner.split_inclusive(PARTS) {
        if !is_hole(part.trim_end_matches(PARTS)) {
            kept.push_str(part.trim_start());
        }
    }
    let length = kept.trim_end_matches(PARTS).trim_end().len();
    kept.truncate(length);
    kept
}
