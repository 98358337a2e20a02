//! The rules of a row. The file may be damaged or forged, so nothing in a row is trusted.

use std::collections::BTreeSet;
use std::ops::Range;

use quanci_shards::mask::{MaskMode, MaskUnit};
use quanci_shards::{Manifest, Objective, Row, Split};

use crate::vocab::CONTINUATION;
use crate::vocab::file::Vocabulary;

/// The key of the settings of a data set whose masks others drew (`quanci import-tfrecord`).
pub(crate) const IMPORTED: &str = "imported";

/// Called with each problem of a row.
pub(super) type ProblemSink<'a> = &'a mut dyn FnMut(String);

/// The rules of a row, for the rows of one data set.
pub(super) struct RowRules<'a> {
    manifest: &'a Manifest,
    sources: BTreeSet<&'a str>,
    /// By id: true for a `##` token. Empty if the vocabulary cannot be read; then this rule is not checked.
    continues: Vec<bool>,
    /// By id: true for special and unused tokens, which never replace a masked token.
    reserved: Vec<bool>,
}

/// The positions of the segments of a row.
struct Segments {
    a: Range<usize>,
    b: Option<Range<usize>>,
}

impl<'a> RowRules<'a> {
    pub(super) fn new(manifest: &'a Manifest, vocabulary: Option<&Vocabulary>) -> RowRules<'a> {
        let mut reserved = vec![false; manifest.vocabulary.size as usize];
        // create_pretraining_data.py draws replacements from all entries.
        let is_imported = manifest.settings.get(IMPORTED).is_some();
        for &id in manifest.vocabulary.reserved.iter().filter(|_| !is_imported) {
            // Ids come from the manifest, and may be out of range.
            reserved.get_mut(id as usize).into_iter().for_each(|reserved| *reserved = true);
        }
        // Settings of another version may have no such key; then every source is reported.
        let corpora = manifest.settings.get("corpus").and_then(|corpora| corpora.as_array());
        let names = corpora.into_iter().flatten().filter_map(|corpus| corpus.get("name")?.as_str());
        let pieces = vocabulary.into_iter().flat_map(Vocabulary::pieces);
        RowRules {
            manifest,
            sources: names.collect(),
            continues: pieces.map(|piece| piece.starts_with(CONTINUATION)).collect(),
            reserved,
        }
    }

    /// Calls `found` with every problem of a row.
    pub(super) fn judge(&self, split: Split, row: &Row<'_>, found: ProblemSink<'_>) {
        self.ids(row, found);
        self.label(row, found);
        if !self.sources.contains(row.source) {
            found(format!("source {:?} is not a corpus in the settings", row.source));
        }
        match self.segments(row) {
            // The other rules need the positions of the segments.
            Err(problem) => found(problem),
            Ok(segments) => {
                self.inside(row, &segments, found);
                let starts_fit = self.word_starts(row, &segments, found);
                self.masks(split, row, &segments, starts_fit, found);
            }
        }
    }

    fn ids(&self, row: &Row<'_>, found: ProblemSink<'_>) {
        let (length, most) = (row.input_ids.len(), self.manifest.max_seq_len as usize);
        if length > most {
            found(format!("has {length} tokens; `max_seq_len` is {most}"));
        }
        // One problem per rule and row: a damaged row may break a rule at every position.
        if let Some(position) = row.input_ids.iter().position(|&id| self.known(id).is_none()) {
            let id = row.input_ids[position];
            found(format!("`input_ids`: {id} at position {position} is not in the vocabulary"));
        }
    }

    /// The id, if it is in the vocabulary.
    fn known(&self, id: i32) -> Option<u32> {
        u32::try_from(id).ok().filter(|&id| id < self.manifest.vocabulary.size)
    }

    /// The segments of `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`. Neither A nor B may be empty.
    fn segments(&self, row: &Row<'_>) -> Result<Segments, String> {
        let specials = &self.manifest.vocabulary.specials;
        let ids = row.input_ids;
        let is = |position: usize, special: u32| {
            ids.get(position).is_some_and(|&id| i64::from(id) == i64::from(special))
        };
        if !is(0, specials.cls) {
            return Err("does not begin with [CLS]".to_owned());
        }
        // Cannot underflow: position 0 exists.
        let last = ids.len() - 1;
        if !is(last, specials.sep) {
            return Err("does not end with [SEP]".to_owned());
        }
        let Some(segment_b) = row.segment_b else {
            return if last > 1 {
                Ok(Segments { a: 1..last, b: None })
            } else {
                Err("has no tokens between [CLS] and [SEP]".to_owned())
            };
        };
        match usize::try_from(segment_b) {
            // Before B: [CLS], at least one token of A, [SEP].
            Ok(b) if b > 2 && b < last && is(b - 1, specials.sep) => {
                Ok(Segments { a: 1..b - 1, b: Some(b..last) })
            }
            Ok(b) if b > 2 && b < last => {
                Err(format!("`segment_b` is {b}, but the token before it is not [SEP]"))
            }
            _ => Err(format!("`segment_b` is {segment_b}, out of range in a row of {} tokens", ids.len())),
        }
    }

    fn label(&self, row: &Row<'_>, found: ProblemSink<'_>) {
        let wants_b = self.manifest.objective != Objective::Mlm;
        match (row.segment_b.is_some(), row.next_sentence_label) {
            (true, None) => found("has a segment B, but no `next_sentence_label`".to_owned()),
            (false, Some(_)) => found("has a `next_sentence_label`, but no segment B".to_owned()),
            (true, Some(label)) if !(0..=1).contains(&label) => {
                found(format!("`next_sentence_label` is {label}; it must be 0 or 1"));
            }
            _ => {}
        }
        match (wants_b, row.segment_b.is_some()) {
            (true, false) => found("has no segment B, but the objective needs pairs".to_owned()),
            (false, true) => found("has a segment B, but the objective needs single segments".to_owned()),
            _ => {}
        }
    }

    /// Special tokens inside a segment. `[UNK]` is allowed.
    fn inside(&self, row: &Row<'_>, segments: &Segments, found: ProblemSink<'_>) {
        let specials = &self.manifest.vocabulary.specials;
        let names = [
            (specials.cls, "[CLS]"),
            (specials.sep, "[SEP]"),
            (specials.mask, "[MASK]"),
            (specials.pad, "[PAD]"),
        ];
        for position in segments.positions() {
            let id = i64::from(row.input_ids[position]);
            if let Some((_, name)) = names.iter().find(|(special, _)| i64::from(*special) == id) {
                return found(format!("`input_ids`: {name} at position {position}, inside a segment"));
            }
        }
    }

    /// Returns false if the lengths differ, so that words cannot be determined.
    fn word_starts(&self, row: &Row<'_>, segments: &Segments, found: ProblemSink<'_>) -> bool {
        let (starts, length) = (&row.word_starts, row.input_ids.len());
        if starts.len() != length {
            found(format!("`word_starts` has {} items, `input_ids` has {length}", starts.len()));
            return false;
        }
        let first_of_b = segments.b.as_ref().map(|b| b.start);
        let firsts = [Some(segments.a.start), first_of_b];
        // Outside both segments: [CLS] and the two [SEP].
        let is_special = |position: usize| !segments.holds(position);
        let must = |position: &usize| is_special(*position) || firsts.contains(&Some(*position));
        if let Some(position) = (0..length).filter(must).find(|&position| !starts[position]) {
            let what = if is_special(position) { "a special token" } else { "the first token of a segment" };
            found(format!("`word_starts` is false at position {position}, {what}"));
        }
        let continues = |id: i32| usize::try_from(id).ok().and_then(|id| self.continues.get(id)).copied();
        let wrong = |position: &usize| starts[*position] && continues(row.input_ids[*position]) == Some(true);
        // The first token of a segment may be a ## token that begins a word: truncation cut the word.
        if let Some(position) = segments.positions().filter(|at| !firsts.contains(&Some(*at))).find(wrong) {
            found(format!("`word_starts` is true at position {position}, a {CONTINUATION} token"));
        }
        true
    }

    fn masks(
        &self,
        split: Split,
        row: &Row<'_>,
        segments: &Segments,
        starts_fit: bool,
        found: ProblemSink<'_>,
    ) {
        // Validation rows have stored masks even with dynamic masking, so that evaluations are comparable.
        let wanted = split == Split::Validation || self.manifest.masking.mode == MaskMode::Static;
        let (positions, inputs) = match (row.masks, wanted) {
            (Some(masks), true) => masks,
            (None, true) => return found("has no masks, but they must be stored".to_owned()),
            (Some(_), false) => return found("has masks, but masking is dynamic".to_owned()),
            (None, false) => return,
        };
        if positions.len() != inputs.len() {
            let (one, other) = (positions.len(), inputs.len());
            found(format!("`masked_lm_positions` has {one} items, `masked_lm_inputs` has {other}"));
        }
        let budget = self.manifest.masking.budget(row.input_ids.len());
        if positions.len() > budget {
            found(format!("{} tokens are masked; the budget is {budget}", positions.len()));
        }
        if let Some(pair) = positions.windows(2).find(|pair| pair[0] >= pair[1]) {
            found(format!("`masked_lm_positions` is not ascending: {} before {}", pair[0], pair[1]));
        }
        let outside = |at: &&i32| !usize::try_from(**at).is_ok_and(|at| segments.holds(at));
        if let Some(position) = positions.iter().find(outside) {
            // The rules below use positions as indexes.
            return found(format!("`masked_lm_positions`: {position} is not in a segment"));
        }
        self.inputs(row, positions, inputs, found);
        if starts_fit && self.manifest.masking.unit != MaskUnit::Piece {
            whole_words(row, segments, positions, found);
        }
    }

    /// An input must be `[MASK]`, the original, or a token that can be drawn at random. Positions are within the row.
    fn inputs(&self, row: &Row<'_>, positions: &[i32], inputs: &[i32], found: ProblemSink<'_>) {
        let mask = self.manifest.vocabulary.specials.mask;
        for (&position, &input) in positions.iter().zip(inputs) {
            let is_original = row.input_ids.get(position as usize) == Some(&input);
            let is_random = |id: u32| self.reserved.get(id as usize) == Some(&false);
            if !is_original && !self.known(input).is_some_and(|id| id == mask || is_random(id)) {
                return found(format!(
                    "`masked_lm_inputs`: {input} at position {position} is neither [MASK] nor the original nor a valid \
                     random token"
                ));
            }
        }
    }
}

impl Segments {
    /// The positions of A and B.
    fn positions(&self) -> impl Iterator<Item = usize> + use<> {
        self.a.clone().chain(self.b.clone().into_iter().flatten())
    }

