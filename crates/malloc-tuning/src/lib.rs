//! A setting of the C library's allocator for quanci's programs, in a crate of its own because it is `unsafe`.

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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::hint::black_box;

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
}
