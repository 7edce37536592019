#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kulya_sql::fuzzing::live_state(bytes));
