//! jieba's words with their counts, and the rules by which its Python program adds words to them.
//!
//! jieba-rs reads a user's dictionary by other rules than jieba 0.42.1 (fxsjy/jieba): a word without a count gets the
//! count 0, which makes it impossible. So counts are kept here, changed as jieba changes them, and then made a
//! dictionary.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::alphabet::is_looked_up;
use super::image::Image;

/// The words and counts of jieba-rs's dictionary (MIT license), sorted by their bytes: a word, a space and its count in
/// each line.
const WORDS: &[u8] = include_bytes!("jieba-words.txt.zst");

/// jieba's words, and those that were added to them.
pub(super) struct Counts {
    base: String,
    /// The offsets of the lines of `base`.
    lines: Vec<u32>,
    added: HashMap<String, u64>,
    /// Beginnings of added words. jieba's table holds them with the count 0.
    added_prefixes: HashSet<String>,
    /// jieba's `total`: the sum of the counts. A word that is added twice is counted twice.
    total: u64,
}

impl Counts {
    /// The words and counts of jieba's own dictionary.
    pub(super) fn of_jieba() -> Counts {
        let base = zstd::decode_all(WORDS).expect("the dictionary in the program is sound");
        let base = String::from_utf8(base).expect("the dictionary in the program is sound");
        let ends = memchr::memchr_iter(b'\n', base.as_bytes()).map(|at| at as u32 + 1);
        let mut lines: Vec<u32> = std::iter::once(0).chain(ends).collect();
        lines.pop();
        let mut counts =
            Counts { base, lines, added: HashMap::new(), added_prefixes: HashSet::new(), total: 0 };
        counts.total = (0..counts.lines.len()).map(|line| counts.entry(line).1).sum();
        counts
    }

    fn entry(&self, line: usize) -> (&str, u64) {
        let end = self.lines.get(line + 1).map_or(self.base.len(), |&end| end as usize);
        let text = self.base[self.lines[line] as usize..end].trim_end();
        let (word, count) = text.split_once(' ').expect("a word and a count");
        (word, count.parse().expect("a count"))
    }

    /// jieba's own words and their counts, in the order of their bytes.
    pub(super) fn words(&self) -> impl Iterator<Item = (&str, u64)> {
        (0..self.lines.len()).map(|line| self.entry(line))
    }

    /// The count of a word: jieba's `FREQ.get(word)`. A beginning of a word that is no word itself has the count 0.
    fn get(&self, word: &str) -> Option<u64> {
        if let Some(&count) = self.added.get(word) {
            return Some(count);
        }
        let line = self.lines.partition_point(|&start| {
            let line = &self.base.as_bytes()[start as usize..];
            let end = memchr::memchr(b' ', line).expect("a space follows each word");
            &line[..end] < word.as_bytes()
        });
        if line < self.lines.len() {
            let (found, count) = self.entry(line);
            if found == word {
                return Some(count);
            }
            // Words that begin with another word follow it in the order of bytes.
            if found.starts_with(word) {
                return Some(0);
            }
        }
        self.added_prefixes.contains(word).then_some(0)
    }

    /// Adds a word, or changes its count, as jieba's `add_word` does. Without a count it gets the one that
    /// [`Counts::suggest`] gives.
    pub(super) fn add(&mut self, word: &str, count: Option<u64>) {
        let count = count.unwrap_or_else(|| self.suggest(word));
        self.added.insert(word.to_owned(), count);
        // The old count is not taken away: so it is in jieba.
        self.total += count;
        for (at, _) in word.char_indices().skip(1) {
            if self.get(&word[..at]).is_none() {
                self.added_prefixes.insert(word[..at].to_owned());
            }
        }
    }

    /// The count that makes a text be found as one word: jieba's `suggest_freq`.
    fn suggest(&self, word: &str) -> u64 {
        let total = self.total as f64;
        let mut product = 1.0;
        for part in self.cut(word) {
            product *= self.get(part).unwrap_or(1) as f64 / total;
        }
        ((product * total) as u64 + 1).max(self.get(word).unwrap_or(1))
    }

