//! libFuzzer's inputs for `fuzz::import_files`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::import_files(data));
