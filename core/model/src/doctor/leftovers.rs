//! Servers that runs have left behind.

use serde::Serialize;

use super::{Judged, Verdict};

/// One server whose run has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftServer {
    /// Folder of its logs.
    pub folder: String,
    pub pids: Vec<i32>,
    /// Commands that stop what is not among these, as a container.
    pub stop_commands: Vec<Vec<String>>,
}
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// In no order.
    pub servers: Vec<LeftServer>,
}

impl Judged for Leftovers {
    fn verdict(&self) -> Verdict {
        if self.servers.is_empty() {
            return Verdict::ok("no server of an earlier run is still running");
        }
        let each = self.servers.iter().map(|server| {
            let container = match server.stop_commands.is_empty() {
                true => "",
                false => ", perhaps a container",
            };
            format!(
                "{} ({} processes{container})",
                server.folder,
                server.pids.len()
            )
        });
        let each: Vec<String> = each.collect();
        Verdict::warning(
            format!("left by earlier runs: {}", each.join(", ")),
            "inferbench doctor --clean stops them",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn what_is_left_is_a_warning_that_names_it_and_its_end() {
        assert_eq!(Leftovers::default().verdict().status, Status::Ok);
        let server = LeftServer {
            folder: "/r/logs/vllm/0".to_owned(),
            pids: vec![7, 8],
            stop_commands: Vec::new(),
        };
        let verdict = Leftovers {
            servers: vec![server],
        }
        .verdict();
        assert_eq!(verdict.status, Status::Warning);
        assert_eq!(
            verdict.text,
            "left by earlier runs: /r/logs/vllm/0 (2 processes)"
        );
        assert!(verdict.hint.unwrap().contains("doctor --clean"));
    }
}
