//! Line ends in mid-clause and in mid-word before and after `clean.join_wrapped_lines`, in the files that `QUANCI_WRAPPED`
//! names (with `:` between them; `QUANCI_WRAPPED_SHOW` shows a sample of line ends).
#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a measurement")]

use std::path::Path;

use quanci_pipeline::config::{CleanSettings, RepairSettings, SegmentSettings};
use quanci_pipeline::document::{At, Document, Place};
use quanci_pipeline::steps::clean::Clean;
use quanci_pipeline::steps::segment::{SegmentScratch, Segmenter, WordStarts};

#[derive(Debug, Default)]
struct LineEnds {
    all: u64,
    clause: u64,
    word: u64,
}

#[test]
fn shares_of_line_ends() {
    let Some(paths) = std::env::var_os("QUANCI_WRAPPED") else { return };
    let segment = SegmentSettings::default();
    let segmenter = Segmenter::new(&segment, None).unwrap();
    let (mut before, mut after) = (LineEnds::default(), LineEnds::default());
    for path in std::env::split_paths(&paths) {
        let bytes = std::fs::read(&path).unwrap();
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => encoding_rs::GB18030.decode(error.as_bytes()).0.into_owned(),
        };
        let text = text.replace('\r', "");
        count(&segmenter, &cleaned(&text, false), &mut before);
        count(&segmenter, &cleaned(&text, true), &mut after);
        if std::env::var_os("QUANCI_WRAPPED_SHOW").is_some() {
            show(&cleaned(&text, true));
        }
    }
    eprintln!("before {before:?}\nafter  {after:?}");
}

fn cleaned(text: &str, join: bool) -> String {
    let repair = RepairSettings { join_wrapped_lines: join, ..RepairSettings::default() };
    let clean = Clean::new(&CleanSettings { repair, ..CleanSettings::default() }, None);
    let place = Place { path: Path::new("x").into(), at: At::Line(1) };
    clean.apply(&Document { text: text.to_owned(), place }).unwrap().text
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric()
}

fn count(segmenter: &Segmenter, text: &str, ends: &mut LineEnds) {
    let (mut starts, mut scratch) = (WordStarts::default(), SegmentScratch::default());
    let lines: Vec<&str> = text.split('\n').collect();
    for pair in lines.windows(2) {
        ends.all += 1;
        if !pair[0].ends_with(is_letter) || !pair[1].starts_with(is_letter) {
            continue;
        }
        ends.clause += 1;
        let tail = pair[0].char_indices().rev().nth(11).map_or(pair[0], |(at, _)| &pair[0][at..]);
        let head = pair[1].char_indices().nth(12).map_or(pair[1], |(at, _)| &pair[1][..at]);
        segmenter.words(&format!("{tail}{head}"), &mut scratch, &mut starts);
        ends.word += u64::from(!starts.offsets.contains(&(tail.len() as u32)));
    }
}

/// A sample of the line ends that are left in mid-clause, and of lines that were joined.
fn show(text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    let last = |line: &str, n: usize| {
        line.chars().rev().take(n).collect::<Vec<_>>().into_iter().rev().collect::<String>()
    };
    for (i, pair) in lines.windows(2).enumerate() {
        if pair[0].ends_with(is_letter) && i % 7 == 0 {
            eprintln!("LEFT {:?} | {:?}", last(pair[0], 40), pair[1].chars().take(40).collect::<String>());
        }
        if i % 50 == 0 {
            eprintln!("LINE {:?}", pair[0].chars().take(200).collect::<String>());
        }
    }
}
