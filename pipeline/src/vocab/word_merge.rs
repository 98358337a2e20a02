//! Adds up word counts on disk, with one word of each file in memory at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use super::word_file::{WordReader, WordWriter};
use crate::error::Error;

/// Calls `each` with the words of all files at `paths`, in order of their bytes, and with the sums of their counts.
///
/// It holds a word and a buffer of 64 KB for each file. More files than a process may open at once (often 1,024) are
/// merged in groups with [`merge_into`] first.
///
/// # Errors
/// The first file that cannot be read or is damaged, or the first error of `each`.
pub fn merge_files<P: AsRef<Path>>(
    paths: &[P],
    mut each: impl FnMut(&str, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut readers =
        paths.iter().map(|path| WordReader::open(path.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let mut heads = BinaryHeap::with_capacity(readers.len());
    for i in 0..readers.len() {
        push_head(&mut heads, &mut readers, i, String::new())?;
    }
    let mut current: Option<(String, u64)> = None;
    // A k-way merge with a heap of the first word of each file: O(log k) comparisons a word.
    while let Some(Reverse((word, i, count))) = heads.pop() {
        match &mut current {
            // Equal words of different files leave the heap one after another, so a sum is complete when another word
            // comes. Strings are recycled: k + 1 of them serve the whole merge.
            Some((same, sum)) if *same == word => {
                *sum = sum.saturating_add(count);
                push_head(&mut heads, &mut readers, i, word)?;
            }
            _ => {
                let done = current.replace((word, count));
                let buffer = match done {
                    Some((word, sum)) => each(&word, sum).map(|()| word)?,
                    None => String::new(),
                };
                push_head(&mut heads, &mut readers, i, buffer)?;
            }
        }
    }
    current.map_or(Ok(()), |(word, sum)| each(&word, sum))
}

type Heads = BinaryHeap<Reverse<(String, usize, u64)>>;

fn push_head<R: Read>(
    heads: &mut Heads,
    readers: &mut [WordReader<R>],
    i: usize,
    mut buffer: String,
) -> Result<(), Error> {
    if let Some((word, count)) = readers[i].next_word()? {
        buffer.clear();
        buffer.push_str(word);
        heads.push(Reverse((buffer, i, count)));
    }
    Ok(())
}

/// Merges the files at `paths` into one, written to `out`.
///
/// # Errors
/// The first file that cannot be read or is damaged, or a failure to write `out`.
pub fn merge_into<P: AsRef<Path>, W: Write>(paths: &[P], out: W, out_path: &Path) -> Result<W, Error> {
    let mut writer = WordWriter::new(BufWriter::new(out)).map_err(Error::io("write", out_path))?;
    merge_files(paths, |word, count| writer.push(word, count).map_err(Error::io("write", out_path)))?;
    let out = writer.finish().and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
    out.map_err(Error::io("write", out_path))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use proptest::prelude::*;

    use super::super::counts::WordCounts;
    use super::*;

    fn words() -> impl Strategy<Value = Vec<(String, u64)>> {
        proptest::collection::vec(("[a-c中文\\PC]{1,6}", prop_oneof![1..9u64, any::<u64>()]), 0..40)
    }

    fn list(counts: &WordCounts) -> Vec<(String, u64)> {
        counts.sorted().iter().map(|(word, count)| (word.as_str(&mut [0; 4]).to_owned(), *count)).collect()
    }

    proptest! {
        #[test]
        fn merges_to_the_sum(parts in proptest::collection::vec(words(), 0..5)) {
            let folder = tempfile::tempdir().unwrap();
            let mut sum = WordCounts::new();
            let mut paths = Vec::new();
            for (i, words) in parts.into_iter().enumerate() {
                let counts: WordCounts = words.into_iter().collect();
                let path = folder.path().join(format!("part-{i}"));
                counts.write(File::create(&path).unwrap()).unwrap();
                paths.push(path);
                sum.merge(counts);
            }
            let merged = merge_into(&paths, Vec::new(), Path::new("merged")).unwrap();
            prop_assert_eq!(&merged, &sum.write(Vec::new()).unwrap());
            prop_assert_eq!(list(&WordCounts::read_all(&paths).unwrap()), list(&sum));
        }
    }
}
