//! All tests from outside.
