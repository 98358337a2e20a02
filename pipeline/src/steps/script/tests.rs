use encoding_rs::{BIG5, GBK};
use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

use super::*;
use crate::steps::chars::is_han;

/// True for the characters of GB 2312: the rows of its Hanzi within GBK.
fn is_in_gb2312(c: char) -> bool {
    let mut buffer = [0; 4];
    let (bytes, _, unmappable) = GBK.encode(c.encode_utf8(&mut buffer));
    !unmappable && matches!(*bytes, [0xb0..=0xf7, 0xa1..=0xfe])
}

fn is_in_big5(c: char) -> bool {
    let mut buffer = [0; 4];
    let (bytes, _, unmappable) = BIG5.encode(c.encode_utf8(&mut buffer));
    // The Hanzi of Big5 itself; what Hong Kong added has simplified characters too.
    !unmappable && matches!(*bytes, [0xa4..=0xf9, _])
}

fn one_character(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// What `characters.txt` says, from the sources.
fn made() -> String {
    let to_simplified = OpenCC::from_config(BuiltinConfig::T2s).expect("it is in the crate");
    let to_traditional = OpenCC::from_config(BuiltinConfig::S2t).expect("it is in the crate");
    let mut made = String::new();
    for c in (0..=0x10_ffff).filter_map(char::from_u32).filter(|&c| is_han(c)) {
        let text = c.to_string();
        let simplified = one_character(&to_simplified.convert(&text)).unwrap_or(c);
        if simplified != c {
            let both = if is_in_gb2312(c) { " both" } else { "" };
            made.push_str(&format!("{c} {simplified}{both}\n"));
        } else if is_in_gb2312(c) && !is_in_big5(c) && to_traditional.convert(&text) != text {
            made.push_str(&format!("{c}\n"));
        }
    }
    made
}

#[test]
fn the_table_is_that_of_its_sources() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/steps/script/characters.txt");
    if std::env::var_os("QUANCI_WRITE_TABLES").is_some() {
        std::fs::write(path, made()).expect("it can be written");
    }
    let there = std::fs::read_to_string(path).expect("it is in the repository");
    assert!(
        there == made(),
        "the sources changed: QUANCI_WRITE_TABLES=1 writes the table anew; see `CONVERTER`"
    );
    let lock = include_str!("../../../../Cargo.lock");
    let (_, after) = lock.split_once("name = \"ferrous-opencc\"\nversion = \"").expect("it is locked");
    assert_eq!(CONVERTER, format!("ferrous-opencc {}", after.split('"').next().expect("a version")));
}

#[test]
fn scripts() {
    let cases = [
        ("今天天氣很好，我們一起去公園散步。", Script::Traditional),
        ("今天天气很好，我们一起去公园散步。", Script::Simplified),
        ("", Script::Neutral),
        ("Hello, 你好。", Script::Neutral),
        // Characters that simplified text has too.
        ("乾隆皇帝下江南，於是文徵明在瞭望。", Script::Neutral),
        // A name in the other script does not change that of its sentence.
        ("我们在臺北见过陈先生。", Script::Simplified),
        ("我們在台湾見過陳先生。", Script::Traditional),
    ];
    for (text, script) in cases {
        assert_eq!(Script::of(text), script, "{text}");
    }
}

#[test]
fn forms() {
    for (c, form) in [('國', '国'), ('国', '国'), ('乾', '干'), ('a', 'a'), ('㗲', '𠵾'), ('后', '后')]
    {
        assert_eq!(simplified(c), form, "{c}");
    }
    assert!(with_simplified_form().all(|c| simplified(c) != c));
    let beyond = with_simplified_form().find(|&c| c > '\u{ffff}').expect("some are beyond the plane");
    assert_ne!(simplified(beyond), beyond);
}
