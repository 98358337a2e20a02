//! A micro-batch on its device.

use tch::{Device, Kind, TchError, Tensor};

/// A micro-batch as the loader gives it: B rows of S pieces, flat.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// B.
    pub rows: usize,
    /// S.
    pub width: usize,
    /// Ids with the masks scattered in, padded: `B * S`.
    pub input_ids: &'a [i64],
    /// Pieces of each row: `B`.
    pub lengths: &'a [i64],
    /// Position of B's first piece, the row's length where there is none: `B`.
    pub segment_b: &'a [i64],
    /// Masked pieces, `row * S + position`, ascending: `N`.
    pub masked: &'a [i64],
    /// What they were: `N`.
    pub labels: &'a [i64],
    /// `B`, or empty without pairs.
    pub pair_labels: &'a [i64],
}

/// What the model takes.
#[derive(Debug)]
pub struct Inputs {
    /// `[B, S]`.
    pub ids: Tensor,
    /// `[B, S]`: 0 before B's first piece, 1 from it to the row's end.
    pub segments: Tensor,
    /// `[B, 1, 1, S]`, true at pieces that may be looked at; none where no row is padded.
    pub attention: Option<Tensor>,
    /// `[B, Q]`: positions that the heads look at, `[CLS]` first, filled up with `[CLS]`.
    pub asked: Tensor,
    /// `[N]`: the masked pieces among the `B * Q`.
    pub masked: Tensor,
    /// `[N]`: their ids.
    pub labels: Tensor,
    /// `[B]`.
    pub pair_labels: Option<Tensor>,
}

impl Inputs {
    /// Copies a micro-batch to `device`; from pinned memory to a GPU, so that the host does not wait.
    pub fn new(host: &Host<'_>, device: Device) -> Result<Inputs, TchError> {
        let (b, s) = (host.rows as i64, host.width as i64);
        let (asked, picked) = asked_positions(host);
        let q = (asked.len() / host.rows.max(1)) as i64;
        let up = |values: &[i64]| upload(values, device);
        let ids = up(host.input_ids)?.f_view([b, s])?;
        let lengths = up(host.lengths)?.f_unsqueeze(1)?;
        let first_of_b = up(host.segment_b)?.f_unsqueeze(1)?;
        let place = Tensor::f_arange(s, (Kind::Int64, device))?;
        let inside = lengths.f_gt_tensor(&place)?;
        let segments = first_of_b.f_le_tensor(&place)?.f_logical_and(&inside)?.f_to_kind(Kind::Int64)?;
        let padded = host.lengths.iter().any(|&length| length < s);
        let attention = if padded { Some(inside.f_view([b, 1, 1, s])?) } else { None };
        let pair_labels = if host.pair_labels.is_empty() { None } else { Some(up(host.pair_labels)?) };
        Ok(Inputs {
            ids,
            segments,
            attention,
            asked: up(&asked)?.f_view([b, q])?,
            masked: up(&picked)?,
            labels: up(host.labels)?,
            pair_labels,
        })
    }
}

fn upload(values: &[i64], device: Device) -> Result<Tensor, TchError> {
    let tensor = Tensor::f_from_slice(values)?;
    if device == Device::Cpu {
        return Ok(tensor);
    }
    tensor.f_pin_memory(device)?.f_to_device_(device, Kind::Int64, true, false)
}

/// For each row `[CLS]` and its masked positions, filled up with `[CLS]` to the longest, `B * Q`; and where the masked
/// ones are among them.
fn asked_positions(host: &Host<'_>) -> (Vec<i64>, Vec<i64>) {
    let width = host.width as i64;
    let mut counts = vec![0usize; host.rows];
    for &flat in host.masked {
        counts[(flat / width) as usize] += 1;
    }
    let q = 1 + counts.iter().copied().max().unwrap_or(0);
    let mut asked = vec![0i64; host.rows * q];
    let mut picked = Vec::with_capacity(host.masked.len());
    let mut masked = host.masked.iter();
    for (row, &count) in counts.iter().enumerate() {
        for (slot, &flat) in masked.by_ref().take(count).enumerate() {
            asked[row * q + 1 + slot] = flat % width;
            picked.push((row * q + 1 + slot) as i64);
        }
    }
    (asked, picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_pieces_are_found_again() {
        let host = Host {
            rows: 3,
            width: 8,
            input_ids: &[0; 24],
            lengths: &[8, 5, 6],
            segment_b: &[4, 5, 3],
            masked: &[1, 5, 17, 18, 20],
            labels: &[10, 11, 12, 13, 14],
            pair_labels: &[0, 1, 0],
        };
        let (asked, picked) = asked_positions(&host);
        assert_eq!(asked, [0, 1, 5, 0, 0, 0, 0, 0, 0, 1, 2, 4].to_vec());
        assert_eq!(picked, [1, 2, 9, 10, 11].to_vec());
        let inputs = Inputs::new(&host, Device::Cpu).unwrap();
        let segments: Vec<Vec<i64>> = inputs.segments.try_into().unwrap();
        assert_eq!(segments[0], [0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(segments[1], [0; 8]);
        assert_eq!(segments[2], [0, 0, 0, 1, 1, 1, 0, 0]);
        assert_eq!(inputs.attention.unwrap().size(), [3, 1, 1, 8]);
    }
}
