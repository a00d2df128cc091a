//! libFuzzer's inputs for `fuzz::read_answer`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::read_answer(data));
