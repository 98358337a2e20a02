//! Characters as small numbers, so that a dictionary is an array over them.

/// The number of a character at which the text is cut: jieba looks up only Hanzi, letters, digits and a few marks.
pub(super) const CUT: u32 = 0;
/// The number of a character that is looked up, but is in no word of the dictionary.
pub(super) const UNKNOWN: u32 = 1;
/// The number of the most frequent character of the dictionary.
const FIRST: u32 = 2;
/// The code points of the Basic Multilingual Plane.
pub(super) const PLANE: usize = 1 << 16;
/// Marks characters of the plane in [`Alphabet::plane`], above their numbers: jieba looks up 28,165 of them.
const MARK: u16 = 1 << 15;

/// The numbers of all characters. Frequent characters have small ones, so that what the segmenter reads most lies close
/// together.
pub(super) struct Alphabet {
    /// By code point, for the Basic Multilingual Plane.
    pub(super) plane: Box<[u16]>,
    /// The dictionary's other characters: code point and number, as `code point << 32 | number`, ascending.
    pub(super) others: Box<[u64]>,
}

impl Alphabet {
    /// Numbers the characters of words by how often the words with them occur. `words` are words with their counts.
    pub(super) fn of<'w>(words: impl Iterator<Item = (&'w str, u64)>) -> Alphabet {
        let mut frequencies = vec![0_u64; 0x11_0000];
        let mut is_there = vec![false; 0x11_0000];
        for (word, count) in words {
            for c in word.chars() {
                frequencies[c as usize] = frequencies[c as usize].saturating_add(count);
                is_there[c as usize] = true;
            }
        }
        let characters = (0..0x11_0000_usize).filter(|&code| is_there[code]);
        // The plane's characters come first: their numbers fit into two bytes.
        let (mut plane_ones, mut other_ones): (Vec<usize>, Vec<usize>) = characters.partition(|&c| c < PLANE);
        // A stable sort: characters of equal frequency stay in the order of their code points.
        plane_ones.sort_by_key(|&c| std::cmp::Reverse(frequencies[c]));
        other_ones.sort_by_key(|&c| std::cmp::Reverse(frequencies[c]));

        let number = |c: char| if is_looked_up(c) { UNKNOWN } else { CUT };
        let number = |code: u32| char::from_u32(code).map_or(CUT, number) as u16;
        let mut plane: Vec<u16> = (0..PLANE as u32).map(number).collect();
        for (next, &code) in (FIRST..).zip(&plane_ones) {
            plane[code] = next as u16;
        }
        // The trie compares numbers by 16 bits, in which no number of a word may look like the first two.
        let next = (FIRST as u64 + plane_ones.len() as u64..).filter(|next| *next as u16 >= FIRST as u16);
        let mut others: Vec<u64> =
            next.zip(&other_ones).map(|(next, &code)| (code as u64) << 32 | next).collect();
        others.sort_unstable();
        Alphabet { plane: plane.into(), others: others.into() }
    }

    /// Marks characters for [`Alphabet::number`]. Those beyond the plane stay as they are.
    #[allow(dead_code, reason = "the build script marks none")]
    pub(super) fn mark(&mut self, characters: impl Iterator<Item = char>) {
        for c in characters {
            if let Some(number) = self.plane.get_mut(c as usize) {
                *number |= MARK;
            }
        }
    }

    /// The number of a character, and whether it is marked. Both come with one load: marks cost nearly nothing.
    #[inline]
    pub(super) fn number(&self, c: char) -> (u32, bool) {
        match self.plane.get(c as usize) {
            Some(&number) => (u32::from(number & !MARK), number & MARK != 0),
            None => (self.other(c), false),
        }
    }

    #[cold]
    fn other(&self, c: char) -> u32 {
        let at = self.others.partition_point(|&other| other >> 32 < u64::from(u32::from(c)));
        match self.others.get(at) {
            Some(&other) if other >> 32 == u64::from(u32::from(c)) => other as u32,
            _ if is_looked_up(c) => UNKNOWN,
            _ => CUT,
        }
    }

    /// One more than the largest number.
    pub(super) fn len(&self) -> usize {
        let plane = self.plane.iter().map(|&number| u32::from(number & !MARK)).max().unwrap_or(0);
        let others = self.others.iter().map(|&other| other as u32).max().unwrap_or(0);
        plane.max(others).max(UNKNOWN) as usize + 1
    }
}

/// True for the characters that jieba-rs looks up in its dictionary (its `is_han_default`). It cuts the text at all others.
pub(super) fn is_looked_up(c: char) -> bool {
    match c {
        '+' | '#' | '&' | '.' | '_' | '%' | '-' => true,
        '\0'..='\x7f' => c.is_ascii_alphanumeric(),
        _ => matches!(c,
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2a6df}'
            | '\u{2a700}'..='\u{2ebef}' | '\u{2f800}'..='\u{2fa1f}'),
    }
}
