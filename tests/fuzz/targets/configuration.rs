//! libFuzzer's inputs for `fuzz::configuration`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::configuration(data));
