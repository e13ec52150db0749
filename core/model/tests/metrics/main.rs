//! Figures of requests: what is right, and what always holds.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod classes;
mod known_traps;
mod properties;
