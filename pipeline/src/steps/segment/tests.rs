use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::LazyLock;

use jieba_rs::Jieba;
use proptest::prelude::*;

use super::image::Image;
use super::*;
use crate::config::Words;

static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);
static OURS: LazyLock<Dictionary> = LazyLock::new(Dictionary::of_jieba);

fn words(settings: &SegmentSettings, dictionary: Option<&[u8]>, sentence: &str) -> Vec<String> {
    let (mut scratch, mut starts) = (SegmentScratch::default(), WordStarts::default());
    Segmenter::new(settings, dictionary).expect("loads").words(sentence, &mut scratch, &mut starts);
    let mut ends = starts.offsets[1..].to_vec();
    ends.push(sentence.len() as u32);
    let spans = starts.offsets.iter().zip(ends);
    spans.map(|(&start, end)| sentence[start as usize..end as usize].to_owned()).collect()
}

#[test]
fn jieba_and_its_user_dictionary() {
    let plain = SegmentSettings { hmm: false, ..SegmentSettings::default() };
    assert_eq!(words(&plain, None, "我用全词掩码模型"), ["我", "用", "全", "词", "掩码", "模型"]);
    let dictionary = "全词掩码 100 n\n".as_bytes();
    assert_eq!(words(&plain, Some(dictionary), "我用全词掩码模型"), ["我", "用", "全词掩码", "模型"]);
}

#[test]
fn traditional_sentences() {
    let as_simplified = SegmentSettings::default();
    let as_it_is = SegmentSettings { traditional_as_simplified: false, ..SegmentSettings::default() };
    let sentence = "臺灣大學的學生們學習資訊工程";
    assert_eq!(
        words(&as_simplified, None, sentence),
        ["臺灣大學", "的", "學生", "們", "學習", "資訊", "工程"]
    );
    assert_ne!(words(&as_it_is, None, sentence), words(&as_simplified, None, sentence));
    // In a simplified sentence every character stands for itself.
    for sentence in ["乾隆皇帝在瞭望台上", "我们在臺北见过陈先生"] {
        assert_eq!(words(&as_simplified, None, sentence), words(&as_it_is, None, sentence));
    }
    // The user's words are found in either script, and what the user removed in neither.
    let dictionary = "雲帆山莊 800 n\n資訊工程 0\n".as_bytes();
    assert_eq!(words(&as_simplified, Some(dictionary), "雲帆山莊裡"), ["雲帆山莊", "裡"]);
    assert_eq!(
        words(&as_simplified, Some(dictionary), "云帆山庄里"),
        words(&as_simplified, None, "云帆山庄里")
    );
    let removed = "學習 0\n學生 0\n".as_bytes();
    assert_eq!(words(&as_simplified, Some(removed), "我們學習。"), ["我們", "學", "習", "。"]);
}

#[test]
fn the_segmenter_is_the_one_that_is_linked() {
    let lock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = std::fs::read_to_string(lock).expect("Cargo.lock");
    for name in ["jieba-rs", "jieba-macros"] {
        let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).expect("it is locked");
        let version = after.split('"').next().expect("a version");
        assert_eq!(SEGMENTER, format!("jieba-rs {version}"), "{name}");
    }
}

#[test]
fn words_between_spaces() {
    let spaces = SegmentSettings { words: Words::Spaces, ..SegmentSettings::default() };
    assert_eq!(words(&spaces, None, "今天 天气  good"), ["今天 ", "天气  ", "good"]);
}

#[test]
fn a_bad_dictionary_is_named() {
    let settings = SegmentSettings { user_dict: Some("dict.txt".into()), ..SegmentSettings::default() };
    let error = Segmenter::new(&settings, Some("词 8.5 n\n".as_bytes())).err().expect("an error").to_string();
    assert!(error.contains("dict.txt"), "{error}");
}

/// Where words begin: ours, and those of jieba-rs.
fn both(dictionary: &Dictionary, jieba: &Jieba, hmm: bool, text: &str) -> (Vec<u32>, Vec<u32>) {
    let mut ours = Vec::new();
    let mut cutter = Cutter::default();
    cutter.take(dictionary, text);
    cutter.cut(dictionary, hmm, text, &mut ours);
    (ours, jieba.cut(text, hmm).iter().map(|token| token.byte_start as u32).collect())
}

fn assert_same(dictionary: &Dictionary, jieba: &Jieba, text: &str) {
    for hmm in [true, false] {
        let (ours, theirs) = both(dictionary, jieba, hmm, text);
        assert_eq!(ours, theirs, "{text:?}, hmm {hmm}");
    }
}

/// Every word of the dictionary alone, before the next one, and without its last character.
#[test]
fn every_word_of_the_dictionary_is_cut_as_by_jieba_rs() {
    let counts = Counts::of_jieba();
    let words: Vec<&str> = counts.words().map(|(word, _)| word).collect();
    for pair in words.windows(2) {
        assert_same(&OURS, &JIEBA, pair[0]);
        assert_same(&OURS, &JIEBA, &pair.concat());
        let last = pair[0].char_indices().last().map_or(0, |(at, _)| at);
        assert_same(&OURS, &JIEBA, &pair[0][..last]);
    }
}

