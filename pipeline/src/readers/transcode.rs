//! Transcodes any encoding to UTF-8 as a stream: for formats whose records are not lines, and for UTF-16.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult};

use super::stream::Stream;
use crate::config::Encoding;
use crate::error::Error;

/// Stands for invalid bytes where the reader checks for valid UTF-8 itself: it is never valid.
pub(super) const INVALID_BYTE: &[u8] = &[0xff];
/// Stands for invalid bytes where only valid UTF-8 may go: U+FDD0, a noncharacter, which is not for use in texts.
pub(super) const INVALID_CHAR: &str = "\u{fdd0}";

const INPUT_BYTES: usize = 64 << 10;
const OUTPUT_BYTES: usize = 192 << 10;

/// The table of an encoding. UTF-16 is little-endian here; [`utf16_of`] finds the byte order.
pub(super) fn encoding(encoding: Encoding) -> &'static encoding_rs::Encoding {
    match encoding {
        Encoding::Utf8 => encoding_rs::UTF_8,
        Encoding::Gb18030 => encoding_rs::GB18030,
        Encoding::Big5 => encoding_rs::BIG5,
        Encoding::Utf16 => encoding_rs::UTF_16LE,
    }
}

/// The table of an encoding for a file that begins with `head`, which tells the byte order of UTF-16.
pub(super) fn decoder(encoding: Encoding, head: &[u8]) -> &'static encoding_rs::Encoding {
    match encoding {
        Encoding::Utf16 => utf16_of(head),
        other => self::encoding(other),
    }
}

/// Appends `bytes` to `text`; false if some of them were invalid.
pub(super) fn decode(decoder: &mut Decoder, bytes: &[u8], text: &mut String, last: bool) -> bool {
    // `decode_to_string` never grows the string: it stops when the room is used up.
    let most = decoder.max_utf8_buffer_length(bytes.len()).expect("a piece is far shorter than memory");
    text.reserve(most);
    let (_, _, invalid) = decoder.decode_to_string(bytes, text, last);
    !invalid
}

/// `stream` as UTF-8 without byte order mark, with `invalid` for each run of invalid bytes.
pub(super) fn to_utf8(mut stream: Stream, from: Encoding, invalid: &'static [u8]) -> Result<Stream, Error> {
    let mut input = Vec::with_capacity(INPUT_BYTES);
    let read = (&mut stream.read).take(INPUT_BYTES as u64).read_to_end(&mut input);
    read.map_err(|source| stream.origin.error(source))?;
    let from = match from {
        Encoding::Utf16 => utf16_of(&input),
        other => encoding(other),
    };
    let transcoder = Transcoder {
        read: stream.read,
        decoder: from.new_decoder_with_bom_removal(),
        invalid,
        input,
        input_at: 0,
        output: vec![0; OUTPUT_BYTES],
        output_at: 0,
        output_end: 0,
        at_end: false,
        done: false,
    };
    Ok(Stream { read: Box::new(transcoder), ..stream })
}

/// Little-endian or big-endian: by the byte order mark, or else by which of them looks more like text.
pub(super) fn utf16_of(head: &[u8]) -> &'static encoding_rs::Encoding {
    let plausible = |high: usize| {
        head.chunks_exact(2)
            .filter(|unit| {
                let (high, low) = (unit[high], unit[1 - high]);
                // ASCII, CJK punctuation and full-width forms, or the common block of Hanzi
                (high == 0 && low < 0x80) || matches!(high, 0x30 | 0x4e..=0x9f | 0xff)
            })
            .count()
    };
    match head {
        [0xff, 0xfe, ..] => encoding_rs::UTF_16LE,
        [0xfe, 0xff, ..] => encoding_rs::UTF_16BE,
        // Little-endian wins a tie: it is what Windows writes.
        _ if plausible(0) > plausible(1) => encoding_rs::UTF_16BE,
        _ => encoding_rs::UTF_16LE,
    }
}

struct Transcoder {
    read: Box<dyn Read + Send>,
    decoder: Decoder,
    invalid: &'static [u8],
    input: Vec<u8>,
    input_at: usize,
    output: Vec<u8>,
    output_at: usize,
    output_end: usize,
    at_end: bool,
    done: bool,
}

impl Transcoder {
    /// Fills the output, which is empty, with at least a byte unless the input ends.
    fn decode(&mut self) -> io::Result<()> {
        (self.output_at, self.output_end) = (0, 0);
        while self.output_end == 0 && !self.done {
            if self.input_at == self.input.len() && !self.at_end {
                self.refill()?;
            }
            // The replacement must always fit behind what was decoded.
            let room = self.output.len() - self.invalid.len();
            // It holds back the bytes of a cut character by itself. `at_end` flushes them as malformed.
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                &self.input[self.input_at..],
                &mut self.output[..room],
                self.at_end,
            );
            self.input_at += read;
            self.output_end = written;
            match result {
                DecoderResult::InputEmpty => self.done = self.at_end,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    self.output[written..written + self.invalid.len()].copy_from_slice(self.invalid);
                    self.output_end += self.invalid.len();
                }
            }
        }
        Ok(())
    }

    fn refill(&mut self) -> io::Result<()> {
        self.input.clear();
        self.input_at = 0;
        // The end is known only by a read of no bytes.
        let got = (&mut self.read).take(INPUT_BYTES as u64).read_to_end(&mut self.input)?;
        self.at_end = got == 0;
        Ok(())
    }
}

impl Read for Transcoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.output_at == self.output_end {
            self.decode()?;
        }
        let n = buffer.len().min(self.output_end - self.output_at);
        buffer[..n].copy_from_slice(&self.output[self.output_at..self.output_at + n]);
        self.output_at += n;
        Ok(n)
    }
}
