//! The evidence that samples of a file give for each encoding.

use std::cell::OnceCell;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

use super::plausible::{self, Plausibility, plausibility};
use super::transcode;
use crate::config::Encoding;

/// The evidence that samples give for each encoding. What costs much is worked out when it is first asked for: most files
/// are UTF-8 beyond doubt.
pub(super) struct Evidence<'a> {
    samples: &'a [Vec<u8>],
    by_mark: Option<Encoding>,
    utf8: Utf8Evidence,
    utf16: bool,
    /// Pairs of bytes in the first sample.
    units: usize,
    gb18030: OnceCell<Plausibility>,
    big5: OnceCell<Plausibility>,
}

impl Evidence<'_> {
    pub(super) fn of(samples: &[Vec<u8>]) -> Evidence<'_> {
        let utf8 = Utf8Evidence::of(samples.iter().map(Vec::as_slice));
        Evidence {
            samples,
            by_mark: by_mark(&samples[0]),
            utf16: looks_like_utf16(&samples[0]),
            utf8,
            units: samples[0].len() / 2,
            gb18030: OnceCell::new(),
            big5: OnceCell::new(),
        }
    }

    fn gb18030(&self) -> Plausibility {
        *self.gb18030.get_or_init(|| plausibility(encoding_rs::GB18030, self.samples))
    }

    fn big5(&self) -> Plausibility {
        *self.big5.get_or_init(|| plausibility(encoding_rs::BIG5, self.samples))
    }

    /// The choice of a detector made for web pages, where the two are about as plausible.
    fn detector_says_big5(&self) -> bool {
        // chardetng is the detector of Firefox. `Utf8Evidence` decides about UTF-8, and ISO-2022-JP is none of our
        // encodings.
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        self.samples.iter().for_each(|sample| {
            detector.feed(sample, false);
        });
        // The end has to be announced, or a cut character counts as an error.
        detector.feed(&[], true);
        detector.guess(None, Utf8Detection::Deny) == encoding_rs::BIG5
    }

    pub(super) fn best(&self) -> Encoding {
        const CLOSE: f64 = 0.1;
        // From the surest evidence to the weakest: a byte order mark, zeros as in UTF-16, valid UTF-8. GB18030 and Big5
        // accept almost any bytes, so only plausibility separates them.
        match self.by_mark {
            Some(encoding) => encoding,
            None if self.utf16 => Encoding::Utf16,
            None if self.utf8.holds() || self.reads_best_as_utf8() => Encoding::Utf8,
            None if (self.gb18030().mean - self.big5().mean).abs() < CLOSE => {
                if self.detector_says_big5() {
                    Encoding::Big5
                } else {
                    Encoding::Gb18030
                }
            }
            None if self.big5().mean > self.gb18030().mean => Encoding::Big5,
            None => Encoding::Gb18030,
        }
    }

    /// A short text in UTF-8 of which much is damaged.
    fn reads_best_as_utf8(&self) -> bool {
        let others = || f64::max(self.gb18030().mean, self.big5().mean);
        self.utf8.valid > 0 && plausibility(encoding_rs::UTF_8, self.samples).mean > others()
    }

    pub(super) fn plausibility(&self, encoding: Encoding) -> Option<Plausibility> {
        match encoding {
            Encoding::Gb18030 => Some(self.gb18030()),
            Encoding::Big5 => Some(self.big5()),
            Encoding::Utf8 | Encoding::Utf16 => None,
        }
    }

    pub(super) fn warning(&self) -> Option<String> {
        const CHINESE: f64 = 0.3;
        let best = self.best();
        match self.plausibility(best) {
            Some(plausible) if plausible.mean < CHINESE => Some(format!(
                "the encoding is taken for {}, but hardly reads as Chinese: if it is another, set `encoding`",
                best.name()
            )),
            None if best == Encoding::Utf8 && self.utf8.invalid > 0 => {
                Some("some bytes are not valid utf-8: their lines will be rejected".to_owned())
            }
            _ => None,
        }
    }

    /// True where `declared` cannot be right and `best` clearly is.
    pub(super) fn refutes(&self, declared: Encoding, best: Encoding) -> bool {
        const CLEARLY: f64 = 0.3;
        const CHARS: usize = 4;
        match (self.plausibility(declared), self.plausibility(best)) {
            // Valid UTF-8 with characters of several bytes is no accident, nor is a byte order mark.
            (Some(_), None) => {
                self.by_mark.is_some() || self.utf8.valid >= CHARS || (self.utf16 && self.units >= 2 * CHARS)
            }
            (Some(declared), Some(best)) => best.chars >= CHARS && best.mean - declared.mean > CLEARLY,
            (None, Some(best)) => best.chars >= CHARS && best.mean > CLEARLY,
            // UTF-8 and UTF-16 are never taken for one another.
            (None, None) => true,
        }
    }
}

pub(super) fn by_mark(head: &[u8]) -> Option<Encoding> {
    match head {
        [0xef, 0xbb, 0xbf, ..] => Some(Encoding::Utf8),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(Encoding::Utf16),
        // U+FEFF in GB18030.
        [0x84, 0x31, 0x95, 0x33, ..] => Some(Encoding::Gb18030),
        _ => None,
    }
}

/// UTF-16 without a mark: zeros in every other byte, or almost only units that Chinese text is made of.
fn looks_like_utf16(head: &[u8]) -> bool {
    let units = head.len() / 2;
    // UTF-16 has zeros, in its line ends if nowhere else, or is no UTF-8.
    let is_utf8 = || Utf8Evidence::of([head].into_iter()).holds();
    if units == 0 || (memchr::memchr(0, head).is_none() && is_utf8()) {
        return false;
    }
    let zeros = |parity: usize| head.chunks_exact(2).filter(|unit| unit[parity] == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // Latin text: zeros in one half of each unit and hardly any in the other.
    if even.max(odd) * 5 > units * 2 && even.min(odd) * 10 <= even.max(odd) {
        return true;
    }
    let encoding = transcode::utf16_of(head);
    let text = plausible::read(encoding, head);
    let newlines = text.chars().filter(|&c| c == '\n').count();
    let plausible = plausibility(encoding, &[head.to_vec()]);
    plausible.mean > 0.5 && (newlines > 0 || even + odd > 0 || !is_utf8())
}

/// Characters of several bytes, and bytes that are none.
struct Utf8Evidence {
    valid: usize,
    invalid: usize,
}

impl Utf8Evidence {
    fn of<'a>(samples: impl Iterator<Item = &'a [u8]>) -> Utf8Evidence {
        let mut evidence = Utf8Evidence { valid: 0, invalid: 0 };
        for sample in samples {
            // A sample may end within a character.
            let valid = match simdutf8::compat::from_utf8(sample) {
                Ok(_) => sample.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => {
                    evidence.add_damaged(sample);
                    continue;
                }
            };
            // The first bytes of longer characters.
            evidence.valid += sample[..valid].iter().filter(|byte| **byte >= 0xc0).count();
        }
        evidence
    }

    fn add_damaged(&mut self, sample: &[u8]) {
        for chunk in sample.utf8_chunks() {
            self.valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
            // One for each run of bytes that a decoder would replace by one U+FFFD.
            self.invalid += usize::from(!chunk.invalid().is_empty());
        }
        let cut = sample.utf8_chunks().last().is_some_and(|chunk| {
            std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none())
        });
        self.invalid -= usize::from(cut);
    }

    /// True for UTF-8, even with a few bad bytes: text in another encoding has far more of them. Plain ASCII is UTF-8
    /// too.
    fn holds(&self) -> bool {
        self.invalid * 4 <= self.valid
    }
}
