//! What can be asked before a run: configs, prompts, what a machine has, what would fit.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod configs;
mod doctor;
mod kv_cache;
mod needs;
mod no_certificates;
mod no_loopback;
mod prompts;
mod schedules;
mod too_little;
mod wrong_place;

/// A run of two requests, whose one backend says this of itself.
fn two_requests(backend: &str) -> common::place::Place {
    common::place::Place::new(&format!(
        "
name: alone
model: {{ id: simulated }}
backends: [ {{ label: a, plugin: sim, {backend} }} ]
workload: {{ input_tokens: 16, output_tokens: 4 }}
load: {{ concurrency: [1], requests: 2 }}
repeats: 1
"
    ))
}
