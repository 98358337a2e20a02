//! Words of English as `nltk.word_tokenize` finds them: its NLTKWordTokenizer (nltk 3.10, tokenize/destructive.py), rule by rule.
//! The text is taken for one sentence: nltk cuts sentences first, by a model that is no part of it.

use std::sync::LazyLock;

use fancy_regex::Regex;

/// A pattern, and what takes the place of what it finds.
type Rule = (Regex, &'static str);

/// In the order in which they are applied. The second list sees the text with a space before and behind.
static RULES: LazyLock<[Vec<Rule>; 2]> = LazyLock::new(|| [BEFORE.map(rule).into(), BEHIND.map(rule).into()]);

fn rule((pattern, with): (&str, &'static str)) -> Rule {
    (Regex::new(pattern).expect("a test applies every rule"), with)
}

const BEFORE: [(&str, &str); 17] = [
    // Quotation marks that open.
    ("([«“‘„]|[`]+)", " ${1} "),
    ("^\"", "``"),
    ("(``)", " ${1} "),
    (r#"([ \(\[{<])("|'{2})"#, "${1} `` "),
    (r"(?i)(?<!\w)(')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "${1} "),
    // Punctuation.
    ("([^\\.])(\\.)([\\]\\)}>\"'»”’ ]*+)\\s*$", "${1} ${2} ${3} "),
    (r"([:,])([^\d])", " ${1} ${2}"),
    ("([:,])$", " ${1} "),
    (r"\.{2,}", " ${0} "),
    ("[;@#$%&]", " ${0} "),
    ("[\u{2012}-\u{2015}]", " ${0} "),
    ("([^\\.])(\\.)([\\]\\)}>\"']*)\\s*$", "${1} ${2}${3} "),
    ("[?!]", " ${0} "),
    ("([^'])' ", "${1} ' "),
    ("[*]", " ${0} "),
    (r"[\]\[\(\)\{\}<>]", " ${0} "),
    ("--", " -- "),
];

const BEHIND: [(&str, &str); 16] = [
    // Quotation marks that close.
    ("([»”’])", " ${1} "),
    ("''", " '' "),
    ("\"", " '' "),
    (r"\s+", " "),
    ("([^' ])('[sS]|'[mM]|'[dD]|') ", "${1} ${2} "),
    ("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "${1} ${2} "),
    // Words that are two.
    (r"(?i)\b(can)(not)\b", " ${1} ${2} "),
    (r"(?i)\b(d)('ye)\b", " ${1} ${2} "),
    (r"(?i)\b(gim)(me)\b", " ${1} ${2} "),
    (r"(?i)\b(gon)(na)\b", " ${1} ${2} "),
    (r"(?i)\b(got)(ta)\b", " ${1} ${2} "),
    (r"(?i)\b(lem)(me)\b", " ${1} ${2} "),
    (r"(?i)\b(more)('n)\b", " ${1} ${2} "),
    (r"(?i)\b(wan)(na)(?=\s)", " ${1} ${2} "),
    ("(?i) ('t)(is)\\b", " ${1} ${2} "),
    ("(?i) ('t)(was)\\b", " ${1} ${2} "),
];

/// The words of a text.
pub(super) fn word_tokenize(text: &str) -> Vec<String> {
    let [before, behind] = &*RULES;
    let apply = |text: String, rules: &[Rule]| {
        rules.iter().fold(text, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
    };
    let text = apply(text.to_owned(), before);
    let text = apply(format!(" {text} "), behind);
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nltk 3.10.4's NLTKWordTokenizer makes of them: tests/python/golden_words.py.
    #[test]
    fn words_are_those_of_nltk() {
        let cases: Vec<(String, Vec<String>)> =
            serde_json::from_str(include_str!("../../../tests/golden/words.json")).unwrap();
        assert!(cases.len() >= 200);
        for (text, wanted) in cases {
            assert_eq!(word_tokenize(&text), wanted, "{text:?}");
        }
    }
}
