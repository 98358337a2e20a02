//! What an index says: variables, their sizes, and where their numbers lie. Every number of it is checked here.

use std::collections::BTreeMap;

use prost::Message;
use tch::Kind;

use super::proto::{BundleEntry, BundleHeader, Shape, Slice, element};
use super::slices;
use super::table::read_table;

/// The most dimensions of a variable.
const MAX_DIMENSIONS: usize = 16;
/// The most parts of a variable.
const MAX_PARTS: usize = 4096;
/// The newest version of the format that is read.
const VERSION: i32 = 1;

/// An index that was read.
#[derive(Debug)]
pub(super) struct Index {
    /// How many files of data there are.
    pub(super) shards: usize,
    /// In the order of their names.
    pub(super) variables: Vec<Variable>,
}

/// A variable.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    /// None for what is no number, such as text.
    pub(super) kind: Option<Kind>,
    pub(super) sizes: Vec<i64>,
    /// Where its parts lie: one, unless it was partitioned.
    pub(super) parts: Vec<Part>,
}

/// A part of a variable, or all of it.
#[derive(Debug)]
pub(super) struct Part {
    /// Start and length in each dimension.
    pub(super) extents: Vec<(i64, i64)>,
    /// The file that its bytes are in.
    pub(super) shard: usize,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) checksum: u32,
}

impl Index {
    /// Reads an index from the bytes of its file.
    ///
    /// # Errors
    /// What is wrong with it, and with which variable.
    pub(super) fn parse(bytes: &[u8]) -> Result<Index, String> {
        let mut header = None;
        let (mut parts, mut named) = (BTreeMap::new(), Vec::new());
        read_table(bytes, |key, value| {
            let failed = |error: prost::DecodeError| {
                format!("{}: not an entry of a checkpoint: {error}", String::from_utf8_lossy(key))
            };
            if key.is_empty() {
                header = Some(BundleHeader::decode(value).map_err(failed)?);
                return Ok(());
            }
            let entry = BundleEntry::decode(value).map_err(failed)?;
            if key[0] == 0 {
                let (name, slice) = slices::parse_key(key).ok_or("the key of a part is not sound")?;
                parts.insert((name, extents_key(&slice)), entry);
            } else {
                let name = std::str::from_utf8(key).map_err(|_| "a name is not UTF-8".to_owned())?;
                named.push((name.to_owned(), entry));
            }
            Ok(())
        })?;
        let shards = shards(&header.ok_or("it has no header: it is the index of something else")?)?;
        let mut variables = Vec::new();
        for (name, entry) in named {
            let variable = variable(&name, &entry, shards, &mut parts);
            variables.push(variable.map_err(|problem| format!("{name}: {problem}"))?);
        }
        match parts.into_keys().next() {
            Some((name, _)) => Err(format!("{name}: it has a part of which the variable says nothing")),
            None => Ok(Index { shards, variables }),
        }
    }
}

fn shards(header: &BundleHeader) -> Result<usize, String> {
    if header.endianness != 0 {
        return Err(
            "its numbers are big-endian, as on some mainframes; only little-endian ones are read".to_owned()
        );
    }
    let needs = header.version.as_ref().map_or(0, |version| version.min_consumer);
    if needs > VERSION {
        return Err(format!("it needs version {needs} of the format, and {VERSION} is read"));
    }
    let shards = usize::try_from(header.num_shards).ok().filter(|shards| (1..=99_999).contains(shards));
    shards.ok_or_else(|| format!("its header speaks of {} files of data", header.num_shards))
}

/// Parts by name and place.
type Parts = BTreeMap<(String, Vec<(i64, Option<i64>)>), BundleEntry>;

fn extents_key(slice: &Slice) -> Vec<(i64, Option<i64>)> {
    slice.extent.iter().map(|extent| (extent.start, extent.length)).collect()
}

