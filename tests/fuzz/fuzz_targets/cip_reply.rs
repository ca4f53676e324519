#![no_main]

#[path = "../targets/cip_reply.rs"]
mod cip_reply;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cip_reply::run(data));
