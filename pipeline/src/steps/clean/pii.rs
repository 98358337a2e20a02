//! Personal data: e-mail and IP addresses, Chinese mobile numbers, identity cards, bank cards, and accounts of QQ and WeChat.
//! Numbers with a checksum are found by it; accounts by the word before them.

use std::ops::Range;

use crate::config::PiiKind;

/// What stands for each kind: of the same shape, so that sentences stay sentences, and nobody's.
fn placeholder(kind: PiiKind) -> &'static str {
    match kind {
        PiiKind::Email => "email@example.com",
        PiiKind::Ip => "0.0.0.0",
        PiiKind::Phone => "13000000000",
        PiiKind::IdCard => "000000000000000000",
        PiiKind::BankCard => "0000000000000000",
        PiiKind::Account => "00000",
    }
}

/// The text with what was found replaced, and how often each kind was found.
pub(super) fn replace(text: &str, kinds: &[PiiKind]) -> Option<(String, Vec<(PiiKind, u64)>)> {
    let found = find(text, kinds);
    if found.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (range, kind) in &found {
        out.push_str(&text[end..range.start]);
        out.push_str(placeholder(*kind));
        end = range.end;
    }
    out.push_str(&text[end..]);
    let count = |kind: &PiiKind| (*kind, found.iter().filter(|(_, other)| other == kind).count() as u64);
    Some((out, kinds.iter().map(count).filter(|(_, count)| *count > 0).collect()))
}

/// The first kind that is in a text.
pub(super) fn first(text: &str, kinds: &[PiiKind]) -> Option<PiiKind> {
    find(text, kinds).first().map(|(_, kind)| *kind)
}

/// Where personal data is, in order and apart from one another.
fn find(text: &str, kinds: &[PiiKind]) -> Vec<(Range<usize>, PiiKind)> {
    let bytes = text.as_bytes();
    let wanted = |kind| kinds.contains(&kind);
    let mut found = Vec::new();
    if wanted(PiiKind::Email) {
        let at = memchr::memchr_iter(b'@', bytes);
        found.extend(at.filter_map(|at| email(bytes, at)).map(|range| (range, PiiKind::Email)));
    }
    if wanted(PiiKind::Account) {
        accounts(text, &mut found);
    }
    let mut at = 0;
    while let Some(skipped) = bytes[at..].iter().position(u8::is_ascii_digit) {
        at += skipped;
        let length = digits(&bytes[at..]);
        let is_whole = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || is_joined(bytes, at));
        let number = if is_whole { number(bytes, at, length) } else { None };
        match number.filter(|(_, kind)| wanted(*kind)) {
            Some((end, kind)) => {
                found.push((at..end, kind));
                at = end;
            }
            None => at += length,
        }
    }
    found.retain(|(range, kind)| text[range.clone()] != *placeholder(*kind));
    found.sort_by_key(|(range, _)| (range.start, range.end));
    let mut end = 0;
    found.retain(|(range, _)| {
        let apart = range.start >= end;
        end = end.max(range.end);
        apart
    });
    found
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// True for a number that goes on from one before it: `1.5`, `2020-01`.
fn is_joined(bytes: &[u8], at: usize) -> bool {
    at >= 2 && matches!(bytes[at - 1], b'.' | b'-' | b'_') && bytes[at - 2].is_ascii_alphanumeric()
}

/// The end and the kind of the number of `length` digits at `at`.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<(usize, PiiKind)> {
    let end = at + length;
    let goes_on = |end: usize| {
        bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@'))
    };
    let run = &bytes[at..end];
    if length == 17 && matches!(bytes.get(end), Some(b'x' | b'X')) && !goes_on(end + 1) && is_id_card(run, 10)
    {
        return Some((end + 1, PiiKind::IdCard));
    }
    if length <= 4
        && let Some((end, kind)) = grouped(bytes, at).or_else(|| ip(bytes, at))
    {
        return (!goes_on(end)).then_some((end, kind));
    }
    if goes_on(end) {
        return None;
    }
    match length {
        11 if is_phone(run) => Some((end, PiiKind::Phone)),
        13 if run.starts_with(b"86") && is_phone(&run[2..]) => Some((end, PiiKind::Phone)),
        18 if is_id_card(&run[..17], u32::from(run[17] - b'0')) => Some((end, PiiKind::IdCard)),
        16..=19 if is_bank_card(run) => Some((end, PiiKind::BankCard)),
        _ => None,
    }
}

