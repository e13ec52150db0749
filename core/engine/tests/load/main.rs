//! The load: what is sent when, in every shape, on one thread and on several.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod conversations;
mod levels;
mod shapes;
mod threads;
mod wire;