/// Characters of every kind that the rules tell apart.
fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        8 => prop::sample::select("的一是不了人在有我他这中大来上国和地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运".chars().collect::<Vec<char>>()),
        2 => prop::sample::select("0123456789abcXYZ.-_%+#&@ ,，。\r\n\t·—".chars().collect::<Vec<char>>()),
        1 => prop_oneof![
            prop::char::range('\u{4e00}', '\u{9fff}'),
            prop::char::range('\u{3400}', '\u{4dbf}'),
            prop::char::range('\u{20000}', '\u{2a6df}'),
            prop::char::range('\u{f900}', '\u{faff}'),
            prop::char::any(),
        ],
    ];
    prop::collection::vec(character, 0..40).prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_cut_as_by_jieba_rs(text in any_text()) {
        assert_same(&OURS, &JIEBA, &text);
    }
}

proptest! {
    /// A traditional sentence has the words of the simplified one, character by character.
    #[test]
    fn traditional_text_is_cut_as_simplified(text in "[我們學習臺灣歷史乾隆於後來的是在國家電腦a1，。𠀀]{1,30}") {
        let settings = SegmentSettings::default();
        let segmenter = Segmenter::new(&settings, None).expect("loads");
        let (mut scratch, mut starts) = (SegmentScratch::default(), WordStarts::default());
        segmenter.words(&text, &mut scratch, &mut starts);
        let looked_up: String = match Script::of(&text) {
            Script::Traditional => text.chars().map(script::simplified).collect(),
            _ => text.clone(),
        };
        let (_, theirs) = both(&OURS, &JIEBA, true, &looked_up);
        // Their offsets are those of another text: compare by character.
        let at = |text: &str, offsets: &[u32]| -> Vec<usize> {
            offsets.iter().map(|&offset| text[..offset as usize].chars().count()).collect()
        };
        prop_assert_eq!(at(&text, &starts.offsets), at(&looked_up, &theirs));
    }
}

/// jieba-rs with the same words and the same sum of counts.
fn jieba_of(counts: &BTreeMap<String, u64>, total: u64) -> Jieba {
    let mut dictionary = String::new();
    for (word, count) in counts {
        writeln!(dictionary, "{word} {count}").expect("a string takes all that is written");
    }
    // A word that no text contains for the segmenter.
    writeln!(dictionary, "\u{f8ff} {}", total - counts.values().sum::<u64>()).expect("as above");
    Jieba::with_dict(&mut Cursor::new(dictionary)).expect("a word and a count in each line")
}

fn dictionary_of(counts: &BTreeMap<String, u64>, total: u64) -> Dictionary {
    let words = counts.iter().map(|(word, &count)| (word.as_str(), count));
    Dictionary::new(Image::of(words, total).expect("they fit"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Words over few characters overlap in many ways, and equal counts make ties.
    #[test]
    fn any_dictionary_cuts_as_in_jieba_rs(
        counts in prop::collection::btree_map("[天地人a1𠀀㐀]{1,6}", 1_u64..20, 0..60),
        rest in 0_u64..1000,
        texts in prop::collection::vec("[天地人a1𠀀㐀龥 。]{0,20}", 20),
    ) {
        let total = counts.values().sum::<u64>() + rest;
        prop_assume!(total > 0);
        let (ours, jieba) = (dictionary_of(&counts, total), jieba_of(&counts, total));
        texts.iter().for_each(|text| assert_same(&ours, &jieba, text));
    }
}

/// More characters than 16 bits number, and more distinct counts than a node names.
#[test]
fn a_huge_dictionary() {
    let all: Vec<char> =
        (0..0x11_0000).filter_map(char::from_u32).filter(|&c| alphabet::is_looked_up(c)).collect();
    assert!(all.len() > 1 << 16);
    let mut counts = BTreeMap::new();
    for (at, &c) in all.iter().enumerate() {
        let next = all[(at * 7919 + 1) % all.len()];
        let after = all[(at * 104_729 + 5) % all.len()];
        counts.insert(c.to_string(), 3 + at as u64 % 50);
        counts.insert(format!("{c}{next}"), 1000 + at as u64);
        counts.insert(format!("{c}{next}{after}"), 2);
    }
    let total = counts.values().sum();
    let (ours, jieba) = (dictionary_of(&counts, total), jieba_of(&counts, total));
    assert!(counts.keys().all(|word| ours.has_word(word)));
    for (at, &c) in all.iter().enumerate() {
        let wrong = all[(at * 7919 + 2 + (1 << 16)) % all.len()];
        let word = format!("{c}{wrong}");
        assert_eq!(ours.has_word(&word), counts.contains_key(&word), "{word}");
    }
    for chunk in all.chunks(9) {
        let text: String = chunk.iter().collect();
        assert_same(&ours, &jieba, &text);
        let first = all.iter().position(|&c| c == chunk[0]).expect("it is there");
        let text: String =
            chunk.iter().flat_map(|&c| [c, all[(first * 7919 + 1) % all.len()], chunk[0]]).collect();
        assert_same(&ours, &jieba, &text);
    }
}

/// The build script writes what the program would make.
#[test]
fn the_dictionary_in_the_program_is_what_its_words_make() {
    let made = Counts::of_jieba().image().expect("they fit");
    assert!(made.to_numbers() == OURS.image.to_numbers());
}
