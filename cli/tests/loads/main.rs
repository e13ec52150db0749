//! Whole runs against simulated engines, whose figures are known by arithmetic.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod agreement;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod failures;
mod replicas;
mod search;
mod traffic;
mod tuning;
