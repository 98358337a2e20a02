//! Compressed files: known by content, whole or an error.

use std::io::Write;

use zip::write::SimpleFileOptions;

use super::*;

const NAMES: [&str; 4] = ["gzip", "zstd", "bzip2", "xz"];

fn compress(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    match name {
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::default());
            writer.write_all(bytes).and_then(|()| writer.finish().map(drop)).expect("compresses");
        }
        "zstd" => packed = zstd::encode_all(bytes, 3).expect("compresses"),
        "bzip2" => {
            let mut writer = bzip2::write::BzEncoder::new(&mut packed, bzip2::Compression::default());
            writer.write_all(bytes).and_then(|()| writer.finish().map(drop)).expect("compresses");
        }
        _ => {
            let mut writer = liblzma::write::XzEncoder::new(&mut packed, 6);
            writer.write_all(bytes).and_then(|()| writer.finish().map(drop)).expect("compresses");
        }
    }
    packed
}

fn archive(entries: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(method);
        if name.ends_with('/') {
            writer.add_directory(*name, options).expect("a folder");
        } else {
            writer.start_file(*name, options).expect("an entry");
            writer.write_all(bytes).expect("its bytes");
        }
    }
    writer.finish().expect("closed").into_inner()
}

/// Text that does not compress to nothing.
fn text() -> String {
    let mut state = 1_u32;
    let mut hanzi = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x4e00 + (state >> 16) % 5000).expect("a Hanzi")
    };
    (0..30_000).map(|i| if i % 40 == 39 { '\n' } else { hanzi() }).collect()
}

#[test]
fn streams_one_after_another() {
    for name in NAMES {
        check(Format::Documents, compress(name, "甲\n".as_bytes()), &["甲"]);
        check(Format::Documents, compress(name, b""), &[]);
        let two = [compress(name, "甲\n乙".as_bytes()), compress(name, "丙\n丁\n".as_bytes())].concat();
        check(Format::Documents, two, &["甲", "乙丙", "丁"]);
        let text = text();
        let expected: Vec<&str> = text.lines().collect();
        check(Format::Documents, compress(name, text.as_bytes()), &expected);
    }
}

#[test]
fn a_truncated_file_is_an_error_at_every_length() {
    let folder = Folder::new();
    let text = text();
    for name in NAMES {
        let two = [compress(name, &text.as_bytes()[..3000]), compress(name, text.as_bytes())];
        let boundary = two[0].len();
        let whole = two.concat();
        let cuts = (10..whole.len())
            .filter(|&cut| cut % 97 == 0 || cut + 20 > whole.len() || cut.abs_diff(boundary) < 20);
        for cut in cuts.filter(|&cut| cut != boundary) {
            let path = folder.file("cut", &whole[..cut]);
            let error = match read(&path, &settings(Format::Documents)) {
                Err(error) => error.to_string(),
                Ok(_) => panic!("{name} cut at {cut} of {} read as if whole", whole.len()),
            };
            assert!(error.contains(&format!("truncated {name}")), "{name} at {cut}: {error}");
            assert!(error.contains("cut: "), "{error}");
        }
    }
}

#[test]
fn corrupt_bytes_are_an_error() {
    let folder = Folder::new();
    let text = text();
    for name in NAMES {
        let whole = compress(name, text.as_bytes());
        for at in (whole.len() / 4..whole.len()).step_by(whole.len() / 9) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            bytes[at + 1] ^= 0x55;
            let found = read(&folder.file("corrupt", &bytes), &settings(Format::Documents));
            // zstd may be packed without checksums; then some damage is only another text.
            if let Err(error) = found {
                let error = error.to_string();
                assert!(error.contains(name), "{name}: {error}");
            } else {
                assert_eq!(name, "zstd");
            }
        }
    }
}

