//! Headings: lines that name what follows.
//!
//! Between blank lines a heading is a paragraph of its own. With `clean.join_headings` it belongs to the document that follows.
//! Whether it does is told by a few short lines, so that a reader that begins in the middle of a file can look back for them.

/// True for `第三十二回 …`, `第一章`, `卷五`, and for Markdown's `# …`.
pub(super) fn is_heading(line: &str) -> bool {
    const LONGEST_CHARS: usize = 50;
    let line = line.trim();
    if line.chars().nth(LONGEST_CHARS).is_some() {
        return false;
    }
    let markdown = line.trim_start_matches('#');
    if markdown.len() < line.len() {
        return line.len() - markdown.len() <= 6 && markdown.starts_with([' ', '\t', '\u{3000}']);
    }
    let is_number = |c: char| {
        c.is_ascii_digit() || "零〇一二三四五六七八九十百千两兩廿卅０１２３４５６７８９".contains(c)
    };
    if let Some(numbered) = line.strip_prefix('第') {
        let unit = numbered.trim_start().trim_start_matches(is_number);
        return unit.len() < numbered.len()
            && unit.trim_start().starts_with(['章', '回', '卷', '节', '節', '篇', '部', '集']);
    }
    line.strip_prefix(['卷']).is_some_and(|rest| rest.trim_start().starts_with(is_number))
}

/// True for a line that names what follows where it stands alone: headings, and short lines in brackets, with a number in Hanzi, or with
/// the name of a part of a book.
fn names_what_follows(line: &str) -> bool {
    const PARTS: [&str; 18] = [
        "序", "序言", "自序", "前言", "引言", "引子", "楔子", "导言", "导读", "正文", "尾声", "后记", "後記",
        "跋", "结语", "番外", "附录", "附錄",
    ];
    /// Longer items of a list are sentences.
    const LONGEST_ITEM: usize = 20;
    let line = line.trim();
    if line
        .ends_with(['。', '！', '？', '!', '?', '；', ';', '：', ':', '，', ',', '、', '…', '”', '」', '』'])
    {
        return false;
    }
    let short = line.chars().nth(LONGEST_ITEM).is_none();
    let is_numeral = |c: char| "一二三四五六七八九十百".contains(c);
    let numbered = line.trim_start_matches(is_numeral);
    let is_item = numbered.len() < line.len()
        && numbered.strip_prefix('、').is_some_and(|rest| !rest.trim().is_empty());
    let bracketed = [('【', '】'), ('〖', '〗'), ('〔', '〕')].iter().any(|&(open, close)| {
        let inner = line.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        inner.is_some_and(|inner| !inner.trim().is_empty() && !inner.contains([open, close]))
    });
    is_heading(line) || (short && (is_item || bracketed)) || PARTS.contains(&line)
}

/// Whether a document goes on over blank lines, as its paragraph so far is a heading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HeadingJoin {
    /// Lines of the paragraph so far.
    lines: u32,
    /// The paragraph so far is a heading.
    is_heading: bool,
    /// Blank lines since the heading.
    blanks: u32,
}

impl HeadingJoin {
    /// Blank lines that may stand behind a heading, and characters of each.
    const MOST_BLANK: u32 = 3;
    const LONGEST_BLANK: usize = 16;
    /// Characters of a line that may be a heading, with the white space around it.
    const LONGEST_LINE: usize = 100;
    /// Lines that tell whether a document goes on: the blank ones, the heading, and the one before it.
    pub(super) const LINES: usize = Self::MOST_BLANK as usize + 2;
    /// Bytes of these lines, but for the one before the heading, in any encoding.
    pub(super) const BYTES: usize =
        Self::MOST_BLANK as usize * (4 * Self::LONGEST_BLANK + 2) + 4 * Self::LONGEST_LINE + 2;

    /// What a reader knows behind these lines, of which `None` is one that is no text; they are the last [`Self::LINES`] before it, or all.
    pub(super) fn behind<'a>(lines: impl Iterator<Item = Option<&'a str>>) -> HeadingJoin {
        let mut join = HeadingJoin::default();
        for line in lines {
            match line {
                Some(text) if text.trim_start().is_empty() => drop(join.blank(text)),
                Some(text) => drop(join.text(true, Some(text))),
                None => drop(join.text(true, None)),
            }
        }
        join
    }

    /// True within a document, or behind a heading that belongs to one.
    pub(super) fn is_open(&self) -> bool {
        self.lines > 0 || self.blanks > 0
    }

    /// Takes a line, or a piece of one, that is not blank; `whole` is its text if it is whole and valid. True if it follows a heading that stood alone.
    pub(super) fn text(&mut self, starts: bool, whole: Option<&str>) -> bool {
        let follows = self.blanks > 0;
        self.blanks = 0;
        self.lines = self.lines.saturating_add(u32::from(starts));
        let is_short = |text: &&str| text.chars().nth(Self::LONGEST_LINE).is_none();
        self.is_heading = self.lines == 1 && whole.filter(is_short).is_some_and(names_what_follows);
        follows
    }

    /// Takes a blank line; true if it ends the document.
    pub(super) fn blank(&mut self, text: &str) -> bool {
        self.lines = 0;
        self.blanks += 1;
        let is_short = text.chars().nth(Self::LONGEST_BLANK).is_none();
        let goes_on = self.is_heading && self.blanks <= Self::MOST_BLANK && is_short;
        if !goes_on {
            *self = HeadingJoin::default();
        }
        !goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings() {
        for line in ["第一章 少年", "　　第 十二 回　宝玉", "第3节", "卷五", "## 安装", "# 一"]
        {
            assert!(is_heading(line), "{line}");
        }
        for line in ["第一次见面", "一章", "#标签 微博", "卷起袖子", "第章", "", "他说：第一章写得好"]
        {
            assert!(!is_heading(line), "{line}");
        }
    }

    #[test]
    fn lines_that_name_what_follows() {
        for line in [
            "第一章 少年",
            "## 安装",
            "【标题】",
            "一、总则",
            "十二、附则",
            " 楔子 ",
            "附录",
            "第一百零三回 感秋深",
        ] {
            assert!(names_what_follows(line), "{line}");
        }
        let others = [
            "第一章里我们说过，他走了。",
            "【记者】王明",
            "一、",
            "一、乘坐本次列车的旅客请带好自己的行李物品到站台排队上车",
            "序幕拉开",
            "他点了点头",
            "",
            "【】",
        ];
        for line in others {
            assert!(!names_what_follows(line), "{line}");
        }
    }
}
