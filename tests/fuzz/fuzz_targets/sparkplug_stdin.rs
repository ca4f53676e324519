#![no_main]

#[path = "../targets/sparkplug_stdin.rs"]
mod sparkplug_stdin;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sparkplug_stdin::run(data));
