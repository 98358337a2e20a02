//! Compressed files, known by their first bytes and never by their names.

use std::io::{self, BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};

use super::gzip::GzipMembers;
use super::tar_header::is_tar;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of one member or several.
    Gzip,
    /// Zstandard, of one frame or several.
    Zstd,
    /// bzip2, of one stream or several.
    Bzip2,
    /// xz, of one stream or several.
    Xz,
    /// A zip archive; each entry is a file.
    Zip,
    /// A tar archive; each entry is a file. One that is packed as a whole is named by how it is packed.
    Tar,
}

/// The bytes of a file's beginning that [`Compression::of`] wants to see.
pub(super) const HEAD_BYTES: usize = 512;

impl Compression {
    /// Of a file with this beginning.
    pub fn of(head: &[u8]) -> Compression {
        match head {
            // RFC 1952: two magic bytes, then the method, of which only 8 (deflate) is defined.
            [0x1f, 0x8b, 8, ..] => Compression::Gzip,
            // RFC 8878: a Zstandard frame, or one of the 16 kinds of skippable frames, both little-endian.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            // "BZh9" alone might be text. The magic number of a block follows (the digits of π), or the one that ends
            // an empty file (the digits of √π).
            [b'B', b'Z', b'h', b'1'..=b'9', block @ ..]
                if block.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                    || block.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]) =>
            {
                Compression::Bzip2
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            // A local file header, the end record of an empty archive, or the marker of one that is split over several
            // files.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Compression::Zip,
            head if is_tar(head) => Compression::Tar,
            _ => Compression::None,
        }
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "uncompressed",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zip => "zip",
            Compression::Tar => "tar",
        }
    }

    /// The bytes that `read` holds compressed. A zip archive is no stream: `archive` opens its entries.
    pub(super) fn decompress(self, read: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        const BUFFER: usize = 128 << 10;
        if matches!(self, Compression::None | Compression::Tar) {
            return Ok(Box::new(read));
        }
        let read = BufReader::with_capacity(BUFFER, read);
        Ok(match self {
            // The multi-member decoders: `cat a.gz b.gz`, bgzip and pbzip2 write several members. A plain decoder would
            // stop after the first one without an error. The one of zstd reads all frames by default.
            Compression::Gzip => Box::new(GzipMembers::new(read)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(read)?),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(read)),
            Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(read)),
            Compression::None | Compression::Zip | Compression::Tar => return Err(not_a_stream(read)),
        })
    }
}

fn not_a_stream(_: impl BufRead) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "an archive, not a stream")
}