    fn holds(&self, position: usize) -> bool {
        self.a.contains(&position) || self.b.as_ref().is_some_and(|b| b.contains(&position))
    }
}

/// Checks that words are masked as a whole or not at all.
fn whole_words(row: &Row<'_>, segments: &Segments, positions: &[i32], found: ProblemSink<'_>) {
    let mut masked = vec![false; row.input_ids.len()];
    positions.iter().for_each(|&position| masked[position as usize] = true);
    // A word ends at [SEP]: the first token of B never continues the last word of A.
    let within_word = |position: &usize| !row.word_starts[*position] && segments.holds(*position - 1);
    let cut = segments.positions().filter(within_word).find(|&at| masked[at] != masked[at - 1]);
    if let Some(position) = cut {
        found(format!("`masked_lm_positions`: the word at position {position} is only partly masked"));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::view::tests::manifest;

    /// Our writer writes none: a file of others may have one.
    #[test]
    fn negative_ids_are_found() {
        let entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "天"].map(str::to_owned).to_vec();
        let vocabulary = Vocabulary::from_pieces(entries, Path::new("vocab.txt")).expect("a vocabulary");
        let manifest = Manifest { objective: Objective::Mlm, ..manifest(&vocabulary) };
        let row = Row {
            input_ids: &[2, -1, 3],
            segment_b: None,
            word_starts: vec![true; 3],
            next_sentence_label: None,
            masks: Some((&[], &[])),
            document: 7,
            source: "news",
        };
        let mut problems = Vec::new();
        RowRules::new(&manifest, Some(&vocabulary))
            .judge(Split::Train, &row, &mut |problem| problems.push(problem));
        assert_eq!(problems, ["`input_ids`: -1 at position 1 is not in the vocabulary"]);
    }
}
