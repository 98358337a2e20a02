//! Chooses the characters that a vocabulary begins with.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::CONTINUATION;
use super::super::counts::Word;

/// How often a character begins a word, and how often it occurs within one.
#[derive(Debug, Clone, Copy, Default)]
struct Met {
    first: u64,
    within: u64,
}

/// A character's entry: plain or with `##`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    met: u64,
    continues: bool,
    character: char,
}

/// The chosen characters.
#[derive(Debug)]
pub(super) struct Alphabet {
    /// The entries in order: plain ones by code point, then `##` ones by code point.
    pub(super) entries: Vec<String>,
    /// Frequent enough characters of which a form that the text needs found no room.
    pub(super) left_out: Vec<char>,
    /// Characters that occur fewer than `min_char_count` times.
    pub(super) rare: u64,
}

/// Chooses every character that occurs at least `min_count` times: its plain form, and its `##` form if it occurs
/// within a word.
///
/// If these are more than `room` entries, the forms compete by their own counts: a plain form by the words that the
/// character begins, a `##` form by its places within words. A missing form turns at most that many words into `[UNK]`,
/// so this order keeps `[UNK]` rare. Ties: plain before `##`, then the smaller code point. `taken` are entries that are
/// there already.
pub(super) fn choose(
    words: &[(Word<'_>, u64)],
    min_count: u64,
    room: usize,
    taken: &FxHashSet<&str>,
) -> Alphabet {
    let (mut forms, rare) = forms(words, min_count);
    forms.retain(|form| !taken.contains(form.entry().as_str()));
    let mut left_out = Vec::new();
    if forms.len() > room {
        // The most frequent first, with a total order, so that the choice is reproducible.
        forms.sort_unstable_by_key(|form| (std::cmp::Reverse(form.met), form.continues, form.character));
        left_out =
            // A plain form that begins no word is no loss: no word of the text becomes `[UNK]` without it.
            forms.split_off(room).iter().filter(|form| form.met > 0).map(|form| form.character).collect();
        left_out.sort_unstable();
        left_out.dedup();
    }
    forms.sort_unstable_by_key(|form| (form.continues, form.character));
    Alphabet { entries: forms.iter().map(Form::entry).collect(), left_out, rare }
}

fn forms(words: &[(Word<'_>, u64)], min_count: u64) -> (Vec<Form>, u64) {
    let mut met: FxHashMap<char, Met> = FxHashMap::default();
    for (word, count) in words {
        for (i, character) in word.chars().enumerate() {
            let met = met.entry(character).or_default();
            // The first character of a word is looked up without ##, all others with it.
            *(if i == 0 { &mut met.first } else { &mut met.within }) += count;
        }
    }
    let total = met.len();
    let kept: Vec<(char, Met)> =
        met.into_iter().filter(|(_, met)| met.first + met.within >= min_count).collect();
    let rare = (total - kept.len()) as u64;
    let plain = kept.iter().map(|&(character, met)| Form { met: met.first, continues: false, character });
    let within = kept.iter().filter(|(_, met)| met.within > 0);
    let within = within.map(|&(character, met)| Form { met: met.within, continues: true, character });
    (plain.chain(within).collect(), rare)
}

impl Form {
    fn entry(&self) -> String {
        let prefix = if self.continues { CONTINUATION } else { "" };
        format!("{prefix}{}", self.character)
    }
}
