//! quanci's pipeline: corpus bytes in, vocabularies and whole-word-masked shards out. `ARCHITECTURE.md` is the map.

pub mod config;
pub mod counters;
pub mod document;
pub mod error;
