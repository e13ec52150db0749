//! Whatever comes, from servers or from plugins: nothing panics or hangs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod answers;
#[path = "../common/mod.rs"]
mod common;
mod descriptions;
mod replayed;
mod targets;
