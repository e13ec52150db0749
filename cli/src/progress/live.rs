//! Two lines at the bottom of a terminal: the run, and what goes on now.

use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use inferbench_engine::event::LiveFigures;
use inferbench_model::cell::CellKey;
use inferbench_model::report::number::{three_digits, with_unit};

use super::estimate::Estimate;

/// Time between two drawings of what no event changes.
const TICK: Duration = Duration::from_millis(500);

/// The live view.
pub(super) struct Live {
    lines: MultiProgress,
    run: ProgressBar,
    now: ProgressBar,
    /// The level that is measured, in words.
    level: String,
    since: Instant,
    estimate: Estimate,
}

impl Live {
    /// A view of a run of `levels` levels.
    pub(super) fn on(target: ProgressDrawTarget, levels: usize) -> Self {
        let lines = MultiProgress::with_draw_target(target);
        let run = lines.add(ProgressBar::new(levels as u64).with_style(bar()));
        let now = lines.add(ProgressBar::no_length().with_style(words()));
        Self {
            lines,
            run,
            now,
            level: String::new(),
            since: Instant::now(),
            estimate: Estimate::default(),
        }
    }

    /// What has passed since the view began.
    pub(super) fn passed(&self) -> Duration {
        self.since.elapsed()
    }

    pub(super) fn estimate(&mut self) -> &mut Estimate {
        &mut self.estimate
    }

    /// Draws the line of the run.
    pub(super) fn refresh(&self) {
        let done = self.run.length().unwrap_or(0) as usize;
        let done = done.saturating_sub(self.estimate.levels_to_come());
        self.run.set_position(done as u64);
        let passed = self.passed();
        let left = self.estimate.left(passed);
        let left = left.map_or_else(String::new, |left| format!(" · {}", left.words()));
        self.run
            .set_message(format!("levels · {}{left}", HumanDuration(passed)));
    }

    /// Something goes on that is no level.
    pub(super) fn waits(&self, what: &str) {
        self.now.set_style(words());
        self.now.set_message(what.to_owned());
        self.now.enable_steady_tick(TICK);
        self.refresh();
    }

    /// A level begins, of so many requests if they are counted.
    pub(super) fn level(&mut self, key: &CellKey, requests: Option<u64>) {
        self.level = format!("{} · {} · repeat {}", key.backend, key.level, key.block + 1);
        self.now.disable_steady_tick();
        self.now
            .set_style(if requests.is_some() { bar() } else { words() });
        self.now.set_length(requests.unwrap_or(0));
        self.now.set_position(0);
        self.now.set_message(self.level.clone());
        self.refresh();
    }

    /// How far the level is.
    pub(super) fn goes_on(&self, measured: u64, failed: u64, live: &LiveFigures) {
        self.now.set_position(measured);
        let figures = figures(measured, failed, live);
        self.now.set_message(format!("{} · {figures}", self.level));
        self.refresh();
    }

    /// A line above the view.
    pub(super) fn say(&self, text: &str) {
        // A terminal that has gone away is told nothing.
        drop(self.lines.println(text));
    }

    /// Takes the view away.
    pub(super) fn end(&self) {
        self.now.finish_and_clear();
        self.run.finish_and_clear();
    }
}

fn bar() -> ProgressStyle {
    style("[{bar:16}] {pos}/{len} {wide_msg}").progress_chars("=> ")
}

fn words() -> ProgressStyle {
    style("{wide_msg}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `1 210 tok/s · TTFT 21.3 ms · 8 in flight (6 running, 2 waiting) · GPU 312 W`;
/// in brackets what the server says of them.
fn figures(measured: u64, failed: u64, live: &LiveFigures) -> String {
    let mut parts = Vec::new();
    if let Some(rate) = live.output_tokens_per_s {
        parts.push(format!("{} tok/s", three_digits(rate)));
    }
    if let Some(ttft_ms) = live.ttft_ms_p50 {
        parts.push(format!("TTFT {}", with_unit(ttft_ms, "ms")));
    }
    let mut load = format!("{} in flight", live.in_flight);
    if let (Some(running), Some(waiting)) = (live.server_running, live.server_waiting) {
        load.push_str(&format!(" ({running} running, {waiting} waiting)"));
    }
    parts.push(load);
    if let Some(watts) = live.gpu_power_watts {
        parts.push(format!("GPU {} W", three_digits(watts)));
    }
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if measured == 0 {
        parts.push("warming up".to_owned());
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, TermLike};
    use inferbench_model::config::Level;
    use inferbench_model::plan::Stage;

    use super::*;

    fn key() -> CellKey {
        CellKey {
            backend: "vllm".to_owned(),
            block: 1,
            level: Level::Concurrency(8),
        }
    }

    const FIGURES: LiveFigures = LiveFigures {
        in_flight: 8,
        output_tokens_per_s: Some(1210.4),
        ttft_ms_p50: Some(21.34),
        server_running: Some(6.0),
        server_waiting: Some(2.0),
        gpu_power_watts: Some(312.2),
    };

    fn live(terminal: &InMemoryTerm) -> Live {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let mut live = Live::on(target, 4);
        let levels = [2, 8].map(Level::Concurrency).to_vec();
        let stage = |block| Stage {
            backend_index: 0,
            backend: "vllm".to_owned(),
            block,
            levels: levels.clone(),
        };
        live.estimate()
            .begin(vec![stage(0), stage(1)], Duration::ZERO);
        live
    }

    #[test]
    fn the_view_tells_the_run_and_what_goes_on() {
        let terminal = InMemoryTerm::new(10, 110);
        let mut live = live(&terminal);
        live.level(&key(), Some(96));
        live.goes_on(23, 1, &FIGURES);
        let seen = terminal.contents();
        let lines: Vec<&str> = seen.lines().collect();
        assert!(lines[0].ends_with("] 0/4 levels · 0 seconds"), "{seen}");
        assert_eq!(
            lines[1],
            "[===>            ] 23/96 vllm · concurrency 8 · repeat 2 · 1\u{202f}210 tok/s · TTFT 21.3 ms · 8 in flight (6 running"
        );
    }

    #[test]
    fn no_line_is_wider_than_a_narrow_terminal() {
        let terminal = InMemoryTerm::new(10, 50);
        let mut live = live(&terminal);
        live.level(&key(), Some(96));
        live.goes_on(23, 0, &FIGURES);
        assert_eq!(terminal.width(), 50);
        let seen = terminal.contents();
        assert!(
            seen.lines().all(|line| line.chars().count() <= 50),
            "{seen}"
        );
        assert!(seen.lines().count() <= 2, "{seen}");
    }

    #[test]
    fn errors_stand_above_the_view_and_the_end_takes_it_away() {
        let terminal = InMemoryTerm::new(10, 80);
        let live = live(&terminal);
        live.waits("vllm is starting");
        live.say("error: hf: ended with exit status 1");
        let seen = terminal.contents();
        assert!(
            seen.starts_with("error: hf: ended with exit status 1\n"),
            "{seen}"
        );
        assert!(seen.ends_with("\nvllm is starting"), "{seen}");
        live.end();
        assert_eq!(terminal.contents(), "error: hf: ended with exit status 1");
    }
}
