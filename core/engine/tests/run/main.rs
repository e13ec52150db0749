//! Runs: servers that become ready, stages and cells, and every way to end.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod ready;
mod stages;
