//! How things are asked for and shown: arguments, progress, tables, pages. The
//! only place that prints. A library so that tests can call it; the program is
//! `main`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the crate that prints"
)]

pub mod args;
mod commands;
mod exit;
mod progress;
pub mod render;
pub mod table;

use std::process::ExitCode;

use clap::Parser;

/// Reads the command line, does what it asks, and tells how it went.
#[must_use]
pub fn main() -> ExitCode {
    let args = args::Args::parse();
    match commands::dispatch(args) {
        Ok(code) => code.into(),
        Err(error) => {
            error.show();
            error.code().into()
        }
    }
}