    /// Cuts a text without the HMM: jieba's `cut(text, HMM=False)`.
    fn cut<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if is_looked_up(first) {
                let end = rest.find(|c| !is_looked_up(c)).unwrap_or(rest.len());
                self.cut_block(&rest[..end], &mut parts);
                rest = &rest[end..];
            } else {
                let (one, after) = rest.split_at(first.len_utf8());
                parts.push(one);
                rest = after;
            }
        }
        parts
    }

    /// Finds the most probable way through a block, from its end, and joins single letters and digits.
    fn cut_block<'a>(&self, block: &'a str, parts: &mut Vec<&'a str>) {
        let ends: Vec<usize> = block.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        let begin = |index: usize| if index == 0 { 0 } else { ends[index - 1] };
        let log_total = (self.total as f64).ln();
        // For each character: the probability of the best way from there, and the character after its first word.
        let mut best = vec![(0.0, 0); ends.len() + 1];
        for from in (0..ends.len()).rev() {
            let mut choice: Option<(f64, usize)> = None;
            for (to, &end) in ends.iter().enumerate().skip(from) {
                let Some(count) = self.get(&block[begin(from)..end]) else { break };
                if count > 0 {
                    let score = (count as f64).ln() - log_total + best[to + 1].0;
                    // Of equal ways, the one with the longer word.
                    if choice.is_none_or(|(other, _)| score >= other) {
                        choice = Some((score, to + 1));
                    }
                }
            }
            best[from] = choice.unwrap_or_else(|| (-log_total + best[from + 1].0, from + 1));
        }
        let (mut at, mut joined) = (0, None);
        while at < ends.len() {
            let next = best[at].1;
            let word = &block[begin(at)..ends[next - 1]];
            if word.len() == 1 && word.as_bytes()[0].is_ascii_alphanumeric() {
                joined.get_or_insert(begin(at));
            } else {
                parts.extend(joined.take().map(|from| &block[from..begin(at)]));
                parts.push(word);
            }
            at = next;
        }
        parts.extend(joined.map(|from| &block[from..]));
    }

    /// The dictionary of these words; `None` if they are too many. Words with the count 0 are left out, since jieba never
    /// finds them.
    pub(super) fn image(&self) -> Option<Image<'static>> {
        let mut words: Vec<(&str, u64)> =
            self.words().filter(|(word, _)| !self.added.contains_key(*word)).collect();
        let added: BTreeMap<&str, u64> =
            self.added.iter().map(|(word, &count)| (word.as_str(), count)).collect();
        words.extend(added.into_iter().filter(|(_, count)| *count > 0));
        // Two sorted sequences: this merges them.
        words.sort();
        Image::of(words.iter().copied(), self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jieba_rs::Jieba;

    /// The dictionary in the repository is that of the jieba-rs that is linked.
    #[test]
    fn the_words_are_those_of_jieba_rs() {
        let (counts, jieba) = (Counts::of_jieba(), Jieba::new());
        assert!((0..counts.lines.len()).all(|line| jieba.has_word(counts.entry(line).0)));
        let same = format!("records_len: {}, total_freq: {}", counts.lines.len(), counts.total);
        assert!(format!("{jieba:?}").contains(&same), "{jieba:?}");
        let text = "他来到了网易杭研大厦，AT&T公司的小明硕士毕业于中国科学院计算所，后在日本京都大学深造";
        let words: Vec<&str> = jieba.cut(text, false).into_iter().map(|token| token.word).collect();
        assert_eq!(counts.cut(text), words);
    }

    /// Values of jieba 0.42.1's `suggest_freq`, in a new process each.
    #[test]
    fn counts_are_suggested_as_by_jieba() {
        let counts = Counts::of_jieba();
        for (word, count) in SUGGESTED {
            assert_eq!(counts.suggest(word), *count, "{word}");
        }
    }

    const SUGGESTED: &[(&str, u64)] = &[
        ("云帆山庄", 1),
        ("石墨烯电热膜厂", 1),
        ("渔船", 268),
        ("码头", 2509),
        ("量子 计算机", 1),
        ("的", 318826),
        ("中", 243192),
        ("台中", 69),
        ("EduTrust认证", 1),
        ("19-9", 1),
        ("糖类抗原19-9", 1),
        ("㐂", 1),
        ("囧囧", 1),
        ("龘龘", 1),
        ("AT", 1),
        ("一只", 6815),
        ("B", 1),
        ("蹇蹇匪躬x", 1),
        ("·", 1),
        ("在在", 8817),
    ];
}
