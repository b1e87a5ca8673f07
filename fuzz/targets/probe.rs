#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| pixaven_fuzz::probe(input));
