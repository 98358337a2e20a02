//! The encoding of a page: by its mark, by what it declares, and by what it reads like. Pages that declare a wrong one are
//! many, so what reads as UTF-8 without a fault is UTF-8.

use encoding_rs::{BIG5, Encoding, GB18030, GBK, UTF_8};

/// Where a declaration must stand, by the standard; some pages have it later.
const HEAD: usize = 4 << 10;

/// The encoding of a page, and the bytes of its mark. `likely` is what its bytes read like.
pub(super) fn charset(page: &[u8], likely: &'static Encoding) -> (&'static Encoding, usize) {
    if let Some((encoding, mark)) = Encoding::for_bom(page) {
        return (encoding, mark);
    }
    let is_utf8 = || simdutf8::basic::from_utf8(page).is_ok();
    let encoding = match declared(page) {
        Some(declared) if declared == GBK => GB18030,
        Some(declared) if declared == BIG5 || declared == GB18030 => declared,
        // Of UTF-8 with damage, and of what is no Chinese encoding at all, what is likely is known better.
        Some(declared) if declared == UTF_8 || declared.is_single_byte() => likely,
        Some(declared) => declared,
        None => likely,
    };
    let encoding = if encoding != UTF_8 && !page.is_ascii() && is_utf8() { UTF_8 } else { encoding };
    (encoding, 0)
}

/// What a page declares: `<meta charset="gbk">`, `content="text/html; charset=gbk"`, `encoding="gbk"`.
fn declared(page: &[u8]) -> Option<&'static Encoding> {
    let head = page[..page.len().min(HEAD)].to_ascii_lowercase();
    let value = |name: &[u8]| {
        let at = memchr::memmem::find_iter(&head, name);
        at.filter_map(|at| {
            let behind = head[at + name.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
            let behind =
                behind.strip_prefix(b"\"").or(behind.strip_prefix(b"'")).unwrap_or(behind).trim_ascii_start();
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte);
            let length = behind.iter().position(|byte| !is_name(byte)).unwrap_or(behind.len());
            // A page that says so can be read only if it is not true.
            Encoding::for_label(&behind[..length]).map(Encoding::output_encoding)
        })
        .next()
    };
    let is_xml = head.starts_with(b"<?xml");
    is_xml.then(|| value(b"encoding")).flatten().or_else(|| value(b"charset"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets() {
        let (gbk, ..) = GB18030.encode("今天天气很好");
        let page = |head: &str, text: &[u8]| [head.as_bytes(), text].concat();
        let of = |page: &[u8], likely| charset(page, likely).0;
        assert_eq!(of(&page("<meta charset=GB2312>", &gbk), GB18030), GB18030);
        let big5 = BIG5.encode("今天天氣很好").0;
        let declared = "<meta http-equiv=\"Content-Type\" content=\"text/html; charset = big5\">";
        assert_eq!(of(&page(declared, &big5), GB18030), BIG5);
        assert_eq!(of(&page("<meta charset='gbk'>", "今天".as_bytes()), UTF_8), UTF_8);
        assert_eq!(of(&page("<meta charset='utf-8'>", &gbk), GB18030), GB18030);
        assert_eq!(of(&page("<meta charset='iso-8859-1'>", &gbk), GB18030), GB18030);
        let kanji = encoding_rs::SHIFT_JIS.encode("今日は良い天気").0;
        assert_eq!(of(&page("<meta charset=shift_jis>", &kanji), GB18030), encoding_rs::SHIFT_JIS);
        assert_eq!(of(&page("<?xml version=\"1.0\" encoding=\"gbk\"?>", &gbk), UTF_8), GB18030);
        assert_eq!(charset("\u{feff}今".as_bytes(), GB18030), (UTF_8, 3));
        assert_eq!(of(b"<meta charset", UTF_8), UTF_8);
    }
}
