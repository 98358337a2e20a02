//! quanci's trainer: shards in, BERT checkpoints out. `ARCHITECTURE.md` is the map.

pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod convert;
pub mod distributed;
pub mod error;
pub mod hub;
pub mod init;
pub mod metrics;
pub mod model;
pub mod optim;
pub mod score;
pub mod text;
pub mod train;
pub mod tune;
