//! Two lines at the bottom of a terminal: the run, and its current part.

use std::time::{Duration, Instant};

use console::measure_text_width;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use inferbench_engine::event::LiveFigures;
use inferbench_model::facts::key::CellKey;
use inferbench_model::text::number::{counted, three_digits, with_unit};
use inferbench_model::text::visible::visible;

use super::estimate::{Estimate, Left};
use super::layout::{Size, cut, flow};
use crate::render::names::shortened;
use crate::table::wrapped_at;

/// Time between redraws when no event comes.
const TICK: Duration = Duration::from_millis(500);

/// A backend's label may take one column in so many.
const LABEL_SHARE: usize = 3;

/// The live view.
pub(super) struct Live {
    lines: MultiProgress,
    run: ProgressBar,
    now: ProgressBar,
    /// The terminal's size at this moment.
    size: Box<dyn Fn() -> Size + Send>,
    /// The current measurement.
    key: Option<CellKey>,
    /// Its requests; `None` if it ends by time.
    requests: Option<u64>,
    since: Instant,
    estimate: Estimate,
}

impl Live {
    /// A view of a run with so many measurements.
    pub(super) fn on(
        target: ProgressDrawTarget,
        size: Box<dyn Fn() -> Size + Send>,
        measurements: usize,
    ) -> Self {
        let lines = MultiProgress::with_draw_target(target);
        let run = lines.add(ProgressBar::new(measurements as u64));
        let now = lines.add(ProgressBar::no_length().with_style(style("{msg}")));
        Self {
            lines,
            run,
            now,
            size,
            key: None,
            requests: None,
            since: Instant::now(),
            estimate: Estimate::default(),
        }
    }

    /// Time since the view began.
    pub(super) fn passed(&self) -> Duration {
        self.since.elapsed()
    }

    pub(super) fn estimate(&mut self) -> &mut Estimate {
        &mut self.estimate
    }

    /// Redraws the line of the run.
    pub(super) fn refresh(&self) {
        let (size, passed) = ((self.size)(), self.passed());
        let all = self.run.length().unwrap_or(0) as usize;
        let done = all.saturating_sub(self.estimate.remaining_levels());
        let mut items = vec![format!("{done} of {}", counted(all as u64, "measurement"))];
        items.extend(self.estimate.left(passed).map(Left::words));
        items.push(format!("{} so far", HumanDuration(passed)));
        let (bar, used) = bar(size.bar());
        self.run.set_style(style(&format!("{bar}{{msg}}")));
        self.run.set_position(done as u64);
        self.run.set_message(flow(&items, size.columns, used, 1));
    }

    /// Shows what the run is waiting for.
    pub(super) fn waits(&self, what: &str) {
        let size = (self.size)();
        self.now.set_style(style("{msg}"));
        self.now.set_message(cut(what, size.columns, size.lines()));
        self.now.enable_steady_tick(TICK);
        self.refresh();
    }

    /// A measurement begins; `requests`: how many it sends, if that is known.
    pub(super) fn level(&mut self, key: &CellKey, requests: Option<u64>) {
        self.key = Some(key.clone());
        self.requests = requests;
        self.now.disable_steady_tick();
        self.now.set_length(requests.unwrap_or(0));
        self.now.set_position(0);
        self.draw(Vec::new(), 0);
        self.refresh();
    }

    /// Progress of the measurement.
    pub(super) fn update(&self, measured: u64, failed: u64, live: &LiveFigures) {
        self.now.set_position(measured);
        self.draw(figures(measured, failed, live), measured);
        self.refresh();
    }

    /// Redraws the line of the current measurement.
    fn draw(&self, mut items: Vec<String>, measured: u64) {
        let Some(key) = &self.key else { return };
        let size = (self.size)();
        let label = shortened(&key.backend, size.columns / LABEL_SHARE);
        items.insert(
            0,
            format!("{label} · {} · repeat {}", key.level, key.block + 1),
        );
        let (mut bar, mut used) = self::bar(size.bar());
        let is_short = measure_text_width(&items[0]) + used <= size.columns;
        match self.requests {
            Some(requests) if size.is_wide() && is_short => {
                items.insert(1, format!("{measured} of {requests} requests"));
            }
            requests => {
                (bar, used) = self::bar(0);
                items.extend(requests.map(|all| format!("{measured} of {all} requests")));
            }
        }
        self.now.set_style(style(&format!("{bar}{{msg}}")));
        let text = flow(&items, size.columns, used, size.lines());
        self.now.set_message(text);
    }

