//! One row of `cells.json`: a cell with every metric final.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::classes::{self, ClassFigures};
use crate::cell::fold::{CellFold, Work};
use crate::cell::promise::PromiseKept;
use crate::cell::replicas::ReplicaFigures;
use crate::cell::steady_state::Trends;
use crate::cell::stream_faults::share;
use crate::config::{Level, Objective, Slos};
use crate::facts::key::{CellKey, Counts};
use crate::facts::record::RequestRecord;
use crate::facts::self_check::{Offered, SelfCheck, judge};
use crate::facts::warning::{WarningCode, WarningKind};
use crate::facts::window::Window;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{self, MetricValue, Values};
use crate::plan::sample_size;

/// Version of `cells.json`.
pub const CELLS_SCHEMA_VERSION: u32 = 3;

/// Share of output events that may come in one read with another. Above it the
/// gaps of 0 between them reach into the percentiles of `itl_ms` that a report
/// shows: a tenth moves p50 to where p44 would be, and halves p5.
const SHARED_READS_SHARE: f64 = 0.1;

/// The file `cells.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellsFile {
    /// Version of this file's form.
    pub schema_version: u32,
    /// Whether any backend of the run was simulated.
    pub simulated: bool,
    /// One row per cell, in the order in which they were measured.
    pub cells: Vec<CellRow>,
}

/// JSON Schema of `cells.json`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(CellsFile).to_value()
}

/// One cell: a backend at a level in a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellRow {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Level of the load.
    pub level: Level,
    /// Measured requests by outcome.
    pub counts: Counts,
    /// The measured window.
    pub window: Option<Window>,
    /// Every metric by its name.
    #[serde(flatten)]
    pub metrics: IndexMap<String, MetricValue>,
    /// Figures of each class of traffic; absent without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassFigures>,
    /// Figures of each replica; absent if the backend is one server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaFigures>,
    /// What the load cost the hardware; absent if nothing was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<CellHardware>,
    /// Whether throughput and latency were steady over the measured window;
    /// absent with fewer than thirty requests.
    #[serde(default, skip_serializing_if = "Trends::is_empty")]
    pub trends: Trends,
    /// Whether the promise was kept that the run's search is for; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<PromiseKept>,
    /// What the client itself did during the cell.
    pub self_check: SelfCheck,
    /// Whether the figures can be trusted: no threshold of the self-check was
    /// broken, and all output was seen and read.
    pub trustworthy: bool,
    /// Codes of what makes it untrustworthy.
    pub breaches: Vec<WarningCode>,
    /// What a reader must know before trusting the row: codes with numbers, those
    /// of `breaches` among them.
    pub warnings: Vec<WarningKind>,
}

/// How far the clocks of shards may be apart, as a share of the window.
const CLOCKS_APART_LIMIT_SHARE: f64 = 0.01;

impl CellRow {
    /// The row with what the load cost the hardware, and every metric of it.
    #[must_use]
    pub fn with_hardware(mut self, hardware: CellHardware) -> Self {
        let served = self.served();
        for metric in metrics::all() {
            if let Values::OfHardware(of) = metric.values {
                let value = of(&hardware, &served).filter(|value| value.is_finite());
                let name = metric.name.to_owned();
                self.metrics.insert(name, MetricValue::Number(value));
            }
        }
        self.warnings.extend(hardware.warnings());
        self.hardware = Some(hardware);
        self
    }

    /// Which cell it is of.
    #[must_use]
    pub fn key(&self) -> CellKey {
        CellKey {
            backend: self.backend.clone(),
            block: self.block,
            level: self.level,
        }
    }

    /// What a tuning makes large, where a cell shows it.
    #[must_use]
    pub fn objective(&self, objective: Objective) -> Option<f64> {
        self.metrics.get(objective.metric()?)?.typical()
    }

    /// The row with what the load cost, where the machine has a price.
    #[must_use]
    pub fn with_price(mut self, price_per_hour: Option<f64>) -> Self {
        let served = self.served();
        for metric in metrics::all() {
            if let Values::OfPrice(of) = metric.values {
                let value = price_per_hour.and_then(|price| of(price, &served));
                let value = value.filter(|value| value.is_finite());
                let name = metric.name.to_owned();
                self.metrics.insert(name, MetricValue::Number(value));
            }
        }
        self
    }

    /// The row of a load that several machines made, whose clocks may be so far apart;
    /// `None` if that is not known. Above a hundredth of the window its rates cannot be
    /// trusted.
    #[must_use]
    pub fn with_clocks_apart(mut self, apart_ms: Option<f64>) -> Self {
        let Some(window) = self.window else {
            return self;
        };
        let broken = match apart_ms {
            None => WarningKind::ShardClocksUnknown,
            Some(apart_ms) => {
                let share = apart_ms / (window.length_s() * 1e3);
                if share <= CLOCKS_APART_LIMIT_SHARE {
                    return self;
                }
                WarningKind::ShardClocksApart { apart_ms, share }
            }
        };
        self.trustworthy = false;
        self.breaches.push(broken.code());
        self.warnings.push(broken);
        self
    }

    /// What its requests got in the measured window.
    fn served(&self) -> Served {
        let window_s = self.window.map(|window| window.length_s());
        let over_window = |rate: &str| {
            let rate = self.metrics.get(rate).and_then(MetricValue::typical);
            rate.zip(window_s).map(|(rate, window_s)| rate * window_s)
        };
        Served {
            window_s,
            output_tokens: over_window("output_token_throughput"),
            requests: over_window("request_throughput"),
        }
    }
}

