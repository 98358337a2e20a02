//! A trie in two arrays: a double array (Aoe 1989) whose labels are the numbers of characters.
//!
//! A node has a base. Its child by a number lies at base + number, and carries that number as its label. No two nodes have
//! the same base, so a label that agrees belongs to this parent. Half of all lookups find no child. So labels and counts
//! lie together in four bytes, apart from the bases: what is read most fits into a processor's second cache.

use std::borrow::Cow;

/// A node: from the lowest bit on 16 bits of label, 15 of the word's count (an index; 0 if no word ends here), and one that
/// tells whether it has children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node(u32);

const LABEL_BITS: u32 = 16;
const COUNT_BITS: u32 = 15;
const HAS_CHILDREN: u32 = 1 << 31;
/// The counts that a node can name.
pub(super) const NAMED_COUNTS: usize = 1 << COUNT_BITS;
/// The last of them stands for one that is written elsewhere, since it does not fit.
pub(super) const RARE_COUNT: usize = NAMED_COUNTS - 1;
/// A base has 24 bits. The other eight are a Bloom filter of the labels of the children: most lookups that find nothing end
/// here, without a load from the nodes.
const BASE_BITS: u32 = 24;
/// The most places for nodes.
const MAX_PLACES: usize = 1 << BASE_BITS;

/// The bit of a label in a filter.
#[inline(always)]
fn filter(number: u32) -> u32 {
    1 << (BASE_BITS + (number.wrapping_mul(0x9e37_79b1) >> 29))
}

impl Node {
    /// No node.
    pub(super) const NONE: Node = Node(0);

    fn new(label: u32, count: u32, has_children: bool) -> Node {
        let flag = if has_children { HAS_CHILDREN } else { 0 };
        Node(label & ((1 << LABEL_BITS) - 1) | count << LABEL_BITS | flag)
    }

    /// True if this is the child by a number, or if there is none.
    #[inline(always)]
    fn is_by(self, number: u32) -> bool {
        self.0 as u16 == number as u16
    }

    /// The index of the count of the word that ends here, 0 for no word, or [`RARE_COUNT`].
    #[inline(always)]
    pub(super) fn count(self) -> usize {
        (self.0 >> LABEL_BITS) as usize & (NAMED_COUNTS - 1)
    }

    /// True if longer words begin with this one.
    #[inline(always)]
    pub(super) fn has_children(self) -> bool {
        self.0 & HAS_CHILDREN != 0
    }
}

/// A node and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) node: Node,
    pub(super) place: u32,
}

/// The words of a dictionary.
pub(super) struct Trie<'a> {
    pub(super) nodes: Cow<'a, [u32]>,
    pub(super) bases: Cow<'a, [u32]>,
    /// The places of nodes with [`RARE_COUNT`], ascending, and the indexes of their counts.
    pub(super) rare: Vec<(u32, u32)>,
}

impl Trie<'_> {
    /// The node of a character that begins words, by its number.
    #[inline(always)]
    pub(super) fn first(&self, number: u32) -> Found {
        Found { node: Node(self.nodes[number as usize]), place: number }
    }

    /// The index of the count of a node with [`RARE_COUNT`].
    pub(super) fn rare_count(&self, place: u32) -> usize {
        let at = self.rare.partition_point(|&(other, _)| other < place);
        self.rare.get(at).map_or(0, |&(_, count)| count as usize)
    }

    /// The child of a node, or none. Without a branch on what is found, so that the loads for several places of a text
    /// overlap.
    #[inline(always)]
    pub(super) fn child(&self, parent: Found, number: u32) -> Found {
        let base = self.bases[parent.place as usize];
        // At place 0 is no node.
        let place = ((base & (MAX_PLACES as u32 - 1)) + number) & all_ones_if(base & filter(number) != 0);
        let node = Node(self.nodes[place as usize]);
        let found = all_ones_if(node.is_by(number));
        Found { node: Node(node.0 & found), place: place & found }
    }
}

/// A mask, so that the compiler makes no branch of a choice.
#[inline(always)]
fn all_ones_if(condition: bool) -> u32 {
    u32::from(condition).wrapping_neg()
}

/// Words as numbers, in an order in which words that begin alike stand together, and a word before those that begin with
/// it.
#[derive(Default)]
pub(super) struct NumberedWords {
    numbers: Vec<u32>,
    words: Vec<Word>,
}

#[derive(Clone, Copy)]
struct Word {
    end: u32,
    count: u32,
}

impl NumberedWords {
    /// Adds a word, by the numbers of its characters, with the index of its count, which is not 0.
    pub(super) fn push(&mut self, numbers: impl Iterator<Item = u32>, count: u32) {
        self.numbers.extend(numbers);
        self.words.push(Word { end: self.numbers.len() as u32, count });
    }

    fn word(&self, index: usize) -> &[u32] {
        let start = if index == 0 { 0 } else { self.words[index - 1].end };
        &self.numbers[start as usize..self.words[index].end as usize]
    }
}

/// A child of a node that is not placed yet.
#[derive(Clone, Copy)]
struct Child {
    label: u32,
    count: u32,
    /// Its own children, as an index into [`Tree::families`].
    family: Option<u32>,
}

/// The trie before its nodes have places: the children of each node that has some. The first ones are the root's.
#[derive(Default)]
struct Tree {
    children: Vec<Child>,
    /// Ranges of `children`.
    families: Vec<(u32, u32)>,
}

