//! What to do about a server that refuses: what of the config may be wrong, as far
//! as the status and the plugin's options show it.

use crate::plugins::backend::{KeyOption, OpenBackend};

/// What is known of a request that was refused.
pub(super) struct Refusal<'a> {
    pub(super) backend: &'a OpenBackend,
    /// The server runs already: its address is the config's.
    pub(super) attached: bool,
    pub(super) status: u16,
}

impl Refusal<'_> {
    /// What to do if a request of the workload was refused: `; set ...`, or nothing.
    /// `line`: its method and path.
    pub(super) fn of_request(&self, line: &str) -> String {
        match self.status {
            401 | 403 => self.of_key(),
            404 | 405 => {
                let mut suspects = vec!["model.id"];
                if self.backend.options.has_endpoint {
                    suspects.push("options.endpoint");
                }
                if self.attached {
                    suspects.push("the path in `attach`");
                }
                format!("; it was `{line}`: check {}", suspects.join(", "))
            }
            _ => String::new(),
        }
    }

    /// What to do if the health path was refused.
    pub(super) fn of_health(&self) -> String {
        match (self.status, self.backend.options.has_health) {
            (401 | 403, _) => self.of_key(),
            (404 | 405, true) => {
                "; leave options.health out, or set it to a path that answers 200".to_owned()
            }
            (404 | 405, false) if self.attached => {
                "; check the path in `attach`; a server that has no such path, such as a gateway, is measured with plugin openai"
                    .to_owned()
            }
            _ => String::new(),
        }
    }

    fn of_key(&self) -> String {
        match &self.backend.options.key {
            KeyOption::Missing => "; its plugin has no option for a key".to_owned(),
            KeyOption::Unset => {
                "; set options.api_key_env to the name of the variable that holds the key"
                    .to_owned()
            }
            KeyOption::Variable(name) => {
                format!("; it was asked with the key in the variable {name} (options.api_key_env)")
            }
        }
    }
}
