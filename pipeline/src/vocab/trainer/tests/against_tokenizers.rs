//! The same words, trained by the `WordPieceTrainer` of `tokenizers`.

use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, Model, NormalizedString, Normalizer, PreTokenizedString, PreTokenizer, Trainer,
};

use super::*;

fn peer(words: &Words, size: usize, min_pair_count: u64) -> BTreeSet<String> {
    let mut trainer = WordPieceTrainer::builder()
        .vocab_size(size)
        .min_frequency(min_pair_count)
        .show_progress(false)
        .special_tokens(SPECIALS.map(|token| AddedToken::from(token, true)).to_vec())
        .build();
    // One sequence a word and count would be slow: each sequence stands for a word as often as it is met.
    trainer
        .feed(words.iter().map(|(word, count)| format!("{word} {count}")), |sequence| {
            let (word, count) = sequence.split_once(' ').expect("made above");
            Ok(vec![word.to_owned(); count.parse()?])
        })
        .unwrap();
    let mut model = WordPiece::default();
    trainer.train(&mut model).unwrap();
    model.get_vocab().into_keys().collect()
}

fn corpus(seed: u64) -> Words {
    let mut rng = Lcg(seed);
    let letters: Vec<char> = "abcdefghijklmnop中文分词".chars().take(8 + (seed % 12) as usize).collect();
    (0..300)
        .map(|_| {
            let len = 1 + rng.below(7);
            let word = (0..len).map(|_| letters[rng.below(letters.len() as u64) as usize]).collect();
            (word, 1 + rng.below(5000))
        })
        .collect()
}

#[test]
fn frequency_gives_the_entries_of_tokenizers() {
    let mut compared = 0;
    for seed in 0..400 {
        let words = corpus(seed);
        let size = 60 + 2 * (seed % 30) as usize;
        let ours = trained(&words, &settings(size as u32, Merge::Frequency, 2));
        if ours.ties > 0 || ours.rejoined > 0 || !ours.left_out.is_empty() {
            continue;
        }
        compared += 1;
        assert!(ours.merges >= 10, "seed {seed}: {}", ours.merges);
        assert_eq!(ours.pieces.into_iter().collect::<BTreeSet<_>>(), peer(&words, size, 2), "seed {seed}");
    }
    eprintln!("compared {compared} corpora without a tie with tokenizers: all equal");
    assert!(compared >= 50, "{compared}");
}

/// The words of a file as `tokenizers` cuts them, Hanzi into jieba's words for `Han::Words`; none where it is not there.
fn real_words(name: &str, han: Han) -> Option<Words> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    };
    let normalizer = BertNormalizer::new(true, han == Han::Characters, None, true);
    let jieba = jieba_rs::Jieba::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for line in text.lines() {
        let words = jieba.cut(line, true).iter().map(|token| token.word).collect::<Vec<_>>().join(" ");
        let mut line = NormalizedString::from(if han == Han::Words { words.as_str() } else { line });
        normalizer.normalize(&mut line).unwrap();
        let mut cut = PreTokenizedString::from(line);
        BertPreTokenizer.pre_tokenize(&mut cut).unwrap();
        let splits = cut.get_splits(tokenizers::OffsetReferential::Normalized, tokenizers::OffsetType::Byte);
        splits.iter().for_each(|(word, ..)| *counts.entry((*word).to_owned()).or_default() += 1);
    }
    Some(counts.into_iter().collect())
}

#[test]
fn overlaps_with_tokenizers_on_real_text() {
    for (han, size) in [(Han::Characters, 12000), (Han::Words, 12000), (Han::Words, 21128)] {
        let Some(words) = real_words("small/cluecorpussmall_bert_sampled.txt", han) else { return };
        let ours = trained(&words, &settings(size, Merge::Frequency, 2));
        let set: BTreeSet<String> = ours.pieces.iter().cloned().collect();
        let theirs = peer(&words, size as usize, 2);
        let (overlap, theirs_again) =
            (overlap(&set, &theirs), overlap(&theirs, &peer(&words, size as usize, 2)));
        eprintln!(
            "{han:?} {size}: {overlap:.2} % in common with tokenizers, whose two runs have {theirs_again:.2} %; \
             {} merges ({} to a known entry, {} tied)",
            ours.merges, ours.rejoined, ours.ties
        );
        // Nearly all merges here are tied, and tokenizers breaks ties by ids that a hash map's order gives.
        assert!(overlap >= 90.0, "{overlap}");
    }
}

/// Entries in common, in percent of the larger vocabulary.
fn overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    100.0 * a.intersection(b).count() as f64 / a.len().max(b.len()) as f64
}
