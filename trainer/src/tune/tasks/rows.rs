//! Texts to rows: `[CLS] a [SEP]` and `[CLS] a [SEP] b [SEP]`, no longer than is allowed.

use super::item::TokenRow;
use crate::text::Tokenizer;

/// A row of one text. True if it was cut at its end.
pub(super) fn single(tokenizer: &Tokenizer, mut a: Vec<i64>, most: usize) -> (TokenRow, bool) {
    let room = most.saturating_sub(2);
    let is_cut = a.len() > room;
    a.truncate(room);
    a.insert(0, tokenizer.cls());
    a.push(tokenizer.sep());
    (TokenRow { segment_b: a.len(), ids: a }, is_cut)
}

/// A row of two texts. The longer one loses its last token until both fit, the second where they are equally long
/// (google-research/bert, run_classifier.py, _truncate_seq_pair). transformers' fast tokenizers leave the odd token to the longer
/// text instead. True if one was cut.
pub(super) fn pair(tokenizer: &Tokenizer, mut a: Vec<i64>, mut b: Vec<i64>, most: usize) -> (TokenRow, bool) {
    let room = most.saturating_sub(3);
    let is_cut = a.len() + b.len() > room;
    let (first, second) = kept(a.len(), b.len(), room);
    a.truncate(first);
    b.truncate(second);
    let mut ids = vec![tokenizer.cls()];
    ids.extend(a);
    ids.push(tokenizer.sep());
    let segment_b = ids.len();
    ids.extend(b);
    ids.push(tokenizer.sep());
    (TokenRow { ids, segment_b }, is_cut)
}

/// How many tokens stay of each.
fn kept(a: usize, b: usize, room: usize) -> (usize, usize) {
    if a + b <= room {
        return (a, b);
    }
    // Cut token by token, the longer one comes down to the shorter, then both in turn, the second first.
    let half = room / 2;
    if a.min(b) <= half {
        return if a > b { (room - b, b) } else { (a, room - a) };
    }
    (room - half, half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_token_by_token() {
        for (a, b, room) in
            (0..12).flat_map(|a| (0..12).flat_map(move |b| (0..14).map(move |room| (a, b, room))))
        {
            let (mut one, mut other): (usize, usize) = (a, b);
            while one + other > room {
                if one > other { one -= 1 } else { other -= 1 }
            }
            assert_eq!(kept(a, b, room), (one, other), "{a} {b} {room}");
        }
    }
}
