#![no_main]

#[path = "../targets/class1_frames.rs"]
mod class1_frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| class1_frames::run(data));
