//! Commands that call plugins' code: a worker does them, and this process says how it ended
//! where it does not say so itself.

use inferbench_engine::watcher::{self, Ended};

use crate::args::Command;
use crate::exit::{CliError, Code};

/// Whether a command may run code of plugins in its own process.
pub(crate) fn calls_plugins(command: &Command) -> bool {
    matches!(
        command,
        Command::Run { .. }
            | Command::Validate { .. }
            | Command::Prompts(_)
            | Command::Plugins { .. }
            | Command::Verify { .. }
            | Command::Calibrate { .. }
            | Command::Doctor { .. }
    )
}

/// Has a worker do this process's command; gives the exit code.
pub(crate) fn watch() -> Result<u8, CliError> {
    match watcher::watch()? {
        Ended::ByItself(code) => Ok(code),
        Ended::ByUser => Ok(Code::Interrupted as u8),
        Ended::Otherwise(cut_off) => Err(CliError::CutOff(Box::new(cut_off))),
    }
}
