//! The pieces of many documents, one after the other.

use std::ops::Range;

use super::tokenize::Piece;

/// Pieces of two bytes each if the vocabulary allows it, else of four. Pairs and rows look pieces up in random order,
/// so fewer bytes mean fewer cache misses.
#[derive(Debug)]
pub struct PieceStore(Store);

#[derive(Debug)]
enum Store {
    Narrow(Vec<u16>),
    Wide(Vec<Piece>),
}

impl Default for PieceStore {
    fn default() -> Self {
        PieceStore(Store::Wide(Vec::new()))
    }
}

impl PieceStore {
    /// Removes all pieces and keeps the allocation; `narrow` if all later pieces are (see [`Piece::are_narrow`]).
    pub fn clear(&mut self, narrow: bool) {
        match &mut self.0 {
            Store::Narrow(pieces) if narrow => pieces.clear(),
            Store::Wide(pieces) if !narrow => pieces.clear(),
            other => *other = if narrow { Store::Narrow(Vec::new()) } else { Store::Wide(Vec::new()) },
        }
    }

    /// Reserves memory for some pieces.
    pub fn reserve(&mut self, pieces: usize) {
        match &mut self.0 {
            Store::Narrow(narrow) => narrow.reserve(pieces),
            Store::Wide(wide) => wide.reserve(pieces),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match &self.0 {
            Store::Narrow(narrow) => narrow.len(),
            Store::Wide(wide) => wide.len(),
        }
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds pieces.
    pub fn extend(&mut self, pieces: &[Piece]) {
        match &mut self.0 {
            Store::Narrow(narrow) => narrow.extend(pieces.iter().map(|piece| piece.narrow())),
            Store::Wide(wide) => wide.extend_from_slice(pieces),
        }
    }

    /// The piece at a position.
    ///
    /// # Panics
    /// If it is not below [`PieceStore::len`].
    #[inline]
    pub fn get(&self, position: u32) -> Piece {
        match &self.0 {
            Store::Narrow(narrow) => Piece::from_narrow(narrow[position as usize]),
            Store::Wide(wide) => wide[position as usize],
        }
    }

    /// Appends ids and word starts of the pieces at some positions.
    ///
    /// # Panics
    /// If they do not lie below [`PieceStore::len`].
    #[inline]
    pub fn copy(&self, range: Range<u32>, ids: &mut Vec<u32>, word_starts: &mut Vec<bool>) {
        fn push(
            pieces: impl Iterator<Item = Piece> + Clone,
            ids: &mut Vec<u32>,
            word_starts: &mut Vec<bool>,
        ) {
            ids.extend(pieces.clone().map(Piece::id));
            word_starts.extend(pieces.map(Piece::is_word_start));
        }
        let range = range.start as usize..range.end as usize;
        match &self.0 {
            Store::Narrow(narrow) => {
                push(narrow[range].iter().map(|&piece| Piece::from_narrow(piece)), ids, word_starts);
            }
            Store::Wide(wide) => push(wide[range].iter().copied(), ids, word_starts),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn narrow_and_wide_are_alike(pieces in prop::collection::vec((0u32..1 << 15, any::<bool>()), 1..50)) {
            let pieces: Vec<Piece> = pieces.into_iter().map(|(id, start)| Piece::new(id, start)).collect();
            let mut store = PieceStore::default();
            for narrow in [true, false, true] {
                store.clear(narrow);
                prop_assert!(store.is_empty());
                store.extend(&pieces);
                prop_assert_eq!(store.len(), pieces.len());
                prop_assert!((0..).zip(&pieces).all(|(position, &piece)| store.get(position) == piece));
                let (mut ids, mut starts) = (vec![7], vec![true]);
                store.copy(1..pieces.len() as u32, &mut ids, &mut starts);
                prop_assert!(ids[1..].iter().zip(&starts[1..]).zip(&pieces[1..])
                    .all(|((&id, &start), &piece)| Piece::new(id, start) == piece));
                prop_assert_eq!((ids.len(), starts.len()), (pieces.len(), pieces.len()));
            }
        }
    }
}
