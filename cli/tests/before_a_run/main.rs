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
