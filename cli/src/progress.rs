//! What a run is doing, on standard error: bars on a terminal, plain lines
//! elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use inferbench_engine::event::RunEvent;
use inferbench_model::causes::KnownCause;
use inferbench_model::cell::{CellKey, Counts};

use crate::args::OutputArgs;

/// Shows a run's events.
pub(crate) struct Progress {
    quiet: bool,
    terminal: bool,
    bar: Option<ProgressBar>,
    cells: usize,
    cells_begun: usize,
}

impl Progress {
    pub(crate) fn new(output: OutputArgs) -> Self {
        Self {
            quiet: output.quiet,
            terminal: std::io::stderr().is_terminal(),
            bar: None,
            cells: 0,
            cells_begun: 0,
        }
    }

    pub(crate) fn show(&mut self, event: RunEvent) {
        match event {
            RunEvent::Started {
                folder,
                cells,
                simulated,
            } => {
                self.cells = cells;
                let mark = if simulated { " (SIMULATED)" } else { "" };
                self.line(&format!(
                    "{cells} cells to measure{mark}, in {}",
                    folder.display()
                ));
            }
            RunEvent::Starting {
                backend,
                block,
                what,
            } => self.line(&format!(
                "{backend} (repeat {}): starting: {what}",
                block + 1
            )),
            RunEvent::Fetching {
                backend,
                what,
                line,
            } => self.line(&format!("{backend}: fetching {what}: {line}")),
            RunEvent::Fetched {
                backend,
                what,
                seconds,
            } => self.line(&format!("{backend}: fetched {what} in {seconds:.1} s")),
            RunEvent::Waiting {
                backend,
                seconds,
                last,
            } => self.line(&format!(
                "{backend}: not ready after {seconds:.0} s: {last}"
            )),
            RunEvent::Ready { backend, seconds } => {
                self.line(&format!("{backend}: ready after {seconds:.1} s"));
            }
            RunEvent::BackendFailed {
                backend,
                cause,
                known,
                log_tail,
                ..
            } => self.failed(&backend, &cause, known.as_ref(), &log_tail),
            RunEvent::CellStarted { key, requests, .. } => self.cell_started(&key, requests),
            RunEvent::CellProgress {
                measured,
                sent,
                failed,
            } => self.progress(measured, sent, failed),
            RunEvent::CellEnded {
                key,
                counts,
                overall_token_throughput,
            } => self.cell_ended(&key, &counts, overall_token_throughput),
            RunEvent::Warning(words) => self.always(&format!("warning: {words}")),
        }
    }

    fn cell_started(&mut self, key: &CellKey, requests: Option<u64>) {
        self.cells_begun += 1;
        if !self.terminal || self.quiet {
            return;
        }
        let bar = match requests {
            Some(requests) => ProgressBar::new(requests),
            None => ProgressBar::new_spinner(),
        };
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(format!(
            "[{}/{}] {} · {}",
            self.cells_begun, self.cells, key.backend, key.level
        ));
        self.bar = Some(bar);
    }

    fn progress(&self, measured: u64, sent: u64, failed: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(measured);
            let failures = if failed > 0 {
                format!(", {failed} failed")
            } else {
                String::new()
            };
            bar.set_message(format!("{sent} sent{failures}"));
        }
    }

    fn cell_ended(&mut self, key: &CellKey, counts: &Counts, throughput: Option<f64>) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let speed =
            throughput.map_or_else(String::new, |rate| format!(", {rate:.1} tokens/s overall"));
        let failures = match counts.failed {
            0 => String::new(),
            n => format!(", {n} failed"),
        };
        self.line(&format!(
            "[{}/{}] {} at {}, repeat {}: {} ok{failures}{speed}",
            self.cells_begun,
            self.cells,
            key.backend,
            key.level,
            key.block + 1,
            counts.ok
        ));
    }

    fn failed(
        &mut self,
        backend: &str,
        cause: &str,
        known: Option<&KnownCause>,
        log_tail: &[String],
    ) {
        self.always(&format!("error: {backend}: {cause}"));
        if let Some(known) = known {
            let line = known.line.as_deref().map(|line| format!(": {line}"));
            let line = line.unwrap_or_default();
            self.always(&format!("  cause: {}{line}", known.name));
        }
        for line in log_tail {
            self.always(&format!("  | {line}"));
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

    fn always(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }
}
