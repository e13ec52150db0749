//! What a run is doing, on standard error: a live view on a terminal, plain
//! lines elsewhere.

mod estimate;
mod layout;
mod live;
mod wait;

use std::io::IsTerminal;

use indicatif::ProgressDrawTarget;
use inferbench_engine::event::RunEvent;
use inferbench_model::facts::crash_cause::KnownCause;
use inferbench_model::facts::key::{CellKey, Counts};
use inferbench_model::plan::Stage;
use inferbench_model::report::warning_line;
use inferbench_model::text::number::{counted, three_digits};
use inferbench_model::text::visible::visible_line;

use crate::args::OutputArgs;
use layout::Size;
use live::Live;
use wait::waits;

/// Shows a run's events.
pub(crate) struct Progress {
    quiet: bool,
    live: Option<Live>,
    cells: usize,
    cells_begun: usize,
    waited: wait::Waited,
}

impl Progress {
    pub(crate) fn new(output: OutputArgs) -> Self {
        Self {
            quiet: output.quiet,
            live: None,
            cells: 0,
            cells_begun: 0,
            waited: wait::Waited::default(),
        }
    }

    pub(crate) fn show(&mut self, event: RunEvent) {
        self.draw(&event);
        if let RunEvent::BackendFailed {
            backend,
            cause,
            known,
            log_tail,
            given_up,
            ..
        } = &event
        {
            self.failed(backend, cause, known.as_ref(), log_tail);
            if *given_up {
                self.always(&format!(
                    "{backend}: not tried again in the other repeats; run --resume tries it again"
                ));
            }
        } else if let RunEvent::Warning(warning) = &event {
            let line = warning_line(warning, &[]);
            self.always(&format!("warning: {line}"));
        } else if let Some(words) = self.words(event) {
            self.line(&words);
        }
    }

    /// Removes the live view.
    pub(crate) fn end(&mut self) {
        if let Some(live) = self.live.take() {
            live.end();
        }
    }

    /// Updates the live view, if there is one.
    fn draw(&mut self, event: &RunEvent) {
        if let RunEvent::Started { stages, .. } = event {
            self.cells = stages.iter().map(|stage| stage.levels.len()).sum();
            self.begin(stages.clone());
        }
        let Some(live) = &mut self.live else { return };
        let now = live.passed();
        match event {
            RunEvent::Fetching { backend, what, .. } => {
                live.waits(&format!("{backend}: fetching {what}"));
            }
            RunEvent::Starting { backend, .. } => live.waits(&format!("{backend} is starting")),
            RunEvent::Attaching {
                backend, address, ..
            } => live.waits(&format!("{backend}: waiting for {address}")),
            RunEvent::Waiting {
                backend,
                seconds,
                last,
            } => live.waits(&waits(backend, *seconds, last)),
            RunEvent::BackendFailed {
                backend,
                block,
                given_up,
                ..
            } => {
                let block = (!given_up).then_some(*block);
                live.estimate().start_failed(backend, block, now);
                live.waits("");
            }
            RunEvent::CellStarted { key, requests, .. } => {
                live.estimate().level_begins(now);
                live.level(key, *requests);
            }
            RunEvent::CellProgress {
                measured,
                failed,
                live: figures,
                ..
            } => live.update(*measured, *failed, figures),
            RunEvent::CellEnded { key, .. } => {
                live.estimate().level_ends(key.level, now);
                live.waits("");
            }
            _ => {}
        }
    }

    fn begin(&mut self, stages: Vec<Stage>) {
        if self.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let mut live = Live::on(ProgressDrawTarget::stderr(), Box::new(size), self.cells);
        let now = live.passed();
        live.estimate().begin(stages, now);
        self.live = Some(live);
    }

    /// An event as one line; `None` if it is not printed.
    fn words(&mut self, event: RunEvent) -> Option<String> {
        Some(match event {
            RunEvent::Started {
                folder,
                simulated,
                stages,
            } => {
                let mark = if simulated { " (SIMULATED)" } else { "" };
                let all = to_come(stages.len(), self.cells);
                format!("{all}{mark}, in {}", folder.display())
            }
            RunEvent::Starting {
                backend,
                block,
                what,
            } => format!("{backend} (repeat {}): starting: {what}", block + 1),
            RunEvent::Attaching {
                backend,
                block,
                address,
            } => format!("{backend} (repeat {}): waiting for {address}", block + 1),
            RunEvent::Fetching {
                backend,
                what,
                line,
            } => format!("{backend}: fetching {what}: {line}"),
            RunEvent::Fetched {
                backend,
                what,
                seconds,
            } => format!("{backend}: fetched {what} in {seconds:.1} s"),
            RunEvent::Waiting {
                backend,
                seconds,
                last,
            } => return self.wait_line(&backend, seconds, &last),
            RunEvent::Ready { backend, seconds } => {
                format!("{backend}: ready after {seconds:.1} s")
            }
            RunEvent::CellStarted { .. } => {
                self.cells_begun += 1;
                return None;
            }
            RunEvent::CellEnded {
                key,
                counts,
                overall_token_throughput,
            } => self.cell_ended(&key, &counts, overall_token_throughput),
            RunEvent::CellProgress { .. }
            | RunEvent::BackendFailed { .. }
            | RunEvent::Warning(_) => return None,
        })
    }

