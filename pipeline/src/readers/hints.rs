//! Looks at a sample of plain text for what is seldom meant: words cut by spaces already, lines wrapped in mid-clause, tags
//! and entities of web pages, line ends of other systems. Each hint says how much of it there is, and what helps.

use crate::config::Format;

/// How every hint about text that is cut into words begins. Settings that say so leave it out.
pub(crate) const CUT_BY_SPACES: &str = "is cut into words by spaces";

/// The hints about the beginning of a text, as it is before lines are split.
pub(super) fn hints(sample: &str, format: Format) -> Vec<String> {
    if !format.is_plain() || sample.is_empty() {
        return Vec::new();
    }
    let lines: Vec<&str> = sample.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let tagged = tagged(&lines);
    [
        json(&lines),
        twice_converted(sample, format),
        other_line_ends(sample),
        web_leftovers(sample),
        escaped_line_ends(sample),
        // Tagged text is cut by spaces too.
        tagged.or_else(|| cut_by_spaces(sample)),
        wrapped(&lines, format),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Less often, it may be a quotation.
const OFTEN: usize = 3;

/// How often a text holds another one.
fn count(sample: &str, text: &str) -> usize {
    memchr::memmem::find_iter(sample.as_bytes(), text).count()
}

/// An object a line, or the beginning of one value.
fn json(lines: &[&str]) -> Option<String> {
    let first = *lines.first()?;
    let is_object = serde_json::from_str::<serde_json::Value>(first).is_ok_and(|value| value.is_object());
    let opens = first.starts_with("[{") || first == "[" || first == "{";
    (is_object || (opens && lines.iter().any(|line| line.contains("\": ")))).then(|| {
        "begins like JSON, which would be text: set format = \"jsonl\" for an object a line, or \"json\" for one value, and \
         `text_field`"
            .to_owned()
    })
}

/// CR CR LF: the text mode of Windows was used twice, so that a blank line seems to follow each line.
fn twice_converted(sample: &str, format: Format) -> Option<String> {
    let count = count(sample, "\r\r\n");
    let matters = matches!(format, Format::Sentences | Format::Paragraphs);
    (matters && count >= OFTEN).then(|| {
        format!(
            "{count} line ends of its beginning are CR CR LF, so that a blank line seems to follow every line and each line \
             is a document: convert it first (sed 's/\\r\\r$/\\r/')"
        )
    })
}

/// Characters that part lines for some programs, in a text without line ends.
fn other_line_ends(sample: &str) -> Option<String> {
    let ends = [
        ("\u{85}", "U+0085 (NEL)"),
        ("\u{2028}", "U+2028"),
        ("\u{2029}", "U+2029"),
        ("\u{b}", "U+000B (VT)"),
        ("\u{c}", "U+000C (FF)"),
    ];
    let lines = memchr::memchr2_iter(b'\n', b'\r', sample.as_bytes()).count();
    let (count, name) = ends.map(|(end, name)| (count(sample, end), name)).into_iter().max()?;
    (count >= OFTEN && count > 2 * lines).then(|| {
        format!("{count} {name} in its beginning and {lines} line ends: it is no line end here; replace it by one first")
    })
}

/// Tags and entities of web pages.
fn web_leftovers(sample: &str) -> Option<String> {
    // Most texts have neither.
    memchr::memchr2(b'<', b'&', sample.as_bytes())?;
    let lower = sample.to_ascii_lowercase();
    let found = [
        "<br>", "<br/>", "<br />", "<p>", "</p>", "</div>", "</a>", "&nbsp;", "&lt;", "&gt;", "&amp;",
        "&quot;",
    ];
    let counts = found.map(|text| (count(&lower, text), text));
    let all: usize = counts.iter().map(|(count, _)| count).sum();
    let (_, most) = counts.into_iter().max_by_key(|(count, _)| *count)?;
    (all >= OFTEN).then(|| {
        format!(
            "{all} tags or entities of web pages in its beginning, such as `{most}`, would be text: replace them first, \
             or set `clean.strip_html` = true"
        )
    })
}

/// A backslash and an n where a line end was.
fn escaped_line_ends(sample: &str) -> Option<String> {
    let lines = count(sample, "\n");
    let count = count(sample, "\\n");
    (count >= OFTEN && count > lines).then(|| {
        format!("{count} times a backslash and an n in its beginning, which would be text: replace them by line ends first")
    })
}

/// Most Hanzi stand in runs of one or two with a space between them: `今天 天气 很 好`. Verses and names have longer runs.
fn cut_by_spaces(sample: &str) -> Option<String> {
    const SHARE: f64 = 0.2;
    const LEAST: usize = 50;
    let (mut han, mut cut) = (0, 0);
    // The lengths of runs of Hanzi that follow a space.
    let mut runs: Vec<usize> = Vec::new();
    let (mut before, mut after_space) = (false, false);
    for c in sample.chars() {
        match c {
            ' ' | '\t' | '\u{3000}' if before || after_space => after_space = true,
            c if is_han(c) => {
                han += 1;
                if after_space {
                    cut += 1;
                    runs.push(0);
                }
                if let Some(run) = runs.last_mut() {
                    *run += 1;
                }
                (before, after_space) = (true, false);
            }
            _ => (before, after_space) = (false, false),
        }
    }
    runs.sort_unstable();
    let median = *runs.get(runs.len() / 2)?;
    let share = cut as f64 / han as f64;
    (han >= LEAST && share > SHARE && median <= 2).then(|| {
        format!(
            "{CUT_BY_SPACES} ({:.0} % of its Hanzi follow one): set `segment.words` = \"spaces\" to keep these words",
            100.0 * share
        )
    })
}

/// Words with their parts of speech (`渔船/n`), or a character and its tag a line (CoNLL).
fn tagged(lines: &[&str]) -> Option<String> {
    const MOST: f64 = 0.6;
    let is_name = |tag: &str| {
        !tag.is_empty()
            && tag.len() <= 6
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (mut words, mut with_tag) = (0, 0);
    // Without a slash in most lines, there is no such word in most.
    let slashes = lines.iter().filter(|line| memchr::memchr(b'/', line.as_bytes()).is_some()).count();
    let may_be = 4 * slashes >= lines.len();
    for word in lines.iter().filter(|_| may_be).flat_map(|line| line.split_whitespace()) {
        words += 1;
        let tag = word.rsplit_once('/').filter(|(word, tag)| !word.is_empty() && is_name(tag));
        with_tag +=
            usize::from(tag.is_some_and(|(_, tag)| tag.starts_with(|c: char| c.is_ascii_alphabetic())));
    }
    if words >= 20 && with_tag as f64 > MOST * words as f64 {
        return Some(format!(
            "{} of the {words} words of its beginning have a tag (`渔船/n`), which would be text: remove the tags first",
            with_tag
        ));
    }
    // CoNLL: a character, white space, and O, B-…, I-…, E-…, S-….
    let is_label = |label: &str| {
        matches!(label, "O" | "B" | "I" | "M" | "E" | "S")
            || label
                .split_once('-')
                .is_some_and(|(place, kind)| matches!(place, "B" | "I" | "M" | "E" | "S") && is_name(kind))
    };
    let labelled = lines.iter().filter(|line| {
        let mut fields = line.split_whitespace();
        fields.next().is_some_and(|first| first.chars().count() <= 2) && fields.last().is_some_and(is_label)
    });
    let labelled = labelled.count();
    (lines.len() >= 20 && labelled as f64 > MOST * lines.len() as f64).then(|| {
        format!("{labelled} of its first {} lines are a character and its label (CoNLL): join the characters first", lines.len())
    })
}

/// Most lines end with a Hanzi, go on with one in the next line, and are about equally long.
fn wrapped(lines: &[&str], format: Format) -> Option<String> {
    const LEAST: usize = 20;
    const MID_CLAUSE: f64 = 0.4;
    const SAME_LENGTH: f64 = 0.5;
    /// Verses, headlines and messages are shorter.
    const WIDTH: usize = 24;
    // A document or a sentence a line has no wraps.
    if matches!(format, Format::Documents | Format::Sentences) || lines.len() < LEAST {
        return None;
    }
    let goes_on = |pair: &&[&str]| pair[0].ends_with(is_han) && pair[1].starts_with(is_han);
    let mut open: Vec<usize> = lines.windows(2).filter(goes_on).map(|pair| pair[0].chars().count()).collect();
    let share = open.len() as f64 / lines.len() as f64;
    // The width at which most of these lines are cut.
    open.sort_unstable();
    let width = *open.get(open.len() / 2)?;
    let same = open.iter().filter(|&&length| length.abs_diff(width) <= 2).count();
    let is_wrapped = share > MID_CLAUSE && width >= WIDTH && same as f64 > SAME_LENGTH * open.len() as f64;
    is_wrapped.then(|| {
        format!(
            "{:.0} % of its line ends are in mid-clause, most after about {width} characters: the text is wrapped, and words \
             and sentences are cut there; set `clean.join_wrapped_lines` = true to join its lines",
            100.0 * share
        )
    })
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn one(sample: &str, format: Format, part: &str) {
        let found = hints(sample, format);
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }

    #[test]
    fn what_is_seldom_meant() {
        let line = "老人坐在门口修补渔网，嘴里哼着小调。";
        one("{\"text\": \"今天\"}\n", Format::Documents, "jsonl");
        one(&format!("{line}\r\r\n").repeat(5), Format::Sentences, "CR CR LF");
        one(&format!("{line}\u{2028}").repeat(5), Format::Files, "U+2028");
        one(&format!("{line}<br>").repeat(5), Format::Files, "`<br>`");
        one(&format!("{line}\\n").repeat(5), Format::Documents, "backslash");
        one(&"渔船 一只 接 一只 地 离开 码头 。\n".repeat(9), Format::Sentences, CUT_BY_SPACES);
        one(&"渔船/n 一只/m 离开/v 码头/n 。/w\n".repeat(9), Format::Sentences, "have a tag");
        one(&"渔 B-LOC\n船 I-LOC\n来 O\n\n".repeat(9), Format::Sentences, "CoNLL");
        let wrapped = "清晨的河面上起了一层薄雾渔船一只接一只地离开码头老人坐\n在门口修补渔网嘴里哼着小调卖菜的把最后一把青菜便宜卖掉\n";
        one(&wrapped.repeat(15), Format::Files, "mid-clause");
    }

    #[test]
    fn plain_text_has_no_hints() {
        let novel =
            "　　第一章 初见\n\n　　清晨的河面上起了一层薄雾。渔船一只接一只地离开码头，老人坐在门口。\n";
        let poem = "床前明月光\n疑是地上霜\n举头望明月\n低头思故乡\n\n";
        let chant = "人之初　性本善　性相近　习相远　苟不教　性乃迁\n";
        let chat = "张三 2024-05-01 12:00:07\n今天去不去\n";
        let mixed = "使用 Rust 2024 的 <b> 标签和 &amp; 实体各一次。A/B 测试 1/2。\n";
        for (text, format) in [
            (novel, Format::Files),
            (poem, Format::Sentences),
            (mixed, Format::Documents),
            (chant, Format::Files),
            (chat, Format::Files),
        ] {
            assert_eq!(hints(&text.repeat(if text == mixed { 1 } else { 20 }), format), Vec::<String>::new());
        }
    }
}
