//! The program `inferbench`.

use std::process::ExitCode;

fn main() -> ExitCode {
    inferbench::main()
}
