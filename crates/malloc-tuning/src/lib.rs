//! Settings of the C library's allocator for quanci's programs, in a crate of their own because they are `unsafe`.

/// Blocks of this many bytes or more are given back to the system as soon as they are free.
pub const LARGE_BLOCK: i32 = 1 << 20;

/// Makes the allocator return large blocks to the system when they are freed. Call this first in `main`.
///
/// glibc does so with blocks of 128 KiB or more at first, but raises that bound to the largest block ever freed (mallopt(3),
/// M_MMAP_THRESHOLD: "dynamic"). After the first buckets of a shuffle, buckets of other sizes lie in its heaps, whose holes
/// nobody fills: a run over four times the text took a sixth more memory. With a fixed bound it takes the same.
///
/// Does nothing with other C libraries, which have no such setting.
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: mallopt takes two integers, and is safe beside other threads that allocate. A value that it does not
        // take leaves all as it was.
        let _taken = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK) };
    }
}

/// Milliseconds between two times that [`return_free_memory`] does something.
const PAUSE: u64 = 5_000;

/// Gives the free pages of all heaps back to the system, at most every five seconds. Call it from time to time in a loop that
/// allocates blocks of ever other sizes, as a training step does with rows of ever other lengths: between blocks that stay, free ones
/// lie scattered, and no heap shrinks. Decision 051 has numbers: a run grew by half a gigabyte every thousand steps. Blocks of their own
/// from the system, as [`return_large_blocks`] makes them, took 38 % more CPU time there: the system clears each page again.
///
/// Does nothing with other C libraries.
pub fn return_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::sync::LazyLock;
        use std::sync::atomic::{AtomicU64, Ordering};
        use std::time::Instant;

        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        static NEXT: AtomicU64 = AtomicU64::new(PAUSE);
        let now = START.elapsed().as_millis() as u64;
        let next = NEXT.load(Ordering::Relaxed);
        let is_due = now >= next
            && NEXT.compare_exchange(next, now + PAUSE, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due {
            trim();
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    // SAFETY: malloc_trim takes a number of bytes to keep, and is safe beside other threads that allocate.
    let _returned = unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::hint::black_box;
    use std::sync::{Mutex, PoisonError};

    /// Memory is counted for the whole process: the tests take turns.
    static ALONE: Mutex<()> = Mutex::new(());

    /// Kilobytes of this process that lie in memory.
    fn resident() -> u64 {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// What would otherwise stay: a block of 24 MB raises the bound when it is freed, and the one after it lies in the heap,
    /// below smaller ones that are kept.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn large_blocks_go_back() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        super::return_large_blocks();
        let block = |bytes: usize| black_box(vec![1u8; bytes]);
        drop(block(24 << 20));
        let large = block(23 << 20);
        let kept = [(); 4].map(|()| block(900 << 10));
        let before = resident();
        drop(large);
        let after = resident();
        assert!(after + (22 << 10) < before, "{before} kB, then {after} kB");
        drop(kept);
    }

    /// Every other block of 64 kB is freed: the heap cannot shrink, and its holes go back all the same.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn holes_go_back() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blocks: Vec<Option<Vec<u8>>> =
            (0..1_000).map(|_| Some(black_box(vec![1u8; 64 << 10]))).collect();
        blocks.iter_mut().step_by(2).for_each(|block| drop(block.take()));
        let before = resident();
        super::trim();
        let after = resident();
        assert!(after + (24 << 10) < before, "{before} kB, then {after} kB");
        drop(blocks);
    }
}
