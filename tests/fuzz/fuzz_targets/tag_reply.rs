#![no_main]

#[path = "../targets/tag_reply.rs"]
mod tag_reply;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tag_reply::run(data));
