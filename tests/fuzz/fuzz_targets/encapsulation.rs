#![no_main]

#[path = "../targets/encapsulation.rs"]
mod encapsulation;
#[path = "../targets/runtime.rs"]
mod runtime;

libfuzzer_sys::fuzz_target!(|data: &[u8]| encapsulation::run(data));
