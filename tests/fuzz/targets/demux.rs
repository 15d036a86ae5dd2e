#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hatif_fuzz::bodies::demux(data));
