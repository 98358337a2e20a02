//! Items to batches on the device, and their losses.

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::tasks::{IGNORED, Item, Target, TokenRow};
use crate::model::config::ModelConfig;
use crate::model::{DeviceBatch, HeadInput, HostBatch};

/// Items that go through the model at once.
#[derive(Debug)]
pub(super) struct MicroItems<'a> {
    items: Vec<&'a Item>,
}

impl<'a> MicroItems<'a> {
    /// Cuts a batch, longest items first, so that rows of one length are neighbours.
    pub(super) fn cut(items: &[&'a Item], rows: usize) -> Vec<MicroItems<'a>> {
        let mut sorted = items.to_vec();
        // A stable sort: items of one length keep their order.
        sorted.sort_by_key(|item| std::cmp::Reverse(item.length()));
        MicroItems::cut_in_order(&sorted, rows)
    }

    /// Cuts items as they come into parts of so many rows; an item stays whole.
    pub(super) fn cut_in_order(items: &[&'a Item], rows: usize) -> Vec<MicroItems<'a>> {
        let mut micros: Vec<MicroItems<'a>> = Vec::new();
        let mut left = 0usize;
        for &item in items {
            match micros.last_mut().filter(|_| item.rows.len() <= left) {
                Some(micro) => {
                    micro.items.push(item);
                    left -= item.rows.len();
                }
                None => {
                    micros.push(MicroItems { items: vec![item] });
                    left = rows.saturating_sub(item.rows.len());
                }
            }
        }
        micros
    }

    fn rows(&self) -> impl Iterator<Item = &TokenRow> {
        self.items.iter().flat_map(|item| &item.rows)
    }

    /// The rows end to end on a device; `train` may fill them up.
    pub(super) fn on_device(
        &self,
        config: &ModelConfig,
        device: Device,
        train: bool,
    ) -> Result<DeviceBatch, TchError> {
        let ids: Vec<i64> = self.rows().flat_map(|row| row.ids.iter().copied()).collect();
        let lengths: Vec<i64> = self.rows().map(|row| row.ids.len() as i64).collect();
        let segment_b: Vec<i64> = self.rows().map(|row| row.segment_b as i64).collect();
        let host = HostBatch {
            input_ids: &ids,
            lengths: &lengths,
            segment_b: &segment_b,
            masked: &[],
            labels: &[],
            pair_labels: &[],
        };
        let positions = config.max_position_embeddings;
        if train {
            DeviceBatch::for_training(&host, positions, device)
        } else {
            DeviceBatch::new(&host, positions, device)
        }
    }

    /// The logits of the rows alone, without those of what filled the batch up.
    pub(super) fn narrowed(&self, logits: &Tensor, input: HeadInput) -> Result<Tensor, TchError> {
        let length: usize = self.items.iter().map(|item| read(item, input)).sum();
        logits.f_narrow(0, 0, length as i64)
    }

    /// Flat logits, item by item.
    pub(super) fn split(&self, flat: &[f32], input: HeadInput) -> Vec<Vec<f32>> {
        let all: usize = self.items.iter().map(|item| read(item, input)).sum();
        let outputs = flat.len() / all.max(1);
        let mut left = flat;
        let mut one = |item: &&Item| {
            let (own, rest) = left.split_at(read(item, input) * outputs);
            left = rest;
            own.to_vec()
        };
        self.items.iter().map(&mut one).collect()
    }
}

/// How many logits an item has, times the outputs of the head.
fn read(item: &Item, input: HeadInput) -> usize {
    match input {
        HeadInput::Pooled => item.rows.len(),
        HeadInput::Tokens => item.rows.iter().map(|row| row.ids.len()).sum(),
        HeadInput::Pairs(_) => item.rows.len() / 2,
    }
}

/// The sum of the losses of items: what transformers' models with the same heads take the mean of.
///
/// # Errors
/// If the device has no memory left.
pub(super) fn losses(logits: &Tensor, micro: &MicroItems<'_>) -> Result<Tensor, TchError> {
    let (mut classes, mut values, mut spans) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for item in &micro.items {
        match &item.target {
            Target::Class(class) => classes.push(*class),
            Target::Labels(labels) => classes.extend(labels),
            Target::Value(value) => values.push(*value as f32),
            Target::Span(ends) => ends.iter().zip(&mut spans).for_each(|(end, side)| side.push(*end)),
            Target::None => {}
        }
    }
    let device = logits.device();
    if !values.is_empty() {
        let wanted = Tensor::f_from_slice(&values)?.f_to_device(device)?;
        return logits.f_squeeze_dim(1)?.f_mse_loss(&wanted, Reduction::Sum);
    }
    if !spans[0].is_empty() {
        let lengths: Vec<usize> = micro.rows().map(|row| row.ids.len()).collect();
        let sides = logits.f_unbind(1)?;
        let [start, end] = spans;
        let start = cross_entropy(&apart(&sides[0], &lengths)?, &start)?;
        return start.f_add(&cross_entropy(&apart(&sides[1], &lengths)?, &end)?);
    }
    // One output for each of several rows: they are the classes.
    if logits.size()[1] == 1 {
        let lengths: Vec<usize> = micro.items.iter().map(|item| item.rows.len()).collect();
        return cross_entropy(&apart(&logits.f_squeeze_dim(1)?, &lengths)?, &classes);
    }
    cross_entropy(logits, &classes)
}

fn cross_entropy(logits: &Tensor, wanted: &[i64]) -> Result<Tensor, TchError> {
    let wanted = Tensor::f_from_slice(wanted)?.f_to_device(logits.device())?;
    logits.f_cross_entropy_loss(&wanted, None::<&Tensor>, Reduction::Sum, IGNORED, 0.0)
}

/// Numbers that lie end to end, `[sum of lengths]`, as `[lengths, longest]`: what is missing is −∞, which no share of a softmax
/// comes from.
fn apart(flat: &Tensor, lengths: &[usize]) -> Result<Tensor, TchError> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let places =
        (0..).zip(lengths).flat_map(|(row, &length)| (0..length).map(move |at| (row * longest + at) as i64));
    let places = Tensor::f_from_slice(&places.collect::<Vec<_>>())?.f_to_device(flat.device())?;
    let sizes = [lengths.len() as i64, longest as i64];
    let empty = Tensor::f_full([sizes[0] * sizes[1]], f64::NEG_INFINITY, (Kind::Float, flat.device()))?;
    empty.f_scatter(0, &places, flat)?.f_view(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(rows: &[usize], target: Target) -> Item {
        let row = |&length: &usize| TokenRow { ids: vec![7; length], segment_b: length };
        Item { rows: rows.iter().map(row).collect(), target }
    }

    #[test]
    fn items_stay_whole_and_logits_find_back() {
        let items = [item(&[2, 2], Target::None), item(&[5], Target::None), item(&[3, 1, 1], Target::None)];
        let all: Vec<&Item> = items.iter().collect();
        let micros = MicroItems::cut_in_order(&all, 3);
        assert_eq!(micros.iter().map(|micro| micro.items.len()).collect::<Vec<_>>(), [2, 1]);
        let cut = MicroItems::cut(&all, 100);
        assert_eq!(cut[0].rows().map(|row| row.ids.len()).collect::<Vec<_>>(), [5, 3, 1, 1, 2, 2]);
        assert_eq!(micros[0].split(&[1.0, 2.0, 3.0], HeadInput::Pooled), [vec![1.0, 2.0], vec![3.0]]);
        let flat: Vec<f32> = (0..18).map(|number| number as f32).collect();
        let split = micros[0].split(&flat, HeadInput::Tokens);
        assert_eq!((split[0].len(), split[1][0]), (8, 8.0));
    }

    #[test]
    fn rows_of_other_lengths_do_not_count() {
        let items = [item(&[2], Target::Span([1, 1])), item(&[3], Target::Span([0, 2]))];
        let all: Vec<&Item> = items.iter().collect();
        let micro = &MicroItems::cut_in_order(&all, 10)[0];
        let logits = Tensor::from_slice(&[0f32, 0., 0., 0., 0., 0., 0., 0., 0., 0.]).view([5, 2]);
        let loss = losses(&logits, micro).unwrap().double_value(&[]);
        assert!((loss - 2.0 * (2f64.ln() + 3f64.ln())).abs() < 1e-6, "{loss}");
        let choices = [item(&[1, 1], Target::Class(0)), item(&[1, 1, 1, 1], Target::Class(3))];
        let all: Vec<&Item> = choices.iter().collect();
        let loss = losses(
            &Tensor::zeros([6, 1], (Kind::Float, Device::Cpu)),
            &MicroItems::cut_in_order(&all, 10)[0],
        );
        assert!((loss.unwrap().double_value(&[]) - 8f64.ln()).abs() < 1e-6);
    }
}