#[test]
fn archives() {
    use zip::CompressionMethod as Method;
    let entries: [(&str, &[u8]); 7] = [
        ("b.txt", "甲\n乙".as_bytes()),
        ("folder/", b""),
        ("folder/a.txt", "丙".as_bytes()),
        ("folder/.hidden", "丁".as_bytes()),
        ("__MACOSX/b.txt", "戊".as_bytes()),
        ("empty.txt", b""),
        ("c.txt", "己".as_bytes()),
    ];
    for method in [Method::Stored, Method::Deflated, Method::Bzip2, Method::Zstd] {
        let bytes = archive(&entries, method);
        let skipped = "!SkippedEntry a hidden file, or one that macOS added";
        check(Format::Files, &bytes, &["甲\n乙", "丙", skipped, skipped, "己"]);
        check(Format::Documents, &bytes, &["甲", "乙", "丙", skipped, skipped, "己"]);
    }
    check(Format::Documents, archive(&[], Method::Stored), &[]);
    let folder = Folder::new();
    let path = folder.file("a.zip", archive(&entries, Method::Deflated));
    let settings = settings(Format::Sentences);
    let input = sniff(&path, &settings).expect("readable");
    let mut reader = open(&InputSplit { input, part: Part::Whole }, &settings).expect("opens");
    let Some(Record::Document(document)) = reader.next().expect("reads") else { panic!("no document") };
    assert!(document.place.to_string().ends_with("a.zip/b.txt:1"), "{}", document.place);
}

#[test]
fn damaged_archives_are_errors() {
    let folder = Folder::new();
    let text = text();
    let whole = archive(&[("a.txt", text.as_bytes())], zip::CompressionMethod::Deflated);
    for cut in (10..whole.len()).step_by(997).chain(whole.len() - 30..whole.len()) {
        let error =
            read(&folder.file("a.zip", &whole[..cut]), &settings(Format::Files)).expect_err("truncated");
        assert!(error.to_string().contains("zip"), "{error}");
    }
    for at in (30..whole.len() - 200).step_by(1009) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let found = read(&folder.file("a.zip", &bytes), &settings(Format::Files));
        assert!(at < 40 || found.is_err(), "a flipped byte at {at} goes unseen");
    }
}

#[test]
fn text_is_not_taken_for_compressed() {
    check(Format::Documents, "BZh9 is a magic\nPK too", &["BZh9 is a magic", "PK too"]);
}

/// `gzip -d` reads zeros behind a member as its end, and so do we; other bytes are damage.
#[test]
fn zeros_behind_gzip() {
    let one = compress("gzip", "甲\n".as_bytes());
    check(Format::Documents, [&one[..], &[0; 70_000]].concat(), &["甲"]);
    check(Format::Documents, [&one[..], &[0; 512], &one].concat(), &["甲", "甲"]);
    let error = read_bytes([&one[..], &[0; 9], b"rest of a file"].concat(), &settings(Format::Documents));
    assert!(error.expect_err("damage").to_string().contains("corrupt gzip"));
    let twice = compress("zstd", &compress("gzip", &compress("gzip", "乙\n".as_bytes())));
    check(Format::Documents, twice, &["乙"]);
    let zip = compress("gzip", &archive(&[("a.txt", b"a")], zip::CompressionMethod::Stored));
    let error = read_bytes(zip, &settings(Format::Documents)).expect_err("packed twice").to_string();
    assert!(error.contains("holds a zip archive"), "{error}");
}

fn gbk(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

/// A tar archive, with names that need GNU's or POSIX's extensions.
fn tar(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let mut writer = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let path = Path::new(std::ffi::OsStr::from_bytes(name));
        writer.append_data(&mut header, path, *content).expect("an entry");
    }
    writer.into_inner().expect("closed")
}

