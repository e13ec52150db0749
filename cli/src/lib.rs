//! How things are asked for and shown: arguments, progress, tables, pages. The
//! only place that prints. A library so that tests can call it; the program is
//! `main`.

/// A line on standard output; unlike the standard one it never panics.
macro_rules! println {
    ($($words:tt)*) => { $crate::say::out(format_args!($($words)*)) };
}

/// A line on standard error; unlike the standard one it never panics.
macro_rules! eprintln {
    ($($words:tt)*) => { $crate::say::err(format_args!($($words)*)) };
}

pub mod args;
mod commands;
mod exit;
mod progress;
pub mod render;
mod say;
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
