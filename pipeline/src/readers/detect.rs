//! Detects the encoding of a file from samples of it, or checks whether the declared one can be right.

use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

use super::plausible::{self, Plausibility, plausibility};
use super::stream::Stream;
use super::{Compression, Input, InputSplit, Part, ReadSettings, archive, hints, kinds, transcode};
use crate::config::Encoding;
use crate::error::Error;

/// Bytes of a sample.
const SAMPLE: u64 = 64 << 10;

/// Detects the encoding of `input`, or checks the declared one.
pub(super) fn detect(input: &mut Input, settings: &ReadSettings) -> Result<(), Error> {
    let samples = samples(input)?;
    // The magic of POSIX tar archives, which would otherwise be read as text with zeros.
    if samples[0].get(257..262) == Some(b"ustar") {
        return Err(Error::input(&input.path, "a tar archive, which cannot be read: unpack it"));
    }
    let path = &input.path;
    if let Some(kind) = kinds::binary(&samples[0]) {
        return Err(Error::OtherKind { path: path.clone(), kind });
    }
    let found = Evidence::of(&samples);
    match settings.encoding {
        Some(declared) => check(input, declared, &found, &samples)?,
        None => {
            input.encoding = found.best();
            input.warnings.extend(found.warning());
        }
    }
    let text = plausible::read(decoder(input.encoding, &samples[0]), &samples[0]);
    if let Some(kind) = kinds::markup(&text, settings.format) {
        return Err(Error::OtherKind { path: input.path.clone(), kind });
    }
    input.warnings.extend(hints::hints(&text, settings.format));
    Ok(())
}

fn decoder(encoding: Encoding, sample: &[u8]) -> &'static encoding_rs::Encoding {
    match encoding {
        Encoding::Utf16 => transcode::utf16_of(sample),
        other => transcode::encoding(other),
    }
}

/// The beginning of a file, decompressed; and parts from its middle and end, from line to line.
fn samples(input: &Input) -> Result<Vec<Vec<u8>>, Error> {
    if input.compression == Compression::Zip {
        return archive::samples(input, SAMPLE / 2);
    }
    let mut stream = Stream::open(&InputSplit { input: input.clone(), part: Part::Whole })?;
    let mut head = Vec::new();
    // A compressed stream has no random access: more of its beginning stands in for its middle and end.
    let bytes = if input.compression == Compression::None { SAMPLE } else { 4 * SAMPLE };
    let read = (&mut stream.read).take(bytes).read_to_end(&mut head);
    read.map_err(|source| stream.origin.error(source))?;
    let mut samples = vec![head];
    if input.compression == Compression::None && input.bytes > 4 * SAMPLE {
        // A file may begin in ASCII and go on in another encoding.
        for start in [input.bytes / 2, input.bytes - SAMPLE] {
            let sample = quanci_store::read_range(&input.path, start..start + SAMPLE);
            let sample = sample.map_err(Error::io("read", &input.path))?;
            samples.extend(whole_lines(&sample).map(<[u8]>::to_vec));
        }
    }
    Ok(samples)
}

/// The whole lines of a sample. Within a line, nobody knows whether a byte is the first or the second of a character.
fn whole_lines(sample: &[u8]) -> Option<&[u8]> {
    let (first, last) = (memchr::memchr(b'\n', sample)?, memchr::memrchr(b'\n', sample)?);
    (first < last).then(|| &sample[first + 1..=last])
}

/// The evidence that samples give for each encoding.
struct Evidence {
    by_mark: Option<Encoding>,
    utf8: Utf8Evidence,
    utf16: bool,
    /// Pairs of bytes in the first sample.
    units: usize,
    /// As UTF-8 with damage.
    as_utf8: Plausibility,
    gb18030: Plausibility,
    big5: Plausibility,
    /// The choice of a detector made for web pages, where the two are about as plausible.
    detector_says_big5: bool,
}

