//! Text that can be decoded and still is not what was written: encodings of seven bits, text that was decoded wrongly and
//! saved again, files of two encodings.

use super::plausible::{self, plausibility};
use super::transcode;
use crate::config::Encoding;

/// Text of this plausibility is Chinese.
const CHINESE: f64 = 0.5;
/// Characters that show more than an accident.
const CHARS: usize = 4;

/// An error in words for text in HZ or UTF-7, which hide Hanzi in ASCII.
pub(super) fn seven_bits(samples: &[Vec<u8>]) -> Option<String> {
    let head = samples.first().filter(|head| head.is_ascii())?;
    let is_chinese = |text: &str| {
        let found = plausibility(encoding_rs::UTF_8, &[text.as_bytes().to_vec()]);
        found.chars >= CHARS && found.mean > CHINESE
    };
    let refuse = |name: &str, text: &str| {
        let excerpt: String = text.chars().take(20).collect();
        format!("is in {name}, which cannot be read: {excerpt:?}; convert it with `iconv -f {name} -t UTF-8`")
    };
    let hz = hz(head);
    if is_chinese(&hz) {
        return Some(refuse("HZ", &hz));
    }
    let utf7 = utf7(head);
    is_chinese(&utf7).then(|| refuse("UTF-7", &utf7))
}

/// The Hanzi of HZ (RFC 1843): between `~{` and `~}`, GB 2312 in seven bits.
fn hz(text: &[u8]) -> String {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = memchr::memmem::find(rest, b"~{") {
        rest = &rest[start + 2..];
        let end = memchr::memmem::find(rest, b"~}").unwrap_or(rest.len());
        if rest[..end].iter().all(u8::is_ascii_graphic) {
            found.extend(rest[..end].iter().map(|byte| byte | 0x80));
        }
        rest = &rest[end..];
    }
    encoding_rs::GB18030.decode_without_bom_handling(&found).0.into_owned()
}

/// The characters that UTF-7 (RFC 2152) writes in base64, between `+` and `-`.
fn utf7(text: &[u8]) -> String {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut found = String::new();
    let mut rest = text;
    while let Some(start) = memchr::memchr(b'+', rest) {
        rest = &rest[start + 1..];
        let (mut bits, mut held, mut units) = (0_u32, 0, Vec::new());
        let length = rest.iter().take_while(|&&byte| value(byte).is_some()).count();
        for sextet in rest[..length].iter().filter_map(|&byte| value(byte)) {
            bits = (bits << 6) | u32::from(sextet);
            held += 6;
            if held >= 16 {
                held -= 16;
                units.push((bits >> held) as u16);
            }
        }
        found.extend(char::decode_utf16(units).filter_map(Result::ok));
        rest = &rest[length..];
    }
    found
}

/// A warning about text that was decoded as another encoding and saved again.
pub(super) fn saved_twice(samples: &[Vec<u8>], encoding: Encoding) -> Option<String> {
    const LOOKED_AT: usize = 4000;
    const FEWEST: usize = 20;
    const LONGEST: usize = 4;
    let head = samples.first()?;
    let head = &head[..head.len().min(LONGEST * LOOKED_AT)];
    let text = plausible::read(transcode::decoder(encoding, head), head);
    let text = text.char_indices().nth(LOOKED_AT).map_or(&*text, |(end, _)| &text[..end]);
    let score = |bytes: &[u8], encoding| plausibility(encoding, &[bytes.to_vec()]);
    let now = score(text.as_bytes(), encoding_rs::UTF_8);
    if now.chars < FEWEST || now.mean > CHINESE {
        return None;
    }
    let latin = text.chars().map(latin_byte).collect::<Vec<u8>>();
    // GBK has the euro sign in the byte 0x80, which Windows reads where it stands in UTF-8.
    let gb18030 = encoding_rs::GBK.encode(text).0;
    let ways = [
        (&latin[..], encoding_rs::UTF_8, "utf-8 was read as latin-1"),
        (&latin[..], encoding_rs::GB18030, "gb18030 was read as latin-1"),
        (&gb18030[..], encoding_rs::UTF_8, "utf-8 was read as gb18030"),
    ];
    let (bytes, written, way) = ways.into_iter().find(|(bytes, written, _)| {
        let before = score(bytes, written);
        before.chars >= FEWEST / 2 && before.mean > CHINESE && before.mean > now.mean + 0.3
    })?;
    let excerpt = |text: &str| text.chars().filter(|c| !c.is_ascii()).take(12).collect::<String>();
    Some(format!(
        "is garbled: {:?} was {:?} ({way}, and saved again); fetch it again, or convert it back",
        excerpt(text),
        excerpt(&plausible::read(written, bytes)),
    ))
}

/// The byte that Latin-1 or Windows-1252 has for a character.
fn latin_byte(c: char) -> u8 {
    match u8::try_from(u32::from(c)) {
        Ok(byte) => byte,
        Err(_) => match *encoding_rs::WINDOWS_1252.encode(c.encode_utf8(&mut [0; 4])).0 {
            [byte] => byte,
            _ => b'?',
        },
    }
}

