//! A micro-batch on its way from the loader to the model.

use tch::Device;

use crate::data::MicroBatch;
use crate::error::Error;
use crate::model::{DeviceBatch, HostBatch};

/// Copies a micro-batch to `device`, for a model with `max_positions` positions.
pub(super) fn to_device(
    micro: &MicroBatch,
    max_positions: i64,
    device: Device,
) -> Result<DeviceBatch, Error> {
    let host = HostBatch {
        input_ids: &micro.input_ids,
        lengths: &micro.lengths,
        segment_b: &micro.segment_b,
        masked: &micro.masked,
        labels: &micro.labels,
        pair_labels: &micro.pair_labels,
    };
    DeviceBatch::new(&host, max_positions, device).map_err(Error::torch("moving a batch"))
}
