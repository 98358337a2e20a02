//! Reads what `torch.save` wrote of a state dict, the zip format and the one before PyTorch 1.6, and executes nothing: of
//! all that a pickle may call, only what rebuilds tensors and ordered dictionaries is known here, as data.
//!
//! Opcodes after CPython's Lib/pickletools.py; the layout of both formats after torch/serialization.py.

mod machine;
mod value;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use tch::{Kind, Tensor};

use crate::error::Error;
use machine::{Machine, little_endian};
use value::{Heap, Parsed, Strided, Value, text};

/// How many times its own size a file may take as tensors: some share a storage, as the word embeddings and the decoder do.
const MAX_SHARING: usize = 4;
/// How many dictionaries deep a state dict may lie.
const MAX_DEPTH: usize = 4;

/// A file that was read: its root, what that holds, and the storages.
struct StateDict {
    root: Value,
    heap: Heap,
    storages: Storages,
}

/// Storages by their keys, as bytes.
type Storages = BTreeMap<String, Vec<u8>>;

/// The tensors of a file that `torch.save` wrote, by name, in its order. Memory is bounded by the size of the file.
pub(super) fn read_state_dict(path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let bytes = quanci_store::read_at_most(path, i64::MAX as u64).map_err(Error::io("read", path))?;
    // A zip archive since PyTorch 1.6.
    let read = if bytes.starts_with(b"PK") { zipped(&bytes) } else { legacy(&bytes) };
    read.and_then(|read| tensors(&read, bytes.len()))
        .map_err(|problem| Error::input(path, format!("not a state dict of PyTorch: {problem}")))
}

fn zipped(bytes: &[u8]) -> Parsed<StateDict> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let (mut pickle, mut storages) = (None, Storages::new());
    let mut left = bytes.len();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = file.name().map_err(|error| error.to_string())?.into_owned();
        let is_pickle = name.ends_with("/data.pkl");
        let key = name.split_once("/data/").map(|(_, key)| key.to_owned());
        if !is_pickle && key.is_none() {
            continue;
        }
        let mut content = Vec::new();
        // `torch.save` stores without compression, so all entries together are smaller than the file.
        let read = (&mut file).take(left as u64 + 1).read_to_end(&mut content);
        read.map_err(|error| format!("{name}: {error}"))?;
        left = left
            .checked_sub(content.len())
            .ok_or("its entries unpack to more than the file's own size: torch.save does not compress")?;
        match key {
            Some(key) if !is_pickle => drop(storages.insert(key, content)),
            _ => pickle = Some(content),
        }
    }
    let pickle = pickle.ok_or("the archive holds no data.pkl")?;
    let mut machine = Machine::new(&pickle);
    let root = machine.run()?;
    Ok(StateDict { root, heap: machine.heap, storages })
}

/// Magic number, protocol and system, the pickle, the keys of the storages, then each storage with its length.
fn legacy(bytes: &[u8]) -> Parsed<StateDict> {
    let mut machine = Machine::new(bytes);
    for _ in 0..3 {
        machine.run()?;
    }
    let root = machine.run()?;
    let Value::List(keys) = machine.run()? else { return Err("no list of storages".to_owned()) };
    let widths = storage_widths(&root, &machine.heap)?;
    let mut storages = Storages::new();
    for key in std::mem::take(&mut machine.heap.lists[keys]) {
        let key = text(&key)?;
        let length = usize::try_from(little_endian(machine.take(8)?)).map_err(|_| "a negative length")?;
        let width = widths.get(&*key).ok_or_else(|| format!("storage {key} is used by no tensor"))?;
        let size = length.checked_mul(*width).ok_or("a storage without end")?;
        storages.insert(key.to_string(), machine.take(size)?.to_vec());
    }
    Ok(StateDict { root, heap: machine.heap, storages })
}

fn storage_widths(root: &Value, heap: &Heap) -> Parsed<BTreeMap<Rc<str>, usize>> {
    let mut widths = BTreeMap::new();
    for (_, strided) in entries(root, heap)? {
        let Value::Storage(kind, key) = &strided.storage else { continue };
        widths.insert(key.clone(), element(kind)?.1);
    }
    Ok(widths)
}

