//! Runs that end otherwise than they should, or are disturbed: what is said, and what is left.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod disturbed_folder;
mod endings;
mod kinds;
mod lifecycle;
