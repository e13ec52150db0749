//! The report of a run: how it is written, read and checked.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod contrast;
mod explore;
mod files;
mod hardware;
mod old;
mod verify;
