//! Splits paragraphs into sentences after 。！？ and the like, and keeps closing quotes and brackets with their sentence.
//! The rule is the usual one for Chinese pretraining corpora (ymcui/Chinese-BERT-wwm, issue 73), with care for what
//! follows a closing quote, for ellipses, and for Latin full stops.

/// The sentences of a line, trimmed, none empty, in order.
pub fn sentences(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (sentence, after) = rest.split_at(first_end(rest));
            rest = after;
            let sentence = sentence.trim_matches(' ');
            if !sentence.is_empty() {
                return Some(sentence);
            }
        }
        None
    })
}

/// Where the first sentence of `text` ends.
fn first_end(text: &str) -> usize {
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let candidate = match c {
            // Nearly all characters of Chinese text, told by one comparison.
            '\u{3100}'..='\u{ff00}' => {
                previous = c;
                continue;
            }
            '。' | '！' | '？' | '｡' | '!' | '?' | '…' | '‼' | '⁇' | '⁈' | '⁉' | '.' => {
                at + c.len_utf8()
            }
            _ => {
                previous = c;
                continue;
            }
        };
        // Closing quotes and further marks belong to the sentence that they end.
        let end = end_of_marks(text, candidate);
        if ends_sentence(c, previous, &text[candidate..end], &text[end..]) {
            return end;
        }
        previous = c;
    }
    text.len()
}

/// The end of the run of end marks and closing quotes or brackets that goes on at `at`.
fn end_of_marks(text: &str, at: usize) -> usize {
    let run = text[at..].find(|c| !is_end_mark(c) && !is_closer(c));
    run.map_or(text.len(), |length| at + length)
}

/// True if a mark `c` after `previous`, the marks `more` and then `rest` ends a sentence.
fn ends_sentence(c: char, previous: char, more: &str, rest: &str) -> bool {
    let next = rest.chars().next();
    // “……好的！”，他说 goes on after the quote.
    if matches!(next, Some('，' | '、' | '；' | '：' | ',' | ';' | ':' | '—')) {
        return false;
    }
    match c {
        '。' | '！' | '？' | '｡' | '‼' | '⁇' | '⁈' | '⁉' => true,
        // An ellipsis is two of them; one alone is a pause.
        '…' => more.starts_with(['…', '。', '！', '？']),
        // Half-width marks also occur in URLs and code, so they need a space, the end, or text that is not ASCII behind
        // them.
        '!' | '?' => next.is_none_or(|next| next == ' ' || !next.is_ascii()),
        // A full stop of Latin text: not in 3.14, Node.js, "1. 安装", J. Smith, e.g. this.
        '.' => {
            !previous.is_ascii_digit()
                && !previous.is_ascii_uppercase()
                && previous != ' '
                && opens_sentence(rest)
        }
        _ => false,
    }
}

fn opens_sentence(rest: &str) -> bool {
    // An abbreviation mostly goes on in lower case.
    let Some(after_space) = rest.strip_prefix(' ') else { return rest.is_empty() };
    after_space.trim_start_matches(' ').chars().next().is_none_or(|c| c.is_ascii_uppercase() || !c.is_ascii())
}

fn is_end_mark(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '｡' | '!' | '?' | '…' | '‼' | '⁇' | '⁈' | '⁉')
}

fn is_closer(c: char) -> bool {
    matches!(
        c,
        '”' | '’'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
            | '〉'
            | '〕'
            | '］'
            | '｝'
            | '"'
            | '\''
            | ')'
            | ']'
            | '}'
            | '＂'
            | '＇'
            | '»'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cases() {
        let cases: &[(&str, &[&str])] = &[
            ("今天下雨。明天呢？不知道！", &["今天下雨。", "明天呢？", "不知道！"]),
            ("他说：“走吧。”于是我们走了。", &["他说：“走吧。”", "于是我们走了。"]),
            ("“好的！”，他说。", &["“好的！”，他说。"]),
            ("（完。）下一段", &["（完。）", "下一段"]),
            ("「真的嗎？」她問。", &["「真的嗎？」", "她問。"]),
            ("什么？！真的！！！", &["什么？！", "真的！！！"]),
            ("他走了……再也没回来。", &["他走了……", "再也没回来。"]),
            ("他…走了。", &["他…走了。"]),
            ("圆周率是 3.14 左右。", &["圆周率是 3.14 左右。"]),
            ("用 Node.js 写。Really? Yes!", &["用 Node.js 写。", "Really?", "Yes!"]),
            ("Hello there. How are you?", &["Hello there.", "How are you?"]),
            ("see e.g. this one", &["see e.g. this one"]),
            ("1. 安装 2. 运行", &["1. 安装 2. 运行"]),
            ("访问 http://a.cn/?q=1 即可。", &["访问 http://a.cn/?q=1 即可。"]),
            ("没有标点", &["没有标点"]),
            ("。。。", &["。。。"]),
            ("", &[]),
            ("  好。  坏。 ", &["好。", "坏。"]),
        ];
        for (line, expected) in cases {
            assert_eq!(sentences(line).collect::<Vec<_>>(), *expected, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(line in "[天地。！？!?…”’」）.，a-zA-Z0-9 ]*") {
            let joined: String = sentences(&line).collect();
            prop_assert_eq!(joined.replace(' ', ""), line.replace(' ', ""));
            prop_assert!(sentences(&line).all(|sentence| !sentence.is_empty()));
        }
    }
}
