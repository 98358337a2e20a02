//! Which file a path means.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::model::tf1::prefix;

/// The names that transformers gives to weights, in the order in which it looks for them.
const KNOWN: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
/// How the names of other files of weights end.
const ENDINGS: [&str; 5] = ["safetensors", "bin", "pt", "pth", "ckpt"];
/// Files that lie beside weights and hold none, by a part of their names.
const BESIDE: [&str; 7] = ["optim", "sched", "rng", "random_states", "scaler", "training_args", "dataloader"];
/// What DeepSpeed writes of the model when one process holds it whole.
const DEEPSPEED: &str = "mp_rank_00_model_states.pt";

/// True for the name of a file of PyTorch's weights. UER puts the step behind: `model.bin-250000`.
fn is_weights(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
    let is_step = |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let is_of_uer = ending.strip_prefix("bin-").is_some_and(is_step);
    let name = name.to_lowercase();
    (is_of_uer || ENDINGS.contains(&ending)) && !BESIDE.iter().any(|beside| name.contains(beside))
}

/// True for the name of a file that makes a folder mean a model: weights, the index of a sharded checkpoint, or TensorFlow's.
pub fn is_weights_name(name: &str) -> bool {
    is_weights(name) || KNOWN.contains(&name) || name.ends_with(prefix::INDEX)
}

/// True for a prefix of TensorFlow's, which is no file itself.
pub fn is_prefix(path: &Path) -> bool {
    !path.is_dir() && matches!(prefix::of_path(path), Ok(Some(_)))
}

/// The file of weights that `path` means, or the prefix: itself, or the one in the folder.
///
/// # Errors
/// If there is none, or more than one could be meant.
pub(super) fn find(path: &Path) -> Result<PathBuf, Error> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    if let Some(file) = KNOWN.iter().map(|name| path.join(name)).find(|file| file.exists()) {
        return Ok(file);
    }
    // DeepSpeed: `latest` names the folder of the newest checkpoint.
    let newest = std::fs::read_to_string(path.join("latest")).unwrap_or_default();
    if let Some(file) = [path.join(newest.trim()), path.to_path_buf()]
        .map(|folder| folder.join(DEEPSPEED))
        .into_iter()
        .find(|file| file.exists())
    {
        return Ok(file);
    }
    let names = quanci_store::names(path).map_err(Error::io("read", path))?;
    let found: Vec<&String> = names.iter().filter(|name| is_weights(name)).collect();
    match found[..] {
        [name] => Ok(path.join(name)),
        [] if let Some(prefix) = prefix::in_folder(path, &names)? => Ok(prefix),
        [] => {
            let known = KNOWN.join(", ");
            Err(Error::input(
                path,
                format!(
                    "holds no weights: none of {known}, no other file of PyTorch, and no `.index` of a TensorFlow checkpoint"
                ),
            ))
        }
        _ => {
            let names = found.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Error::input(
                path,
                format!("holds several files that may be the weights ({names}): name the one that is meant"),
            ))
        }
    }
}
