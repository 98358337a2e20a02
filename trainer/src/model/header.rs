//! What a file of weights says of itself before its numbers: names, sizes, kinds; and what is done to a tensor whose file is
//! not of transformers.

use tch::{Kind, TchError, Tensor};

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

/// A name as transformers has it, and what makes its tensor of that of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Renamed {
    pub(super) name: String,
    pub(super) change: Change,
}

/// What is done to a tensor on its way from one program's file to another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Rows become columns: TensorFlow's products are `x W`, PyTorch's `x Wᵀ`.
    Transposed,
    /// The first row goes: UER's segment of padding.
    WithoutFirstRow,
    /// A row of zeros comes first.
    WithFirstRow,
    /// The scale of a LayerNorm that divides by the unbiased deviation becomes that of one that divides by the biased.
    ToBiasedNorm,
    /// The other way round.
    ToUnbiasedNorm,
}

impl Change {
    /// The sizes that come of these; none if they do not allow it.
    pub(super) fn sizes(self, sizes: &[i64]) -> Option<Vec<i64>> {
        match (self, sizes) {
            (Change::Transposed, &[rows, columns]) => Some(vec![columns, rows]),
            (Change::WithoutFirstRow, &[rows, columns]) if rows > 1 => Some(vec![rows - 1, columns]),
            (Change::WithFirstRow, &[rows, columns]) => Some(vec![rows + 1, columns]),
            (Change::ToBiasedNorm | Change::ToUnbiasedNorm, &[width]) if width > 1 => Some(vec![width]),
            (Change::None, _) => Some(sizes.to_vec()),
            _ => None,
        }
    }

    /// The tensor that comes of this one, whose sizes allow it.
    pub(super) fn apply(self, tensor: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Change::None => Ok(tensor.shallow_clone()),
            Change::Transposed => tensor.f_transpose(0, 1)?.f_contiguous(),
            Change::WithoutFirstRow => tensor.f_narrow(0, 1, tensor.size()[0] - 1),
            Change::WithFirstRow => {
                let zeros = tensor.f_narrow(0, 0, 1)?.f_zeros_like()?;
                Tensor::f_cat(&[zeros, tensor.shallow_clone()], 0)
            }
            Change::ToBiasedNorm => scaled(tensor, norm_scale(tensor.size()[0])),
            Change::ToUnbiasedNorm => scaled(tensor, 1.0 / norm_scale(tensor.size()[0])),
        }
    }
}

/// √((n − 1) / n): the unbiased deviation of n numbers is larger by its inverse than the biased.
pub(super) fn norm_scale(width: i64) -> f64 {
    ((width - 1) as f64 / width as f64).sqrt()
}

/// Multiplied in double precision, so that there and back loses as little as it can.
fn scaled(tensor: &Tensor, factor: f64) -> Result<Tensor, TchError> {
    tensor.f_to_kind(Kind::Double)?.f_mul_scalar(factor)?.f_to_kind(tensor.kind())
}
