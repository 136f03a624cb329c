//! The pure functions, by sequences of events.

#![no_main]

#[path = "../../sync/tests/record/device.rs"]
mod device;
#[path = "../../sync/tests/record/script.rs"]
mod script;
#[path = "../../sync/tests/record/server.rs"]
mod server;

libfuzzer_sys::fuzz_target!(|data: &[u8]| script::play(data));
