//! A micro-batch on its device: rows lie end to end, nothing is padded.
//!
//! ```text
//!  ids        [CLS] 我 们 [SEP] [CLS] 你 好 [SEP]      T tokens of B rows
//!  offsets    0                 4               8      B + 1
//!  positions  0     1  2  3     0     1  2  3
//!  selected   [CLS]    们       [CLS] 你                the tokens that the heads read: A of them
//! ```

use tch::{Device, TchError, Tensor};

use super::parts::torch;

/// A micro-batch as the loader gives it: B rows, T tokens in all, N of them masked.
#[derive(Debug, Clone, Copy)]
pub struct HostBatch<'a> {
    /// Ids with the masks scattered in: `T`.
    pub input_ids: &'a [i64],
    /// Tokens of each row: `B`. Rows of one length should be neighbours: a CPU computes their attention together.
    pub lengths: &'a [i64],
    /// Position of segment B's first token, the row's length where there is none: `B`.
    pub segment_b: &'a [i64],
    /// Masked tokens, as indexes into `input_ids`, ascending: `N`.
    pub masked: &'a [i64],
    /// What they were: `N`.
    pub labels: &'a [i64],
    /// `B`, or empty without pairs.
    pub pair_labels: &'a [i64],
}

/// Rows that lie end to end in a tensor.
#[derive(Debug)]
pub struct Rows {
    /// Tokens of each row.
    pub lengths: Vec<i64>,
    /// The most of them.
    pub longest: i64,
    /// Where each row begins, and the end of the last: `[B + 1]`, int32 (what the attention kernels call cu_seqlens).
    pub offsets: Tensor,
}

/// What the model takes.
#[derive(Debug)]
pub struct DeviceBatch {
    /// `[T]`.
    pub ids: Tensor,
    /// `[T]`: position in its row, plus the number of positions for a token of segment B: where the two embeddings
    /// are added up lies the sum for each.
    pub positions: Tensor,
    /// The rows of `[T]`.
    pub rows: Rows,
    /// `[A]`: the tokens that the heads read, `[CLS]` of each row followed by its masked tokens.
    pub selected: Tensor,
    /// The rows of `[A]`.
    pub selected_rows: Rows,
    /// `[B]`: the `[CLS]` tokens among the `A`.
    pub cls: Tensor,
    /// `[N]`, or more where the batch is filled up: the masked tokens among the `A`.
    pub masked: Tensor,
    /// `[N]`: their ids.
    pub labels: Tensor,
    /// `[B]`.
    pub pair_labels: Option<Tensor>,
}

impl DeviceBatch {
    /// Copies a micro-batch to `device` for a model with `max_positions` positions. To a GPU it is two copies from pinned
    /// memory that the host does not wait for.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn new(host: &HostBatch<'_>, max_positions: i64, device: Device) -> Result<DeviceBatch, TchError> {
        DeviceBatch::with(host, max_positions, device, false)
    }

    /// The same for a step of training. On a GPU it is filled up by at most one part in 64 with rows that nothing is asked
    /// of: for every new shape of a product cuBLAS chooses a kernel anew and perhaps loads it, which takes longer than
    /// the filling.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn for_training(
        host: &HostBatch<'_>,
        max_positions: i64,
        device: Device,
    ) -> Result<DeviceBatch, TchError> {
        DeviceBatch::with(host, max_positions, device, device.is_cuda())
    }

    /// [`DeviceBatch::new`], filled up if asked to.
    pub(super) fn with(
        host: &HostBatch<'_>,
        max_positions: i64,
        device: Device,
        filled: bool,
    ) -> Result<DeviceBatch, TchError> {
        let mut selection = Selection::new(host);
        let (mut input_ids, mut lengths) = (host.input_ids.to_vec(), host.lengths.to_vec());
        let mut positions = positions(host, max_positions);
        if filled {
            for length in selection.fill(host) {
                lengths.push(length);
                input_ids.extend((0..length).map(|_| 0));
                positions.extend(0..length);
            }
        }
        let mut integers = Packed::default();
        let ids = integers.add(&input_ids);
        let positions = integers.add(&positions);
        let selected = integers.add(&selection.tokens);
        let cls = integers.add(&selection.cls);
        let masked = integers.add(&selection.masked);
        let labels = integers.add(host.labels);
        let pair_labels = integers.add(host.pair_labels);
        let integers = upload(&Tensor::f_from_slice(&integers.values)?, device)?;
        let view = |(start, length): (i64, i64)| integers.f_narrow(0, start, length);
        let both = [offsets(&lengths), offsets(&selection.lengths)].concat();
        let both = upload(&Tensor::f_from_slice(&both)?, device)?;
        let b = lengths.len() as i64;
        Ok(DeviceBatch {
            ids: view(ids)?,
            positions: view(positions)?,
            rows: Rows::new(lengths, both.f_narrow(0, 0, b + 1)?),
            selected: view(selected)?,
            selected_rows: Rows::new(selection.lengths, both.f_narrow(0, b + 1, b + 1)?),
            cls: view(cls)?,
            masked: view(masked)?,
            labels: view(labels)?,
            pair_labels: if host.pair_labels.is_empty() { None } else { Some(view(pair_labels)?) },
        })
    }

    /// T: how many tokens go through the layers.
    pub fn tokens(&self) -> i64 {
        self.rows.lengths.iter().sum()
    }
}