impl Tree {
    fn of(words: &NumberedWords) -> Tree {
        let mut tree = Tree::default();
        // What is to be done: the words that share a beginning of so many characters.
        let mut todo = std::collections::VecDeque::from([(0, words.words.len(), 0)]);
        let mut families = 1;
        while let Some((mut from, to, depth)) = todo.pop_front() {
            let begin = tree.children.len() as u32;
            while from < to {
                let label = words.word(from)[depth];
                let alike = (from..to).take_while(|&index| words.word(index)[depth] == label).count();
                let ends_here = words.word(from).len() == depth + 1;
                let count = if ends_here { words.words[from].count } else { 0 };
                let (rest, end) = (from + usize::from(ends_here), from + alike);
                let family = (rest < end).then_some(families);
                if family.is_some() {
                    families += 1;
                    todo.push_back((rest, end, depth + 1));
                }
                tree.children.push(Child { label, count, family });
                from = end;
            }
            tree.families.push((begin, tree.children.len() as u32));
        }
        tree
    }

    fn family(&self, index: usize) -> &[Child] {
        let (from, to) = self.families[index];
        &self.children[from as usize..to as usize]
    }
}

/// The places of the arrays, as bits.
struct Places {
    taken: Vec<u64>,
    bases: Vec<u64>,
    /// Labels are compared by 16 bits. True if numbers have more: then bases exclude each other whose difference these
    /// bits do not show.
    wide: bool,
}

/// 64 bits from a bit on.
#[inline]
fn bits_from(bits: &[u64], bit: usize) -> u64 {
    let (word, shift) = (bit / 64, bit % 64);
    let low = bits.get(word).copied().unwrap_or(0) >> shift;
    let high = bits.get(word + 1).copied().unwrap_or(0);
    if shift == 0 { low } else { low | high << (64 - shift) }
}

fn set(bits: &mut Vec<u64>, bit: usize) {
    if bits.len() <= bit / 64 {
        bits.resize(bit / 64 + 1, 0);
    }
    bits[bit / 64] |= 1 << (bit % 64);
}

impl Places {
    /// The first base, from one on, with which all children have free places.
    fn find(&self, mut base: usize, family: &[Child]) -> usize {
        loop {
            // 64 bases are tried at once.
            let mut free = !bits_from(&self.bases, base);
            if self.wide {
                free &= !bits_from(&self.bases, base + LABELS);
                free &= !base.checked_sub(LABELS).map_or(0, |below| bits_from(&self.bases, below));
            }
            for child in family {
                free &= !bits_from(&self.taken, base + child.label as usize);
                if free == 0 {
                    break;
                }
            }
            let found = base + free.trailing_zeros() as usize;
            if free != 0 && (base >= LABELS || found < LABELS) {
                return found;
            }
            // No window of 64 bases lies on both sides of the first that excludes one below.
            base = if base < LABELS && base + 64 > LABELS { LABELS } else { base + 64 };
        }
    }
}

/// The labels that a node tells apart.
const LABELS: usize = 1 << LABEL_BITS;

impl Trie<'static> {
    /// The trie of some words over an alphabet of so many numbers; `None` if it would need more than [`MAX_PLACES`].
    pub(super) fn of(words: &NumberedWords, alphabet: usize) -> Option<Trie<'static>> {
        let tree = Tree::of(words);
        let mut places = Places { taken: Vec::new(), bases: Vec::new(), wide: alphabet > LABELS };
        // The root's base is 0, and its children are found without comparing labels: nobody else may lie there.
        set(&mut places.bases, 0);
        (0..alphabet).for_each(|place| set(&mut places.taken, place));

        // The largest families first, while there is room; the smallest fill the holes.
        let mut order: Vec<usize> = (1..tree.families.len()).collect();
        order.sort_by_key(|&family| std::cmp::Reverse(tree.family(family).len()));
        let mut bases_of = vec![0_u32; tree.families.len()];
        let (mut size, mut cursor) = (usize::MAX, 0);
        for index in order {
            let family = tree.family(index);
            if family.len() < size {
                // A smaller family may fit where larger ones did not.
                (size, cursor) = (family.len(), 0);
            }
            let first = family.iter().map(|child| child.label as usize).min().unwrap_or(0);
            let base = places.find(usize::saturating_sub(cursor, first).max(1), family);
            if base + alphabet >= MAX_PLACES {
                return None;
            }
            cursor = base + first;
            set(&mut places.bases, base);
            for child in family {
                set(&mut places.taken, base + child.label as usize);
            }
            bases_of[index] = base as u32;
        }

        // Every base has room for every number behind it, so that a step needs no check.
        let largest = bases_of.iter().max().copied().unwrap_or(0) as usize;
        let mut nodes = vec![0; largest + alphabet];
        let mut bases = vec![0; largest + alphabet];
        let mut rare = Vec::new();
        for (family, &base) in bases_of.iter().enumerate() {
            for child in tree.family(family) {
                let place = base as usize + child.label as usize;
                let count = child.count.min(RARE_COUNT as u32);
                if child.count >= RARE_COUNT as u32 {
                    rare.push((place as u32, child.count));
                }
                nodes[place] = Node::new(child.label, count, child.family.is_some()).0;
                bases[place] = child.family.map_or(0, |family| {
                    let labels = tree.family(family as usize).iter();
                    labels.fold(bases_of[family as usize], |base, child| base | filter(child.label))
                });
            }
        }
        rare.sort_unstable();
        Some(Trie { nodes: nodes.into(), bases: bases.into(), rare })
    }
}
