//! libFuzzer's inputs for `fuzz::connection_string`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::connection_string(data));
