use std::ops::Range;
use std::path::{Path, PathBuf};

use quanci_shards::tokens::Token;

use super::super::report::MapReport;
use super::*;
use crate::error::Error;
use crate::steps::bucket::TokenizedDocument;

fn document(i: u32) -> TokenizedDocument {
    let tokens = (0..3 + i % 5).map(|p| Token::new((i + p) % 32_000, p % 2 == 0)).collect::<Vec<_>>();
    TokenizedDocument {
        hash: u128::from(i) << 70,
        source: 0,
        sentence_ends: vec![2, tokens.len() as u32],
        tokens,
    }
}

fn written(spills: bool, narrow: bool) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("part");
    let mut writer = PartWriter::new(&path).expect("begun");
    for i in 0..1000 {
        let mut encoded = Encoded::default();
        encoded.push((i * 7) % 100, &document(i), narrow);
        writer.push(&encoded).expect("pushed");
        if spills && i % 300 == 299 {
            writer.spill().expect("spilled");
        }
    }
    writer.commit(&MapReport { records: 5, ..MapReport::default() }).expect("committed");
    (folder, path)
}

fn read(path: &Path, fine: Range<u32>, narrow: bool) -> Result<Vec<TokenizedDocument>, Error> {
    let mut documents = Vec::new();
    let mut intact = true;
    let (sections, _) = read_tail::<MapReport>(path)?;
    let mut offset = 0;
    for section in sections {
        let range = offset..offset + section.bytes;
        offset = range.end;
        if !fine.contains(&section.fine) {
            continue;
        }
        let bytes = quanci_store::read_range(path, range).expect("read");
        read_section(path, section, &bytes, &mut |hash, bytes| {
            let mut document = TokenizedDocument { hash, ..TokenizedDocument::default() };
            intact &= decode(bytes, narrow, &mut document).is_some();
            documents.push(document);
            Ok(())
        })?;
    }
    assert!(intact);
    documents.sort_by_key(|document| document.hash);
    Ok(documents)
}

#[test]
fn any_run_of_buckets_comes_back() {
    for (spills, narrow) in [(false, true), (true, true), (true, false)] {
        let (_folder, path) = written(spills, narrow);
        assert_eq!(read_tail::<MapReport>(&path).expect("opened").1.records, 5);
        let all = read(&path, 0..FINE_BUCKETS, narrow).expect("read");
        assert_eq!(all, (0..1000).map(document).collect::<Vec<_>>());
        let some = read(&path, 20..45, narrow).expect("read");
        let expected = (0..1000).filter(|i| (20..45).contains(&((i * 7) % 100))).map(document);
        assert_eq!(some, expected.collect::<Vec<_>>());
        assert_eq!(
            std::fs::read_dir(path.parent().expect("folder")).expect("listed").count(),
            1,
            "no leftovers"
        );
    }
}

#[test]
fn a_flipped_byte_is_found() {
    let (_folder, path) = written(true, true);
    let bytes = std::fs::read(&path).expect("read");
    for at in (0..bytes.len()).step_by(97).chain(bytes.len() - 40..bytes.len()) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        std::fs::write(&path, &flipped).expect("written");
        assert!(read(&path, 0..FINE_BUCKETS, true).is_err(), "byte {at}");
    }
}
