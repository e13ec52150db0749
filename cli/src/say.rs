//! Prints to standard output and standard error. A closed terminal or pipe is
//! ignored: the program must still stop its servers.

use std::fmt::Arguments;
use std::io::{self, Write};

pub(crate) fn out(words: Arguments<'_>) {
    drop(writeln!(io::stdout().lock(), "{words}"));
}

pub(crate) fn err(words: Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "{words}"));
}
