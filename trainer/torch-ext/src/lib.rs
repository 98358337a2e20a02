//! What tch lacks of libtorch: data parallelism (c10d with its Reducer), fused and grouped optimizer operations,
//! attention without padding, activation checkpointing, kernels of our own, and CUDA opened at run time. The only `unsafe` of the
//! project is here, and so are the few system calls that need it.
//!
//! ```text
//! ProcessGroup, Reducer   csrc/ranks.cpp        c10d::ProcessGroupGloo, ProcessGroupNCCL (libquanci_nccl.so), Reducer
//! cast                    csrc/cast.cpp         a node of autograd's graph
//! checkpoint              csrc/checkpoint.cpp   another
//! linear_cross_entropy    csrc/cross_entropy.cpp  another, with a kernel of our own
//! fused                   csrc/fused.cpp        kernels of our own (csrc/kernels/, kernels.cpp) and the same by ATen
//! fused::dropout          csrc/dropout.cpp      dropout on a CPU
//! profile                 csrc/profile.cpp      PyTorch's profiler
//! attention               csrc/attention.cpp    ATen, and a kernel of our own
//! ops, cuda, …            csrc/shim.cpp         ATen
//! process                 libc
//! ```
//!
//! Nothing here panics: what libtorch throws comes back as an [`Error`]. tch's own methods panic where they have no
//! name in `f_`; that is their callers' business.

pub mod attention;
mod cast;
mod checkpoint;
mod context;
mod cross_entropy;
pub mod cuda;
mod error;
mod ffi;
pub mod fused;
mod group;
pub mod ops;
pub mod process;
mod profile;
mod reducer;
mod tensors;

pub use cast::cast;
pub use checkpoint::checkpoint;
pub use context::{seed_all, set_tf32, set_threads, tf32};
pub use cross_entropy::linear_cross_entropy;
pub use error::Error;
pub use group::{Backend, Options, ProcessGroup};
pub use profile::profile;
pub use reducer::Reducer;
