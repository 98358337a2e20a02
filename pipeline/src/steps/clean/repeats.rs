//! Lines that come again and again through a document, such as the address of the site that an e-book is from. Sites write it
//! a little differently each time (`wＷw。xiaoshuo txt.neｔ`), so only letters and digits are compared, in one width and case.

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

/// Letters and digits of a line that is compared: shorter ones are answers in a dialogue and numbers of chapters, longer
/// ones are paragraphs.
const LETTERS: std::ops::RangeInclusive<usize> = 8..=100;

/// The text without lines that it has `least` times or more, how many lines went, and the first of them.
pub(super) fn remove(text: &str, least: u64) -> Option<(String, u64, String)> {
    let mut folded = String::new();
    let mut keys = Vec::new();
    let mut counts: FxHashMap<u64, u64> = FxHashMap::default();
    for line in text.split('\n') {
        let key = fold(line, &mut folded).then(|| xxh3_64(folded.as_bytes()));
        if let Some(key) = key {
            *counts.entry(key).or_default() += 1;
        }
        keys.push(key);
    }
    let goes =
        |key: Option<u64>| key.is_some_and(|key| counts.get(&key).is_some_and(|&count| count >= least));
    let gone = keys.iter().filter(|key| goes(**key)).count();
    if gone == 0 {
        return None;
    }
    let mut kept = Vec::with_capacity(keys.len() - gone);
    let mut first = None;
    for (line, &key) in text.split('\n').zip(&keys) {
        if goes(key) { first = first.or(Some(line)) } else { kept.push(line) }
    }
    Some((kept.join("\n"), gone as u64, first.unwrap_or_default().to_owned()))
}

/// Writes the letters and digits of a line; false if there are too few or too many to be compared.
fn fold(line: &str, folded: &mut String) -> bool {
    folded.clear();
    let mut letters = 0;
    // A byte a letter at least, four at most with marks between them: most paragraphs are not looked at.
    // Lines that end like a sentence are items that a text has again, as laws do.
    let is_sentence = line.trim_end().ends_with(['。', '！', '？', '；', '：', '，', '”', '」']);
    if is_sentence || line.len() < *LETTERS.start() || line.len() > 16 * LETTERS.end() {
        return false;
    }
    for c in line.chars().map(half_width).filter(|c| c.is_alphanumeric()) {
        folded.push(c.to_ascii_lowercase());
        letters += 1;
    }
    LETTERS.contains(&letters)
}

fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermarks() {
        let marks = [
            "www.xiaoshuotxt.nett.xt.小`说`天.堂",
            "wＷw。xiaoshuo txt.neｔ［t.xt小，说［天堂｝",
            "www。xiaoshuotxt。nett:xt.小``说\".天 堂",
        ];
        let text = format!(
            "第一章\n清晨的河面上起了一层薄雾。\n{}\n第二章\n渔船离开码头。\n{}\n“嗯。”\n“嗯。”\n“嗯。”\n{}",
            marks[0], marks[1], marks[2]
        );
        let (kept, count, first) = remove(&text, 3).expect("found");
        assert_eq!(
            kept,
            "第一章\n清晨的河面上起了一层薄雾。\n第二章\n渔船离开码头。\n“嗯。”\n“嗯。”\n“嗯。”"
        );
        assert_eq!((count, &*first), (3, marks[0]));
        assert_eq!(remove(&text, 4), None);
        assert_eq!(remove(&"（一）填报人的基本资料。\n".repeat(9), 2), None);
        assert_eq!(remove("", 2), None);
    }
}
