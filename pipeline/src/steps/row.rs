//! Builds rows of instances: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, with word starts.

use std::ops::Range;

use quanci_shards::mask::RowView;

use super::bucket::Bucket;
use super::pair::Instance;

/// Builds rows, one at a time, in buffers that it reuses.
#[derive(Debug)]
pub struct RowBuilder {
    cls: u32,
    sep: u32,
    ids: Vec<u32>,
    word_starts: Vec<bool>,
    /// As Google's code sees it: a continuing piece at the front of B belongs to A's last word.
    words_join_across_sep: bool,
}

impl RowBuilder {
    /// A builder for a vocabulary's `[CLS]` and `[SEP]`.
    pub fn new(cls: u32, sep: u32) -> RowBuilder {
        RowBuilder { cls, sep, ids: Vec::new(), word_starts: Vec::new(), words_join_across_sep: false }
    }

    /// The same with Google's view of words, for the parity test.
    pub fn google(cls: u32, sep: u32) -> RowBuilder {
        RowBuilder { words_join_across_sep: true, ..RowBuilder::new(cls, sep) }
    }

    /// The row of an instance, until the next is built.
    pub fn build(&mut self, bucket: &Bucket, instance: &Instance) -> RowView<'_> {
        self.ids.clear();
        self.word_starts.clear();
        self.push_special(self.cls);
        self.push_segment(bucket, instance.a.clone());
        self.push_special(self.sep);
        let segment_b = instance.b.clone().map(|b| {
            let position = self.ids.len();
            self.push_segment(bucket, b);
            self.push_special(self.sep);
            position
        });
        RowView { ids: &self.ids, word_starts: &self.word_starts, segment_b }
    }

    fn push_special(&mut self, id: u32) {
        self.ids.push(id);
        // A special token is a word of its own, so no word of the text continues in it. The masker skips it.
        self.word_starts.push(true);
    }

    fn push_segment(&mut self, bucket: &Bucket, segment: Range<u32>) {
        let first = self.ids.len();
        bucket.pieces().copy(segment, &mut self.ids, &mut self.word_starts);
        // Truncation may have cut a word, and no word joins across [SEP].
        if !self.words_join_across_sep && first < self.ids.len() {
            self.word_starts[first] = true;
        }
    }
}