impl Rows {
    fn new(lengths: Vec<i64>, offsets: Tensor) -> Rows {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        Rows { lengths, longest, offsets }
    }
}

/// Lists of integers that go to the device in one copy.
#[derive(Default)]
struct Packed {
    values: Vec<i64>,
}

impl Packed {
    /// Appends a list; returns where it begins and how long it is.
    fn add(&mut self, values: &[i64]) -> (i64, i64) {
        let start = self.values.len() as i64;
        self.values.extend_from_slice(values);
        (start, values.len() as i64)
    }
}

fn upload(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    match device {
        Device::Cuda(index) => quanci_torch_ext::cuda::upload(tensor, index).map_err(torch),
        _ => tensor.f_to_device(device),
    }
}

fn offsets(lengths: &[i64]) -> Vec<i32> {
    let mut end = 0;
    std::iter::once(0)
        .chain(lengths.iter().map(|&length| {
            end += length as i32;
            end
        }))
        .collect()
}

fn positions(host: &HostBatch<'_>, max_positions: i64) -> Vec<i64> {
    let mut positions = Vec::with_capacity(host.input_ids.len());
    for (&length, &segment_b) in host.lengths.iter().zip(host.segment_b) {
        positions.extend((0..length).map(|at| if at < segment_b { at } else { max_positions + at }));
    }
    positions
}

/// The tokens that the heads read.
struct Selection {
    /// Indexes into the batch: for each row `[CLS]`, then its masked tokens.
    tokens: Vec<i64>,
    /// How many each row has.
    lengths: Vec<i64>,
    /// Which of them are `[CLS]`.
    cls: Vec<i64>,
    /// Which of them are masked.
    masked: Vec<i64>,
}

impl Selection {
    fn new(host: &HostBatch<'_>) -> Selection {
        let rows = host.lengths.len();
        let mut selection = Selection {
            tokens: Vec::with_capacity(rows + host.masked.len()),
            lengths: Vec::with_capacity(rows),
            cls: Vec::with_capacity(rows),
            masked: Vec::with_capacity(host.masked.len()),
        };
        let mut masked = host.masked.iter().copied().peekable();
        let mut start = 0;
        for &length in host.lengths {
            let first = selection.tokens.len();
            selection.cls.push(first as i64);
            selection.tokens.push(start);
            // Masked tokens ascend, so one pass over rows and tokens assigns each to its row.
            while let Some(token) = masked.next_if(|&token| token < start + length) {
                selection.masked.push(selection.tokens.len() as i64);
                selection.tokens.push(token);
            }
            selection.lengths.push((selection.tokens.len() - first) as i64);
            start += length;
        }
        selection
    }

