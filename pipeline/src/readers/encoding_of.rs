//! The encoding of a file or of an archive's entry, from samples of it: detected, or declared and checked.

use super::evidence::{Evidence, by_mark};
use super::{garbled, plausible, transcode};
use crate::config::Encoding;

/// The encoding of an entry that begins with `head`: the declared one, which must not be wrong, or the best one; `usual` if
/// there is too little of it to tell.
pub(super) fn entry(head: &[u8], declared: Option<Encoding>, usual: Encoding) -> Result<Encoding, String> {
    const ENOUGH: usize = 16 << 10;
    // Almost all entries of almost all archives, at the speed of memory.
    if declared.is_none() && by_mark(head).is_none() && is_plain_utf8(head) {
        return Ok(Encoding::Utf8);
    }
    // Text may begin in ASCII, which tells nothing; zeros are those of UTF-16, whose units begin at even bytes.
    let has_zeros = memchr::memchr(0, head).is_some();
    let start = if has_zeros { None } else { head.iter().position(|byte| !byte.is_ascii()) };
    let start = start.filter(|_| by_mark(head).is_none()).unwrap_or(0);
    let samples = [head[start..head.len().min(start + ENOUGH)].to_vec()];
    if let Some(message) = garbled::seven_bits(&[head.to_vec()]).filter(|_| declared.is_none()) {
        return Err(message);
    }
    let found = Evidence::of(&samples);
    let best = found.best();
    match declared {
        Some(declared) => check(declared, &found, &samples).map(|()| declared),
        None if best != usual && !found.refutes(usual, best) => Ok(usual),
        None => Ok(best),
    }
}

/// True for UTF-8 with characters of several bytes and without zeros, of which UTF-16 has some.
fn is_plain_utf8(head: &[u8]) -> bool {
    let valid = match simdutf8::compat::from_utf8(head) {
        Ok(_) => head.len(),
        // The head may end within a character.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return false,
    };
    !head[..valid].is_ascii() && memchr::memchr(0, head).is_none()
}

/// An encoding, and what the user should know about the text.
pub(super) struct Found {
    pub(super) encoding: Encoding,
    pub(super) warnings: Vec<String>,
}

/// The encoding of a file, of which these are samples.
pub(super) fn samples(samples: &[Vec<u8>], declared: Option<Encoding>) -> Result<Found, String> {
    let found = Evidence::of(samples);
    let mut warnings = Vec::new();
    let encoding = match declared {
        Some(declared) => {
            check(declared, &found, samples)?;
            warnings.extend(garbled::seven_bits(samples));
            declared
        }
        None => {
            if let Some(message) = garbled::seven_bits(samples) {
                return Err(message);
            }
            warnings.extend(found.warning());
            found.best()
        }
    };
    warnings.extend(garbled::mixed(samples, encoding));
    warnings.extend(garbled::saved_twice(samples, encoding));
    Ok(Found { encoding, warnings })
}

fn check(declared: Encoding, found: &Evidence, samples: &[Vec<u8>]) -> Result<(), String> {
    let best = found.best();
    if best == declared || samples[0].is_empty() || !found.refutes(declared, best) {
        return Ok(());
    }
    // The message shows the first characters that are not ASCII, for those are what a wrong encoding garbles.
    let text = plausible::read(transcode::decoder(best, &samples[0]), &samples[0]);
    let excerpt: String = text.chars().skip_while(|c| c.is_ascii()).take(20).collect();
    Err(format!(
        "declared {}, but reads as {}: {excerpt:?}; set `encoding` for these files, or leave it out",
        declared.name(),
        best.name()
    ))
}
