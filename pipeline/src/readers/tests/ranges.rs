//! However a file is split, its documents are the same, each once and in order.

use proptest::prelude::*;

use super::*;

fn check_split(bytes: &[u8], settings: &ReadSettings, sizes: &[u64]) {
    let folder = Folder::new();
    let path = folder.file("input", bytes);
    // Random bytes are no text: what they look like does not matter here.
    let mut input = sniff(&path, &ReadSettings { encoding: None, ..settings.clone() }).expect("readable");
    input.encoding = settings.encoding.unwrap_or(Encoding::Utf8);
    let whole = InputSplit { input: input.clone(), part: Part::Whole };
    let expected = drain(&whole, settings).expect("reads");
    let records = records(&whole, settings);
    for &size in sizes {
        let parts = split_input(&input, settings, size).expect("splits");
        let found: Vec<String> =
            parts.iter().flat_map(|part| drain(part, settings).expect("reads")).collect();
        assert_eq!(found, expected, "ranges of {size} bytes");
        let sum: u64 = parts.iter().map(|part| self::records(part, settings)).sum();
        assert_eq!(sum, records, "records in ranges of {size} bytes");
    }
}

fn records(split: &InputSplit, settings: &ReadSettings) -> u64 {
    let mut reader = open(split, settings).expect("opens");
    while reader.next().expect("reads").is_some() {}
    reader.progress().records
}

/// Few kinds of bytes, so that all of them meet.
fn text(encoding: Encoding) -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 10] = ["甲", "好。", "\n", "\n\n", "\r\n", "\r", " ", "\u{3000}", "a", "\r\n\r\n"];
    let encoded = move |text: &str| transcode::encoding(encoding).encode(text).0.into_owned();
    let piece = prop_oneof![
        20 => prop::sample::select(&PIECES[..]).prop_map(encoded),
        1 => Just(vec![0xff]),
        1 => Just(vec![0xb0]),
    ];
    let mark = if encoding == Encoding::Utf8 { "\u{feff}".as_bytes() } else { &[] };
    (any::<bool>(), prop::collection::vec(piece, 0..40)).prop_map(move |(marked, pieces)| {
        let mark = if marked { mark } else { &[] };
        [mark, &pieces.concat()].concat()
    })
}

/// Headings, blank lines of all kinds and text, in UTF-8 and GB18030.
fn chapters() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 10] = [
        "第一章 甲\n",
        "【乙】\r\n",
        "丙",
        "丁。\n",
        "\n",
        "\n\n",
        "\r\n\r\n",
        " \n",
        "\u{3000}\u{3000}\n",
        "\r",
    ];
    let long = format!("{}\n", " ".repeat(17));
    let piece = prop_oneof![
        20 => prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => Just(long.into_bytes()),
        1 => Just(vec![0xff]),
    ];
    (any::<bool>(), prop::collection::vec(piece, 0..40)).prop_map(|(marked, pieces)| {
        let mark = if marked { "\u{feff}".as_bytes() } else { &[] };
        [mark, &pieces.concat()].concat()
    })
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![Format::Sentences, Format::Documents, Format::Jsonl])
}

/// Articles of WikiExtractor, with and without their ends.
fn articles() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 6] =
        ["<doc id=\"1\" url=\"\" title=\"甲\">\n", "</doc>\n", "甲\n", "乙\r\n", "\n", "丙"];
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..30)
        .prop_map(|pieces| format!("{}{}", PIECES[0], pieces.concat()).into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn wikiextractor(bytes in articles()) {
        check_split(&bytes, &settings(Format::Wikiextractor), &[1, 2, 3, 5, 8, 13, 50]);
    }

    #[test]
    fn utf8(bytes in text(Encoding::Utf8), format in formats(), max in 1_u64..20) {
        let settings = ReadSettings { encoding: None, max_document_chars: max, ..settings(format) };
        check_split(&bytes, &settings, &[1, 2, 3, 5, 8, 13, 50]);
    }

    #[test]
    fn headings(bytes in chapters(), format in formats(), max in prop_oneof![Just(1_000_000), 1_u64..20]) {
        let settings = ReadSettings { join_headings: format.has_blank_lines(), max_document_chars: max, ..settings(format) };
        check_split(&bytes, &settings, &[1, 2, 3, 5, 8, 13, 50]);
    }

    #[test]
    fn gb18030(bytes in text(Encoding::Gb18030), format in formats()) {
        let settings = ReadSettings { encoding: Some(Encoding::Gb18030), ..settings(format) };
        check_split(&bytes, &settings, &[1, 2, 7]);
    }

    #[test]
    fn big5(bytes in text(Encoding::Big5), format in formats()) {
        let settings = ReadSettings { encoding: Some(Encoding::Big5), ..settings(format) };
        check_split(&bytes, &settings, &[1, 2, 7]);
    }
}

#[test]
fn long_lines_and_blank_lines_near_the_limit() {
    let long = lines::LONG;
    for length in [long - 1, long, long + 1, 2 * long, 4 * long - 1, 4 * long, 4 * long + 1, 9 * long + 5] {
        for fill in ["a", " "] {
            for end in ["\n", "\r\n", "\r"] {
                let text = format!("甲{end}{}{end}乙{end}{end}丙", fill.repeat(length));
                let sizes = [
                    (long / 3) as u64,
                    length as u64 + 3,
                    length as u64 + 4,
                    length as u64 + 5,
                    length as u64 + 6,
                ];
                check_split(text.as_bytes(), &settings(Format::Sentences), &sizes);
                check_split(text.as_bytes(), &settings(Format::Documents), &sizes);
            }
        }
    }
}

#[test]
fn headings_near_long_lines() {
    let long = lines::LONG;
    for length in [long - 1, long, long + 1, long + 600, 3 * long] {
        for before in [" ".repeat(length), "a".repeat(length)] {
            for (heading, blanks) in [("第一章", 1), ("第一章", 3), ("第一章", 4), ("第一章。", 2)]
            {
                let text = format!("甲\n{before}\n{heading}{}乙\n\n丙", "\n".repeat(blanks + 1));
                let settings = ReadSettings { join_headings: true, ..settings(Format::Paragraphs) };
                let end = length as u64 + 4;
                check_split(
                    text.as_bytes(),
                    &settings,
                    &[end, end + 5, end + 10, end + 11, end + 12, end + 13],
                );
            }
        }
    }
}

#[test]
fn only_what_can_be_is_split() {
    let folder = Folder::new();
    let path = folder.file("a", "text\n".repeat(100));
    for (format, parts) in
        [(Format::Sentences, 50), (Format::Jsonl, 50), (Format::Files, 1), (Format::Csv, 1)]
    {
        let settings = settings(format);
        let input = sniff(&path, &settings).expect("readable");
        assert_eq!(split_input(&input, &settings, 10).expect("splits").len(), parts, "{format:?}");
    }
}
