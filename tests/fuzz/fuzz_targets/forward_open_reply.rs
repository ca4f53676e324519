#![no_main]

#[path = "../targets/forward_open_reply.rs"]
mod forward_open_reply;

libfuzzer_sys::fuzz_target!(|data: &[u8]| forward_open_reply::run(data));