/// Numbers in groups: `138 1234 5678`, `6222 0212 …`.
fn grouped(bytes: &[u8], at: usize) -> Option<(usize, PiiKind)> {
    const LONGEST: usize = 19;
    let mut groups = Vec::new();
    let mut all = Vec::new();
    let mut end = at;
    let separator =
        bytes.get(at + digits(&bytes[at..])).copied().filter(|byte| matches!(byte, b' ' | b'-'))?;
    loop {
        let length = digits(&bytes[end..]);
        if length == 0 || all.len() + length > LONGEST {
            return None;
        }
        groups.push(length);
        all.extend_from_slice(&bytes[end..end + length]);
        end += length;
        let more = bytes.get(end) == Some(&separator) && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        let is_phone = groups == [3, 4, 4] && is_phone(&all);
        if is_phone && (!more || digits(&bytes[end + 1..]) < 4) {
            return Some((end, PiiKind::Phone));
        }
        if !more {
            break;
        }
        end += 1;
    }
    let (last, full) = groups.split_last()?;
    let is_card =
        full.iter().all(|&length| length == 4) && *last <= 4 && all.len() >= 16 && is_bank_card(&all);
    is_card.then_some((end, PiiKind::BankCard))
}

/// A public IPv4 address, not the number of a version.
fn ip(bytes: &[u8], at: usize) -> Option<(usize, PiiKind)> {
    let mut parts = [0_u32; 4];
    let mut end = at;
    for (i, part) in parts.iter_mut().enumerate() {
        if i > 0 {
            (bytes.get(end) == Some(&b'.')).then_some(())?;
            end += 1;
        }
        let length = digits(&bytes[end..]);
        if !(1..=3).contains(&length) || (length > 1 && bytes[end] == b'0') {
            return None;
        }
        *part = bytes[end..end + length].iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
        end += length;
    }
    let goes_on = bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    let is_version = "版本".as_bytes() == &bytes[at.saturating_sub(6)..at];
    let is_public = match parts {
        _ if parts.iter().any(|&part| part > 255) => false,
        [0 | 10 | 127 | 224.., ..] | [192, 168, ..] | [169, 254, ..] | [172, 16..=31, ..] => false,
        // Versions have small numbers: 1.2.3.4.
        _ => parts.iter().filter(|&&part| part > 20).count() >= 2,
    };
    (is_public && !goes_on && !is_version).then_some((end, PiiKind::Ip))
}

fn is_phone(digits: &[u8]) -> bool {
    digits.len() == 11 && digits[0] == b'1' && matches!(digits[1], b'3'..=b'9')
}

/// GB 11643: a region, a date, a number, and a checksum by ISO 7064 (mod 11, 2).
fn is_id_card(first: &[u8], last: u32) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [u32; 11] = [1, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2];
    let value =
        |range: Range<usize>| first[range].iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
    let (region, year, month, day) = (value(0..2), value(6..10), value(10..12), value(12..14));
    let is_date = (1900..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let sum: u32 = first.iter().zip(WEIGHTS).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    (11..=82).contains(&region) && is_date && CHECKS[(sum % 11) as usize] == last
}

/// A number of a card by its first digits, and the checksum of Luhn.
fn is_bank_card(digits: &[u8]) -> bool {
    let is_scheme =
        matches!(digits, [b'6', b'2', ..] | [b'4', ..] | [b'5', b'1'..=b'5', ..] | [b'3', b'5', ..]);
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let values = digits.iter().rev().map(|byte| u32::from(byte - b'0')).enumerate();
    let sum: u32 = values.map(|(i, digit)| if i % 2 == 1 { doubled(digit) } else { digit }).sum();
    is_scheme && sum.is_multiple_of(10)
}

/// The address around the `@` at `at`.
fn email(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    const LONGEST: usize = 64;
    let is_local =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
    let local = bytes[at.saturating_sub(LONGEST)..at].iter().rev().take_while(|byte| is_local(byte)).count();
    let is_domain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let domain = bytes[at + 1..].iter().take(4 * LONGEST).take_while(|byte| is_domain(byte)).count();
    let name = std::str::from_utf8(&bytes[at + 1..at + 1 + domain]).ok()?;
    let name = name.trim_end_matches(['.', '-']);
    let (host, top) = name.rsplit_once('.')?;
    let is_name = !host.is_empty() && !host.starts_with(['.', '-']) && !host.contains("..");
    let is_top = (2..=10).contains(&top.len()) && top.bytes().all(|byte| byte.is_ascii_alphabetic());
    let start = at - local;
    (local > 0 && is_name && is_top && bytes[start] != b'.').then_some(start..at + 1 + name.len())
}

