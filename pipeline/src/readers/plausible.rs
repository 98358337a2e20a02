//! How much decoded bytes look like Chinese, which decides between GB18030 and Big5.
//!
//! Almost any bytes are valid in both. But three quarters of the Hanzi of a real text are among the thousand most
//! frequent ones, against one in ten of a text decoded wrongly.

use std::sync::LazyLock;

/// The Hanzi that are most frequent in simplified and in traditional text, about 700 of each.
const COMMON: &str = include_str!("common-hanzi.txt");

/// A flag for each code point of the block of common Hanzi: is it a frequent one?
static IS_COMMON: LazyLock<Vec<bool>> = LazyLock::new(|| {
    let mut is_common = vec![false; (LAST - FIRST) as usize + 1];
    let places = COMMON.chars().map(u32::from).filter(|c| (FIRST..=LAST).contains(c));
    places.for_each(|c| is_common[(c - FIRST) as usize] = true);
    is_common
});
const FIRST: u32 = 0x4e00;
const LAST: u32 = 0x9fff;

/// How plausible an encoding is for some samples.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Plausibility {
    /// The mean of [`points`] over all characters that are not ASCII: about 0.7 for Chinese, under 0.2 for text that is
    /// decoded wrongly.
    pub(super) mean: f64,
    /// How many they are.
    pub(super) chars: usize,
}

/// How plausible `samples` are in `encoding`.
pub(super) fn plausibility(encoding: &'static encoding_rs::Encoding, samples: &[Vec<u8>]) -> Plausibility {
    let texts = samples.iter().map(|sample| read(encoding, sample));
    let (mut sum, mut chars) = (0.0, 0);
    for text in texts {
        // ASCII is the same bytes in each encoding, and so no evidence.
        for c in text.chars().filter(|c| !c.is_ascii()) {
            sum += points(c);
            chars += 1;
        }
    }
    Plausibility { mean: sum / f64::max(1.0, chars as f64), chars }
}

/// How much bytes read like Chinese in an encoding: about 0.7 if they are, under 0.2 if they are not.
pub(crate) fn reads_as_chinese(encoding: &'static encoding_rs::Encoding, bytes: &[u8]) -> f64 {
    plausibility(encoding, &[bytes.to_vec()]).mean
}

/// A sample, which may end within a character, as text.
pub(super) fn read(encoding: &'static encoding_rs::Encoding, sample: &[u8]) -> String {
    let mut text = String::new();
    let mut decoder = encoding.new_decoder_with_bom_removal();
    super::transcode::decode(&mut decoder, sample, &mut text, false);
    text
}

/// How much a character speaks for Chinese text.
pub(super) fn points(c: char) -> f64 {
    match u32::from(c) {
        code @ FIRST..=LAST if IS_COMMON[(code - FIRST) as usize] => 1.0,
        FIRST..=LAST => 0.0,
        // “ ” ‘ ’ — … 、 。 《 》 「 」 and the full-width forms
        0x2014..=0x201d | 0x2026 | 0x3000..=0x301f | 0xff01..=0xff5e => 0.7,
        // Bytes that decode to nothing weigh most against an encoding.
        0xfffd => -1.5,
        // rare Hanzi, compatibility forms, private use
        0x3400..=0x4dff | 0xe000..=0xfaff | 0x20000.. => -1.0,
        _ => -0.3,
    }
}
