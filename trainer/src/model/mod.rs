//! BERT as Google built it.

pub mod shape;
