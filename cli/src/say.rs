//! Words on standard output and standard error. A terminal or pipe that is
//! closed ends the words, not the program: servers are still to be stopped.

use std::fmt::Arguments;
use std::io::{self, Write};

pub(crate) fn out(words: Arguments<'_>) {
    drop(writeln!(io::stdout().lock(), "{words}"));
}

pub(crate) fn err(words: Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "{words}"));
}
