#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kulya_sim::fuzzing::references(bytes));
