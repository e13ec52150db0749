//! Requests over HTTP: which connection they go over, TLS, and servers that break the rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod hostile;
mod tls;
