//! The sizes of models that `init` offers, as `configs/models/` has them.

use crate::model::config::ModelConfig;

/// A model's size, smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelSize {
    /// 2 layers of width 128.
    Tiny,
    /// 4 layers of width 256.
    Mini,
    /// 4 layers of width 512.
    Small,
    /// 12 layers of width 768.
    Base,
}

impl ModelSize {
    /// Every size by its name on the command line.
    pub const NAMES: [(&str, ModelSize); 4] = [
        ("tiny", ModelSize::Tiny),
        ("mini", ModelSize::Mini),
        ("small", ModelSize::Small),
        ("base", ModelSize::Base),
    ];

    /// The largest size that so many tokens are worth, and that this machine trains in days rather than in months.
    pub(super) fn for_data(tokens: u64, has_gpu: bool) -> ModelSize {
        let by_data = match tokens {
            0..20_000_000 => ModelSize::Tiny,
            20_000_000..100_000_000 => ModelSize::Mini,
            100_000_000..400_000_000 => ModelSize::Small,
            _ => ModelSize::Base,
        };
        if has_gpu { by_data } else { by_data.min(ModelSize::Small) }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        ModelSize::NAMES.iter().find(|(_, size)| *size == self).map_or("", |(name, _)| name)
    }

    /// Its shape, with the vocabulary of `configs/models/`.
    pub(super) fn shape(self) -> ModelConfig {
        let text = match self {
            ModelSize::Tiny => include_str!("../../../configs/models/bert-tiny.json"),
            ModelSize::Mini => include_str!("../../../configs/models/bert-mini.json"),
            ModelSize::Small => include_str!("../../../configs/models/bert-small.json"),
            ModelSize::Base => include_str!("../../../configs/models/bert-base.json"),
        };
        serde_json::from_str(text).expect("a test reads every model of `configs/models/`")
    }

    /// The peak of the learning rate: the smaller the model, the more it bears.
    pub(super) fn learning_rate(self) -> &'static str {
        match self {
            ModelSize::Tiny | ModelSize::Mini => "5e-4",
            ModelSize::Small => "3e-4",
            ModelSize::Base => "1e-4",
        }
    }

    /// Tokens that go through the model at once: on a GPU so many that activations take a few GB, on a CPU so many that
    /// products are large enough.
    pub(super) fn tokens_at_once(self, has_gpu: bool) -> u32 {
        match self {
            _ if !has_gpu => 2_048,
            ModelSize::Tiny | ModelSize::Mini => 32_768,
            ModelSize::Small => 16_384,
            ModelSize::Base => 8_192,
        }
    }
}
