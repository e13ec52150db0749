//! Collects what a reader of the samples should know. It is shared with the thread
//! that samples, so that it can be reported even when that one hangs.

use std::sync::{Arc, Mutex, PoisonError};

use inferbench_model::text::units::s_between;

use super::select::Chosen;

/// Most lines that are kept.
const MOST_LINES: usize = 32;
/// A reading that takes longer leaves a gap that is reported.
const LONG_NS: u64 = 1_000_000_000;

#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<String>,
    /// Figures that were given and then were not: device, figure, why.
    lost: Vec<(Chosen, &'static str, String)>,
    /// When the reading in progress began.
    reading_since_ns: Option<u64>,
    /// How many readings took long, and the longest.
    long: u32,
    longest_ns: u64,
}

impl Notes {
    fn with<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        // No note is half written where a panic could leave it.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps a line, once.
    pub(super) fn line(&self, line: String) {
        self.with(|kept| {
            if kept.lines.len() < MOST_LINES && !kept.lines.contains(&line) {
                kept.lines.push(line);
            }
        });
    }

    /// A figure that was given is not given any more.
    pub(super) fn lost(&self, chosen: Chosen, figure: &'static str, why: String) {
        self.with(|kept| kept.lost.push((chosen, figure, why)));
    }

    pub(super) fn reading_begins(&self, now_ns: u64) {
        self.with(|kept| kept.reading_since_ns = Some(now_ns));
    }

    pub(super) fn reading_ends(&self, took_ns: u64) {
        self.with(|kept| {
            kept.reading_since_ns = None;
            kept.longest_ns = kept.longest_ns.max(took_ns);
            kept.long += u32::from(took_ns >= LONG_NS);
        });
    }

    /// Every line, at the time `now_ns`.
    pub(super) fn lines(&self, now_ns: u64) -> Vec<String> {
        self.with(|kept| {
            let mut lines = std::mem::take(&mut kept.lines);
            lines.extend(lost_lines(&kept.lost));
            if kept.long > 0 {
                let longest_s = s_between(0, kept.longest_ns);
                lines.push(format!(
                    "the GPU samples have gaps: readings that took more than 1 s: {}, the longest {longest_s:.1} s",
                    kept.long
                ));
            }
            let since_ns = kept.reading_since_ns;
            if let Some(since_ns) = since_ns.filter(|since| now_ns >= since + LONG_NS) {
                lines.push(format!(
                    "the GPU samples end {:.1} s before the end of the run: NVML did not return from a call",
                    s_between(since_ns, now_ns)
                ));
            }
            lines
        })
    }
}

/// One line for all figures that a device lost for the same reason.
fn lost_lines(lost: &[(Chosen, &'static str, String)]) -> Vec<String> {
    let mut groups: Vec<(Chosen, &str, Vec<&str>)> = Vec::new();
    for (chosen, figure, why) in lost {
        let group = groups
            .iter_mut()
            .find(|group| group.0 == *chosen && group.1 == why);
        match group {
            Some(group) => group.2.push(figure),
            None => groups.push((*chosen, why, vec![figure])),
        }
    }
    let line = |(chosen, why, figures): (Chosen, &str, Vec<&str>)| {
        format!("{chosen} gave no {} at times: {why}", figures.join(", "))
    };
    groups.into_iter().map(line).collect()
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GPU {}", self.index)?;
        match self.mig {
            Some(mig) => write!(f, " MIG {mig}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Chosen = Chosen {
        index: 3,
        mig: None,
    };

    #[test]
    fn figures_lost_for_one_reason_are_one_line() {
        let notes = Notes::default();
        notes.lost(WHOLE, "power", "gone".to_owned());
        notes.lost(WHOLE, "energy", "gone".to_owned());
        notes.line("first".to_owned());
        notes.line("first".to_owned());
        assert_eq!(
            notes.lines(0),
            ["first", "GPU 3 gave no power, energy at times: gone"]
        );
    }

    #[test]
    fn a_reading_that_does_not_end_is_reported_with_its_length() {
        let notes = Notes::default();
        notes.reading_begins(0);
        notes.reading_ends(1_500_000_000);
        notes.reading_begins(2_000_000_000);
        assert_eq!(
            notes.lines(5_000_000_000),
            [
                "the GPU samples have gaps: readings that took more than 1 s: 1, the longest 1.5 s",
                "the GPU samples end 3.0 s before the end of the run: NVML did not return from a call"
            ]
        );
    }
}
