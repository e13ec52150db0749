//! A wait that goes on: what was answered last, and how long there has been no
//! connection.

use std::time::Duration;

use inferbench_model::text::units::s_between;

use super::error::ReadyError;
use crate::os::clock;

/// A wait that goes on.
pub(super) struct Waiting {
    /// The last answer, in words.
    pub(super) last: String,
    /// Since when there has been no connection, ns.
    unconnected_ns: Option<u64>,
}

impl Waiting {
    pub(super) fn new(began_ns: u64) -> Self {
        Self {
            last: "it has not answered".to_owned(),
            unconnected_ns: Some(began_ns),
        }
    }

    pub(super) fn note(&mut self, later: Later) {
        self.last = later.words;
        self.unconnected_ns = match later.connected {
            true => None,
            false => self.unconnected_ns.or_else(|| Some(clock::now_ns())),
        };
    }

    pub(super) fn too_late(self, seconds: f64) -> ReadyError {
        ReadyError::TooLate {
            seconds,
            last: self.last,
        }
    }

    pub(super) fn must_have_connected_within(&self, limit: Duration) -> Result<(), ReadyError> {
        let since_ns = self.unconnected_ns;
        let seconds = since_ns.map(|since_ns| s_between(since_ns, clock::now_ns()));
        match seconds {
            Some(seconds) if seconds >= limit.as_secs_f64() => Err(ReadyError::NotThere {
                seconds,
                last: self.last.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// A try that failed in a way that may pass.
pub(super) struct Later {
    pub(super) words: String,
    /// There was a connection to the server.
    pub(super) connected: bool,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn later(connected: bool) -> Later {
        Later {
            words: "no".to_owned(),
            connected,
        }
    }

    #[test]
    fn only_a_wait_without_any_connection_is_given_up_early() {
        const LIMIT: Duration = Duration::from_secs(30);
        let now_ns = clock::now_ns();
        let mut waiting = Waiting::new(now_ns.saturating_sub(31_000_000_000));
        waiting.note(later(false));
        let error = waiting.must_have_connected_within(LIMIT).unwrap_err();
        assert!(matches!(error, ReadyError::NotThere { .. }), "{error}");
        // It was there, and is gone since now.
        waiting.note(later(true));
        waiting.must_have_connected_within(LIMIT).unwrap();
        waiting.note(later(false));
        waiting.must_have_connected_within(LIMIT).unwrap();
        let at_once = waiting.must_have_connected_within(Duration::ZERO);
        assert!(at_once.is_err());
    }
}
