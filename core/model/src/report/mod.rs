//! `report.json`: the data that the page, the summaries and the terminal table
//! show, every number final. How it looks is left to others.

mod fairness;
pub mod figures;
pub mod kv;
pub mod prose;
pub mod provenance;
pub mod runs;
pub mod verdict;
mod wording;

pub use crate::hardware::over_time::{CellPhase, SeriesOf, StagePhase, Timeline, TimelineSeries};
pub use crate::stats::inference::Interval;
pub use fairness::{Agreement, Fairness, FairnessRow, FairnessState, FairnessValue, Parting};
pub use figures::columns::MetricColumn;
pub use figures::distribution::{Distribution, DistributionCurve};
pub use figures::figure::{BlockValue, Figure, Percentile, Row};
pub use figures::requests::{LoadOverTime, RequestLines, RequestsOverTime};
pub use figures::saturation::{KEEPS_UP_FROM, Pace};
pub use figures::steady_state::{Series, Unsteady};
pub use figures::streaming::{GapsByPosition, TokensPerEvent, TokensShare};
pub use figures::trade::{KEEPS_SLO_FROM, Reach, Trade, TradePer, TradePoint};
pub use prose::tiles::Tile;
pub use prose::trust::{TrustAbout, TrustMark};
pub use prose::warnings::{Severity, Warning};
pub use provenance::backend::{BackendReport, Failure, RequestFailure};
pub use provenance::cache_audit::CacheAudit;
pub use provenance::environment::{Fact, SelfCheckRow};
pub use provenance::reproduce::Reproduce;
pub use provenance::self_check::CheckSummary;
pub use verdict::compare::{Comparison, Outcome, Reason};
pub use verdict::drift::Drift;
pub use verdict::pairwise::Against;
pub use wording::at_levels;

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::fold::CellDigest;
use crate::cell::row::CellRow;
use crate::config::{Config, Level, SloConfig};
use crate::facts::key::Counts;
use crate::facts::manifest::{ExitState, Manifest};
use crate::metrics;

/// Version of `report.json`.
pub const REPORT_SCHEMA_VERSION: u32 = 1;

/// Gives what is kept of a cell's records.
pub type DigestOf<'a> = dyn Fn(&CellRow) -> &'a CellDigest + 'a;

/// What a report is made of.
struct Source<'s> {
    manifest: &'s Manifest,
    config: &'s Config,
    levels: Vec<Level>,
    cells: &'s [CellRow],
    /// Place of the run of each backend, where there are several runs.
    run_of: HashMap<&'s str, u32>,
}

/// The file `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this file's form.
    pub schema_version: u32,
    /// Version of InferBench that made the run.
    pub inferbench_version: String,
    /// Name of the run.
    pub name: String,
    /// Hub id or folder of the model.
    pub model: String,
    /// The machine in one line.
    pub machine: String,
    /// Start of the run in UTC, RFC 3339.
    pub start_utc: Option<String>,
    /// Whether any backend was simulated.
    pub simulated: bool,
    /// How the run ended.
    pub exit_state: ExitState,
    /// Repeats that the config asks for.
    pub blocks: u32,
    /// Measured requests of the whole run by outcome.
    pub counts: Counts,
    /// Limits for goodput.
    pub slo: SloConfig,
    /// The answer in plain words, most important first.
    pub answer: Vec<String>,
    /// The best backend in each of the metrics that a reader asks for first.
    pub tiles: Vec<Tile>,
    /// What was checked before the answer is trusted, and what was found; empty
    /// if nothing was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<TrustMark>,
    /// What a reader must know before trusting it, most severe first.
    pub warnings: Vec<Warning>,
    /// What differs between the runs and what changed, where several are set side
    /// by side; each backend is then one of one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<runs::RunsCompared>,
    /// Backends in the order of the config.
    pub backends: Vec<BackendReport>,
    /// Levels in the order of the config.
    pub levels: Vec<Level>,
    /// Metrics of which some backend has a value, in their order.
    pub metrics: Vec<MetricColumn>,
    /// One row per level and backend, levels first.
    pub rows: Vec<Row>,
    /// Throughput against speed per user; absent if no level has both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade: Option<Trade>,
    /// Best against second, per metric that ranks and level.
    pub comparisons: Vec<Comparison>,
    /// The last repeat against the first; absent below three pairs of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// How the values of the latencies are distributed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distributions: Vec<Distribution>,
    /// Gaps between output events by their position in the answer, one entry
    /// per row of `rows` that has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps_by_position: Vec<GapsByPosition>,
    /// Tokens of the output events; empty if every event that tells carries one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens_per_event: Vec<TokensPerEvent>,
    /// Requests over time, one entry per row of `rows` and repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests_over_time: Vec<RequestsOverTime>,
    /// Whether the backends did the same work.
    pub fairness: Fairness,
    /// The KV caches: predicted, told, measured; absent if nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv: Option<kv::KvReport>,
    /// The self-check in plain words, each check once; absent in reports of older
    /// versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub self_check_summary: Vec<CheckSummary>,
    /// What the client itself did, one row per measured cell.
    pub self_check: Vec<SelfCheckRow>,
    /// Machine, versions, seeds, workload.
    pub environment: Vec<Fact>,
    /// How to make the same run again; absent in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reproduce: Option<Reproduce>,
    /// Failed measured requests by backend and reason, one example each.
    pub request_failures: Vec<RequestFailure>,
    /// Hardware and load over time; absent if nothing was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
}