fn variable(name: &str, entry: &BundleEntry, shards: usize, parts: &mut Parts) -> Result<Variable, String> {
    let sizes = sizes(entry.shape.as_ref())?;
    let kind = element(entry.dtype).map(|(kind, _)| kind);
    let mut variable = Variable { name: name.to_owned(), kind, sizes, parts: Vec::new() };
    if entry.slices.is_empty() {
        let whole = variable.sizes.iter().map(|&size| (0, size)).collect();
        variable.parts.push(part(entry, whole, shards)?);
        return Ok(variable);
    }
    if entry.slices.len() > MAX_PARTS {
        return Err(format!("it has {} parts; at most {MAX_PARTS} are read", entry.slices.len()));
    }
    for slice in &entry.slices {
        let extents = extents(slice, &variable.sizes)?;
        let key = (name.to_owned(), extents_key(slice));
        let own = parts.remove(&key).ok_or_else(|| format!("its part at {extents:?} is missing"))?;
        let lengths: Vec<i64> = extents.iter().map(|&(_, length)| length).collect();
        if own.dtype != entry.dtype || self::sizes(own.shape.as_ref())? != lengths {
            return Err(format!("its part at {extents:?} is of another kind or size"));
        }
        variable.parts.push(part(&own, extents, shards)?);
    }
    check_whole(&variable)?;
    Ok(variable)
}

fn sizes(shape: Option<&Shape>) -> Result<Vec<i64>, String> {
    let Some(shape) = shape else { return Ok(Vec::new()) };
    if shape.unknown_rank || shape.dim.len() > MAX_DIMENSIONS {
        return Err(format!("its shape is unknown, or has more than {MAX_DIMENSIONS} dimensions"));
    }
    let sizes: Vec<i64> = shape.dim.iter().map(|dim| dim.size).collect();
    if sizes.iter().any(|&size| size < 0) || elements(&sizes).is_none() {
        return Err(format!("its sizes are {sizes:?}"));
    }
    Ok(sizes)
}

fn elements(sizes: &[i64]) -> Option<i64> {
    sizes.iter().try_fold(1i64, |all, &size| all.checked_mul(size))
}

/// Start and length in each dimension.
fn extents(slice: &Slice, sizes: &[i64]) -> Result<Vec<(i64, i64)>, String> {
    let outside = || format!("one of its parts lies outside of {sizes:?}");
    if slice.extent.len() != sizes.len() {
        return Err(outside());
    }
    let one = |(extent, &size): (&super::proto::Extent, &i64)| {
        let length = extent.length.unwrap_or(size);
        let end = extent.start.checked_add(length);
        let is_inside = extent.start >= 0 && length >= 0 && end.is_some_and(|end| end <= size);
        if is_inside { Ok((extent.start, length)) } else { Err(outside()) }
    };
    slice.extent.iter().zip(sizes).map(one).collect()
}

fn part(entry: &BundleEntry, extents: Vec<(i64, i64)>, shards: usize) -> Result<Part, String> {
    let shard = usize::try_from(entry.shard_id).ok().filter(|&shard| shard < shards);
    let shard = shard.ok_or_else(|| format!("it lies in file {} of {shards}", entry.shard_id))?;
    let (Ok(offset), Ok(bytes)) = (u64::try_from(entry.offset), u64::try_from(entry.size)) else {
        return Err(format!("it has {} bytes at byte {}", entry.size, entry.offset));
    };
    let lengths: Vec<i64> = extents.iter().map(|&(_, length)| length).collect();
    if let Some((kind, width)) = element(entry.dtype) {
        let wanted = elements(&lengths).and_then(|elements| elements.checked_mul(width));
        if wanted != Some(entry.size) {
            return Err(format!(
                "its sizes {lengths:?} of {kind:?} do not make the {bytes} bytes that it has"
            ));
        }
    }
    Ok(Part { extents, shard, offset, bytes, checksum: entry.crc32c })
}

