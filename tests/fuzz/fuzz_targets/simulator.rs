#![no_main]

#[path = "../targets/simulator.rs"]
mod simulator;
#[path = "../targets/runtime.rs"]
mod runtime;

libfuzzer_sys::fuzz_target!(|data: &[u8]| simulator::run(data));
