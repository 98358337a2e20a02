//! quanci's pipeline: corpus bytes in, vocabularies and whole-word-masked shards out. `ARCHITECTURE.md` is the map.

pub mod cli;
pub mod config;
pub mod corpora;
pub mod counters;
pub mod document;
pub mod drops;
pub mod engine;
pub mod error;
pub mod failures;
pub mod init;
pub mod jobs;
pub mod plan;
pub mod progress;
pub mod readers;
mod scratch;
pub mod steps;
pub mod stop;
pub mod tfrecord;
pub mod view;
pub mod vocab;
pub mod work;
