//! Whether a page unpacks to more than it may, for the codecs that the library unpacks without a limit.

use std::io::{self, Read};

use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};

/// Deflate makes no more of a byte.
const DEFLATE_RATIO: u64 = 1032;

/// Checks that bytes packed by a codec unpack to at most `most` bytes.
pub(super) fn check(codec: Compression, packed: &[u8], most: u64) -> Result<()> {
    match codec {
        // Nearly all pages are too small to be a bomb.
        Compression::GZIP(_) if (packed.len() as u64).saturating_mul(DEFLATE_RATIO) > most => {
            within(flate2::read::MultiGzDecoder::new(packed), most)
        }
        Compression::BROTLI(_) => within(brotli::Decompressor::new(packed, 64 << 10), most),
        // Others unpack to what the page's header claims.
        _ => Ok(()),
    }
}

fn within(unpacked: impl Read, most: u64) -> Result<()> {
    match io::copy(&mut unpacked.take(most.saturating_add(1)), &mut io::sink()) {
        Ok(bytes) if bytes > most => Err(ParquetError::General(format!(
            "a page unpacks to more than the {most} bytes that are read of it"
        ))),
        // What is damaged is told by the library.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bombs() {
        let zeros = vec![0; 1 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&zeros).unwrap();
        // Members one after the other: the size at the end is that of the last alone.
        let gzip = gzip.finish().unwrap().repeat(3);
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 5, 22).write_all(&zeros).unwrap();
        for (codec, packed, bytes) in [
            (Compression::GZIP(Default::default()), &gzip, 3 << 20),
            (Compression::BROTLI(Default::default()), &brotli, 1 << 20),
        ] {
            check(codec, packed, bytes).unwrap();
            let message = check(codec, packed, bytes - 1).unwrap_err().to_string();
            assert!(message.contains("unpacks to more than the"), "{message}");
        }
        check(Compression::SNAPPY, &gzip, 1).unwrap();
    }
}
