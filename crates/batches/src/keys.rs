//! The keys of settings that say how data is read: `[data]` and `[masking]` of a pretrain run.

use quanci_settings::Section;
use quanci_shards::mask::{MaskMode, MaskUnit, Replace};

use crate::masking::MaskOverride;
use crate::settings::{DataSettings, Verify};

/// `[masking]`.
pub fn masking_keys(section: Section<'_>) -> MaskOverride {
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

/// `[data]`.
pub fn data_keys(section: Section<'_>) -> DataSettings {
    let lanes = "streams that the rows are divided into; a multiple of the number of ranks";
    let window = "row groups (of 8,192 rows) that are shuffled together, over all lanes";
    let group = "global batches within which rows are sorted by length; 0 does not sort";
    let verify = "compare a shard with its SHA-256 when it is first read; `never` trusts the storage";
    let settings = DataSettings {
        lanes: section.integer("lanes", lanes, 64, 1..=65536) as u32,
        window: section.integer("window", window, 64, 1..=1_000_000) as u32,
        group_batches: section.integer("group_batches", group, 0, 0..=4096) as u32,
        workers: section.integer("workers", "threads of a rank that read rows and draw masks", 2, 1..=256)
            as u32,
        verify: section.choice("verify", verify, &[("once", Verify::Once), ("never", Verify::Never)]),
    };
    section.finish();
    settings
}
