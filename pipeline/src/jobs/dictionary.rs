//! Reads the user's dictionary for the segmenter, and identifies what the words come from.

use std::path::PathBuf;

use quanci_shards::manifest::sha256;

use crate::config::{SegmentSettings, Words};
use crate::error::Error;
use crate::steps::script::CONVERTER;
use crate::steps::segment::{SEGMENTER, UserDict};

/// How user dictionaries are read, for data ids and the names of work files.
const USER_DICT_RULES: &str = "load_userdict of jieba 0.42.1";

/// The bytes of the user's dictionary, if there is one.
pub(super) fn user_dict(settings: &SegmentSettings) -> Result<Option<Vec<u8>>, Error> {
    let read = |path: &PathBuf| quanci_store::read(path).map_err(Error::io("read", path));
    settings.user_dict.as_ref().map(read).transpose()
}

/// What the words come from, for data ids and the names of work files: the segmenter's version, a hash of the user's
/// dictionary, and whose simplified forms are looked up in traditional sentences. Empty where no segmenter is used.
pub(super) fn word_source(settings: &SegmentSettings, user_dict: Option<&[u8]>) -> String {
    if settings.words != Words::Jieba {
        return String::new();
    }
    let users = user_dict.map(|bytes| format!(" + {USER_DICT_RULES} {}", sha256(bytes))).unwrap_or_default();
    let forms = if settings.traditional_as_simplified { format!(" + {CONVERTER}") } else { String::new() };
    format!("{SEGMENTER}{users}{forms}")
}

/// What was seen in the user's dictionary that may not be meant.
///
/// # Errors
/// If it cannot be read.
pub(super) fn warnings(settings: &SegmentSettings, user_dict: Option<&[u8]>) -> Result<Vec<String>, Error> {
    match (&settings.user_dict, user_dict) {
        (Some(path), Some(bytes)) => Ok(UserDict::parse(path, bytes)?.warnings),
        _ => Ok(Vec::new()),
    }
}
