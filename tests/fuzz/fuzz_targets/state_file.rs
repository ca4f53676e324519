#![no_main]

#[path = "../targets/state_file.rs"]
mod state_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| state_file::run(data));
