//! Bodies of pages.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sync::fuzzing::page(data));
