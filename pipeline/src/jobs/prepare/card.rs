//! The data set's `README.md`: a card whose YAML header tells Hugging Face's `datasets` where the splits are, and a
//! page for people.

use quanci_shards::mask::MaskMode;
use quanci_shards::{Manifest, Split};

use crate::config::SampleShare;

/// The card of a data set.
pub(crate) fn card(manifest: &Manifest) -> String {
    let train = manifest.shards.iter().filter(|shard| shard.split == Split::Train);
    let (rows, tokens) =
        train.fold((0, 0), |(rows, tokens), shard| (rows + shard.rows, tokens + shard.tokens));
    let validation = manifest.rows(Split::Validation, 0);
    let validation_files = match validation {
        0 => String::new(),
        _ => "  - split: validation\n    path: validation/*.parquet\n".to_owned(),
    };
    let masks = match manifest.masking.mode {
        MaskMode::Static => {
            "Masks are drawn: `masked_lm_positions` and `masked_lm_inputs` go over `input_ids`."
        }
        MaskMode::Dynamic => {
            "Training rows carry no masks: draw them anew in every epoch, whole words by `word_starts`."
        }
    };
    let sample = manifest.sample().map_or_else(String::new, |share| {
        format!("This is a sample of {} of the documents, to judge settings by.\n\n", SampleShare::of(share))
    });
    format!(
        "---\nlanguage:\n- zh\ntask_categories:\n- fill-mask\nconfigs:\n- config_name: default\n  data_files:\n  \
         - split: train\n    path: copy-*/*.parquet\n{validation_files}---\n\n\
         # Whole-word-masked pretraining shards\n\n\
         {rows} training instances of up to {} pieces ({tokens} pieces in {} copies of the corpus) and {validation} \
         validation instances, made by quanci. Data id `{}`, format version {}.\n\n{sample}{masks}\n\n\
         | column | meaning |\n|---|---|\n\
         | `input_ids` | `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, the original pieces: unmasked, unpadded |\n\
         | `segment_b` | position of B's first piece: token type ids are 0 before it, 1 from it on |\n\
         | `word_starts` | true where a piece begins a word |\n\
         | `next_sentence_label` | 0: B follows A; 1: B is random (or A and B are swapped) |\n\
         | `masked_lm_positions` | masked positions, ascending |\n\
         | `masked_lm_inputs` | what the model sees there; the labels are `input_ids` at those positions |\n\
         | `document` | first 64 bits of the content hash of A's document |\n\
         | `source` | name of the corpus |\n\n\
         `manifest.json` has the settings, counts and checksums; `quanci verify` checks them.\n",
        manifest.max_seq_len, manifest.copies, manifest.data_id, manifest.format_version,
    )
}
