//! Reads the user's dictionary, in the layouts in which dictionaries for jieba circulate.
//!
//! | layout | a line |
//! |---|---|
//! | jieba's `load_userdict` | `word`, `word count`, `word tag`, `word count tag`; the word may hold spaces |
//! | `dict.txt` of jieba, and IK | the same: all three, or the word alone |
//! | THUOCL | word, tab, count |
//! | HanLP | word, tag, count, and more pairs of tag and count, which are added up |

use std::borrow::Cow;
use std::path::Path;

use encoding_rs::{BIG5, GB18030, UTF_16BE, UTF_16LE};

use super::alphabet::is_looked_up;
use crate::error::Error;
use crate::readers;

/// A user's dictionary as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDict {
    /// The words in the order of the file, with their counts where there are any.
    pub(super) words: Vec<(String, Option<u64>)>,
    /// What was seen that may not be meant.
    pub warnings: Vec<String>,
}

/// The largest count: the sum of all counts must stay exact as a number with a fraction.
const MAX_COUNT: u64 = 1 << 40;

/// The longest word: time and memory grow with the square of the length.
const MAX_WORD_CHARS: usize = 200;

impl UserDict {
    /// Reads a dictionary in UTF-8, UTF-16, GB18030 or Big5.
    ///
    /// # Errors
    /// [`Error::Input`] for bytes that are no text, a count that is no whole number or a word that is too long, with its
    /// line.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<UserDict, Error> {
        let mut warnings = Vec::new();
        let (text, encoding) = decode(bytes).ok_or_else(|| {
            Error::input(path, "neither UTF-8 nor GB18030 nor Big5: save the dictionary as UTF-8")
        })?;
        if encoding != "utf-8" {
            warnings.push(format!("{}: read as {encoding}", path.display()));
        }
        let hanlp = is_hanlp(&text);
        let mut words: Vec<(String, Option<u64>)> = Vec::new();
        let mut unreachable = Samples::default();
        for (number, line) in (1..).zip(lines(&text)) {
            let (word, count) = entry(line, hanlp)
                .map_err(|message| Error::input(path, format!("line {number}: {line:?}: {message}")))?;
            if word.is_empty() {
                continue;
            }
            let chars = word.chars().count();
            if chars > MAX_WORD_CHARS {
                let message =
                    format!("line {number}: a word of {chars} characters; a dictionary has a word a line");
                return Err(Error::input(path, message));
            }
            if !word.chars().all(is_looked_up) {
                unreachable.add(word);
            }
            words.push((word.to_owned(), count));
        }
        if unreachable.count > 0 {
            warnings.push(format!(
                "{}: {} of {} words can never be found, since jieba cuts texts at spaces and most marks: {}",
                path.display(),
                unreachable.count,
                words.len(),
                unreachable.words.join(", ")
            ));
        }
        if words.is_empty() {
            warnings.push(format!("{}: holds no word", path.display()));
        }
        Ok(UserDict { words, warnings })
    }
}

/// The first few of many words, for a message.
#[derive(Default)]
struct Samples {
    count: usize,
    words: Vec<String>,
}

impl Samples {
    fn add(&mut self, word: &str) {
        self.count += 1;
        if self.words.len() < 3 {
            self.words.push(format!("{word:?}"));
        }
    }
}

/// The text, and the name of its encoding.
fn decode(bytes: &[u8]) -> Option<(Cow<'_, str>, &'static str)> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => UTF_16LE.decode_without_bom_handling_and_without_replacement(rest),
        [0xfe, 0xff, rest @ ..] => UTF_16BE.decode_without_bom_handling_and_without_replacement(rest),
        _ => None,
    }
    .map(|text| (text, "utf-16"))
    .or_else(|| std::str::from_utf8(bytes).ok().map(|text| (Cow::Borrowed(text), "utf-8")))
    .or_else(|| {
        // Almost any bytes are valid in both: the one that reads like Chinese is right.
        let decoded = [(GB18030, "gb18030"), (BIG5, "big5")].into_iter().filter_map(|(encoding, name)| {
            let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
            Some((readers::reads_as_chinese(encoding, bytes), text, name))
        });
        let best = decoded.max_by(|(a, ..), (b, ..)| a.total_cmp(b))?;
        Some((best.1, best.2))
    })
}

/// The lines, with any kind of line end. A mark of the encoding is no part of the first word.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim_start_matches('\u{feff}');
    // Old Macs end lines with CR alone.
    let end = if text.contains('\n') { '\n' } else { '\r' };
    text.split(end).map(|line| line.trim().trim_start_matches('\u{feff}'))
}

/// True where most lines with three fields have the tag before the count.
fn is_hanlp(text: &str) -> bool {
    let (mut tag_first, mut count_first) = (0, 0);
    for line in lines(text) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [_, second, third, ..] = fields[..] {
            tag_first += usize::from(is_tag(second) && is_number(third));
            count_first += usize::from(is_number(second) && is_tag(third));
        }
    }
    tag_first > count_first
}

