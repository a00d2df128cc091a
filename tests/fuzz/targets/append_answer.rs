//! libFuzzer's inputs for `fuzz::append_answer`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::append_answer(data));