#[test]
fn tar_archives() {
    let long = format!("{}/b.txt", "很长的名字".repeat(20));
    let simplified = "今天天气很好，我们一起去公园散步。";
    let entries: Vec<(&[u8], &[u8])> = vec![
        (b"./a.txt", "甲\n乙".as_bytes()),
        (long.as_bytes(), simplified.as_bytes()),
        (b"cover.png", b"\x89PNG\r\n\x1a\n...."),
        (b"n/._a.txt", b"x"),
        (b"inner.zip", b"PK\x03\x04...."),
        (b"empty.txt", b""),
    ];
    let name = gbk("小说/二.txt");
    let other = gbk(simplified);
    let bytes = tar(&[&entries[..], &[(&name, &other)]].concat());
    let expected = [
        "甲\n乙",
        simplified,
        "!SkippedEntry an image, not text; leave it out",
        "!SkippedEntry a hidden file, or one that macOS added",
        "!SkippedEntry an archive or a compressed file in an archive; unpack it",
        simplified,
    ];
    check(Format::Files, &bytes, &expected);
    for name in NAMES {
        check(Format::Files, compress(name, &bytes), &expected);
    }
    // Two archives, one behind the other.
    let two = [bytes.clone(), tar(&entries[..1])].concat();
    check(Format::Files, two, &[&expected[..], &expected[..1]].concat());
    let folder = Folder::new();
    let path = folder.file("a.tar", &bytes);
    let settings = settings(Format::Files);
    let input = sniff(&path, &settings).expect("readable");
    assert_eq!(split_input(&input, &super::settings(Format::Documents), 10).expect("splits").len(), 1);
    let mut reader = open(&InputSplit { input, part: Part::Whole }, &settings).expect("opens");
    let mut last = None;
    while let Some(record) = reader.next().expect("reads") {
        last = Some(record);
    }
    let Some(Record::Document(document)) = last else { panic!("no document") };
    assert!(document.place.to_string().ends_with("a.tar/小说/二.txt:1"), "{}", document.place);
    assert_eq!(reader.progress().records, 7);
}

#[test]
fn damaged_tar_archives_are_errors() {
    let folder = Folder::new();
    let text = text();
    let whole = tar(&[(b"a.txt", text.as_bytes()), (b"b.txt", text.as_bytes())]);
    let ends = whole.len() - 1024;
    for cut in (520..ends - 512).step_by(997) {
        let error =
            read(&folder.file("a.tar", &whole[..cut]), &settings(Format::Files)).map(|found| found.len());
        // Between two entries nothing tells that more should follow.
        if let Ok(found) = error {
            assert!(found == 1 && cut > text.len(), "cut at {cut}");
        } else if let Err(error) = error {
            assert!(error.to_string().contains("truncated tar"), "{error}");
        }
    }
    let mut bytes = whole.clone();
    // The name in the second header.
    bytes[512 + text.len().next_multiple_of(512)] ^= 1;
    let error = read(&folder.file("a.tar", bytes), &settings(Format::Files)).expect_err("damage").to_string();
    assert!(error.contains("corrupt tar"), "{error}");
}

/// Each entry of an archive is read in its own encoding; one in another than the declared one is refused.
#[test]
fn entries_in_several_encodings() {
    let text = "今天天气很好，我们一起去公园散步。";
    let (gbk, big5) =
        (gbk(text), encoding_rs::BIG5.encode("今天天氣很好，我們一起去公園散步。").0.into_owned());
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let entries = [
        ("a.txt", &gbk[..]),
        ("b.txt", text.as_bytes()),
        ("c.txt", &big5),
        ("d.txt", &utf16),
        ("e.txt", b"ok"),
    ];
    let bytes = archive(&entries, zip::CompressionMethod::Deflated);
    check(Format::Files, &bytes, &[text, text, "今天天氣很好，我們一起去公園散步。", text, "ok"]);
    let declared = ReadSettings { encoding: Some(Encoding::Gb18030), ..settings(Format::Files) };
    let error = read_bytes(bytes, &declared).expect_err("another encoding").to_string();
    assert!(error.contains("b.txt: declared gb18030, but reads as utf-8"), "{error}");
}
