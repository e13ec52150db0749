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

use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;
use inferbench_engine::os::limits;
use inferbench_engine::worker::{self, Note};

use args::Args;
use exit::{CliError, Code};

/// Runs the command on the command line; returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    limits::outlive_file_size_limit();
    let ended = match worker::begin() {
        Ok(is_worker) => do_command(is_worker),
        Err(source) => Err(CliError::NoWatcher(source)),
    };
    let code = match ended {
        Ok(code) => code,
        // Whoever read it wants no more.
        Err(CliError::Output(source)) if source.kind() == ErrorKind::BrokenPipe => Code::Done as u8,
        Err(error) => {
            error.show();
            error.code() as u8
        }
    };
    worker::note(&Note::Ends(code));
    code.into()
}

/// Does the command, or has a worker do it; gives the exit code.
fn do_command(is_worker: bool) -> Result<u8, CliError> {
    let args = match Args::try_parse_from(worker::given_arguments()) {
        Ok(args) => args,
        Err(error) => return Ok(asked_for_words(&error) as u8),
    };
    // The program's own name is whoever installed it's.
    if let Some(word) = worker::given_arguments().skip(1).find(is_no_text) {
        return Err(CliError::NotText(word));
    }
    if commands::watched::calls_plugins(&args.command) {
        limits::leave_room()?;
        if !is_worker {
            return commands::watched::watch();
        }
    }
    let code = commands::dispatch(args)?;
    match say::out_failed() {
        Some(source) if code == Code::Done => Err(CliError::Output(source)),
        // How it ended says more than that nobody could read it, as when a terminal closes.
        Some(source) => {
            CliError::Output(source).show();
            Ok(code as u8)
        }
        None => Ok(code as u8),
    }
}

/// Files, messages and pages are text, and so is every path and name in them.
fn is_no_text(word: &OsString) -> bool {
    word.to_str().is_none()
}

/// The command line asks for help or the version, or is wrong.
fn asked_for_words(error: &clap::Error) -> Code {
    if error.use_stderr() {
        error.exit();
    }
    say::note(error.print());
    Code::Done
}
