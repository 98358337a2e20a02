//! Near-duplicates: documents whose sets of character n-grams overlap much, found by MinHash with bands
//! (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3).
//!
//! ```text
//! text -fold-> letters and digits -n-grams-> hashes -minima-> signature -bands-> keys;   a key in common -clusters-> one is kept
//! ```

mod clusters;
mod minhash;

pub use clusters::{Clusters, Member};
pub use minhash::{MinHash, MinHashScratch, similarity};
