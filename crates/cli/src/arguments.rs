//! Values of arguments that both programs take.

/// The most threads: more than the largest machines have cores. Each takes a stack and buffers of its own.
const MAX_THREADS: usize = 1024;

/// Parses `--threads`, for clap.
///
/// # Errors
/// If it is no number, or larger than any machine can use.
pub fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if threads <= MAX_THREADS => Ok(threads),
        _ => Err(format!("it must be a number from 0 to {MAX_THREADS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::threads;

    #[test]
    fn numbers_of_threads() {
        assert_eq!(threads("0"), Ok(0));
        assert_eq!(threads("1024"), Ok(1024));
        for text in ["20000", "-1", "", "x", "18446744073709551616"] {
            assert!(threads(text).is_err(), "{text}");
        }
    }
}
