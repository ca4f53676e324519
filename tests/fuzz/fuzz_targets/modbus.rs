#![no_main]

#[path = "../targets/modbus.rs"]
mod modbus;
#[path = "../targets/runtime.rs"]
mod runtime;

libfuzzer_sys::fuzz_target!(|data: &[u8]| modbus::run(data));
