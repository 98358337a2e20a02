//! Lines that were cut at a fixed width are joined again, so that no word, sentence or side of a pair is cut there.
//!
//! A text is wrapped if many of its lines are equally wide, hardly any is wider, and most of those end within a clause.
//! Verse, lists and dialogue are not: their lines differ in width, end with marks, or have no marks inside. In a wrapped text
//! a line end is a cut if what follows would not have fitted on the line. Where it would have, somebody ended the line there.

/// Narrower lines are verse, messages or lists.
const NARROWEST: usize = 36;
/// Wider lines are counted as this wide.
const WIDEST: usize = 255;
/// Full lines that show a width.
const FEWEST: usize = 3;
/// Lines of a block, which share a width. It is counted in the blocks around too.
const BLOCK: usize = 32;
/// A line may be wider than others by marks that must not begin a line.
const OVERHANG: usize = 6;
/// And narrower, where marks were kept from a line's begin or end, or where the width changes.
const SHORTFALL: usize = 6;

/// A line of the text.
struct Line<'a> {
    /// Without white space at either end.
    text: &'a str,
    /// Columns of white space before it.
    indent: usize,
    /// Columns to its last character.
    width: usize,
    /// White space was cut off its end.
    trailing: bool,
}

/// The text with its cut lines joined, and how many were; `None` where the text is not wrapped.
pub(super) fn join(text: &str) -> Option<(String, u64)> {
    let lines: Vec<Line<'_>> = text.split('\n').map(line).collect();
    let full: Vec<&Line<'_>> = lines.iter().filter(|line| !line.text.is_empty()).collect();
    if full.len() < FEWEST {
        return None;
    }
    let widths = Widths::of(&lines);
    let wrapped = Wrapped::of(&lines, &widths)?;
    let mut joined = String::with_capacity(text.len());
    let mut count = 0;
    let mut rest = text.split('\n');
    joined.push_str(rest.next()?);
    for (i, raw) in rest.enumerate() {
        let (line, next) = (&lines[i], &lines[i + 1]);
        if wrapped.is_cut(line, next, widths.at(i)) {
            joined.truncate(joined.trim_end().len());
            if wrapped.wants_space(line, next, widths.at(i)) {
                joined.push(' ');
            }
            joined.push_str(raw.trim_start());
            count += 1;
        } else {
            joined.push('\n');
            joined.push_str(raw);
        }
    }
    (count > 0).then_some((joined, count))
}

fn line(raw: &str) -> Line<'_> {
    let text = raw.trim_start();
    let indent = columns(&raw[..raw.len() - text.len()]);
    let kept = text.trim_end();
    Line { text: kept, indent, width: indent + columns(kept), trailing: kept.len() < text.len() }
}

/// Columns on a terminal, or bytes in GB2312 and Big5: programs wrapped by either.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c == '\t' { 4 } else { 1 + usize::from(!c.is_ascii()) }).sum()
}

/// The width at which the lines of each block were cut.
struct Widths(Vec<usize>);

