//! Looks for servers that runs have left behind.

use inferbench_model::doctor::Group;
use inferbench_model::doctor::leftovers::{LeftServer, Leftovers};

use super::{Ground, Probe, Teller};
use crate::server::supervise::Journal;

pub(super) const PROBES: &[Probe] = &[Probe {
    name: "servers",
    group: Group::Leftovers,
    alone: false,
    look,
}];

fn look(_: &Ground, tell: &Teller) {
    let found = Journal::of_user().map(|journal| journal.leftovers());
    let servers = found
        .unwrap_or_default()
        .into_iter()
        .map(|left| LeftServer {
            folder: left.folder.display().to_string(),
            pids: left.pids,
            stop_commands: left.stop_commands,
        });
    let leftovers = Leftovers {
        servers: servers.collect(),
    };
    tell.line("servers", &leftovers);
}
