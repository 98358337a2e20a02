//! Text in simplified and traditional characters: one written in those of the other, by OpenCC's phrases and characters.

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

use crate::config::ScriptRule;
use crate::steps::script::Script;

/// What `clean.script` asks for, made ready.
pub(super) enum Characters {
    /// Lines in this script are converted.
    Convert { from: Script, converter: Box<OpenCC> },
    /// Documents in this script are dropped.
    Drop(Script),
}

impl Characters {
    /// What a rule asks for; `None` where nothing is done.
    pub(super) fn new(rule: ScriptRule) -> Option<Characters> {
        let convert = |from, config| {
            // The configuration is part of the crate.
            let converter = OpenCC::from_config(config).expect("the tables in the program are sound");
            Characters::Convert { from, converter: Box::new(converter) }
        };
        match rule {
            ScriptRule::Keep => None,
            ScriptRule::ToSimplified => Some(convert(Script::Traditional, BuiltinConfig::T2s)),
            ScriptRule::ToTraditional => Some(convert(Script::Simplified, BuiltinConfig::S2t)),
            ScriptRule::DropTraditional => Some(Characters::Drop(Script::Traditional)),
            ScriptRule::DropSimplified => Some(Characters::Drop(Script::Simplified)),
        }
    }
}

/// A text with its lines in the script `from` converted, and how many were changed; `None` if none was.
///
/// A line is in the script of its own characters. One that tells nothing, such as 皇后, is in that of its document, so that
/// 皇后 in a simplified document becomes traditional by OpenCC's phrases, and 后 stays as it is in a traditional one.
pub(super) fn convert(text: &str, from: Script, converter: &OpenCC) -> Option<(String, u64)> {
    let whole = Script::of(text);
    let mut converted = String::new();
    let (mut copied, mut count, mut at) = (0, 0, 0);
    for line in text.split_inclusive('\n') {
        let script = match Script::of(line) {
            Script::Neutral => whole,
            script => script,
        };
        if script == from {
            let other = converter.convert(line);
            if other != line {
                converted.push_str(&text[copied..at]);
                converted.push_str(&other);
                copied = at + line.len();
                count += 1;
            }
        }
        at += line.len();
    }
    converted.push_str(&text[copied..]);
    (count > 0).then_some((converted, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(rule: ScriptRule, text: &str) -> Option<(String, u64)> {
        match Characters::new(rule) {
            Some(Characters::Convert { from, converter }) => convert(text, from, &converter),
            _ => panic!("{rule:?} converts nothing"),
        }
    }

    #[test]
    fn lines_in_the_other_script_are_converted() {
        let cases = [
            // Phrases decide where a character has several forms.
            (ScriptRule::ToTraditional, "他头发干净，皇后发现了", Some("他頭髮乾淨，皇后發現了"), 1),
            (ScriptRule::ToSimplified, "乾隆皇帝說：頭髮乾了", Some("乾隆皇帝说：头发干了"), 1),
            // A line that tells nothing is in the script of its document.
            (ScriptRule::ToTraditional, "他们来了\n后来\n\n", Some("他們來了\n後來\n\n"), 2),
            (ScriptRule::ToTraditional, "他們來了\n皇后\n", None, 0),
            (ScriptRule::ToSimplified, "他們來了\n於是\n我们走了", Some("他们来了\n于是\n我们走了"), 2),
            // Simplified text that has 乾 and 於 stays.
            (ScriptRule::ToSimplified, "言伯乾和於天子在说话", None, 0),
            (ScriptRule::ToSimplified, "於是", None, 0),
            (ScriptRule::ToSimplified, "", None, 0),
        ];
        for (rule, text, expected, count) in cases {
            let expected = expected.map(|text| (text.to_owned(), count));
            assert_eq!(converted(rule, text), expected, "{text:?}");
        }
    }
}