/// Accounts behind the names of QQ and WeChat.
fn accounts(text: &str, found: &mut Vec<(Range<usize>, PiiKind)>) {
    for (name, is_qq) in [
        ("QQ", true),
        ("qq", true),
        ("Qq", true),
        ("微信", false),
        ("WeChat", false),
        ("wechat", false),
        ("VX", false),
        ("vx", false),
    ] {
        for at in memchr::memmem::find_iter(text.as_bytes(), name) {
            let is_word = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.'));
            let rest = &text[at + name.len()..];
            // QQ群：, 微信号:, 加微信 …; a WeChat account needs a mark or 号 before it, as any word might follow.
            let mut begin =
                rest.trim_start_matches(['群', '号', '號', '码', '是', '为', ' ', ':', '：', '\u{3000}']);
            let mut is_told = begin.len() < rest.len();
            if let Some(inner) = begin.strip_prefix(['（', '(']) {
                (begin, is_told) = (inner, true);
            }
            let account = begin
                .bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count();
            let account = &begin[..account];
            let is_number =
                (5..=11).contains(&account.len()) && account.bytes().all(|byte| byte.is_ascii_digit());
            let is_id = (6..=20).contains(&account.len())
                && account.starts_with(|c: char| c.is_ascii_alphabetic())
                && account.contains(|c: char| c.is_ascii_digit() || c == '_' || c == '-');
            if !is_word && (is_number && (is_qq || is_told) || !is_qq && is_told && is_id) {
                let start = text.len() - begin.len();
                found.push((start..start + account.len(), PiiKind::Account));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replaced(text: &str) -> String {
        replace(text, &PiiKind::ALL).map_or(text.to_owned(), |(text, _)| text)
    }

    #[test]
    fn personal_data() {
        // Made up: checksums fit, nobody has them.
        for (text, expected) in [
            ("写信到 zhang.san+a@mail.example.org。", "写信到 email@example.com。"),
            ("服务器 121.40.33.7:80", "服务器 0.0.0.0:80"),
            ("手机13812345678，", "手机13000000000，"),
            ("+8613812345678 或 138-1234-5678", "+13000000000 或 13000000000"),
            ("身份证11010519491231002X。", "身份证000000000000000000。"),
            (
                "身份证号440524198001010012不对，440524198001010013对",
                "身份证号440524198001010012不对，000000000000000000对",
            ),
            ("卡号 6222 0212 3456 7894，6222 0212 3456 7895", "卡号 0000000000000000，6222 0212 3456 7895"),
            ("卡号 4111111111111111，5500-0000-0000-0004", "卡号 0000000000000000，0000000000000000"),
            ("QQ群：12345678，加微信号 abc_12345", "QQ群：00000，加微信号 00000"),
            ("微信：zhangsan88（备注）", "微信：00000（备注）"),
        ] {
            assert_eq!(replaced(text), expected, "{text}");
        }
        let counts = replace("a1@b.cn，b2@c.cn，13812345678", &PiiKind::ALL).map(|(_, counts)| counts);
        assert_eq!(counts, Some(vec![(PiiKind::Email, 2), (PiiKind::Phone, 1)]));
        assert_eq!(first("13812345678", &[PiiKind::Email]), None);
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "2020-01-01 12:30:45",
            "版本 1.2.3.4 和 v10.20.3.4，内核 2.6.34.15",
            "192.168.1.1 与 127.0.0.1",
            "人口 1411778724 人",
            "订单 138123456789",
            "编号 1234567890123456",
            "a@b",
            "@张三 你好",
            "@media (max-width: 3px)",
            "微信公众号很多",
            "QQ 很好用",
            "圆周率 3.14159265358979",
            "email@example.com 13000000000",
            "110105194912310021",
            "sha256:13812345678abcdef",
            "微信 wechat 好",
        ] {
            assert_eq!(replaced(text), text, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([0-9]{1,19}|[@.:xX -]|QQ|微信|号|abc|天){0,40}") {
            let once = replaced(&text);
            prop_assert!(once.len() <= text.len() * 17 + 17);
        }
    }
}