impl Evidence {
    fn of(samples: &[Vec<u8>]) -> Evidence {
        // chardetng is the detector of Firefox. `Utf8Evidence` decides about UTF-8, and ISO-2022-JP is none of our
        // encodings.
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        samples.iter().for_each(|sample| {
            detector.feed(sample, false);
        });
        // The end has to be announced, or a cut character counts as an error.
        detector.feed(&[], true);
        Evidence {
            by_mark: by_mark(&samples[0]),
            utf8: Utf8Evidence::of(samples),
            utf16: looks_like_utf16(&samples[0]),
            units: samples[0].len() / 2,
            as_utf8: plausibility(encoding_rs::UTF_8, samples),
            gb18030: plausibility(encoding_rs::GB18030, samples),
            big5: plausibility(encoding_rs::BIG5, samples),
            detector_says_big5: detector.guess(None, Utf8Detection::Deny) == encoding_rs::BIG5,
        }
    }

    fn best(&self) -> Encoding {
        const CLOSE: f64 = 0.1;
        // From the surest evidence to the weakest: a byte order mark, zeros as in UTF-16, valid UTF-8. GB18030 and Big5
        // accept almost any bytes, so only plausibility separates them.
        match self.by_mark {
            Some(encoding) => encoding,
            None if self.utf16 => Encoding::Utf16,
            None if self.utf8.holds() || self.reads_best_as_utf8() => Encoding::Utf8,
            None if (self.gb18030.mean - self.big5.mean).abs() < CLOSE => {
                if self.detector_says_big5 {
                    Encoding::Big5
                } else {
                    Encoding::Gb18030
                }
            }
            None if self.big5.mean > self.gb18030.mean => Encoding::Big5,
            None => Encoding::Gb18030,
        }
    }

    /// A short text in UTF-8 of which much is damaged.
    fn reads_best_as_utf8(&self) -> bool {
        self.utf8.valid > 0 && self.as_utf8.mean > f64::max(self.gb18030.mean, self.big5.mean)
    }

    fn plausibility(&self, encoding: Encoding) -> Option<Plausibility> {
        match encoding {
            Encoding::Gb18030 => Some(self.gb18030),
            Encoding::Big5 => Some(self.big5),
            Encoding::Utf8 | Encoding::Utf16 => None,
        }
    }

    fn warning(&self) -> Option<String> {
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
    fn refutes(&self, declared: Encoding, best: Encoding) -> bool {
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

fn check(input: &Input, declared: Encoding, found: &Evidence, samples: &[Vec<u8>]) -> Result<(), Error> {
    let best = found.best();
    if best == declared || samples[0].is_empty() || !found.refutes(declared, best) {
        return Ok(());
    }
    // The message shows the first characters that are not ASCII, for those are what a wrong encoding garbles.
    let text = plausible::read(decoder(best, &samples[0]), &samples[0]);
    let excerpt: String = text.chars().skip_while(|c| c.is_ascii()).take(20).collect();
    let message = format!(
        "declared {}, but reads as {}: {excerpt:?}; set `encoding` for these files, or leave it out",
        declared.name(),
        best.name()
    );
    Err(Error::input(&input.path, message))
}

fn by_mark(head: &[u8]) -> Option<Encoding> {
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
    if units == 0 {
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
    // Text in UTF-8 has no zeros; UTF-16 has some, in its line ends if nowhere else.
    plausible.mean > 0.5 && (newlines > 0 || even + odd > 0 || !Utf8Evidence::of(&[head.to_vec()]).holds())
}

/// Characters of several bytes, and bytes that are none.
struct Utf8Evidence {
    valid: usize,
    invalid: usize,
}

impl Utf8Evidence {
    fn of(samples: &[Vec<u8>]) -> Utf8Evidence {
        let mut evidence = Utf8Evidence { valid: 0, invalid: 0 };
        for sample in samples {
            for chunk in sample.utf8_chunks() {
                evidence.valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
                // One for each run of bytes that a decoder would replace by one U+FFFD.
                evidence.invalid += usize::from(!chunk.invalid().is_empty());
            }
            // A sample may end within a character.
            let cut = sample.utf8_chunks().last().is_some_and(|chunk| {
                std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none())
            });
            evidence.invalid -= usize::from(cut);
        }
        evidence
    }

    /// True for UTF-8, even with a few bad bytes: text in another encoding has far more of them. Plain ASCII is UTF-8
    /// too.
    fn holds(&self) -> bool {
        self.invalid * 4 <= self.valid
    }
}