    /// Fills all lists up to lengths that recur; returns the lengths of the rows that do it, no longer than the others.
    fn fill(&mut self, host: &HostBatch<'_>) -> Vec<i64> {
        let tokens = host.input_ids.len();
        let longest = host.lengths.iter().copied().max().unwrap_or(1).max(1);
        // At least one row, for what the other lists are filled with to lie in.
        let mut left = (round_up(tokens + 1, 128) - tokens) as i64;
        let (mut rows, mut starts) = (Vec::new(), Vec::new());
        while left > 0 {
            starts.push(tokens as i64 + rows.iter().sum::<i64>());
            rows.push(left.min(longest));
            left -= longest;
        }
        let first = self.tokens.len();
        // Equally many of each row, one at least: rows of many queries would take other kernels.
        let mut selected = round_up(first + rows.len(), 256) - first;
        for (at, &start) in starts.iter().enumerate() {
            let count = selected.div_ceil(rows.len() - at);
            selected -= count;
            self.tokens.extend(std::iter::repeat_n(start, count));
            self.lengths.push(count as i64);
        }
        let masked = round_up(self.masked.len(), 256);
        self.masked.resize(masked, first as i64);
        rows
    }
}

/// The next multiple of `n`'s next power of two by `parts`.
fn round_up(n: usize, parts: usize) -> usize {
    n.next_multiple_of((n.next_power_of_two() / parts).max(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_end_to_end_and_masked_tokens_are_found_again() {
        let host = HostBatch {
            input_ids: &[0; 19],
            lengths: &[8, 5, 6],
            segment_b: &[4, 5, 3],
            masked: &[1, 5, 14, 15, 17],
            labels: &[10, 11, 12, 13, 14],
            pair_labels: &[0, 1, 0],
        };
        let batch = DeviceBatch::new(&host, 100, Device::Cpu).unwrap();
        let of = |tensor: &Tensor| Vec::<i64>::try_from(tensor).unwrap();
        assert_eq!(batch.tokens(), 19);
        assert_eq!(of(&batch.positions)[..9], [0, 1, 2, 3, 104, 105, 106, 107, 0]);
        assert_eq!(of(&batch.positions)[9..], [1, 2, 3, 4, 0, 1, 2, 103, 104, 105]);
        assert_eq!(Vec::<i32>::try_from(&batch.rows.offsets).unwrap(), [0, 8, 13, 19]);
        assert_eq!(of(&batch.selected), [0, 1, 5, 8, 13, 14, 15, 17]);
        assert_eq!(Vec::<i32>::try_from(&batch.selected_rows.offsets).unwrap(), [0, 3, 4, 8]);
        assert_eq!((batch.rows.longest, batch.selected_rows.longest), (8, 4));
        assert_eq!(of(&batch.cls), [0, 3, 4]);
        assert_eq!(of(&batch.masked), [1, 2, 5, 6, 7]);
        assert_eq!(of(&batch.labels), [10, 11, 12, 13, 14]);
        assert_eq!(of(batch.pair_labels.as_ref().unwrap()), [0, 1, 0]);
    }

    #[test]
    fn lengths_recur() {
        let lengths: std::collections::BTreeSet<usize> = (50_000..53_000).map(|n| round_up(n, 128)).collect();
        assert_eq!(lengths.len(), 7);
        for n in 0..100_000 {
            assert!((n..=n + n / 64 + 8).contains(&round_up(n, 128)), "{n}: {}", round_up(n, 128));
        }
    }

    #[test]
    fn what_fills_up_lies_in_rows_of_its_own() {
        let host = HostBatch {
            input_ids: &[1; 24],
            lengths: &[8, 10, 6],
            segment_b: &[4, 5, 3],
            masked: &[1, 5, 14, 15, 17, 19, 20, 22, 23],
            labels: &[10, 11, 12, 13, 14, 15, 16, 17, 18],
            pair_labels: &[0, 1, 0],
        };
        let batch = DeviceBatch::with(&host, 100, Device::Cpu, true).unwrap();
        let of = |tensor: &Tensor| Vec::<i64>::try_from(tensor).unwrap();
        assert_eq!(batch.tokens(), 32);
        assert_eq!(batch.rows.lengths, [8, 10, 6, 8]);
        assert_eq!(of(&batch.ids)[20..], [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(of(&batch.positions)[24..], [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(batch.selected_rows.lengths, [3, 4, 5, 4]);
        assert_eq!(of(&batch.selected)[12..], [24, 24, 24, 24]);
        assert_eq!(of(&batch.masked)[9..], [12; 7]);
        assert_eq!((of(&batch.cls).len(), of(&batch.labels).len()), (3, 9));
    }
}
