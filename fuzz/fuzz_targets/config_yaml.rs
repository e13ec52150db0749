//! Any text as a config: loaded, or refused with at least one error.

#![no_main]

use inferbench_model::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(errors) = config::load("fuzz.yaml", text, &|_| None) {
        assert!(!errors.is_empty());
    }
});
