//! An instance of a record as a row: its masks taken out of its tokens, its segments and words found.

use quanci_shards::Objective;
use quanci_shards::manifest::Specials;
use quanci_shards::mask::{Masks, RowView};
use quanci_shards::tokens::TokenBuffer;
use xxhash_rust::xxh3::xxh3_64;

use super::instance::Instance;
use crate::vocab::CONTINUATION;
use crate::vocab::file::Vocabulary;

/// What a row must be.
#[derive(Debug)]
pub(super) struct RowRules<'a> {
    vocabulary: &'a Vocabulary,
    specials: Specials,
    /// By id: true for a `##` token.
    continues: Vec<bool>,
    objective: Objective,
}

/// A row to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImportedRow {
    /// The tokens as they were before they were masked.
    pub(super) tokens: TokenBuffer,
    pub(super) segment_b: Option<usize>,
    pub(super) label: Option<u8>,
    pub(super) masks: Masks,
    /// Hash of A: that of its document is not known.
    pub(super) document: u64,
}

impl ImportedRow {
    pub(super) fn view(&self) -> RowView<'_> {
        RowView { tokens: self.tokens.view(), segment_b: self.segment_b }
    }

    /// The smallest share of masked tokens, in ten thousandths, that allows its masks.
    pub(super) fn mask_share(&self) -> f64 {
        if self.masks.positions.len() < 2 {
            return 0.0;
        }
        (self.masks.positions.len() as f64 / self.tokens.len() as f64 * 1e4).ceil() / 1e4
    }
}

