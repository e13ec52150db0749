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
mod build;
mod commands;
mod exit;
mod progress;
pub mod render;
mod say;
pub mod table;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;
use inferbench_engine::os::limits;

use exit::{CliError, Code};

/// Runs the command on the command line; returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    limits::outlive_file_size_limit();
    let ended = args::Args::try_parse()
        .map_or_else(asked_for_words, commands::dispatch)
        .and_then(|code| match say::out_failed() {
            Some(source) => Err(CliError::Output(source)),
            None => Ok(code),
        });
    match ended {
        Ok(code) => code.into(),
        // Whoever read it wants no more.
        Err(CliError::Output(source)) if source.kind() == ErrorKind::BrokenPipe => {
            Code::Done.into()
        }
        Err(error) => {
            error.show();
            error.code().into()
        }
    }
}

/// The command line asks for help or the version, or is wrong.
fn asked_for_words(error: clap::Error) -> Result<Code, CliError> {
    if error.use_stderr() {
        error.exit();
    }
    say::note(error.print());
    Ok(Code::Done)
}