    /// Prints a text above the view, wrapped.
    pub(super) fn say(&self, text: &str) {
        for line in wrapped_at((self.size)().columns, text, "    ") {
            // A closed terminal is no reason to stop the run.
            drop(self.lines.println(line));
        }
    }

    /// Prints a line above the view unchanged.
    pub(super) fn say_verbatim(&self, line: &str) {
        drop(self.lines.println(&*visible(line)));
    }

    /// Removes the view.
    pub(super) fn end(&self) {
        self.now.finish_and_clear();
        self.run.finish_and_clear();
    }
}

/// The template of a bar of that length, and the columns it takes.
fn bar(length: usize) -> (String, usize) {
    match length {
        0 => (String::new(), 0),
        n => (format!("[{{bar:{n}}}] "), n + 3),
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// `1 210 tok/s`, `TTFT p50 21.3 ms`, `8 in flight (6 running, 2 waiting)`,
/// `GPU 312 W`, the most important first; in brackets what the server reports.
fn figures(measured: u64, failed: u64, live: &LiveFigures) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(rate) = live.output_tokens_per_s {
        parts.push(format!("{} tok/s", three_digits(rate)));
    }
    if let Some(ttft_ms) = live.ttft_ms_p50 {
        parts.push(format!("TTFT p50 {}", with_unit(ttft_ms, "ms")));
    }
    let mut load = format!("{} in flight", live.in_flight);
    if let (Some(running), Some(waiting)) = (live.server_running, live.server_waiting) {
        load.push_str(&format!(" ({running} running, {waiting} waiting)"));
    }
    parts.push(load);
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if measured == 0 {
        parts.push("warming up".to_owned());
    }
    if let Some(watts) = live.gpu_power_watts {
        parts.push(format!("GPU {} W", three_digits(watts)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, TermLike};
    use inferbench_model::config::Level;
    use inferbench_model::plan::{PlannedLevel, Stage};

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
        let seen = terminal.clone();
        let size = move || Size {
            columns: usize::from(seen.width()),
            rows: 10,
        };
        let mut live = Live::on(target, Box::new(size), 4);
        let levels = [(0, 2), (1, 8)].map(|(index, n)| PlannedLevel {
            index,
            level: Level::Concurrency(n),
        });
        let levels = levels.to_vec();
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

    /// The view of the same moment in a terminal of so many columns.
    fn seen_at(columns: u16) -> Vec<String> {
        let terminal = InMemoryTerm::new(10, columns);
        let mut live = live(&terminal);
        live.level(&key(), Some(96));
        live.update(23, 1, &FIGURES);
        terminal.contents().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_view_shows_the_run_and_its_current_measurement() {
        assert_eq!(
            seen_at(110),
            [
                "[                ] 0 of 4 measurements · 0 seconds so far",
                "[===>            ] vllm · concurrency 8 · repeat 2 · 23 of 96 requests · 1\u{202f}210 tok/s · TTFT p50 21.3 ms",
                "8 in flight (6 running, 2 waiting) · 1 failed · GPU 312 W",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_still_shows_throughput_and_first_token() {
        assert_eq!(
            seen_at(60),
            [
                "[        ] 0 of 4 measurements · 0 seconds so far",
                "vllm · concurrency 8 · repeat 2 · 1\u{202f}210 tok/s",
                "TTFT p50 21.3 ms · 8 in flight (6 running, 2 waiting)",
            ]
        );
    }

    #[test]
    fn every_item_is_whole_or_absent_at_every_width() {
        let widest = seen_at(400).join(" · ").replace("] ", " · ");
        let whole: Vec<&str> = widest.split(" · ").collect();
        for columns in 1..=200 {
            for line in seen_at(columns) {
                assert!(
                    console::measure_text_width(&line) <= usize::from(columns),
                    "{columns}: {line}"
                );
                let text = line
                    .split_once("] ")
                    .map_or(line.as_str(), |(_, text)| text);
                for item in text.split(" · ").filter(|item| !item.is_empty()) {
                    assert!(whole.contains(&item), "{columns}: {item}");
                }
            }
        }
    }

    #[test]
    fn errors_stand_above_the_view_and_the_end_removes_it() {
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

    #[test]
    fn words_above_the_view_break_between_words() {
        let terminal = InMemoryTerm::new(10, 20);
        let live = live(&terminal);
        live.say("error: hf: ended with exit status 1");
        let seen = terminal.contents();
        assert!(
            seen.starts_with("error: hf: ended\n    with exit status\n    1"),
            "{seen}"
        );
    }
}
