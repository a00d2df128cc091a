//! libFuzzer's inputs for `fuzz::stream_metadata`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::stream_metadata(data));
