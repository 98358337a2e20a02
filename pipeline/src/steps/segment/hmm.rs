//! Words that are in no dictionary: the hidden Markov model of jieba, whose states say where in its word a character
//! stands. Its parameters are those of jieba-rs; sums are formed in its order, so that ties and roundings are the same.

/// jieba's parameters, from the file that jieba-rs is built of.
mod parameters {
    /// The logarithm of a probability of zero; what is generated names it so.
    pub(super) const MIN_FLOAT: f64 = -3.14e100;
    jieba_macros::generate_hmm_data!();
}

use self::parameters::{
    EMIT_INDEX, EMIT_MIN_CHAR, EMIT_NONE, EMIT_PROBS, INITIAL_PROBS, MIN_FLOAT, TRANS_PROBS,
};

/// The first character of a word, the last one, one between them, and a word of one character.
const BEGIN: usize = 0;
const END: usize = 1;
const MIDDLE: usize = 2;
const SINGLE: usize = 3;
const STATES: usize = 4;
/// The states that may come before each. Of two with equal scores, the second is taken.
const BEFORE: [[usize; 2]; STATES] = [[END, SINGLE], [BEGIN, MIDDLE], [BEGIN, MIDDLE], [END, SINGLE]];

/// True for the characters that the model knows.
#[inline]
pub(super) fn is_known(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fd5}')
}

/// The scratch buffers of a thread.
#[derive(Default)]
pub(super) struct Viterbi {
    /// For each character but the first: a bit for each state, set if the second of the states before it is the best.
    seconds: Vec<u8>,
    begins: Vec<bool>,
}

impl Viterbi {
    /// Whether a word begins at each of at least two characters: the most probable sequence of states, by the Viterbi
    /// algorithm.
    pub(super) fn begins(&mut self, characters: &[char]) -> &[bool] {
        let [first, between @ .., last] = characters else { return &[] };
        let emitted = emissions(*first);
        let mut scores = [BEGIN, END, MIDDLE, SINGLE].map(|state| INITIAL_PROBS[state] + emitted[state]);
        self.seconds.clear();
        for &c in between {
            let emitted = emissions(c);
            let best = [BEGIN, END, MIDDLE, SINGLE].map(|state| best_before(&scores, &emitted, state));
            scores = best.map(|(score, _)| score);
            self.seconds.push((0..STATES).fold(0, |bits, state| bits | u8::from(best[state].1) << state));
        }
        // The last character ends a word, whether alone or not.
        let emitted = emissions(*last);
        let (end, end_second) = best_before(&scores, &emitted, END);
        let (single, single_second) = best_before(&scores, &emitted, SINGLE);
        self.seconds.push(u8::from(end_second) << END | u8::from(single_second) << SINGLE);

        let mut state = if end > single { END } else { SINGLE };
        self.begins.clear();
        self.begins.resize(characters.len(), true);
        for (begins, seconds) in self.begins[1..].iter_mut().zip(&self.seconds).rev() {
            *begins = state == BEGIN || state == SINGLE;
            state = BEFORE[state][usize::from(seconds >> state & 1)];
        }
        &self.begins
    }
}

/// The score of a state, and whether the second of the states before it is the best.
#[inline(always)]
fn best_before(scores: &[f64; STATES], emitted: &[f64; STATES], state: usize) -> (f64, bool) {
    let [one, second] = BEFORE[state].map(|from| scores[from] + TRANS_PROBS[from][state] + emitted[state]);
    if one > second { (one, false) } else { (second, true) }
}

/// The logarithms of the probabilities of a character in each state.
#[inline]
fn emissions(c: char) -> [f64; STATES] {
    let row = EMIT_INDEX.get((c as usize).wrapping_sub(EMIT_MIN_CHAR as usize));
    match row {
        Some(&row) if row != EMIT_NONE => EMIT_PROBS[usize::from(row)],
        _ => [MIN_FLOAT; STATES],
    }
}

/// The length of the word of letters and digits at the beginning of some bytes, which begin with one: runs joined by `.`,
/// `_` or `-`, and a percent sign.
pub(super) fn alphanumeric_word(bytes: &[u8]) -> usize {
    let run = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let mut end = run(0);
    while let Some([b'.' | b'_' | b'-', next, ..]) = bytes.get(end..)
        && next.is_ascii_alphanumeric()
    {
        end += 1 + run(end + 1);
    }
    end + usize::from(bytes.get(end) == Some(&b'%'))
}
