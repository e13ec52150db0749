//! The command line: arguments, progress, tables, pages. The only crate that
//! prints. It is a library so that tests can call it.

/// Prints a line to standard output; unlike the standard macro it never panics.
macro_rules! println {
    ($($words:tt)*) => { $crate::say::out(format_args!($($words)*)) };
}

/// Prints a line to standard error; unlike the standard macro it never panics.
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

/// Runs the command on the command line; returns its exit code.
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
