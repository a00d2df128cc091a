//! libFuzzer's inputs for `fuzz::cluster_answer`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::cluster_answer(data));
