//! Pickles made by hand: circles, bombs, what other programs put beside the weights.

use std::path::Path;

use tch::Tensor;

use super::TorchFile;
use super::machine::MAX_VALUES;
use crate::error::Error;

/// Every tensor of a file, by name.
fn read(path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let mut file = TorchFile::open(path)?;
    let headers: Vec<_> = file.state_dicts.iter().flat_map(|dict| dict.tensors.clone()).collect();
    let one = |header: super::TensorHeader| {
        let tensor = file.tensor(header.number).map_err(|problem| Error::input(path, problem))?;
        Ok((header.name, tensor))
    };
    headers.into_iter().map(one).collect()
}

fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    std::fs::write(&path, bytes).unwrap();
    read(&path).unwrap_err().to_string()
}

/// A file of the older format around a pickle.
fn legacy_file(pickle: &[u8], storages: &[u8]) -> Vec<u8> {
    let head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";
    [head.as_slice(), pickle, b".\x80\x02]X\x01\0\0\x000a.", storages].concat()
}

/// A dictionary with one tensor of these sizes and strides, each a tuple's opcodes.
fn one_tensor(sizes: &[u8], strides: &[u8]) -> Vec<u8> {
    let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ";
    [b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(".as_slice(), storage, b"K\0", sizes, strides, b"tRs"]
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
    assert!(refused(&legacy_file(&nested, TWO)).contains("no tensors"));
    let many = vec![b')'; MAX_VALUES + 1];
    assert!(refused(&legacy_file(&many, TWO)).contains("too many values"));
}

#[test]
fn strides_of_zero_make_nothing_larger() {
    let sound = legacy_file(&one_tensor(b"K\x02\x85", b"K\x01\x85"), TWO);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    std::fs::write(&path, sound).unwrap();
    let read = read(&path).unwrap();
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
    assert_eq!(read(&path).unwrap().len(), 200);
}

/// A file of a training run holds more than weights: an optimizer with storages of its own, settings as an object, bytes,
/// numbers of any kind.
#[test]
fn what_lies_beside_the_weights_is_passed_over() {
    let tensor = one_tensor(b"K\x02\x85", b"K\x01\x85");
    let args = b"X\x04\0\0\0argscargparse\nNamespace\n)\x81}X\x02\0\0\0lrG\0\0\0\0\0\0\0\0sbs";
    let bytes = b"X\x03\0\0\0rngC\x02\x01\x02s";
    let numpy = b"X\x04\0\0\0bestcnumpy.core.multiarray\nscalar\n(K\x01tRs";
    let whole = [&tensor[..], args, bytes, numpy].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.pt");
    std::fs::write(&path, legacy_file(&whole, TWO)).unwrap();
    let read = read(&path).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(Vec::<f32>::try_from(&read[0].1).unwrap(), [1.0, 2.0]);
    // Code to run is refused wherever it stands.
    let harmful = [&tensor[..], b"X\x01\0\0\0acos\nsystem\n(U\x02lstRs"].concat();
    assert!(refused(&legacy_file(&harmful, TWO)).contains("would call os.system: refused"));
    let module = b"ctorch.nn.modules.container\nSequential\n)\x81}b";
    assert!(refused(&legacy_file(module, TWO)).contains("save its state_dict()"));
}

/// A buffer may have no elements.
#[test]
fn empty_tensors_are_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    std::fs::write(&path, legacy_file(&one_tensor(b"K\0\x85", b"K\x01\x85"), TWO)).unwrap();
    assert_eq!(read(&path).unwrap()[0].1.size(), [0]);
}
