//! Pages as servers of others send them: a kept cursor, headers with `Link`, and a body.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sync::fuzzing::dialect(data));
