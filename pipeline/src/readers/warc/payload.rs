//! What a server answered: a page, plain text, or no text.

use std::borrow::Cow;
use std::io::Read;

use encoding_rs::Encoding;

use super::header::field;

/// What a record holds.
#[derive(Debug, PartialEq)]
pub(super) enum Payload<'a> {
    /// A page of HTML, and the encoding that its server says.
    Page { bytes: Cow<'a, [u8]>, charset: Option<&'static Encoding> },
    /// Plain text.
    Text { bytes: Cow<'a, [u8]>, charset: Option<&'static Encoding> },
    /// An image, an error, a redirect.
    NoText,
    /// More than is held in memory, once unpacked.
    TooLong,
}

impl<'a> Payload<'a> {
    /// Bytes of a type, such as `text/html; charset=gbk`.
    pub(super) fn of_type(content_type: &str, bytes: impl Into<Cow<'a, [u8]>>) -> Payload<'a> {
        let lower = content_type.to_ascii_lowercase();
        let (kind, parameters) = lower.split_once(';').unwrap_or((&lower, ""));
        let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
        let charset =
            charset.and_then(|label| Encoding::for_label(label.trim_matches(['"', '\'']).as_bytes()));
        let bytes = bytes.into();
        match kind.trim() {
            "text/html" | "application/xhtml+xml" => Payload::Page { bytes, charset },
            "text/plain" => Payload::Text { bytes, charset },
            _ => Payload::NoText,
        }
    }
}

/// What an answer of HTTP holds; unpacked it may have `most` bytes.
pub(super) fn payload(answer: &[u8], most: usize) -> Payload<'_> {
    let Some((head, body)) = split(answer) else { return Payload::NoText };
    let mut lines = head.split(|&byte| byte == b'\n');
    let status = lines.next().unwrap_or_default();
    // `HTTP/1.1 200 OK`
    let mut words = status.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let is_http = words.next().is_some_and(|word| word.starts_with(b"HTTP/"));
    if !is_http || words.next().map(<[u8]>::trim_ascii) != Some(b"200") {
        return Payload::NoText;
    }
    let (mut content_type, mut is_chunked, mut packings) = (String::new(), false, Vec::new());
    for (name, value) in lines.filter_map(field) {
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = value,
            "transfer-encoding" => is_chunked = value.to_ascii_lowercase().contains("chunked"),
            "content-encoding" => {
                packings = value.split(',').map(|packing| packing.trim().to_ascii_lowercase()).collect();
            }
            _ => {}
        }
    }
    if Payload::of_type(&content_type, &b""[..]) == Payload::NoText {
        return Payload::NoText;
    }
    // Many archives keep the header as it was, and the body unpacked: what does not unpack is taken as it is.
    let mut body = Cow::Borrowed(body);
    if let Some(whole) = is_chunked.then(|| without_chunks(&body)).flatten() {
        body = Cow::Owned(whole);
    }
    for packing in packings.iter().rev() {
        match unpacked(&body, packing, most) {
            Some(whole) if whole.len() > most => return Payload::TooLong,
            Some(whole) => body = Cow::Owned(whole),
            None => {}
        }
    }
    Payload::of_type(&content_type, body)
}

/// The header of an answer and what follows it.
fn split(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let crlf = memchr::memmem::find(answer, b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = memchr::memmem::find(answer, b"\n\n").map(|at| (at, at + 2));
    let (end, next) = [crlf, lf].into_iter().flatten().min()?;
    Some((&answer[..end], &answer[next..]))
}

/// A body that was sent in chunks, each behind its length in hexadecimal; `None` if it is not one.
fn without_chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(body.len());
    loop {
        let end = memchr::memchr(b'\n', body)?;
        let length = std::str::from_utf8(&body[..end]).ok()?.split(';').next()?.trim();
        let length = usize::from_str_radix(length, 16).ok()?;
        body = &body[end + 1..];
        if length == 0 {
            return Some(whole);
        }
        // An answer may break off: what is there of the last chunk is text.
        whole.extend_from_slice(&body[..length.min(body.len())]);
        let Some(rest) = body.get(length..) else { return Some(whole) };
        body = rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n")).unwrap_or(rest);
        if body.is_empty() {
            return Some(whole);
        }
    }
}

/// A body unpacked, up to a byte more than `most`; `None` if it is not packed so.
fn unpacked(body: &[u8], packing: &str, most: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    let most = most as u64 + 1;
    let got = match packing {
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(body).take(most).read_to_end(&mut whole),
        // Some servers send the stream without its header.
        "deflate" => match flate2::read::ZlibDecoder::new(body).take(most).read_to_end(&mut whole) {
            Ok(got) => Ok(got),
            Err(_) => {
                whole.clear();
                flate2::read::DeflateDecoder::new(body).take(most).read_to_end(&mut whole)
            }
        },
        "br" => brotli::Decompressor::new(body, 4096).take(most).read_to_end(&mut whole),
        _ => return None,
    };
    got.is_ok().then_some(whole)
}
