//! Conflict bodies, problem details and single records.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sync::fuzzing::answer(data));
