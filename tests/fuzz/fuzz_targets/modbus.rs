#![no_main]

#[path = "../targets/modbus.rs"]
mod modbus;
#[path = "../targets/modbus_gather.rs"]
mod modbus_gather;
#[path = "../targets/modbus_server.rs"]
mod modbus_server;
#[path = "../targets/virtual_time.rs"]
mod virtual_time;

libfuzzer_sys::fuzz_target!(|data: &[u8]| modbus::run(data));
