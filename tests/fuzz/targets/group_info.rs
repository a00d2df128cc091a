//! libFuzzer's inputs for `fuzz::group_info`. Never judges one itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::group_info(data));
