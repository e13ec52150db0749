//! What the tests of several crates share: runs made by hand, and a reader of
//! recorded streams that checks them against their sidecars.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test that called"
)]

pub mod compared;
pub mod runs;
pub mod streams;
