//! A model: its config, its fp32 parameters, and where they are.

use tch::{Device, Kind, TchError, Tensor};

use super::config::ModelConfig;
use super::kernels::Kernels;
use super::network::Network;
use super::parameters::Parameters;
use super::parts::NormForm;

/// A BERT or an ALBERT with both heads of pretraining. What it computes is in the [`Network`] that it makes.
#[derive(Debug)]
pub struct Bert {
    config: ModelConfig,
    parameters: Parameters,
    device: Device,
    checkpointing: bool,
    kernels: Option<Kernels>,
    norm: NormForm,
}

impl Bert {
    /// A new model with weights drawn from `seed`: the same on every device.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(config: ModelConfig, seed: u64, device: Device) -> Result<Bert, TchError> {
        let parameters = Parameters::new(&config, seed)?;
        parameters.move_to(device);
        let norm = NormForm::Biased { epsilon: config.layer_norm_eps };
        Ok(Bert { config, parameters, device, checkpointing: false, kernels: None, norm })
    }

    /// Whether layers forget what they computed and compute it again in the backward pass.
    pub fn set_checkpointing(&mut self, on: bool) {
        self.checkpointing = on;
    }

    /// Has the layers computed by these kernels rather than by the fastest.
    pub fn set_kernels(&mut self, kernels: Kernels) {
        self.kernels = Some(kernels);
    }

    /// Has it compute with another LayerNorm than BERT's.
    pub fn set_norm(&mut self, norm: NormForm) {
        self.norm = norm;
    }

    /// The config it was made with.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Where its parameters are.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The parameters that training changes: pooler and pair head have no gradient where there are no pairs.
    pub fn trained(&self, with_pairs: bool) -> Vec<(String, Tensor)> {
        let architecture = self.config.architecture();
        let pair_only = [architecture.pooler(), architecture.pair_head()];
        self.parameters.filter(|name| with_pairs || !pair_only.iter().any(|prefix| name.starts_with(prefix)))
    }

    /// The model as it computes in `kind`, with the parameters as they are now. Within `tch::no_grad` it records nothing.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn network(&self, kind: Kind) -> Result<Network, TchError> {
        let kernels = self.kernels.unwrap_or_else(|| Kernels::fastest(&self.config, self.device, kind));
        Network::new(&self.config, &self.parameters, kind, kernels, self.norm, self.checkpointing)
    }
}
