//! Looks for servers that runs have left behind.

use inferbench_model::doctor::leftovers::{LeftServer, Leftovers};

use crate::server::supervise::Journal;

pub(super) fn servers() -> Leftovers {
    let found = Journal::of_user().map(|journal| journal.leftovers());
    let servers = found
        .unwrap_or_default()
        .into_iter()
        .map(|left| LeftServer {
            folder: left.folder.display().to_string(),
            pids: left.pids,
            stop_commands: left.stop_commands,
        });
    Leftovers {
        servers: servers.collect(),
    }
}
