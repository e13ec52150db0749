//! `man-pages`: one page for the program and one for each command.

use std::path::Path;

use clap::CommandFactory;

use crate::args::Args;
use crate::exit::{CliError, Code};

pub(super) fn write(folder: &Path) -> Result<Code, CliError> {
    let written = clap_mangen::generate_to(Args::command(), folder);
    written.map_err(|source| CliError::Unwritable {
        file: folder.display().to_string(),
        source,
    })?;
    Ok(Code::Done)
}
