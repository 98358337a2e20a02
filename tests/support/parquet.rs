//! Small Parquet files of one column of text, byte by byte: pages that no writer would write.

/// Codecs, by their numbers in Parquet.
pub mod codec {
    /// Not packed.
    pub const NONE: u64 = 0;
    /// Snappy.
    pub const SNAPPY: u64 = 1;
    /// gzip.
    pub const GZIP: u64 = 2;
    /// Zstandard.
    pub const ZSTD: u64 = 6;
}

/// A page: its content as it is stored, and what its header says.
pub struct Page {
    /// The content, packed.
    pub content: Vec<u8>,
    /// The size that its header claims.
    pub unpacked: u64,
    /// Its values.
    pub values: u64,
    /// The values themselves, or numbers of those of a dictionary.
    pub kind: PageKind,
}

/// Kinds of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// Values, one after the other.
    Plain,
    /// What other pages refer to.
    Dictionary,
    /// Numbers of values in the dictionary.
    Numbers,
}

fn varint(mut number: u64, bytes: &mut Vec<u8>) {
    while number > 127 {
        bytes.push((number & 127 | 128) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A field of a number: the byte for its place and type, and the number.
fn field(header: u8, number: u64) -> Vec<u8> {
    let mut bytes = vec![header];
    varint(number * 2, &mut bytes);
    bytes
}

impl Page {
    fn bytes(&self) -> Vec<u8> {
        let kind = if self.kind == PageKind::Dictionary { 2 } else { 0 };
        // PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY.
        let encoding = match self.kind {
            PageKind::Plain => 0,
            PageKind::Dictionary => 2,
            PageKind::Numbers => 8,
        };
        let values = [field(0x15, self.values), field(0x15, encoding)].concat();
        let about = match self.kind {
            PageKind::Dictionary => [vec![0x4c], values, vec![0]].concat(),
            // Levels are RLE; a required column has none.
            _ => [vec![0x2c], values, field(0x15, 3), field(0x15, 3), vec![0]].concat(),
        };
        let sizes =
            [field(0x15, kind), field(0x15, self.unpacked), field(0x15, self.content.len() as u64)].concat();
        [sizes, about, vec![0], self.content.clone()].concat()
    }
}

/// A file of one row group with these pages of the column `text`.
pub fn file(codec: u64, rows: u64, pages: &[Page]) -> Vec<u8> {
    let chunk: Vec<u8> = pages.iter().flat_map(Page::bytes).collect();
    let unpacked = pages.iter().map(|page| page.unpacked).sum();
    let has_dictionary = pages.first().is_some_and(|page| page.kind == PageKind::Dictionary);
    let data = 4 + if has_dictionary { pages[0].bytes().len() as u64 } else { 0 };
    let schema = b"\x15\x02\x19\x2c\x48\x01s\x15\x02\x00\x15\x0c\x25\x00\x18\x04text\x25\x00\x00";
    let column = [
        b"\x15\x0c\x19\x25\x00\x10\x19\x18\x04text".to_vec(),
        field(0x15, codec),
        field(0x16, rows),
        field(0x16, unpacked),
        field(0x16, chunk.len() as u64),
        field(0x26, data),
        if has_dictionary { field(0x26, 4) } else { Vec::new() },
        vec![0],
    ]
    .concat();
    let group = [
        b"\x19\x1c\x26\x08\x1c".to_vec(),
        column,
        vec![0],
        field(0x16, unpacked),
        field(0x16, rows),
        vec![0],
    ];
    let footer = [schema.to_vec(), field(0x16, rows), b"\x19\x1c".to_vec(), group.concat(), vec![0]].concat();
    [b"PAR1".to_vec(), chunk, footer.clone(), (footer.len() as u32).to_le_bytes().to_vec(), b"PAR1".to_vec()]
        .concat()
}

/// Texts as the values of a page.
pub fn values(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()).collect()
}