/// A warning about a file that has lines in UTF-8 and lines in GB18030, as where files were joined.
pub(super) fn mixed(samples: &[Vec<u8>], encoding: Encoding) -> Option<String> {
    if !matches!(encoding, Encoding::Utf8 | Encoding::Gb18030) {
        return None;
    }
    // A sample of UTF-8 may end within a character, behind its last whole line.
    let whole = |sample: &Vec<u8>| memchr::memrchr(b'\n', sample).unwrap_or(0);
    if samples.iter().all(|sample| simdutf8::basic::from_utf8(&sample[..whole(sample)]).is_ok()) {
        return None;
    }
    let (mut utf8, mut gb18030, mut other) = (0, 0, None);
    for (is_head, sample) in samples.iter().enumerate().map(|(number, sample)| (number == 0, sample)) {
        for (line, number) in sample[..whole(sample)].split(|&byte| byte == b'\n').zip(1..) {
            let Some(found) = line_encoding(line) else { continue };
            *(if found == Encoding::Utf8 { &mut utf8 } else { &mut gb18030 }) += 1;
            if found != encoding {
                other = other.or(Some((number, is_head)));
            }
        }
    }
    let (number, is_head) = other.filter(|_| utf8 > 0 && gb18030 > 0)?;
    let place = if is_head { format!("from line {number}") } else { "in its middle or end".to_owned() };
    let what = match encoding {
        Encoding::Utf8 => "lines in gb18030 will be rejected",
        _ => "lines in utf-8 are read as such, if records are lines",
    };
    Some(format!(
        "changes its encoding {place}: of the lines that were looked at, {utf8} are utf-8 and {gb18030} are gb18030; {what}: \
         convert it to one encoding"
    ))
}

fn line_encoding(line: &[u8]) -> Option<Encoding> {
    if line.is_ascii() {
        return None;
    }
    let utf8 = plausibility(encoding_rs::UTF_8, &[line.to_vec()]);
    if std::str::from_utf8(line).is_ok() {
        return (utf8.chars >= CHARS).then_some(Encoding::Utf8);
    }
    let gb18030 = plausibility(encoding_rs::GB18030, &[line.to_vec()]);
    (gb18030.chars >= CHARS && gb18030.mean > CHINESE && gb18030.mean > utf8.mean)
        .then_some(Encoding::Gb18030)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "第二十六章　归来\n　　傍晚时分，天边的云彩变成了红色，他们决定修一条通往山外的公路。\n";

    #[test]
    fn hanzi_in_ascii_are_told() {
        let hz = b"~{5Z~}23~{UB~} ~{9i@4~}\n".to_vec();
        assert!(seven_bits(&[hz]).is_some_and(|message| message.contains("HZ") && message.contains("归来")));
        let utf7 =
            b"+eyw-22+euA +X1JnZQ\n+MAAwAIABTrpXUFcolehT40/uiGVuFH9R/wxWNJHMVPx3QFwPjAP/DHss-".to_vec();
        assert!(
            seven_bits(&[utf7]).is_some_and(|message| message.contains("UTF-7") && message.contains("归来"))
        );
        for plain in ["a + b = c, 1+1=2, a+b+c", "~{x}~ ~{ab~}", "C++, +abcd-"] {
            assert_eq!(seven_bits(&[plain.as_bytes().to_vec()]), None, "{plain}");
        }
    }

    #[test]
    fn text_that_was_saved_twice() {
        let latin = TEXT.bytes().map(char::from).collect::<String>();
        let windows = encoding_rs::WINDOWS_1252.decode_without_bom_handling(TEXT.as_bytes()).0.into_owned();
        let gbk_as_latin = encoding_rs::GB18030.encode(TEXT).0.iter().map(|&byte| char::from(byte)).collect();
        let as_gbk = encoding_rs::GB18030.decode_without_bom_handling(TEXT.as_bytes()).0.into_owned();
        for garbled in [latin, windows, gbk_as_latin, as_gbk] {
            let warning = saved_twice(&[garbled.clone().into_bytes()], Encoding::Utf8);
            assert!(
                warning.as_ref().is_some_and(|warning| warning.contains("第二十六章")),
                "{garbled} {warning:?}"
            );
        }
        assert_eq!(saved_twice(&[TEXT.as_bytes().to_vec()], Encoding::Utf8), None);
        let french = "Les élèves étaient très fatigués après la fête, où ils étaient allés. ".repeat(9);
        assert_eq!(saved_twice(&[french.into_bytes()], Encoding::Utf8), None);
    }

    #[test]
    fn files_of_two_encodings() {
        let gbk = encoding_rs::GB18030.encode(TEXT).0.into_owned();
        let joined = [TEXT.as_bytes(), &gbk].concat();
        let warning = mixed(std::slice::from_ref(&joined), Encoding::Utf8);
        assert!(warning.is_some_and(|warning| warning.contains("from line 3")));
        assert!(mixed(&[joined], Encoding::Gb18030).is_some_and(|warning| warning.contains("from line 1")));
        assert_eq!(mixed(&[gbk], Encoding::Gb18030), None);
        assert_eq!(mixed(&[TEXT.as_bytes().to_vec()], Encoding::Utf8), None);
    }
}
