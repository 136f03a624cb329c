//! `ETag`, `Retry-After`, `Date` and `Location`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sync::fuzzing::headers(data));