/// Fails unless the parts fill the variable, and none lies over another.
fn check_whole(variable: &Variable) -> Result<(), String> {
    let lengths = |part: &Part| part.extents.iter().map(|&(_, length)| length).collect::<Vec<i64>>();
    let held = variable.parts.iter().try_fold(0i64, |sum, part| sum.checked_add(elements(&lengths(part))?));
    if held != elements(&variable.sizes) {
        return Err(format!("its parts do not make {:?}", variable.sizes));
    }
    let meet = |one: &Part, other: &Part| {
        let mut pairs = one.extents.iter().zip(&other.extents);
        pairs.all(|(&(a, length), &(b, other))| a < b + other && b < a + length)
    };
    for (number, one) in variable.parts.iter().enumerate() {
        if variable.parts[..number].iter().any(|other| meet(one, other)) {
            return Err("one of its parts lies over another".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::proto::{DT_FLOAT, Dim, Extent, Version};
    use super::super::table_writer::TableWriter;
    use super::*;

    fn header() -> BundleHeader {
        BundleHeader { num_shards: 1, endianness: 0, version: Some(Version { producer: 1, min_consumer: 0 }) }
    }

    fn entry(sizes: &[i64], size: i64) -> BundleEntry {
        BundleEntry { dtype: DT_FLOAT, shape: Some(Shape::of(sizes)), size, ..BundleEntry::default() }
    }

    fn index(header: &BundleHeader, entries: &[(&[u8], BundleEntry)]) -> Result<Index, String> {
        let mut table = TableWriter::default();
        table.add(b"", &header.encode_to_vec());
        entries.iter().for_each(|(key, entry)| table.add(key, &entry.encode_to_vec()));
        Index::parse(&table.finish())
    }

    #[track_caller]
    fn assert_says(entry: BundleEntry, says: &str) {
        let message = index(&header(), &[(b"bert/x", entry)]).unwrap_err();
        assert!(message.starts_with("bert/x: ") && message.contains(says), "{message}");
    }

    #[test]
    fn sound_variables() {
        let text = BundleEntry { dtype: 7, size: 99, ..entry(&[2], 99) };
        let scalar = BundleEntry { dtype: 9, shape: None, size: 8, ..BundleEntry::default() };
        let entries: [(&[u8], BundleEntry); 4] =
            [(b"a", entry(&[2, 3], 24)), (b"b", entry(&[0, 3], 0)), (b"s", scalar), (b"t", text)];
        let read = index(&header(), &entries).unwrap();
        assert_eq!(read.variables[0].sizes, [2, 3]);
        assert_eq!(read.variables[2].kind, Some(Kind::Int64));
        assert_eq!(read.variables[3].kind, None);
    }

    #[test]
    fn headers_that_are_not_read() {
        let says = |header: BundleHeader, says: &str| {
            let message = index(&header, &[]).unwrap_err();
            assert!(message.contains(says), "{message}");
        };
        says(BundleHeader { endianness: 1, ..header() }, "big-endian");
        says(BundleHeader { num_shards: 0, ..header() }, "0 files");
        says(BundleHeader { num_shards: -1, ..header() }, "-1 files");
        says(BundleHeader { num_shards: i32::MAX, ..header() }, "files of data");
        says(
            BundleHeader { version: Some(Version { producer: 9, min_consumer: 2 }), ..header() },
            "version 2",
        );
        assert!(Index::parse(&TableWriter::default().finish()).unwrap_err().contains("no header"));
        let mut table = TableWriter::default();
        table.add(b"", &[0xff, 1]);
        assert!(Index::parse(&table.finish()).is_err());
    }

    #[test]
    fn numbers_that_cannot_be() {
        assert_says(entry(&[2, 3], 20), "do not make the 20 bytes");
        assert_says(entry(&[i64::MAX, 2], 4), "its sizes are");
        assert_says(entry(&[i64::MAX / 2], 4), "do not make");
        assert_says(entry(&[-1], 4), "its sizes are");
        assert_says(entry(&[1; 17], 4), "dimensions");
        assert_says(BundleEntry { shard_id: 1, ..entry(&[1], 4) }, "file 1 of 1");
        assert_says(BundleEntry { shard_id: -1, ..entry(&[1], 4) }, "file -1");
        assert_says(BundleEntry { offset: -4, ..entry(&[1], 4) }, "at byte -4");
        assert_says(entry(&[], -4), "-4 bytes");
        let unknown = Shape { dim: vec![Dim { size: 1 }], unknown_rank: true };
        assert_says(BundleEntry { shape: Some(unknown), ..entry(&[1], 4) }, "unknown");
    }

    /// The key of a part of `v` that begins at `start` and has `length` of its only dimension; both below 64.
    fn part_key(start: u8, length: u8) -> Vec<u8> {
        [b"\0v\0\x01\x01\x01".as_slice(), &[0x80 + start, 0x80 + length]].concat()
    }

    fn slice(start: i64, length: i64) -> Slice {
        Slice { extent: vec![Extent { start, length: Some(length) }] }
    }

    #[test]
    fn parts_fill_their_variable() {
        let whole = |slices: Vec<Slice>| BundleEntry { slices, ..entry(&[5], 0) };
        let (first, second) = (part_key(0, 3), part_key(3, 2));
        let both = |slices| {
            let entries: [(&[u8], BundleEntry); 3] =
                [(&first, entry(&[3], 12)), (&second, entry(&[2], 8)), (b"v", whole(slices))];
            index(&header(), &entries)
        };
        let read = both(vec![slice(0, 3), slice(3, 2)]).unwrap();
        assert_eq!(read.variables[0].parts[1].extents, [(3, 2)]);
        let says = |made: Result<Index, String>, says: &str| {
            let message = made.unwrap_err();
            assert!(message.starts_with("v: ") && message.contains(says), "{message}");
        };
        says(both(vec![slice(0, 3), slice(2, 2)]), "is missing");
        says(both(vec![slice(0, 3)]), "do not make");
        says(both(vec![slice(0, 3), slice(4, 2)]), "outside");
        says(both(vec![slice(0, 3), slice(3, -2)]), "outside");
        says(both(vec![slice(0, 3), slice(i64::MAX, 2)]), "outside");
        let over = part_key(2, 2);
        let entries: [(&[u8], BundleEntry); 3] = [
            (&first, entry(&[3], 12)),
            (&over, entry(&[2], 8)),
            (b"v", whole(vec![slice(0, 3), slice(2, 2)])),
        ];
        says(index(&header(), &entries), "over another");
        let entries: [(&[u8], BundleEntry); 2] = [(&first, entry(&[3], 12)), (b"v", entry(&[5], 20))];
        says(index(&header(), &entries), "says nothing");
        let other: [(&[u8], BundleEntry); 3] = [
            (&first, entry(&[3], 12)),
            (&second, BundleEntry { dtype: 2, ..entry(&[2], 16) }),
            (b"v", whole(vec![slice(0, 3), slice(3, 2)])),
        ];
        says(index(&header(), &other), "another kind");
    }

    /// Entries of TensorFlow's own, with bytes that are others, under sound checksums: read or refused.
    #[test]
    fn mutated_entries_do_no_harm() {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tf1-checkpoint");
        let bytes = std::fs::read(golden.join("partitioned/bert_model.ckpt.index")).unwrap();
        let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        read_table(&bytes, |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
        let mut state = 1u64;
        let mut below = |most: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % most
        };
        let mut read = 0;
        for _ in 0..5_000 {
            let mut mutated = entries.clone();
            let entry = below(mutated.len());
            // The parts, which come first, are few: half of the time it is one of them.
            let (key, value) = &mut mutated[if below(2) == 0 { entry % 5 } else { entry }];
            let bytes = if below(4) == 0 { key } else { value };
            for _ in 0..1 + below(3) {
                let at = below(bytes.len() + 1);
                match below(3) {
                    0 if at < bytes.len() => bytes[at] = below(256) as u8,
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    _ => bytes.insert(at, below(256) as u8),
                }
            }
            let mut table = TableWriter::default();
            mutated.iter().for_each(|(key, value)| table.add(key, value));
            read += usize::from(Index::parse(&table.finish()).is_ok());
        }
        // Other checksums, offsets and names are sound as far as an index goes.
        assert!((100..4_900).contains(&read), "{read}");
    }
}