    /// A wait as a line of its own, now and then; a terminal shows it below.
    fn wait_line(&mut self, backend: &str, seconds: f64, last: &str) -> Option<String> {
        let is_due = self.live.is_none() && self.waited.is_due(backend, seconds, last);
        is_due.then(|| waits(backend, seconds, last))
    }

    fn cell_ended(&self, key: &CellKey, counts: &Counts, throughput: Option<f64>) -> String {
        // With ramp-up and ramp-down, unlike the table's figure of steady load.
        let speed = throughput.map_or_else(String::new, |rate| {
            format!(", {} tokens/s with ramp", three_digits(rate))
        });
        let failures = match counts.failed {
            0 => String::new(),
            n => format!(", {n} failed"),
        };
        let of_all = match self.cells {
            0 => String::new(),
            cells => format!("/{cells}"),
        };
        format!(
            "[{}{of_all}] {}, {}, repeat {}: {} ok{failures}{speed}",
            self.cells_begun,
            key.backend,
            key.level,
            key.block + 1,
            counts.ok
        )
    }

    fn failed(
        &mut self,
        backend: &str,
        cause: &str,
        known: Option<&KnownCause>,
        log_tail: &[String],
    ) {
        self.always(&format!("error: {backend}: {cause}"));
        if let Some(words) = known.and_then(|known| new_words(cause, known)) {
            self.always(&format!("  cause: {words}"));
        }
        for line in log_tail {
            let line = format!("  | {line}");
            match &self.live {
                Some(live) => live.say_verbatim(&line),
                None => eprintln!("{line}"),
            }
        }
        if let Some(known) = known {
            self.always(&format!("hint: {}", known.hint));
        }
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            self.always(text);
        }
    }

    /// One line, whatever a server or a file name put into it.
    fn always(&self, text: &str) {
        let text = &*visible_line(text);
        match &self.live {
            Some(live) => live.say(text),
            None => eprintln!("{text}"),
        }
    }
}

/// What is to come, by the starts and levels that are known at the beginning.
fn to_come(stages: usize, cells: usize) -> String {
    match (stages, cells) {
        (0, _) => "nothing is missing".to_owned(),
        // What a search or a tuning measures follows from what it has measured.
        (_, 0) => "as many measurements as the answer needs".to_owned(),
        (_, cells) => format!("{} to take", counted(cells as u64, "measurement")),
    }
}

/// What a known cause says beyond the error itself; nothing if that says it all.
fn new_words(cause: &str, known: &KnownCause) -> Option<String> {
    let says = |words: &str| cause.contains(words);
    match known.line.as_deref().filter(|line| !says(line)) {
        Some(line) if line.contains(&known.name) => Some(line.to_owned()),
        Some(line) => Some(format!("{}: {line}", known.name)),
        None => (!says(&known.name)).then(|| known.name.clone()),
    }
}

/// The size of the terminal behind standard error.
fn size() -> Size {
    let (rows, columns) = console::Term::stderr().size();
    Size {
        columns: usize::from(columns),
        rows: usize::from(rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_run_that_is_resumed_is_no_search() {
        assert_eq!(to_come(0, 0), "nothing is missing");
        assert_eq!(to_come(2, 0), "as many measurements as the answer needs");
        assert_eq!(to_come(2, 6), "6 measurements to take");
    }

    #[test]
    fn a_known_cause_repeats_nothing_that_the_error_has_said() {
        let known = |line: Option<&str>| KnownCause {
            line: line.map(str::to_owned),
            name: "no such program".to_owned(),
            hint: String::new(),
        };
        let error = "cannot start `x`: no such program";
        assert_eq!(new_words(error, &known(Some(error))), None);
        assert_eq!(new_words(error, &known(None)), None);
        let whole = "execvp: no such program";
        assert_eq!(
            new_words("ended", &known(Some(whole))).as_deref(),
            Some(whole)
        );
        let told = known(Some("sh: x: not found"));
        assert_eq!(
            new_words("ended with exit status 127", &told).as_deref(),
            Some("no such program: sh: x: not found")
        );
    }
}
