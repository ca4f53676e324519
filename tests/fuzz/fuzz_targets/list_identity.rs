#![no_main]

#[path = "../targets/list_identity.rs"]
mod list_identity;

libfuzzer_sys::fuzz_target!(|data: &[u8]| list_identity::run(data));
