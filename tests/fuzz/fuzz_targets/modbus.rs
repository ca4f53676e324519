#![no_main]

#[path = "../targets/modbus.rs"]
mod modbus;
#[path = "../targets/modbus_server.rs"]
mod modbus_server;
#[path = "../targets/runtime.rs"]
mod runtime;

libfuzzer_sys::fuzz_target!(|data: &[u8]| modbus::run(data));
