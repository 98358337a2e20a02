//! What the loop tells of its steps.

/// One step, over all ranks, as far as the host knows it without waiting for the device.
#[derive(Debug, Clone, PartialEq)]
pub struct StepMetrics {
    /// Steps done, this one included.
    pub step: u64,
    /// Passes through the data.
    pub epoch: f64,
    /// Learning rate.
    pub rate: f64,
    /// Rows.
    pub rows: u64,
    /// Tokens.
    pub tokens: u64,
    /// Tokens that go through the layers, padding included if there were any.
    pub computed: u64,
    /// Masked tokens.
    pub masked: u64,
}

/// What the device knows of the steps since the last time it was read. Skipped steps are not in the sums.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepTotals {
    /// Cross entropy summed over the masked tokens of this rank.
    pub masked_loss: f64,
    /// Cross entropy summed over the pairs of this rank.
    pub pair_loss: f64,
    /// Masked tokens of this rank that were predicted correctly.
    pub masked_correct: f64,
    /// Pairs of this rank that were predicted correctly.
    pub pairs_correct: f64,
    /// Masked tokens of all ranks.
    pub masked: f64,
    /// Pairs of all ranks.
    pub pairs: f64,
    /// Steps that were skipped because their gradients were not finite.
    pub skipped: f64,
    /// Norm of the gradients of the last step, before clipping.
    pub norm: f64,
}

/// What a run is going to do, as far as showing it is concerned.
pub struct RunOutline {
    /// Steps of all phases.
    pub steps: u64,
    /// Steps that were done before.
    pub done: u64,
    /// Floating-point operations of a step for one token, from the mean length and masked tokens of a row.
    pub flops_per_token: Box<dyn Fn(f64, f64) -> f64>,
    /// Operations a second that all devices together could do; none where that is not known.
    pub peak_flops: Option<f64>,
}
