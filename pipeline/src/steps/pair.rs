//! Makes instances of documents: Google's algorithm over sentences (google-research/bert, `create_pretraining_data.py`,
//! `create_instances_from_document`), either exactly or with rules that fix its weaknesses on Chinese text.
//!
//! An instance is two ranges of a bucket's tokens. Chunks, divided sentences, pushed-back rests and truncation only move
//! the ends of ranges; nothing is copied until a row is written.

use std::ops::Range;

use quanci_shards::Objective;
use quanci_shards::rng::RandomSource;

use super::bucket::Bucket;
use crate::config::PairRules;
use crate::vocab::file::is_reserved;

/// Raised with any change of the pairs that are made of a text: it is part of the ids of data sets.
pub const PAIRS_VERSION: u32 = 2;

/// One instance: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// A's document.
    pub document: u32,
    /// A's tokens.
    pub a: Range<u32>,
    /// B's tokens; none for `mlm`.
    pub b: Option<Range<u32>>,
    /// 0 = B follows A; 1 = B is from another document (`nsp`), A and B are swapped (`sop`).
    pub label: u8,
    /// True if the label was not drawn, because only one was possible.
    pub forced: bool,
}

/// What pair building needs to know.
#[derive(Debug, Clone)]
pub struct PairSettings {
    /// What an instance is.
    pub objective: Objective,
    /// Tokens of an instance at most, specials included.
    pub max_seq_len: u32,
    /// Probability that a document's instances aim at a random shorter length.
    pub short_seq_prob: f64,
    /// By which rules.
    pub rules: PairRules,
    /// What each id of the vocabulary is.
    pub kinds: Vec<TokenKind>,
}

/// What a token is, for the places where a sentence may be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A Hanzi, a letter, a digit.
    Text,
    /// ，；：、 and the like, after which a sentence may be divided.
    ClauseMark,
    /// An opening quote or bracket, which may begin a segment.
    Opening,
    /// Any other mark, a special token, `[UNK]`.
    Other,
}

impl TokenKind {
    /// The kind of an entry of a vocabulary.
    pub fn of(token: &str) -> TokenKind {
        match token {
            "，" | "；" | "：" | "、" | "．" | "," | ";" | ":" => TokenKind::ClauseMark,
            "“" | "‘" | "「" | "『" | "《" | "〈" | "（" | "【" | "〔" | "［" | "(" | "[" | "{" | "<" => {
                TokenKind::Opening
            }
            _ if !is_reserved(token) && token.contains(char::is_alphanumeric) => TokenKind::Text,
            _ => TokenKind::Other,
        }
    }
}

/// The least tokens of A and of B.
const MIN_SIDE: u32 = 2;

impl PairSettings {
    /// Tokens of A and B together at most.
    pub fn room(&self) -> u32 {
        self.max_seq_len - if self.objective == Objective::Mlm { 2 } else { 3 }
    }

    /// True for a token after which a sentence may be divided.
    pub fn is_clause_mark(&self, id: u32) -> bool {
        self.kind(id) == TokenKind::ClauseMark
    }

    fn kind(&self, id: u32) -> TokenKind {
        self.kinds.get(id as usize).copied().unwrap_or(TokenKind::Other)
    }
}

/// How often another document is drawn before giving up.
const OTHER_DOCUMENT_DRAWS: usize = 10;

/// Makes the instances of one document and passes each to `sink`, with the generator.
pub fn instances<D: RandomSource>(
    bucket: &Bucket,
    document: usize,
    settings: &PairSettings,
    rng: &mut D,
    sink: &mut impl FnMut(Instance, &mut D),
) {
    let room = settings.room();
    // Google's `short_seq_prob`: short rows keep the model used to short inputs.
    let short = rng.uniform() < settings.short_seq_prob;
    // Uniform over 2..=room, as `rng.randint(2, max_num_tokens)`, whose bounds are inclusive.
    let target = if short && room > 2 { 2 + rng.below(room as usize - 1) as u32 } else { room };
    let mut walk = Walk { bucket, document, settings, target, inner: Vec::new(), rng, sink };
    match settings.objective {
        Objective::Mlm => walk.pack(),
        Objective::Nsp | Objective::Sop => walk.pairs(),
    }
}