impl Widths {
    fn of(lines: &[Line<'_>]) -> Widths {
        let counts: Vec<[u32; WIDEST + 1]> = lines
            .chunks(BLOCK)
            .map(|block| {
                let mut counts = [0; WIDEST + 1];
                block.iter().for_each(|line| counts[line.width.min(WIDEST)] += 1);
                counts
            })
            .collect();
        let around = |block: usize| &counts[block.saturating_sub(2)..counts.len().min(block + 3)];
        Widths((0..counts.len()).map(|block| width_of(around(block))).collect())
    }

    fn at(&self, line: usize) -> usize {
        self.0[line / BLOCK]
    }
}

/// The widest of the most common widths; 0 where none is wide enough.
fn width_of(blocks: &[[u32; WIDEST + 1]]) -> usize {
    let count = |width: usize| blocks.iter().map(|counts| counts[width]).sum::<u32>();
    let most = (NARROWEST..WIDEST).map(count).max().unwrap_or(0);
    if most == 0 {
        return 0;
    }
    // Lines of mixed text end a column or two before the width as often as at it.
    (NARROWEST..WIDEST).rev().find(|&width| 2 * count(width) >= most).unwrap_or(0)
}

/// What a wrapped text shows of its habits.
struct Wrapped {
    /// How far most lines are indented.
    indent: usize,
    /// Paragraphs are told apart by an indent or a blank line.
    marks_paragraphs: bool,
    /// Every line was cut at the very width, Latin words too.
    cuts_words: bool,
}

impl Wrapped {
    /// `None` for a text that is not wrapped.
    fn of(lines: &[Line<'_>], widths: &Widths) -> Option<Wrapped> {
        let (mut full, mut open, mut with_marks, mut exact) = (0, 0, 0, 0);
        let (mut wider, mut ended, mut marked) = (0, 0, 0);
        let mut indents = [0_usize; WIDEST + 1];
        for (i, pair) in lines.windows(2).enumerate() {
            let [line, next] = pair else { continue };
            let width = widths.at(i);
            if line.text.is_empty() || width == 0 {
                continue;
            }
            indents[line.indent.min(WIDEST)] += 1;
            if line.width > width + OVERHANG {
                wider += 1;
            } else if is_full(line, next, width) {
                full += 1;
                open += usize::from(!ends_with_mark(line.text));
                with_marks += usize::from(has_inner_mark(line.text));
                exact += usize::from(line.width == width || line.width + 1 == width);
            } else {
                ended += 1;
                marked += usize::from(next.text.is_empty() || next.indent > line.indent || next.indent >= 2);
            }
        }
        let is_wrapped = full >= FEWEST
            && 10 * wider <= full
            && 2 * open >= full
            && 2 * with_marks >= full
            // Full lines are no tail of many widths.
            && 3 * full >= ended;
        let indent = (0..=WIDEST).max_by_key(|&indent| (indents[indent], usize::MAX - indent))?;
        is_wrapped.then_some(Wrapped {
            indent,
            marks_paragraphs: 5 * marked >= 4 * ended,
            cuts_words: 20 * exact >= 19 * full,
        })
    }

    /// True if the text goes on from `line` to `next`.
    fn is_cut(&self, line: &Line<'_>, next: &Line<'_>, width: usize) -> bool {
        if line.text.is_empty() || next.text.is_empty() || width == 0 || line.width > width + OVERHANG {
            return false;
        }
        let full = is_full(line, next, width);
        if !full && line.width + SHORTFALL < width || next.indent > self.indent {
            return false;
        }
        // A mark that no line begins with, unless it was cut off.
        if next.text.starts_with(is_late_mark) {
            return true;
        }
        if begins_block(next.text) {
            return false;
        }
        match line.text.chars().next_back() {
            // The next line may be an item of a list.
            Some('：' | ':' | '；' | ';') => full && !begins_item(next.text),
            Some('，' | '、' | ',') => true,
            Some(last) if is_stop(last) => full && self.marks_paragraphs && !begins_item(next.text),
            _ => true,
        }
    }

    /// True if a space was where the line was cut, as between Latin words.
    fn wants_space(&self, line: &Line<'_>, next: &Line<'_>, width: usize) -> bool {
        let is_latin =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_graphic() || c.is_alphabetic() && !is_wide(c));
        let (last, first) = (line.text.chars().next_back(), next.text.chars().next());
        let between =
            is_latin(last) && is_latin(first) && !last.is_some_and(|c| matches!(c, '-' | '/' | '('));
        between && (line.trailing || next.indent > 0 || !self.cuts_words || line.width < width)
    }
}

/// True if what `next` begins with would not have fitted on `line`.
fn is_full(line: &Line<'_>, next: &Line<'_>, width: usize) -> bool {
    let space = usize::from(line.text.ends_with(|c: char| c.is_ascii_alphanumeric()));
    !next.text.is_empty() && line.width + first_unit(next.text, space) > width
}

/// The columns of what cannot be parted: a character with its brackets and marks, or a Latin word and the space before it.
fn first_unit(text: &str, space: usize) -> usize {
    let mut columns = 0;
    let mut chars = text.chars().peekable();
    while chars.next_if(|&c| is_opener(c)).is_some() {
        columns += 2;
    }
    match chars.next() {
        Some(c) if c.is_ascii_alphanumeric() => {
            columns += 1 + space;
            while chars.next_if(|c| c.is_ascii_graphic()).is_some() {
                columns += 1;
            }
        }
        Some(c) => columns += 1 + usize::from(!c.is_ascii()),
        None => {}
    }
    while chars.next_if(|&c| is_late_mark(c)).is_some() {
        columns += 2;
    }
    columns
}

fn ends_with_mark(text: &str) -> bool {
    text.ends_with(|c| is_stop(c) || is_clause_mark(c))
}

/// A mark before the end: prose has some in each line, lists of names have none.
fn has_inner_mark(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next_back();
    chars.any(|c| is_clause_mark(c) || matches!(c, '。' | '！' | '？' | '.' | '《' | '“' | '「'))
}

fn is_clause_mark(c: char) -> bool {
    matches!(c, '，' | '、' | '；' | '：' | ',' | ';' | ':' | '﹐' | '﹔' | '﹕')
}

/// Ends a sentence, or closes what may have held one.
fn is_stop(c: char) -> bool {
    matches!(
        c,
        '。' | '！'
            | '？'
            | '…'
            | '.'
            | '!'
            | '?'
            | '｡'
            | '”'
            | '’'
            | '」'
            | '』'
            | '）'
            | ')'
            | '】'
            | '"'
            | '〕'
            | '］'
    )
}

/// Stands behind a word, never at the begin of a line.
fn is_late_mark(c: char) -> bool {
    matches!(
        c,
        '，' | '。'
            | '、'
            | '；'
            | '：'
            | '！'
            | '？'
            | '”'
            | '’'
            | '」'
            | '』'
            | '）'
            | '》'
            | '〉'
            | '】'
            | '〕'
            | '］'
            | '﹔'
            | '﹐'
            | '﹕'
            | '％'
            | '·'
    )
}

fn is_opener(c: char) -> bool {
    matches!(c, '“' | '‘' | '「' | '『' | '（' | '《' | '〈' | '【' | '〔' | '［')
}

fn is_wide(c: char) -> bool {
    u32::from(c) >= 0x2E80
}

/// A heading in brackets, a bullet, a row of a table: never in the middle of a sentence.
fn begins_block(text: &str) -> bool {
    let bracketed = text.strip_prefix('【').is_some_and(|rest| rest.chars().take(12).any(|c| c == '】'));
    bracketed
        || text.starts_with([
            '●', '■', '◆', '○', '□', '◇', '※', '▲', '★', '☆', '|', '#', '>', '*', '+', '=', '─', '━',
        ])
}

/// A number or a dash before a text, as in lists and tables of contents.
fn begins_item(text: &str) -> bool {
    let is_number = |c: char| {
        c.is_ascii_digit()
            || matches!(
                c,
                '０'
                    ..='９'
                        | '〇'
                        | '一'
                        | '二'
                        | '三'
                        | '四'
                        | '五'
                        | '六'
                        | '七'
                        | '八'
                        | '九'
                        | '十'
                        | '百'
            )
    };
    let text = text.strip_prefix(['（', '(', '第', '〔', '[']).unwrap_or(text);
    let rest = text.trim_start_matches(is_number);
    let numbered = rest.len() < text.len()
        && rest.starts_with([
            '、', '．', '.', '）', ')', ' ', '\u{3000}', '章', '节', '節', '条', '條', '回', '卷', '〕', ']',
            ':', '：',
        ]);
    let circled = text.starts_with(|c| matches!(c, '①'..='⑳' | '⑴'..='⒇' | '⒈'..='⒛' | '㈠'..='㈩'));
    numbered || circled || text.starts_with(['-', '–', '•', '·'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cuts paragraphs as programs did: after so many columns, whatever is there.
    fn wrap(paragraphs: &[&str], width: usize, indent: &str) -> String {
        let mut lines = Vec::new();
        for paragraph in paragraphs {
            let mut line = indent.to_owned();
            for c in paragraph.chars() {
                if columns(&line) + columns(c.encode_utf8(&mut [0; 4])) > width {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
            lines.push(line);
        }
        lines.join("\n")
    }

    const PROSE: [&str; 3] = [
        "清晨的河面上起了一层薄雾，渔船一只接一只地离开码头，船夫们低声说着话。老人坐在门口修补渔网，嘴里哼着几十年前的小调，\
         针线在他手里一来一去，从不看一眼。",
        "“今天不出去吗？”孩子问他。",
        "他抬起头来，看了看天边的云，又看了看孩子的脸。“风要来了，”他说，“等过了午后再说罢。”孩子于是也坐下来，学着他的样子，\
         把断了的线一根一根接起来，直到母亲在屋里喊他们吃饭。１９９３年的那个夏天，就是这样过去的。",
    ];

    #[test]
    fn cut_lines_are_joined() {
        for indent in ["    ", "\u{3000}\u{3000}"] {
            for width in [40, 50, 61, 66] {
                let wrapped = wrap(&PROSE, width, indent);
                let (joined, count) = join(&wrapped).expect("wrapped");
                let expected = PROSE.map(|paragraph| format!("{indent}{paragraph}")).join("\n");
                assert_eq!(joined, expected, "{width}");
                assert_eq!(count as usize, wrapped.matches('\n').count() - 2);
            }
        }
    }

    #[test]
    fn latin_words() {
        // Cut at 60 columns, between words.
        let text = "本文介绍 Whole Word Masking 的方法，以及它在 Chinese BERT\n\
                    pretraining 中的作用。我们先看 WordPiece 怎样把词切开，再看\n\
                    mask 怎样落在词上；最后比较 accuracy 与 loss 的变化，并且附\n\
                    上各个命令和它们的结果，以及在两台机器上做预训练的时间和内\n\
                    存，供读者参考。";
        let (joined, count) = join(text).expect("wrapped");
        assert_eq!(count, 4, "{joined}");
        assert!(joined.contains("Chinese BERT pretraining 中"), "{joined}");
        assert!(joined.contains("再看mask 怎样") && joined.contains("并且附上各个"), "{joined}");
    }

    #[test]
    fn other_lines_are_left_alone() {
        let verse = "三阳交泰产群生，仙石胞含日月精。借卵化猴完大道，假他名姓配丹成。\n\
                     内观不识因无相，外合明知作有形。历代人人皆属此，称王称圣任纵横。\n"
            .repeat(5);
        let bare = "床前明月光疑是地上霜举头望明月低头思故乡春眠不觉晓处处闻啼鸟\n".repeat(9);
        let list = "中华人民共和国国务院办公厅关于进一步做好有关工作的若干意见通知\n".repeat(9);
        let dialogue =
            "“今天不出去吗？”孩子问他。\n“风要来了，等过了午后再说罢。”他说。\n“那我也坐下来学。”孩子说。\n"
                .repeat(5);
        let paragraphs = format!("{}\n", PROSE.join("\n")).repeat(5);
        for text in [verse, bare, list, dialogue, paragraphs] {
            assert_eq!(join(&text), None, "{text}");
        }
    }

    #[test]
    fn verse_and_headings_within_wrapped_text() {
        let verse = "\u{3000}\u{3000}三阳交泰产群生\n\u{3000}\u{3000}仙石胞含日月精";
        let heading = "【 标  题 】岭南文化研究蓬勃展开";
        let text =
            format!("{heading}\n{}\n{verse}\n{}", wrap(&PROSE, 40, "    "), wrap(&PROSE[..1], 40, "    "));
        let (joined, _) = join(&text).expect("wrapped");
        assert!(joined.starts_with(&format!("{heading}\n    清晨")), "{joined}");
        assert!(joined.contains(&format!("过去的。\n{verse}\n    清晨")), "{joined}");
    }

    proptest! {
        #[test]
        fn only_white_space_changes(text in "([天地玄黄宇宙洪荒，。a-z1 \n\u{3000}“”【】第一章、]{0,40}\n){0,30}") {
            if let Some((joined, count)) = join(&text) {
                let visible = |text: &str| text.split_whitespace().collect::<String>();
                prop_assert_eq!(visible(&joined), visible(&text));
                prop_assert_eq!(joined.matches('\n').count() as u64 + count, text.matches('\n').count() as u64);
            }
        }
    }
}
