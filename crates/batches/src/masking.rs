//! What differs from the masks that a data set was made with or for.

use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit, Replace};
use serde::{Deserialize, Serialize};

/// What is set; all else is the data set's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MaskOverride {
    /// Who draws: `static` reads the masks that are stored.
    pub mode: Option<MaskMode>,
    /// What is masked together.
    pub unit: Option<MaskUnit>,
    /// Share of a row's tokens.
    pub prob: Option<f64>,
    /// Masked tokens of a row at most.
    pub max_predictions: Option<u32>,
    /// What masked tokens are replaced by.
    pub replace: Option<Replace>,
}

impl MaskOverride {
    /// The masks of a data set made with `own`, whose rows have `max_seq_len` tokens at most; an error says what does
    /// not go together.
    pub fn apply(&self, own: MaskSettings, max_seq_len: u32) -> Result<MaskSettings, String> {
        let mode = self.mode.unwrap_or(own.mode);
        let draws = MaskOverride { mode: None, ..self.clone() };
        if mode == MaskMode::Static {
            if own.mode == MaskMode::Dynamic {
                return Err("`masking.mode` = \"static\", but the data set stores no masks".to_owned());
            }
            if draws != MaskOverride::default() {
                return Err(
                    "`masking` changes how masks are drawn, which needs mode = \"dynamic\"".to_owned()
                );
            }
            return Ok(own);
        }
        let prob = self.prob.unwrap_or(own.prob);
        let of_prob = self.prob.map(|prob| (prob * f64::from(max_seq_len)).ceil() as u32);
        Ok(MaskSettings {
            mode,
            unit: self.unit.unwrap_or(own.unit),
            prob,
            max_predictions: self.max_predictions.or(of_prob).unwrap_or(own.max_predictions),
            replace: self.replace.unwrap_or(own.replace),
        })
    }
}
