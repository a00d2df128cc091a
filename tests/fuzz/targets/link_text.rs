//! libFuzzer's inputs for `fuzz::link_text`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::link_text(data));
