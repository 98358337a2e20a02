//! Builds rows of instances: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, with word starts.

use std::ops::Range;

use quanci_shards::manifest::Specials;
use quanci_shards::mask::RowView;
use quanci_shards::tokens::{Token, TokenBuffer};

use super::bucket::Bucket;
use super::pair::Instance;

/// Builds rows, one at a time, in a buffer that it reuses.
#[derive(Debug)]
pub struct RowBuilder {
    /// `[CLS]` and `[SEP]`. A special token is a word of its own, so no word of the text continues in it.
    cls: Token,
    sep: Token,
    row: TokenBuffer,
    /// As Google's code sees it: a continuing token at the front of B belongs to A's last word.
    words_join_across_sep: bool,
}

impl RowBuilder {
    /// A builder for a vocabulary of this size.
    pub fn new(vocabulary_size: usize, specials: &Specials) -> RowBuilder {
        RowBuilder {
            cls: Token::new(specials.cls, true),
            sep: Token::new(specials.sep, true),
            row: TokenBuffer::with_capacity(vocabulary_size, 0),
            words_join_across_sep: false,
        }
    }

    /// The same with Google's view of words, for the parity test.
    pub fn google(vocabulary_size: usize, specials: &Specials) -> RowBuilder {
        RowBuilder { words_join_across_sep: true, ..RowBuilder::new(vocabulary_size, specials) }
    }

    /// The row of an instance, until the next is built.
    pub fn build(&mut self, bucket: &Bucket, instance: &Instance) -> RowView<'_> {
        self.row.clear();
        self.row.push(self.cls);
        self.push_segment(bucket, &instance.a);
        let segment_b = instance.b.as_ref().map(|b| {
            let position = self.row.len();
            self.push_segment(bucket, b);
            position
        });
        RowView { tokens: self.row.view(), segment_b }
    }

    /// Adds a segment and its `[SEP]`.
    fn push_segment(&mut self, bucket: &Bucket, segment: &Range<u32>) {
        let first = self.row.len();
        self.row.append(bucket.tokens().slice(segment.start as usize..segment.end as usize));
        // Truncation may have cut a word, and no word joins across [SEP].
        if !self.words_join_across_sep && !segment.is_empty() {
            self.row.begin_word(first);
        }
        self.row.push(self.sep);
    }
}
