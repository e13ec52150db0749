//! `completions`: the script that completes commands and flags in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::Code;
use crate::say;

pub(super) fn print(shell: Shell) -> Code {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "inferbench", &mut script);
    say::bytes(&script);
    Code::Done
}
