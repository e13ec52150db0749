//! A backend that is waited for: what is shown of it, and how often.

use console::strip_ansi_codes;

/// Seconds after which the first line is due, and after which one that says
/// something new.
const FIRST_S: f64 = 5.0;
const NEW_S: f64 = 10.0;
/// Seconds after which the same is said again.
const SAME_S: f64 = 60.0;

/// `vllm: not ready yet, 12 s: Loading weights`.
pub(super) fn waits(backend: &str, seconds: f64, last: &str) -> String {
    // A server colours its log.
    let last = strip_ansi_codes(last);
    let last = last.replace(|c: char| c.is_control(), " ");
    format!("{backend}: not ready yet, {seconds:.0} s: {}", last.trim())
}

/// The last wait that was shown as a line.
#[derive(Debug, Default)]
pub(super) struct Waited {
    backend: String,
    last: String,
    seconds: f64,
}

impl Waited {
    /// Whether a line is due, which then counts as shown.
    pub(super) fn is_due(&mut self, backend: &str, seconds: f64, last: &str) -> bool {
        let is_same_wait = self.backend == backend && self.seconds <= seconds;
        let since = seconds - self.seconds;
        let is_due = match is_same_wait {
            false => seconds >= FIRST_S,
            true => since >= if self.last == last { SAME_S } else { NEW_S },
        };
        if is_due {
            *self = Self {
                backend: backend.to_owned(),
                last: last.to_owned(),
                seconds,
            };
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which a line is shown, of one wait with an event each second.
    fn shown(waited: &mut Waited, backend: &str, says: impl Fn(u32) -> String) -> Vec<u32> {
        let is_due = |second: &u32| waited.is_due(backend, f64::from(*second), &says(*second));
        (1..=120).filter(is_due).collect()
    }

    #[test]
    fn the_same_words_are_said_once_a_minute_and_new_ones_sooner() {
        let mut waited = Waited::default();
        let refused = |_| "connection refused".to_owned();
        assert_eq!(shown(&mut waited, "vllm", refused), [5, 65]);
        // The second start of the same backend is another wait.
        let twice = |second| format!("{} %", second / 50);
        assert_eq!(shown(&mut waited, "vllm", twice), [5, 50, 100]);
        assert_eq!(shown(&mut waited, "sglang", refused), [5, 65]);
    }

    #[test]
    fn what_a_log_colours_is_shown_plain() {
        assert_eq!(
            waits("vllm", 12.4, "\u{1b}[32mINFO\u{1b}[0m loading\t3 of 4"),
            "vllm: not ready yet, 12 s: INFO loading 3 of 4"
        );
    }
}
