#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quanci_fuzz::run("set_archive", bytes));