/// The word of a line, and its count.
fn entry(line: &str, hanlp: bool) -> Result<(&str, Option<u64>), String> {
    if hanlp {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [word, pairs @ ..] = &fields[..]
            && !pairs.is_empty()
            && pairs.chunks(2).all(|pair| is_tag(pair[0]) && pair.get(1).is_none_or(|count| is_number(count)))
        {
            let counts: Result<Vec<u64>, String> =
                pairs.chunks(2).filter_map(|pair| pair.get(1)).map(|count| number(count)).collect();
            let counts = counts?;
            return Ok((word, (!counts.is_empty()).then(|| counts.iter().sum())));
        }
    }
    // From the end, as the word may hold spaces: jieba's `^(.+?)( [0-9]+)?( [a-z]+)?$`, for tabs too.
    let rest = split_last(line).filter(|(_, last)| is_tag(last)).map_or(line, |(rest, _)| rest);
    match split_last(rest) {
        Some((word, count)) if is_number(count) => Ok((word, Some(number(count)?))),
        Some((_, count)) if is_other_number(count) => {
            Err("the count is not a whole number; a line is: word, count, tag".to_owned())
        }
        _ => Ok((rest, None)),
    }
}

/// A line without its last field, and that field.
fn split_last(line: &str) -> Option<(&str, &str)> {
    let (rest, last) = line.rsplit_once(char::is_whitespace)?;
    Some((rest.trim_end(), last))
}

fn is_number(field: &str) -> bool {
    !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for a number that is no count, such as `800.0`, `-5` or `1,000`.
fn is_other_number(field: &str) -> bool {
    let number = field.strip_prefix('-').unwrap_or(field);
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.split(['.', ',']).all(is_number)
        && !is_number(field)
}

/// True for a part of speech, such as `n`, `nrt` or HanLP's `gb1`.
fn is_tag(field: &str) -> bool {
    let letters = field.trim_end_matches(|c: char| c.is_ascii_digit());
    field.len() - letters.len() <= 1
        && !letters.is_empty()
        && letters.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn number(field: &str) -> Result<u64, String> {
    let count = field.parse().ok().filter(|&count| count <= MAX_COUNT);
    count.ok_or_else(|| format!("the count is above {MAX_COUNT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[u8]) -> Vec<(String, Option<u64>)> {
        UserDict::parse(Path::new("dict.txt"), text).expect("reads").words
    }

    fn of(words: &[(&str, Option<u64>)]) -> Vec<(String, Option<u64>)> {
        words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
    }

    #[test]
    fn each_layout() {
        let jieba = "云帆山庄\n渔船 12\n码头 n\n石墨烯 800 nz\n量子 计算机 2000 n\n量子 霸权 n\niPhone 4\n";
        let expected = of(&[
            ("云帆山庄", None),
            ("渔船", Some(12)),
            ("码头", None),
            ("石墨烯", Some(800)),
            ("量子 计算机", Some(2000)),
            ("量子 霸权", None),
            ("iPhone", Some(4)),
        ]);
        assert_eq!(words(jieba.as_bytes()), expected);
        let marked = format!("\u{feff}{}", jieba.replace('\n', "\r\n\r\n   \r\n"));
        assert_eq!(words(marked.as_bytes()), expected, "a mark, CR LF, blank lines");
        assert_eq!(
            words("高血压\t1234\n糖尿病 \t 56\n".as_bytes()),
            of(&[("高血压", Some(1234)), ("糖尿病", Some(56))])
        );
        let hanlp = "徐先生还具体帮助 nz 100\n攻城狮 nz 10 n 5\n单身狗 n\n裸词\n";
        let expected =
            of(&[("徐先生还具体帮助", Some(100)), ("攻城狮", Some(15)), ("单身狗", None), ("裸词", None)]);
        assert_eq!(words(hanlp.as_bytes()), expected);
        assert_eq!(words(hanlp.replace(' ', "\t").as_bytes()), expected);
    }

    #[test]
    fn each_encoding() {
        let text = "云帆山庄 800 n\n石墨烯电热膜厂 800 n\n";
        let plain = words(text.as_bytes());
        let (gbk, ..) = GB18030.encode(text);
        assert_eq!(words(&gbk), plain);
        let traditional = "雲帆山莊 800 n\n我們的臺灣國語 3 n\n";
        let (big5, ..) = BIG5.encode(traditional);
        assert_eq!(words(&big5), words(traditional.as_bytes()));
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(words(&utf16), plain);
        let warnings = UserDict::parse(Path::new("d.txt"), &gbk).expect("reads").warnings;
        assert_eq!(warnings, ["d.txt: read as gb18030"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for line in ["词 800.0 n", "词 -5", "词 1,000 n", "词 99999999999999999999 n"] {
            let error = UserDict::parse(Path::new("dict.txt"), format!("好 3 n\n{line}\n").as_bytes());
            let message = error.expect_err("no count").to_string();
            assert!(message.contains("dict.txt") && message.contains("line 2"), "{message}");
        }
        assert!(UserDict::parse(Path::new("d"), &[0xff, 0x00, 0xff]).is_err());
        let line = "词,3,n,".repeat(9000);
        assert!(UserDict::parse(Path::new("d"), line.as_bytes()).is_err());
        let odd = UserDict::parse(Path::new("d"), "量子 计算机 5 n\n好 4\n".as_bytes()).expect("reads");
        assert!(odd.warnings[0].contains("1 of 2 words can never be found"), "{:?}", odd.warnings);
    }
}