/// The tensors of a dictionary; those of a checkpoint that keeps its state dict under a name, too.
fn entries<'a>(root: &Value, heap: &'a Heap) -> Parsed<Vec<(String, &'a Strided)>> {
    let mut dict = root.clone();
    for _ in 0..MAX_DEPTH {
        let Value::Dict(number) = dict else { return Err("its root is no dictionary".to_owned()) };
        let items = &heap.dicts[number];
        let inner = items.iter().find(|(key, value)| {
            let is_state_dict = matches!(key, Value::Text(name) if matches!(&**name, "model" | "state_dict"));
            is_state_dict && matches!(value, Value::Dict(_))
        });
        let Some((_, inner)) = inner else {
            let tensors = items.iter().filter_map(|(key, value)| match (key, value) {
                (Value::Text(name), Value::Tensor(tensor)) => {
                    Some((name.to_string(), &heap.tensors[*tensor]))
                }
                _ => None,
            });
            let found: Vec<_> = tensors.collect();
            return if found.is_empty() { Err("it holds no tensors".to_owned()) } else { Ok(found) };
        };
        dict = inner.clone();
    }
    Err(format!("its state dict lies more than {MAX_DEPTH} dictionaries deep"))
}

fn tensors(read: &StateDict, file_bytes: usize) -> Parsed<Vec<(String, Tensor)>> {
    let mut left = file_bytes.saturating_mul(MAX_SHARING);
    entries(&read.root, &read.heap)?
        .into_iter()
        .map(|(name, strided)| {
            let tensor = tensor(strided, &read.storages, &mut left);
            let tensor = tensor.map_err(|problem| format!("{name}: {problem}"))?;
            Ok((name, tensor))
        })
        .collect()
}

/// Makes a tensor; `left` is how many bytes all of them together may still take.
fn tensor(strided: &Strided, storages: &Storages, left: &mut usize) -> Parsed<Tensor> {
    let Value::Storage(kind, key) = &strided.storage else { return Err("it has no storage".to_owned()) };
    let (kind, width) = element(kind)?;
    let bytes = storages.get(&**key).ok_or_else(|| format!("storage {key} is missing"))?;
    let last = last_element(strided).ok_or("sizes or strides are not sound")?;
    let length = (bytes.len() / width) as i64;
    if last >= length {
        return Err(format!("storage {key} holds {length} elements, and element {last} is asked for"));
    }
    // With a stride of 0, a few bytes would be a tensor of any size.
    let elements = strided.sizes.iter().try_fold(1i64, |all, &size| all.checked_mul(size));
    let span = last - strided.offset + 1;
    if elements.is_none_or(|elements| elements > span) {
        return Err(format!("sizes {:?} ask for more than the {span} elements they lie in", strided.sizes));
    }
    let (start, end) = (strided.offset as usize * width, (last as usize + 1) * width);
    *left = left.checked_sub(end - start).ok_or("its tensors take far more bytes than the file has")?;
    let flat = Tensor::f_from_data_size(&bytes[start..end], &[span], kind);
    let view =
        flat.and_then(|flat| flat.f_as_strided(&strided.sizes, &strided.strides, Some(0))?.f_contiguous());
    // A copy, so that a view of a large storage does not keep all of it.
    let owned = view.and_then(|view| {
        let mut owned = view.f_zeros_like()?;
        owned.f_copy_(&view).map(|()| owned)
    });
    owned.map_err(|error| error.to_string())
}

/// The furthest element that the view reaches; none if it is not sound.
fn last_element(strided: &Strided) -> Option<i64> {
    if strided.sizes.len() != strided.strides.len() || strided.offset < 0 {
        return None;
    }
    let mut last = strided.offset;
    for (&size, &stride) in strided.sizes.iter().zip(&strided.strides) {
        if size < 1 || stride < 0 {
            return None;
        }
        last = last.checked_add((size - 1).checked_mul(stride)?)?;
    }
    Some(last)
}