impl Report {
    /// The report of a run. `cells`: rows of `cells.json` in any order;
    /// `digest_of`: what was kept of each one's records.
    #[must_use]
    pub fn build<'a>(
        manifest: &Manifest,
        config: &Config,
        cells: &[CellRow],
        digest_of: &DigestOf<'a>,
    ) -> Self {
        let source = Source {
            manifest,
            config,
            levels: config.load.levels(),
            cells,
            run_of: HashMap::new(),
        };
        let mut report = Self::assemble(&source, digest_of);
        report.judge(manifest, cells);
        report
    }

    /// The report's figures, before anything is said of them.
    fn assemble<'a>(source: &Source<'_>, digest_of: &DigestOf<'a>) -> Self {
        let Source {
            manifest,
            config,
            cells,
            ..
        } = *source;
        let levels = source.levels.clone();
        let backends = provenance::backend::all(manifest, config);
        let all_metrics = metrics::all();
        let mut rows = rows(source, &backends, digest_of);
        let shown = figures::columns::with_values(&all_metrics, &rows);
        for row in &mut rows {
            row.figures
                .retain(|name, _| shown.iter().any(|metric| metric.name == name));
        }
        figures::figure::mark_best(&mut rows, &levels, &shown);
        verdict::pairwise::fill(&mut rows, &levels, &shown);
        let fairness = fairness::build(&backends, cells, digest_of);
        let (comparisons, mixed) = compared(&mut rows, &levels, &shown, &fairness);
        let ordered = in_order_of(&rows, cells);
        let mut counts = Counts::default();
        cells.iter().for_each(|cell| counts.add(&cell.counts));
        let drift = verdict::drift::of(&rows, &levels);
        Self {
            distributions: figures::distribution::all(&rows, cells, digest_of),
            gaps_by_position: figures::streaming::gaps(&rows, cells, digest_of),
            tokens_per_event: figures::streaming::tokens(&backends, cells, digest_of),
            requests_over_time: figures::requests::all(&ordered, digest_of),
            schema_version: REPORT_SCHEMA_VERSION,
            inferbench_version: manifest.inferbench_version.clone(),
            name: config.name.clone(),
            model: config.model.id.clone(),
            machine: provenance::environment::machine_line(manifest),
            start_utc: manifest.anchors.first().map(|anchor| anchor.utc.clone()),
            simulated: manifest.is_simulated(),
            exit_state: manifest.exit_state,
            blocks: config.repeats,
            counts,
            slo: config.slo,
            answer: Vec::new(),
            tiles: prose::tiles::build(&comparisons, &levels, mixed),
            trust: Vec::new(),
            warnings: Vec::new(),
            trade: figures::trade::build(manifest, config.slo, &rows),
            backends,
            levels,
            metrics: shown.iter().map(|m| MetricColumn::of(m, mixed)).collect(),
            drift,
            rows,
            comparisons,
            fairness,
            kv: None,
            self_check_summary: provenance::self_check::summary(cells),
            self_check: provenance::environment::self_check(cells),
            environment: provenance::environment::facts(manifest, config),
            reproduce: Some(provenance::reproduce::of(manifest)),
            request_failures: provenance::backend::request_failures(cells, digest_of),
            timeline: None,
            runs: None,
        }
    }

    /// Says what follows from the figures.
    fn judge(&mut self, manifest: &Manifest, cells: &[CellRow]) {
        self.trust = prose::trust::marks(self);
        prose::trust::doubt(self);
        self.answer = prose::headline::sentences(self);
        self.warnings = prose::warnings::build(self, manifest, cells);
    }

    /// The report with hardware and load over time.
    #[must_use]
    pub fn with_timeline(mut self, timeline: Timeline) -> Self {
        self.timeline = (!timeline.series.is_empty()).then_some(timeline);
        self
    }

    /// Takes in what is known of the KV caches, with the warnings that follow.
    pub fn take_kv(&mut self, kv: Option<kv::KvReport>) {
        if let Some(kv) = &kv {
            self.warnings.extend(kv.warnings());
            self.warnings.sort_by_key(|warning| warning.severity);
        }
        self.kv = kv;
    }

    /// The row of a backend at a level.
    #[must_use]
    pub fn row(&self, backend: &str, level: &Level) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.backend == backend && row.level == *level)
    }

    /// The comparison in a metric at a level.
    #[must_use]
    pub fn comparison(&self, metric: &str, level: &Level) -> Option<&Comparison> {
        self.comparisons
            .iter()
            .find(|comparison| comparison.metric == metric && comparison.level == *level)
    }

    /// Labels of the backends with at least one successful request.
    #[must_use]
    pub fn measured(&self) -> Vec<&str> {
        let labels = self.backends.iter().map(|backend| backend.label.as_str());
        labels
            .filter(|label| {
                self.rows
                    .iter()
                    .any(|row| row.backend == *label && row.has_success())
            })
            .collect()
    }
}

