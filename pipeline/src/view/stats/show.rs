//! Formats statistics for the terminal.

use std::fmt;

use owo_colors::OwoColorize;
use quanci_cli::visible;
use quanci_shards::mask::{MaskMode, MaskUnit, NGRAM_SHARES};
use quanci_shards::{Objective, Split};

use super::count::BATCH;
use super::{Leak, Stats, Verdict};
use crate::config::SampleShare;
use crate::counters::NearDuplicateCounts;
use crate::view::label_words;
use crate::view::table::{bar, count, mean, percent, table};

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        section(f, "shards", self.shard_lines())?;
        section(f, "lengths of training rows", self.length_lines())?;
        // `mlm` rows have no second segment.
        if self.objective != Objective::Mlm {
            section(f, "pairs", self.pair_lines())?;
        }
        section(f, "masks", self.mask_lines())?;
        section(f, "words by number of tokens", self.word_lines())?;
        section(f, "sources", self.source_lines())?;
        section(f, "documents", self.document_lines())?;
        if !self.notes.is_empty() {
            section(f, "notes", self.notes.iter().map(|note| visible(&note.en).into_owned()).collect())?;
        }
        Ok(())
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, lines: Vec<String>) -> fmt::Result {
    writeln!(f, "\n{}", title.bold())?;
    lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

impl Stats {
    fn headline(&self) -> String {
        let objective = match self.objective {
            Objective::Nsp => "pairs for next sentence prediction",
            Objective::Sop => "pairs for sentence order prediction",
            Objective::Mlm => "single segments",
        };
        let mode = if self.masking.mode == MaskMode::Static { "static" } else { "dynamic" };
        let unit = self.masking.unit.describe();
        let sample = self.sample.map_or_else(String::new, |share| {
            format!("\na sample of {} of the documents", SampleShare::of(share))
        });
        format!(
            "{objective}, up to {} tokens; {mode} masks of {unit}, {:.1} % of a row, at most {} tokens\n\
             vocabulary of {} entries, data id {}{sample}",
            self.max_seq_len,
            100.0 * self.masking.prob,
            self.masking.max_predictions,
            count(self.vocabulary_size.into()),
            self.data_id
        )
    }

    fn shard_lines(&self) -> Vec<String> {
        let mut rows =
            vec![cells(["split", "copy", "files", "rows", "tokens", "MB", "bytes/row", "mean length"])];
        for group in &self.shards {
            let (split, copy) = match group.split {
                Split::Train => ("train", format!("{:02}", group.copy)),
                // Validation rows are written once, whatever the number of copies.
                Split::Validation => ("validation", "-".to_owned()),
            };
            rows.push(vec![
                split.to_owned(),
                copy,
                count(group.files),
                count(group.rows),
                count(group.tokens),
                format!("{:.2}", group.bytes as f64 / 1e6),
                mean(group.bytes, group.rows),
                mean(group.tokens, group.rows),
            ]);
        }
        table(&rows, 2)
    }

    fn length_lines(&self) -> Vec<String> {
        // 16 lines of 8 tokens each at the default `max_seq_len` of 128.
        const BARS: usize = 16;
        const WIDTH: u64 = 40;
        let most = self.max_seq_len as usize;
        let step = most.div_ceil(BARS).max(1);
        // Without length 0, which no row has.
        let lengths = self.train.lengths.get(1..).unwrap_or_default();
        let sums: Vec<u64> = lengths.chunks(step).map(|chunk| chunk.iter().sum()).collect();
        let highest = sums.iter().max().copied().unwrap_or(0);
        let line = |(i, &rows): (usize, &u64)| {
            let range = format!("{}–{}", i * step + 1, ((i + 1) * step).min(most));
            vec![range, count(rows), percent(rows, self.train.rows), bar(rows, highest, WIDTH)]
        };
        let rows: Vec<Vec<String>> = sums.iter().enumerate().map(line).collect();
        let mut lines = numbers_then_bar(&rows);
        let padded = self.train.rows * u64::from(self.max_seq_len);
        let of_most = percent(padded.saturating_sub(self.train.tokens), padded);
        let by_batch = self.train.padded_by_batch;
        let of_batch = percent(by_batch.saturating_sub(self.train.tokens), by_batch);
        lines.push(format!(
            "padding: {of_most} to max_seq_len = {most}, {of_batch} to the longest row of a batch of {BATCH}"
        ));
        lines
    }

    fn pair_lines(&self) -> Vec<String> {
        let labels = &self.train.labels;
        let all: u64 = labels.iter().map(|pairs| pairs.rows).sum();
        let mut rows = vec![cells(["label", "meaning", "rows", "share", "mean A", "mean B", "mean A + B"])];
        for (label, pairs) in (0i8..).zip(labels) {
            rows.push(vec![
                label.to_string(),
                label_words(self.objective, label).to_owned(),
                count(pairs.rows),
                percent(pairs.rows, all),
                mean(pairs.a, pairs.rows),
                mean(pairs.b, pairs.rows),
                mean(pairs.a + pairs.b, pairs.rows),
            ]);
        }
        let mut lines = table(&rows, 2);
        let forced = percent(self.counters.train.forced, self.counters.train.instances);
        lines.push(format!("labels not drawn at random: {forced}"));
        lines.push(self.leak.as_ref().map_or_else(
            || "do lengths predict the label? too few rows to tell".to_owned(),
            |leak| format!("do lengths predict the label? {}", leak_words(leak)),
        ));
        lines
    }

    fn mask_lines(&self) -> Vec<String> {
        let mut rows =
            vec![cells(["split", "masked", "of the tokens", "of the budget", "[MASK]", "random", "kept"])];
        for (name, split) in [("train", &self.train), ("validation", &self.validation)] {
            // Shares are of the tokens of A and B: special tokens are never masked.
            let masks = &split.masks;
            if split.rows > 0 {
                let share = |part| percent(part, masks.masked);
                let of_pieces = percent(masks.masked, split.pieces);
                let of_budget = percent(masks.masked, masks.budget);
                let shares = [masks.mask, masks.random, masks.keep].map(share);
                rows.push(
                    [name.to_owned(), count(masks.masked), of_pieces, of_budget]
                        .into_iter()
                        .chain(shares)
                        .collect(),
                );
            }
        }
        let mut lines = table(&rows, 1);
        if let Some(seed) = self.drawn_with {
            lines.push(format!(
                "(dynamic masks: not stored, drawn here with seed {seed} as the trainer draws them)"
            ));
        }
        lines.push(self.run_line());
        lines
    }

    fn run_line(&self) -> String {
        let runs = &self.train.masks.runs;
        let all = runs.iter().sum();
        let names = ["1", "2", "3", "4", "5+"];
        let shares: Vec<String> =
            names.iter().zip(runs).map(|(name, &run)| format!("{name}: {}", percent(run, all))).collect();
        let mut line = format!("runs of consecutive masked words: {}", shares.join(", "));
        if self.masking.unit == MaskUnit::Ngram {
            let wanted = NGRAM_SHARES.map(|share| format!("{:.0}", 100.0 * share)).join(" / ");
            line.push_str(&format!(
                "; n-grams of 1 to 4 words are drawn with {wanted} %, and adjacent ones form one run"
            ));
        }
        line
    }

    fn word_lines(&self) -> Vec<String> {
        let words = &self.train.words;
        let all = words.iter().map(|count| count.words).sum();
        let pieces = words.iter().map(|count| count.pieces).sum();
        let masked = words.iter().map(|count| count.masked).sum();
        let mut rows =
            vec![cells(["tokens", "words", "of the words", "of the tokens", "of the masked tokens"])];
        for (name, word) in ["1", "2", "3", "4+"].iter().zip(words) {
            let shares =
                [percent(word.words, all), percent(word.pieces, pieces), percent(word.masked, masked)];
            rows.push([(*name).to_owned(), count(word.words)].into_iter().chain(shares).collect());
        }
        let mut lines = table(&rows, 1);
        let (per_word, unknown) =
            (pieces as f64 / all.max(1) as f64, percent(self.train.unknown, self.train.pieces));
        lines.push(format!("{per_word:.2} tokens per word; [UNK] is {unknown} of the tokens"));
        lines
    }

    fn source_lines(&self) -> Vec<String> {
        let mut rows = vec![cells(["corpus", "documents", "rows", "of the rows", "tokens", "of the tokens"])];
        for (name, source) in &self.train.sources {
            let documents = self.counters.train.documents_by_source.get(name).copied().unwrap_or(0);
            rows.push(vec![
                visible(name).into_owned(),
                count(documents),
                count(source.rows),
                percent(source.rows, self.train.rows),
                count(source.tokens),
                percent(source.tokens, self.train.tokens),
            ]);
        }
        let mut lines = table(&rows, 1);
        let weights = &self.counters.weights;
        if !weights.is_empty() {
            let used = weights.iter().map(|(name, weight)| format!("{} {weight}", visible(name)));
            let used: Vec<String> = used.collect();
            lines.push(format!(
                "how often a document is used, by the sizes of the corpora: {}",
                used.join(", ")
            ));
        }
        lines
    }

    fn document_lines(&self) -> Vec<String> {
        let counters = &self.counters;
        let mut lines = vec![format!(
            "{} for training, {} for validation; {} records were read",
            count(counters.train.documents),
            count(counters.validation.documents),
            count(counters.records)
        )];
        if let Some(NearDuplicateCounts { documents, clusters, largest, leaked }) = counters.near_duplicates {
            lines.push(format!(
                "{} have near-duplicates, in {} clusters of up to {}; {} left validation because training has one \
                 (near-duplicates.jsonl shows some)",
                count(documents),
                count(clusters),
                count(largest),
                count(leaked)
            ));
        }
        if let Some(different) = counters.shared_lines {
            let mut sum = counters.train.shared_lines;
            sum.merge(&counters.validation.shared_lines);
            lines.push(format!(
                "{} different lines were in several documents; {} documents lost {} lines that another one keeps, {} tokens ({})",
                count(different),
                count(sum.documents),
                count(sum.lines),
                count(sum.tokens),
                percent(sum.tokens, counters.read.pieces + counters.read_validation.pieces)
            ));
        }
        if counters.dropped.counts.is_empty() {
            lines.push("nothing was dropped".to_owned());
        }
        for (reason, &dropped) in &counters.dropped.counts {
            lines.push(format!("{} dropped: {}", count(dropped), reason.words()));
            let samples = counters.dropped.samples.get(reason).into_iter().flatten();
            // `{:?}` escapes control characters, which a terminal would interpret.
            lines.extend(samples.map(|sample| format!("  {:?}", sample.text)));
        }
        lines
    }
}

/// Right-aligned numbers, followed by a bar. The bar is not a cell: it must not be padded on the left.
fn numbers_then_bar(rows: &[Vec<String>]) -> Vec<String> {
    let numbers: Vec<Vec<String>> = rows.iter().map(|row| row[..row.len() - 1].to_vec()).collect();
    let lines = table(&numbers, 0).into_iter().zip(rows.iter().filter_map(|row| row.last()));
    lines.map(|(line, bar)| format!("{line}  {bar}").trim_end().to_owned()).collect()
}

/// A verdict on whether lengths predict labels, with the numbers.
fn leak_words(leak: &Leak) -> String {
    let verdict = match leak.verdict() {
        Verdict::Chance => "no better than chance",
        Verdict::Hardly => "hardly: only slightly better than chance",
        Verdict::ALittle => "a little",
        Verdict::Yes => "yes: a model may learn the lengths instead of the text",
    };
    format!(
        "{verdict}\n    accuracy {:.2} % from lengths alone, {:.2} % by always predicting the more frequent label; AUC \
         {:.3} (chance: 0.5 ± {:.4})",
        100.0 * leak.accuracy,
        100.0 * leak.majority,
        leak.auc,
        leak.auc_deviation
    )
}