/// Kind and bytes of an element of `torch.FloatStorage` and its like.
fn element(storage: &str) -> Parsed<(Kind, usize)> {
    Ok(match storage.rsplit('.').next().unwrap_or_default() {
        "FloatStorage" => (Kind::Float, 4),
        "HalfStorage" => (Kind::Half, 2),
        "BFloat16Storage" => (Kind::BFloat16, 2),
        "DoubleStorage" => (Kind::Double, 8),
        "LongStorage" => (Kind::Int64, 8),
        "IntStorage" => (Kind::Int, 4),
        "ByteStorage" => (Kind::Uint8, 1),
        "BoolStorage" => (Kind::Bool, 1),
        other => return Err(format!("a storage of the kind {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::machine::MAX_VALUES;
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pytorch_model.bin");
        std::fs::write(&path, bytes).unwrap();
        read_state_dict(&path).unwrap_err().to_string()
    }

    /// A file of the older format around a pickle.
    fn legacy_file(pickle: &[u8], storages: &[u8]) -> Vec<u8> {
        let head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";
        [head.as_slice(), pickle, b".\x80\x02]X\x01\0\0\x000a.", storages].concat()
    }

    /// A dictionary with one tensor of these sizes and strides, each a tuple's opcodes.
    fn one_tensor(sizes: &[u8], strides: &[u8]) -> Vec<u8> {
        let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ";
        [
            b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(".as_slice(),
            storage,
            b"K\0",
            sizes,
            strides,
            b"tRs",
        ]
        .concat()
    }

    const TWO: &[u8] = b"\x02\0\0\0\0\0\0\0\0\0\x80?\0\0\0@";

    #[test]
    fn circles_and_nesting_end() {
        // A dictionary that holds itself under "model".
        let message = refused(&legacy_file(b"}q\0X\x05\0\0\0modelh\0s", TWO));
        assert!(message.contains("dictionaries deep"), "{message}");
        // A tuple in a tuple, a million times: to drop it is no recursion.
        let nested = [b")".to_vec(), vec![0x85; 1_000_000]].concat();
        assert!(refused(&legacy_file(&nested, TWO)).contains("no dictionary"));
        let many = vec![b')'; MAX_VALUES + 1];
        assert!(refused(&legacy_file(&many, TWO)).contains("too many values"));
    }

    #[test]
    fn strides_of_zero_make_nothing_larger() {
        let sound = legacy_file(&one_tensor(b"K\x02\x85", b"K\x01\x85"), TWO);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pytorch_model.bin");
        std::fs::write(&path, sound).unwrap();
        let read = read_state_dict(&path).unwrap();
        assert_eq!(Vec::<f32>::try_from(&read[0].1).unwrap(), [1.0, 2.0]);
        let message = refused(&legacy_file(&one_tensor(b"J\0\0\0\x10\x85", b"K\0\x85"), TWO));
        assert!(message.contains("ask for more than"), "{message}");
        let sizes = [b"(".to_vec(), b"K\x01".repeat(40), b"t".to_vec()].concat();
        assert!(refused(&legacy_file(&one_tensor(&sizes, &sizes), TWO)).contains("40 dimensions"));
    }

    #[test]
    fn tensors_share_a_storage_a_few_times() {
        let tensor = one_tensor(b"K\x02\x85", b"K\x01\x85");
        let pickle = [b"}".to_vec(), tensor[1..].repeat(200)].concat();
        // A memo makes it cheap: the same tensor of 1,000 elements under many names of six bytes each.
        let tensor = one_tensor(b"M\xe8\x03\x85", b"K\x01\x85");
        let shared = [b"}".to_vec(), tensor[1..tensor.len() - 1].to_vec(), b"q\0s".to_vec()].concat();
        let shared = [shared, b"U\x01ah\0s".repeat(100)].concat();
        let storage = [1000u64.to_le_bytes().to_vec(), vec![0; 4000]].concat();
        assert!(refused(&legacy_file(&shared, &storage)).contains("far more bytes"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pytorch_model.bin");
        std::fs::write(&path, legacy_file(&pickle, TWO)).unwrap();
        assert_eq!(read_state_dict(&path).unwrap().len(), 200);
    }
}
