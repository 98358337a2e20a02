//! Inputs to start from, and files to read them from.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("fuzz/ is in the repository").to_owned()
}

pub(crate) fn file(name: &str) -> Vec<u8> {
    fs::read(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn start_of(name: &str, bytes: usize) -> Vec<u8> {
    let mut content = file(name);
    content.truncate(bytes);
    content
}

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Writes the bytes into a file of this thread's folder, and hands its path on.
pub(crate) fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let path = FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().expect("a folder for inputs"));
        folder.path().join(name)
    });
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder of an input");
    fs::write(&path, bytes).expect("an input is written");
    read(&path);
}

/// The same, and each of them as gzip, zstd, and an archive of one file.
pub(crate) fn compressed(plain: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let gzip = |bytes: &Vec<u8>| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes all")
    };
    let zstd = |bytes: &Vec<u8>| zstd::encode_all(bytes.as_slice(), 1).expect("a vector takes all");
    let (gzips, zstds): (Vec<_>, Vec<_>) = plain.iter().map(|bytes| (gzip(bytes), zstd(bytes))).unzip();
    let zips: Vec<_> = plain.iter().map(|bytes| zip_of_one(bytes)).collect();
    [plain, gzips, zstds, zips].concat()
}

/// A zip archive that stores one file.
fn zip_of_one(bytes: &[u8]) -> Vec<u8> {
    zip_of(&[("a.txt", bytes)])
}

/// A zip archive that stores files.
pub(crate) fn zip_of(files: &[(&str, impl AsRef<[u8]>)]) -> Vec<u8> {
    let (mut all, mut central) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let bytes = bytes.as_ref();
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let size = (bytes.len() as u32).to_le_bytes();
        let length = (name.len() as u16).to_le_bytes();
        let times = [0, 0, 0, 0, 0, 0, 0x21, 0x5a];
        let common =
            [&[20, 0][..], &times, &crc.sum().to_le_bytes(), &size, &size, &length, &[0, 0]].concat();
        let offset = (all.len() as u32).to_le_bytes();
        central.extend(
            [b"PK\x01\x02".as_slice(), &[20, 0], &common, &[0; 10], &offset, name.as_bytes()].concat(),
        );
        all.extend([b"PK\x03\x04".as_slice(), &common, name.as_bytes(), bytes].concat());
    }
    let lengths = [(central.len() as u32).to_le_bytes(), (all.len() as u32).to_le_bytes()].concat();
    let count = (files.len() as u16).to_le_bytes();
    let end = [b"PK\x05\x06".as_slice(), &[0; 4], &count, &count, &lengths, &[0, 0]].concat();
    [all, central, end].concat()
}
