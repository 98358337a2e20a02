//! Models of UER-py and TencentPretrain: a state dict under names of their own, and a config of their own. What differs in
//! the computation: LayerNorm divides by the unbiased deviation, and adds its epsilon outside of the root.
//!
//! ```text
//!  names    from UER's names, before and after July 2023, to transformers', and back
//!  config   from UER's config to transformers', and back
//! ```

pub(super) mod config;
pub(super) mod names;