/// The row of one cell from its records (all phases, in any order).
#[must_use]
pub fn row(
    key: CellKey,
    records: &[RequestRecord],
    slos: impl Into<Slos>,
    self_check: SelfCheck,
) -> CellRow {
    row_of(
        key,
        &CellFold::from_records(records, slos.into()),
        self_check,
    )
}

/// The row of one cell whose records have all been taken in.
#[must_use]
pub fn row_of(key: CellKey, fold: &CellFold, mut self_check: SelfCheck) -> CellRow {
    let counts = fold.counts().clone();
    let metrics = fold.metrics();
    let classes = fold.classes();
    let mut broken = judge(&self_check, &offered(key.level, fold, &metrics));
    let faults = fold.faults().warnings(self_check.late_ms_p99());
    let (grave, mild): (Vec<_>, Vec<_>) = faults
        .into_iter()
        .partition(|kind| kind.code().breaks_trust());
    broken.extend(grave);
    let breaches: Vec<WarningCode> = broken.iter().map(WarningKind::code).collect();
    self_check.client_was_limit |= breaches.iter().any(|code| code.means_client_limit());
    CellRow {
        backend: key.backend,
        block: key.block,
        level: key.level,
        counts,
        window: fold.window(),
        metrics,
        promise: None,
        hardware: None,
        trends: fold.trends(),
        trustworthy: breaches.is_empty() && !self_check.client_was_limit,
        warnings: warnings(fold, key.level, &self_check, (broken, mild), &classes),
        classes,
        replicas: fold.replicas(),
        self_check,
        breaches,
    }
}

/// `broken`: what breaks trust; `mild`: what else the streams had in them.
fn warnings(
    fold: &CellFold,
    level: Level,
    self_check: &SelfCheck,
    (broken, mild): (Vec<WarningKind>, Vec<WarningKind>),
    classes: &[ClassFigures],
) -> Vec<WarningKind> {
    let work = fold.work();
    let mut found = Vec::new();
    found.extend(fold.counts().warning());
    found.extend(fold.counts().resent_warning());
    found.extend(fold.window().is_none().then_some(WarningKind::NoWindow));
    found.extend(broken);
    let counts = fold.counts();
    found.extend(self_check.held_back(counts.ok + counts.failed));
    found.extend(mild);
    found.extend(length_warning(work));
    found.extend(uncounted_warning(work));
    found.extend(tail_warning(work, level));
    found.extend(cache_warning(work));
    found.extend(prompt_warning(work));
    found.extend(sharing_warning(fold));
    found.extend(classes::starving(classes));
    found
}

fn length_warning(work: &Work) -> Option<WarningKind> {
    (work.off_length > 0).then_some(WarningKind::AnswerLengthDiffers {
        answers: work.off_length,
        requests: work.requests,
    })
}

fn uncounted_warning(work: &Work) -> Option<WarningKind> {
    (work.uncounted > 0).then_some(WarningKind::TokensNotCounted {
        answers: work.uncounted,
        requests: work.requests,
    })
}

/// What the records say of the load that was offered.
fn offered(level: Level, fold: &CellFold, metrics: &IndexMap<String, MetricValue>) -> Offered {
    let by_reason = &fold.counts().by_reason;
    let failed_with = |reason: &str| by_reason.get(reason).copied().unwrap_or(0);
    let rates = fold.rates();
    let sharing = fold.sharing();
    Offered {
        level,
        // Between two turns a conversation has no request in flight.
        concurrency: (!fold.work().turns.go_on())
            .then(|| metrics.get("achieved_concurrency")?.typical())
            .flatten(),
        sent_rate: rates.map(|(sent, _)| sent),
        planned_rate: rates.map(|(_, planned)| planned),
        out_of_files: failed_with("client_out_of_files"),
        out_of_ports: failed_with("client_out_of_ports"),
        first_outputs_shared: sharing.firsts_late_share(mean_and_p99(metrics, "ttft_ms")),
        events_shared: sharing.events_late_share(mean_and_p99(metrics, "itl_ms").1),
    }
}

fn mean_and_p99(metrics: &IndexMap<String, MetricValue>, name: &str) -> (Option<f64>, Option<f64>) {
    match metrics.get(name) {
        Some(MetricValue::Summary(summary)) => (summary.mean, summary.p99),
        _ => (None, None),
    }
}

fn tail_warning(work: &Work, level: Level) -> Option<WarningKind> {
    let Level::Concurrency(slots) = level else {
        return None;
    };
    let (tail, all) = (work.after_window, work.requests);
    (slots > 1 && tail as f64 > sample_size::TAIL_SHARE * all as f64).then(|| {
        WarningKind::FallingLoad {
            requests: tail,
            of_requests: all,
            enough: sample_size::requests_that_fill(slots),
        }
    })
}

/// Cached prompt tokens that no request of the cell had before, above one percent, make
/// a cell warm where others are cold.
fn cache_warning(work: &Work) -> Option<WarningKind> {
    let share = work.warm_tokens as f64 / work.input_tokens as f64;
    (share > 0.01).then_some(WarningKind::WarmPrefixCache { share })
}

fn prompt_warning(work: &Work) -> Option<WarningKind> {
    let (sent_tokens, counted_tokens) = work.prompt?;
    let off = counted_tokens.abs_diff(sent_tokens) as f64 / sent_tokens as f64;
    (off > 0.01).then_some(WarningKind::PromptLengthDiffers {
        sent_tokens,
        counted_tokens,
    })
}

fn sharing_warning(fold: &CellFold) -> Option<WarningKind> {
    let sharing = fold.sharing();
    let share = share(sharing.events_sharing, sharing.events);
    (share > SHARED_READS_SHARE).then_some(WarningKind::SharedReads { share })
}
