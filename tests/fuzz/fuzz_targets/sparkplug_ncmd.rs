#![no_main]

#[path = "../targets/sparkplug_ncmd.rs"]
mod sparkplug_ncmd;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sparkplug_ncmd::run(data));
