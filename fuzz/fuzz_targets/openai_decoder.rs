//! Runs `targets::openai_decoder` on random bytes.

#![no_main]

#[path = "../../core/engine/tests/random_input/targets.rs"]
#[allow(dead_code, reason = "each target is a program of its own")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::openai_decoder(data));