impl<'a> RowRules<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary, objective: Objective) -> RowRules<'a> {
        let continues = vocabulary.pieces().map(|piece| piece.starts_with(CONTINUATION)).collect();
        RowRules { vocabulary, specials: vocabulary.specials(), continues, objective }
    }

    /// The row of an instance, or what is wrong with that.
    pub(super) fn row(&self, instance: Instance) -> Result<ImportedRow, String> {
        let inputs = self.known(&instance.input_ids, "input_ids")?;
        let labels = self.known(&instance.labels, "masked_lm_ids")?;
        let positions: Vec<u32> = instance.positions.iter().map(|&at| at as u32).collect();
        let mut ids = inputs.clone();
        for (&at, &label) in positions.iter().zip(&labels) {
            ids[at as usize] = label;
        }
        let segment_b = self.segment_b(&instance.segment_ids, &ids)?;
        let last = ids.len() - 1;
        let is_special = |at: usize| at == 0 || at == last || Some(at + 1) == segment_b;
        if let Some(at) = positions.iter().find(|&&at| is_special(at as usize)) {
            return Err(format!("its position {at}, which is masked, is [CLS] or [SEP]"));
        }
        if let Some((at, name)) = self.special_within(&ids, is_special) {
            return Err(format!("its token {at} is {name}, within a segment"));
        }
        let is_first = |at: usize| at == 1 || Some(at) == segment_b;
        let starts_word = |at: usize| is_special(at) || is_first(at) || !self.continues[ids[at] as usize];
        let word_starts: Vec<bool> = (0..ids.len()).map(starts_word).collect();
        let end_of_a = segment_b.map_or(last, |b| b - 1);
        let a: Vec<u8> = ids[1..end_of_a].iter().flat_map(|id| id.to_le_bytes()).collect();
        Ok(ImportedRow {
            label: self.label(instance.pair)?,
            document: xxh3_64(&a),
            masks: Masks { inputs: positions.iter().map(|&at| inputs[at as usize]).collect(), positions },
            tokens: TokenBuffer::of(&ids, &word_starts),
            segment_b,
        })
    }

    fn known(&self, ids: &[i64], name: &str) -> Result<Vec<u32>, String> {
        let size = self.vocabulary.len() as u32;
        let known = |&id: &i64| {
            let known = u32::try_from(id).ok().filter(|&id| id < size);
            known.ok_or_else(|| {
                format!("`{name}` has {id}, and the vocabulary {size} entries: is it another one's?")
            })
        };
        ids.iter().map(known).collect()
    }

    /// Where B begins.
    fn segment_b(&self, segments: &[i64], ids: &[u32]) -> Result<Option<usize>, String> {
        let Specials { cls, sep, .. } = self.specials;
        if ids.len() < 3 || ids[0] != cls || ids[ids.len() - 1] != sep {
            return Err("it is not [CLS], tokens and [SEP]: is it of another vocabulary?".to_owned());
        }
        let b = segments.iter().position(|&segment| segment != 0);
        if segments[b.unwrap_or(segments.len())..].iter().any(|&segment| segment != 1) {
            return Err("`segment_ids` are not zeros, then ones".to_owned());
        }
        match (b, self.objective) {
            (Some(b), _) if b < 3 || b >= ids.len() - 1 || ids[b - 1] != sep => {
                Err(format!("its segment B begins at {b}, where none can"))
            }
            (None, Objective::Nsp | Objective::Sop) => {
                Err("it has one segment: rows without pairs are --objective mlm".to_owned())
            }
            (Some(_), Objective::Mlm) => {
                Err("it is a pair: --objective nsp or sop says what its label means".to_owned())
            }
            _ => Ok(b),
        }
    }

    fn special_within(
        &self,
        ids: &[u32],
        is_special: impl Fn(usize) -> bool,
    ) -> Option<(usize, &'static str)> {
        let Specials { pad, cls, sep, mask, .. } = self.specials;
        let names = [(pad, "[PAD]"), (cls, "[CLS]"), (sep, "[SEP]"), (mask, "[MASK]")];
        ids.iter()
            .enumerate()
            .filter(|(at, _)| !is_special(*at))
            .find_map(|(at, id)| names.iter().find(|(special, _)| special == id).map(|(_, name)| (at, *name)))
    }

    fn label(&self, pair: i64) -> Result<Option<u8>, String> {
        match (self.objective, pair) {
            (Objective::Mlm, 0) => Ok(None),
            (Objective::Nsp | Objective::Sop, 0 | 1) => Ok(Some(pair as u8)),
            (_, other) => Err(format!("`next_sentence_labels` is {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use quanci_shards::rng::{RandomSource, Rng};

    use super::*;

    fn vocabulary() -> Vocabulary {
        let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "的", "一", "##一", "##s", "a"];
        Vocabulary::from_pieces(pieces.map(str::to_owned).to_vec(), Path::new("vocab.txt"))
            .expect("a vocabulary")
    }

    /// Whatever the lists hold that the features of a record allow, the row is sound or refused; most are refused.
    #[test]
    fn no_instance_panics() {
        let vocabulary = vocabulary();
        let mut rng = Rng::new(&[3]);
        let mut taken = 0;
        for _ in 0..50_000 {
            let mut below = |most: usize| rng.below(most) as i64;
            let length = below(9) as usize;
            let mut ids: Vec<i64> = (0..length).map(|_| below(12) - 1).collect();
            if length > 1 && below(4) > 0 {
                (ids[0], ids[length - 1]) = (2, 3);
            }
            let b = below(length + 2);
            if b > 1 && (b as usize) <= length {
                ids[b as usize - 1] = 3;
            }
            let positions: Vec<i64> = (0..length as i64).filter(|_| below(4) == 0).collect();
            let labels: Vec<i64> = positions.iter().map(|_| below(11)).collect();
            let segment_ids = (0..length as i64).map(|at| i64::from(at >= b)).collect();
            let pair = below(3);
            let objective = [Objective::Nsp, Objective::Mlm][below(2) as usize];
            let instance = Instance {
                input_ids: ids.clone(),
                segment_ids,
                positions: positions.clone(),
                labels: labels.clone(),
                pair,
            };
            let Ok(row) = RowRules::new(&vocabulary, objective).row(instance) else { continue };
            taken += 1;
            let tokens = row.tokens.view();
            assert_eq!(tokens.len(), length);
            assert_eq!(row.segment_b.is_some(), objective == Objective::Nsp);
            for (at, token) in tokens.iter().enumerate() {
                assert!(token.is_word_start() || [7, 8].contains(&token.id()), "{at}");
            }
            for ((&at, &label), &input) in positions.iter().zip(&labels).zip(&row.masks.inputs) {
                let id = i64::from(tokens.get(at as usize).id());
                assert_eq!((id, i64::from(input)), (label, ids[at as usize]));
            }
        }
        assert!((100..25_000).contains(&taken), "{taken}");
    }
}
