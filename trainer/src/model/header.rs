//! What a file of weights says of itself before its numbers: names, sizes, kinds.

use tch::Kind;

/// A tensor of a file, without its numbers.
#[derive(Debug, Clone)]
pub(super) struct TensorHeader {
    /// Its name, as the file has it.
    pub(super) name: String,
    /// Its sizes.
    pub(super) sizes: Vec<i64>,
    /// Its numbers' kind; none if libtorch's binding has none for it.
    pub(super) kind: Option<Kind>,
    /// What the file knows it by.
    pub(super) number: usize,
}

/// Named tensors that lie together.
#[derive(Debug, Clone, Default)]
pub(super) struct StateDict {
    /// The keys that lead to it, such as `model`; empty for a file that is a state dict itself.
    pub(super) key: String,
    /// Its tensors, in the file's order.
    pub(super) tensors: Vec<TensorHeader>,
}

impl TensorHeader {
    /// True if it has fractions, as weights have; buffers of positions have not.
    pub(super) fn is_float(&self) -> bool {
        matches!(self.kind, Some(Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double))
    }
}
