//! Looks at samples of a file: its encoding, whether it is text at all, and what the user should know about it.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::evidence::Evidence;
use super::stream::Stream;
use super::tar_header::is_tar;
use super::{
    Compression, Input, InputSplit, Part, ReadSettings, archive, encoding_of, hints, kinds, plausible,
    transcode,
};
use crate::config::Encoding;
use crate::error::Error;

/// Bytes of a sample.
const SAMPLE: u64 = 64 << 10;

/// The beginning of a file, or of the first file in an archive.
pub(super) struct Beginning {
    pub(super) path: Arc<Path>,
    pub(super) bytes: Vec<u8>,
    /// There is more of it.
    pub(super) is_cut: bool,
    pub(super) encoding: Encoding,
}

/// Detects the encoding of `input`, or checks the declared one. Returns the beginning that it was found from; `None` for an
/// archive without text.
pub(super) fn detect(input: &mut Input, settings: &ReadSettings) -> Result<Option<Beginning>, Error> {
    if !input.is_archive() {
        let samples = samples(input)?;
        input.packed_tar = is_tar(&samples[0]);
        // The magic of POSIX, behind a header whose checksum is wrong.
        if !input.packed_tar && samples[0].get(257..262) == Some(b"ustar") {
            return Err(Error::input(&input.path, "a damaged tar archive; fetch or make it again"));
        }
        if !input.packed_tar {
            return file(input, settings, samples).map(Some);
        }
    }
    let entries = archive::samples(input, settings, SAMPLE / 2)?;
    let samples: Vec<Vec<u8>> = entries.iter().map(|(_, sample)| sample.clone()).collect();
    if samples.is_empty() {
        return Ok(None);
    }
    // All of them together, for entries that are too short to tell.
    input.encoding = settings.encoding.unwrap_or_else(|| Evidence::of(&samples).best());
    let mut first = None;
    for (path, bytes) in entries {
        let samples = [bytes];
        let found = encoding_of::samples(&samples, settings.encoding)
            .map_err(|message| Error::input(&path, message))?;
        let warnings = found.warnings.iter();
        let entry = path.strip_prefix(&input.path).unwrap_or(&path).display();
        input.warnings.extend(warnings.map(|warning| format!("{entry}: {warning}")));
        let encoding = encoding_of::entry(&samples[0], settings.encoding, input.encoding);
        let encoding = encoding.map_err(|message| Error::input(&path, message))?;
        let text = plausible::read(transcode::decoder(encoding, &samples[0]), &samples[0]);
        let hints = hints::hints(&text, settings.format);
        input.warnings.extend(hints.iter().map(|hint| format!("{entry}: {hint}")));
        let [bytes] = samples;
        let is_cut = bytes.len() as u64 == SAMPLE / 2;
        first = first.or(Some(Beginning { path, bytes, is_cut, encoding }));
    }
    Ok(first)
}

fn file(input: &mut Input, settings: &ReadSettings, samples: Vec<Vec<u8>>) -> Result<Beginning, Error> {
    if let Some(kind) = kinds::binary(&samples[0]) {
        return Err(Error::OtherKind { path: input.path.clone(), kind });
    }
    let found = encoding_of::samples(&samples, settings.encoding)
        .map_err(|message| Error::input(&input.path, message))?;
    input.encoding = found.encoding;
    input.warnings.extend(found.warnings);
    let text = plausible::read(transcode::decoder(input.encoding, &samples[0]), &samples[0]);
    if let Some(kind) = kinds::markup(&text, settings.format) {
        return Err(Error::OtherKind { path: input.path.clone(), kind });
    }
    input.warnings.extend(hints::hints(&text, settings.format));
    let most = if input.compression == Compression::None { SAMPLE } else { 4 * SAMPLE };
    let path = Arc::from(input.path.as_path());
    let bytes = samples.into_iter().next().unwrap_or_default();
    Ok(Beginning { path, is_cut: bytes.len() as u64 == most, bytes, encoding: input.encoding })
}

/// The beginning of a file, decompressed; and parts from its middle and end, from line to line.
fn samples(input: &Input) -> Result<Vec<Vec<u8>>, Error> {
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