struct Walk<'a, D, S> {
    bucket: &'a Bucket,
    document: usize,
    settings: &'a PairSettings,
    target: u32,
    /// Scratch: the ends of sentences at which a chunk may be parted.
    inner: Vec<u32>,
    rng: &'a mut D,
    sink: &'a mut S,
}

impl<D: RandomSource, S: FnMut(Instance, &mut D)> Walk<'_, D, S> {
    fn emit(&mut self, a: Range<u32>, b: Option<Range<u32>>, label: u8, forced: bool) {
        let instance = Instance { document: self.document as u32, a, b, label, forced };
        (self.sink)(instance, self.rng);
    }

    /// `mlm`: whole sentences up to the target length; the first sentence that does not fit begins the next instance.
    fn pack(&mut self) {
        let positions = self.bucket.positions(self.document);
        let mut from = positions.start;
        let mut end = from;
        for &sentence_end in self.bucket.sentence_ends(self.document) {
            // A sentence longer than the target stands alone.
            if sentence_end - from > self.target && end > from {
                self.emit(from..end, None, 0, false);
                from = end;
            }
            end = sentence_end;
        }
        if end > from {
            self.emit(from..end, None, 0, false);
        }
    }

    /// Collects sentences into chunks of the target length and makes a pair of each.
    fn pairs(&mut self) {
        let bucket = self.bucket;
        let ends = bucket.sentence_ends(self.document);
        let mut from = bucket.positions(self.document).start;
        let mut first = 0;
        while first < ends.len() {
            // As in Google's code, the sentence that reaches the target is part of the chunk.
            let full = |end: &u32| end - from >= self.target;
            let last = ends[first..].iter().position(full).map_or(ends.len() - 1, |n| first + n);
            let used_to = self.pair(from, &ends[first..=last]);
            // What a random B replaced is pushed back: the next chunk begins there.
            from = used_to;
            // After a divided sentence `first` may stay, with `from` within that sentence. `from` always moves on, so
            // the loop ends.
            first += ends[first..=last].iter().take_while(|&&end| end <= used_to).count();
        }
    }

    /// Makes a pair of the chunk that begins at `from` and whose sentences end at `ends`; returns where the next begins.
    fn pair(&mut self, from: u32, ends: &[u32]) -> u32 {
        let to = ends[ends.len() - 1];
        let mut divided = false;
        let boundary = match self.settings.rules {
            PairRules::Google => {
                (ends.len() > 1).then(|| self.sentence_boundary(from, &ends[..ends.len() - 1], to))
            }
            PairRules::Balanced => {
                // Neither side may be marks alone.
                let mut inner = std::mem::take(&mut self.inner);
                inner.clear();
                inner.extend(ends[..ends.len() - 1].iter().filter(|&&end| self.parts(from..to, end)));
                divided = inner.is_empty();
                let boundary = if divided {
                    self.divide(from..to)
                } else {
                    Some(self.sentence_boundary(from, &inner, to))
                };
                self.inner = inner;
                boundary
            }
        };
        // A chunk of one word. With a random B its label would be known by its length.
        if boundary.is_none() && self.settings.rules == PairRules::Balanced {
            return to;
        }
        match self.settings.objective {
            Objective::Sop => {
                if let Some(boundary) = boundary {
                    let swapped = self.rng.uniform() < 0.5;
                    self.truncate_and_emit(from..boundary, boundary..to, u8::from(swapped), false, swapped);
                }
                to
            }
            _ => self.next_sentence_pair(from, boundary, to, divided),
        }
    }

    /// Where A ends: after a random sentence, as Google draws it, but the last. That makes B longer than A on average (the
    /// sentence that fills a chunk is a long one), which would give swapped pairs away: for `sop` it is the end nearest to
    /// a random token.
    fn sentence_boundary(&mut self, from: u32, inner: &[u32], to: u32) -> u32 {
        if self.settings.objective != Objective::Sop {
            return inner[self.rng.below(inner.len())];
        }
        // Uniform over tokens, not over sentences: long sentences attract the boundary as they should.
        let point = from + 1 + self.rng.below((to - from - 1) as usize) as u32;
        let after = inner.partition_point(|&end| end < point).min(inner.len() - 1);
        let before = after.saturating_sub(1);
        if point.abs_diff(inner[before]) < inner[after].abs_diff(point) {
            inner[before]
        } else {
            inner[after]
        }
    }

    fn next_sentence_pair(&mut self, from: u32, boundary: Option<u32>, to: u32, divided: bool) -> u32 {
        let forced = boundary.is_none();
        let a = from..boundary.unwrap_or(to);
        // Nothing is drawn where there is no boundary, as in Google's `len(current_chunk) == 1 or rng.random() < 0.5`.
        let random = forced || self.rng.uniform() < 0.5;
        if random && let Some(b) = self.random_b(&a, to, divided && !forced) {
            let used_to = a.end;
            self.truncate_and_emit(a, b, 1, forced, false);
            return used_to;
        }
        if a.end < to {
            self.truncate_and_emit(a.clone(), a.end..to, 0, random, false);
        }
        to
    }

    /// Tokens of another document in place of `a.end..to`, or none if no other can be drawn.
    fn random_b(&mut self, a: &Range<u32>, to: u32, divided: bool) -> Option<Range<u32>> {
        match self.settings.rules {
            PairRules::Google => Some(self.google_b(a)),
            PairRules::Balanced => self.balanced_b(to - a.end, divided),
        }
    }

    /// Google's: whole sentences up to the target, from any document but this, or from this after ten failures.
    fn google_b(&mut self, a: &Range<u32>) -> Range<u32> {
        // Negative if A alone is longer than the target; B then is one sentence.
        let wanted = i64::from(self.target) - i64::from(a.end - a.start);
        let mut other = self.document;
        for _ in 0..OTHER_DOCUMENT_DRAWS {
            other = self.rng.below(self.bucket.len());
            if other != self.document {
                break;
            }
        }
        let ends = self.bucket.sentence_ends(other);
        let first = self.rng.below(ends.len());
        let start = if first == 0 { self.bucket.positions(other).start } else { ends[first - 1] };
        let long_enough = |end: &&u32| i64::from(**end - start) >= wanted;
        let end = ends[first..].iter().find(long_enough).or(ends.last()).expect("documents have sentences");
        start..*end
    }

    /// Ours: `wanted` tokens of a document of other content, from the beginning of a sentence (within one, if the rest it
    /// replaces began so), up to the word boundary nearest to that length.
    fn balanced_b(&mut self, wanted: u32, divided: bool) -> Option<Range<u32>> {
        let wanted = wanted.max(1);
        // Compared by content: with `dedup` off, the same text may be there twice.
        let own = self.bucket.hash(self.document);
        let mut longest: Option<usize> = None;
        for _ in 0..OTHER_DOCUMENT_DRAWS {
            let other = self.rng.below(self.bucket.len());
            let length = |document: usize| self.bucket.positions(document).len() as u32;
            // The longest of the candidates, if none is long enough.
            if self.bucket.hash(other) != own && longest.is_none_or(|best| length(other) > length(best)) {
                longest = Some(other);
                if length(other) >= wanted {
                    break;
                }
            }
        }
        let other = longest?;
        let positions = self.bucket.positions(other);
        let start = self.random_start(other, wanted, divided);
        let b = start..self.word_boundary_near(start + 1..positions.end, start.saturating_add(wanted));
        self.is_side(b.clone()).then_some(b)
    }

    /// The beginning of a random sentence after which `wanted` tokens are left, or the document's.
    fn random_start(&mut self, other: usize, wanted: u32, divided: bool) -> u32 {
        let positions = self.bucket.positions(other);
        let ends = self.bucket.sentence_ends(other);
        // Sentences whose beginning (the end of the one before) leaves enough.
        // Ends ascend, so a binary search finds them.
        let enough = ends.partition_point(|&end| end + wanted <= positions.end);
        let sentence = self.rng.below(enough.min(ends.len() - 1) + 1);
        let start = if sentence == 0 { positions.start } else { ends[sentence - 1] };
        let inside = if divided { self.divide(start..ends[sentence]) } else { None };
        inside.filter(|&cut| cut + wanted <= positions.end).unwrap_or(start)
    }

    /// Divides a sentence: after the clause mark nearest to a random point, else at the word boundary nearest to it;
    /// not at all if it is one word.
    fn divide(&mut self, sentence: Range<u32>) -> Option<u32> {
        let inner = sentence.start + 1..sentence.end;
        if inner.is_empty() {
            return None;
        }
        let point = inner.start + self.rng.below(inner.len()) as u32;
        let token = |position: u32| self.bucket.tokens().get(position as usize);
        // A mark at the sentence's very beginning leaves nothing to divide off.
        let kind = |position: u32| self.settings.kind(token(position).id());
        // Neither within a word nor before a mark that ends what is before it.
        let at_word = |position: u32| {
            let may_begin = matches!(kind(position), TokenKind::Text | TokenKind::Opening);
            token(position).is_word_start() && may_begin && self.parts(sentence.clone(), position)
        };
        let after_mark = |position: u32| {
            position > inner.start && kind(position - 1) == TokenKind::ClauseMark && at_word(position)
        };
        nearest(inner.clone(), point, after_mark).or_else(|| nearest(inner, point, at_word))
    }

    /// True if `at` parts a range into two sides.
    fn parts(&self, range: Range<u32>, at: u32) -> bool {
        self.is_side(range.start..at) && self.is_side(at..range.end)
    }

    /// True for a range that may be A or B: some tokens, and one of text among them.
    fn is_side(&self, mut range: Range<u32>) -> bool {
        range.end.saturating_sub(range.start) >= MIN_SIDE
            && range.any(|position| {
                self.settings.kind(self.bucket.tokens().get(position as usize).id()) == TokenKind::Text
            })
    }

    /// The word boundary nearest to `point`, with `bounds.end` among them.
    fn word_boundary_near(&self, bounds: Range<u32>, point: u32) -> u32 {
        let end = bounds.end;
        if point >= end {
            return end;
        }
        let at_word =
            |position: u32| position == end || self.bucket.tokens().get(position as usize).is_word_start();
        nearest(bounds.start..end + 1, point, at_word).unwrap_or(end)
    }

    /// Google's `truncate_seq_pair`: the longer one loses a token at its front or its end, until both fit.
    fn truncate_and_emit(
        &mut self,
        mut a: Range<u32>,
        mut b: Range<u32>,
        label: u8,
        forced: bool,
        swapped: bool,
    ) {
        // The room, not the target: as in Google's code, instances may exceed a short target, but never the maximum.
        while a.len() + b.len() > self.settings.room() as usize {
            let longer = if a.len() > b.len() { &mut a } else { &mut b };
            // At the front or at the end, so that the model sees beginnings and ends of sentences alike. No branch could
            // foresee which.
            let front = u32::from(self.rng.uniform() < 0.5);
            longer.start += front;
            longer.end -= 1 - front;
        }
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        self.emit(a, Some(b), label, forced);
    }
}

/// The position of `range` nearest to `point` that `wanted` accepts; of two as near, the one before.
fn nearest(range: Range<u32>, point: u32, wanted: impl Fn(u32) -> bool) -> Option<u32> {
    let reach = range.end - range.start;
    // Outwards from `point`: before, then after, at growing distance.
    let candidates = (0..=reach).flat_map(|distance| {
        let before = point.checked_sub(distance);
        let after = (distance > 0).then(|| point.checked_add(distance)).flatten();
        [before, after]
    });
    candidates.flatten().find(|position| range.contains(position) && wanted(*position))
}
