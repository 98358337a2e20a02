//! What tch lacks of libtorch: data parallelism (c10d with its Reducer), fused and grouped optimizer operations,
//! attention without padding, activation checkpointing, and CUDA opened at run time. The only `unsafe` of the
//! project is here, and so are the few system calls that need it.
//!
//! ```text
//! ProcessGroup, Reducer   csrc/ranks.cpp        c10d::ProcessGroupGloo, ProcessGroupNCCL (libquanci_nccl.so), Reducer
//! checkpoint              csrc/checkpoint.cpp   a node of autograd's graph
//! ops, attention, cuda, … csrc/shim.cpp         ATen
//! process                 libc
//! ```
//!
//! Nothing here panics: what libtorch throws comes back as an [`Error`]. tch's own methods panic where they have no
//! name in `f_`; that is their callers' business.

pub mod attention;
mod checkpoint;
mod context;
pub mod cuda;
mod error;
mod ffi;
mod group;
pub mod ops;
pub mod process;
mod reducer;
mod tensors;

pub use checkpoint::checkpoint;
pub use context::{seed_all, set_tf32, set_threads, tf32};
pub use error::Error;
pub use group::{Backend, Options, ProcessGroup};
pub use reducer::Reducer;
