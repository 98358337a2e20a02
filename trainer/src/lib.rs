//! quanci's trainer: shards in, BERT checkpoints out. `ARCHITECTURE.md` is the map.

pub mod config;
pub mod data;
pub mod error;
pub mod model;
