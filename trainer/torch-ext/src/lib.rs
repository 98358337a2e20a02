//! What tch lacks.