/// JSON Schema of `report.json`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}

/// The cells behind the rows, row by row and repeat by repeat.
fn in_order_of<'c>(rows: &[Row], cells: &'c [CellRow]) -> Vec<&'c CellRow> {
    let mut ordered = Vec::with_capacity(cells.len());
    for row in rows {
        let mut own: Vec<&CellRow> = cells.iter().filter(|cell| row.is_of(cell)).collect();
        own.sort_by_key(|cell| cell.block);
        ordered.append(&mut own);
    }
    ordered
}

/// Best against second wherever that is fair, and whether the events of the
/// backends carry different numbers of tokens at some level.
fn compared(
    rows: &mut [Row],
    levels: &[Level],
    shown: &[&metrics::Metric],
    fairness: &Fairness,
) -> (Vec<Comparison>, bool) {
    let mut comparisons = verdict::compare::all(rows, levels, shown);
    let mixed = verdict::chunking::mixed_levels(rows, levels);
    verdict::chunking::withhold(rows, &mut comparisons, &mixed);
    if fairness.unequal_work().next().is_some() {
        verdict::compare::withhold(&mut comparisons);
    }
    (comparisons, !mixed.is_empty())
}

fn rows<'a>(source: &Source<'_>, backends: &[BackendReport], digest_of: &DigestOf<'a>) -> Vec<Row> {
    let metrics = metrics::all();
    let mut rows = Vec::with_capacity(source.levels.len() * backends.len());
    for level in &source.levels {
        for backend in backends {
            let mut own: Vec<&CellRow> = source
                .cells
                .iter()
                .filter(|cell| cell.backend == backend.label && cell.level == *level)
                .collect();
            own.sort_by_key(|cell| cell.block);
            let absence = absence(source.manifest, backend, level, &own);
            let row =
                figures::figure::row(&backend.label, *level, &own, digest_of, &metrics, absence);
            rows.push(Row {
                run: source.run_of.get(backend.label.as_str()).copied(),
                ..row
            });
        }
    }
    rows
}

/// Why a backend has no figures at a level; `None` if it has some.
fn absence(
    manifest: &Manifest,
    backend: &BackendReport,
    level: &Level,
    cells: &[&CellRow],
) -> Option<String> {
    if cells.iter().any(|cell| cell.counts.ok > 0) {
        return None;
    }
    let skipped = manifest
        .skipped()
        .iter()
        .find(|skipped| skipped.backend == backend.label && skipped.level == *level);
    if let Some(skipped) = skipped {
        return Some(format!("skipped: {}", skipped.reason));
    }
    if !cells.is_empty() {
        return Some("no request succeeded".to_owned());
    }
    Some(match backend.failures.first() {
        Some(failure) => format!("not measured: {}", failure.words()),
        None => "not measured: the run ended before".to_owned(),
    })
}
