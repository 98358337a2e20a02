//! BERT and ALBERT as Google built them: config, its computation, its losses, its weights in the files of Hugging Face, TensorFlow
//! and UER.
//!
//! ```text
//!  ModelConfig -> Parameters (fp32, by name) -> Bert -- once a step --> Network (in the kind that is computed in)
//!  HostBatch -> DeviceBatch ------------------------- each micro-batch --> Logits -> Losses
//! ```

mod architecture;
pub mod attention;
mod batch;
mod bert;
pub mod config;
mod device_check;
mod float_bytes;
mod head;
mod header;
mod kernels;
mod layers;
mod loss;
mod network;
mod parameters;
mod parts;
mod pickle;
mod tf1;
mod uer;
pub mod weights;

pub use architecture::Architecture;
pub use attention::AttentionKernel;
pub use batch::{DeviceBatch, HostBatch, Rows};
pub use bert::Bert;
pub use device_check::{Comparison, check_device, choose_kernels};
pub use head::{Head, HeadInput, RowVector};
pub use kernels::{Kernels, Pointwise};
pub use loss::{Losses, sum_of_cross_entropy};
pub use network::{Logits, Network};
pub use parameters::Parameters;
pub use parts::NormForm;
