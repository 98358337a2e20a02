//! `[masking]` of a pretrain run: what differs from the masks that the data set was made with or for.

use quanci_settings::Section;
use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit, Replace};
use serde::{Deserialize, Serialize};

/// What is written; all else is the data set's own.
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

pub(super) fn from_section(section: Section<'_>) -> MaskOverride {
    let modes = [("static", MaskMode::Static), ("dynamic", MaskMode::Dynamic)];
    let section = section.with_defaults_of("the data set's");
    let help = "`static` reads the stored masks, `dynamic` draws new ones in every epoch";
    let mode = section.choice("mode", help, &modes);
    let help = "what is masked together: a word, a single token, or 1 to 4 words (dynamic masks only)";
    let unit = section.choice("unit", help, &MaskUnit::NAMES);
    let prob =
        section.number("prob", "share of the tokens that is masked (dynamic masks only)", 0.15, 0.001..=0.9);
    let help = "masked tokens of a row at most (dynamic masks only)";
    let max_predictions = section.integer("max_predictions", help, 1, 1..=8192) as u32;
    let replace = replace(section.section("replace").with_defaults_of("the data set's"));
    let settings = MaskOverride {
        mode: section.has("mode").then_some(mode),
        unit: section.has("unit").then_some(unit),
        prob: section.has("prob").then_some(prob),
        max_predictions: section.has("max_predictions").then_some(max_predictions),
        replace: section.has("replace").then_some(replace),
    };
    section.finish();
    settings
}

fn replace(section: Section<'_>) -> Replace {
    let default = Replace::default();
    let replace = Replace {
        mask: section.number("mask", "share that becomes `[MASK]`", default.mask, 0.0..=1.0),
        random: section.number("random", "share that becomes a random token", default.random, 0.0..=1.0),
        keep: section.number("keep", "share that stays as it is", default.keep, 0.0..=1.0),
    };
    let sum = replace.mask + replace.random + replace.keep;
    if (sum - 1.0).abs() > 1e-9 {
        section.problem("mask", format_args!("+ random + keep must be 1, not {sum}"));
    }
    section.finish();
    replace
}
