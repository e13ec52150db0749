//! The KV caches as lines of text cells, for the page, the summary and the
//! terminal.

use inferbench_model::report::Report;
use inferbench_model::report::kv::{KvBackend, KvCell, KvLine, KvQuantity};
use inferbench_model::text::number::{bytes, grouped, percent, three_digits};
use serde::Serialize;

/// The KV cache of one backend.
#[derive(Debug, Serialize)]
pub struct KvTable {
    pub backend: String,
    /// Its place in the report.
    pub place: usize,
    /// Columns of which some line has a value.
    pub columns: Vec<&'static str>,
    /// Quantities.
    pub lines: Vec<KvRow>,
    /// The formula's terms in numbers.
    pub terms: Vec<String>,
    /// Steps of the GPUs' memory.
    pub memory: Option<String>,
    /// The line through the growth.
    pub growth: Option<String>,
    /// What explains the differences.
    pub sentences: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct KvRow {
    pub label: String,
    /// One text per column; absent if it is not known.
    pub cells: Vec<Option<KvText>>,
}

/// A value, and how far it is from the prediction.
#[derive(Debug, Serialize)]
pub struct KvText {
    pub value: String,
    /// The difference, if there is a prediction.
    pub difference: Option<String>,
    /// It is more than 5 % off.
    pub far: bool,
}

/// Use of the KV cache at one level.
#[derive(Debug, Serialize)]
pub struct KvUsage {
    /// The backend's label.
    pub backend: String,
    /// Its place in the report.
    pub place: usize,
    pub level: String,
    /// Largest share in use.
    pub peak: String,
    /// Most requests waiting.
    pub waiting: String,
    pub preemptions: String,
    /// The cache was the limit here.
    pub pressed: bool,
}

const DASH: &str = "–";

/// The tables, in the order of the backends.
#[must_use]
pub fn tables(report: &Report) -> Vec<KvTable> {
    let kv = report.kv.iter();
    kv.flat_map(|kv| &kv.backends)
        .map(|backend| table(report, backend))
        .collect()
}

/// The use of the caches, in the order of the levels.
#[must_use]
pub fn usage(report: &Report) -> Vec<KvUsage> {
    let number = |value: Option<f64>| value.map_or(DASH.to_owned(), requests);
    let kv = report.kv.iter().flat_map(|kv| &kv.usage);
    kv.map(|usage| KvUsage {
        backend: usage.backend.clone(),
        place: place(report, &usage.backend),
        level: usage.level.to_string(),
        peak: usage.peak_usage_ratio.map_or(DASH.to_owned(), percent),
        waiting: number(usage.peak_waiting),
        preemptions: number(usage.preemptions),
        pressed: usage.is_pressed(),
    })
    .collect()
}

/// A number of requests: whole, unless the server reports a mean.
fn requests(number: f64) -> String {
    if number.fract() == 0.0 && number >= 0.0 {
        return grouped(number as u64);
    }
    three_digits(number)
}

fn place(report: &Report, label: &str) -> usize {
    let found = report.backends.iter().position(|b| b.label == label);
    found.unwrap_or_default()
}

type Column = (&'static str, fn(&KvLine) -> Option<KvCell>);

/// What stands beside the prediction.
const SOURCES: [Column; 4] = [
    ("Log", |line| line.log),
    ("Metrics", |line| line.metrics),
    ("Server info", |line| line.info),
    ("Measured", |line| line.measured),
];

fn table(report: &Report, backend: &KvBackend) -> KvTable {
    let has_prediction = backend.lines.iter().any(|line| line.predicted.is_some());
    let has = |column: &&Column| backend.lines.iter().any(|line| (column.1)(line).is_some());
    let sources: Vec<&Column> = SOURCES.iter().filter(has).collect();
    let mut columns: Vec<&'static str> = Vec::new();
    if has_prediction {
        columns.push("Predicted");
    }
    columns.extend(sources.iter().map(|column| column.0));
    let lines = backend.lines.iter().map(|line| {
        let mut cells = Vec::new();
        if has_prediction {
            cells.push(line.predicted.map(|value| KvText {
                value: written(line.quantity, value),
                difference: None,
                far: false,
            }));
        }
        cells.extend(
            sources
                .iter()
                .map(|column| (column.1)(line).map(|c| text(line.quantity, c))),
        );
        KvRow {
            label: line.label.clone(),
            cells,
        }
    });
    KvTable {
        backend: backend.backend.clone(),
        place: place(report, &backend.backend),
        columns,
        lines: lines.collect(),
        terms: terms(backend),
        memory: backend.memory.map(|steps| {
            let weights = steps
                .weights_bytes
                .map(|n| format!(", {} with the weights", bytes(n)));
            format!(
                "GPU memory in use: {} before the launch{}, {} when ready",
                bytes(steps.before_bytes),
                weights.unwrap_or_default(),
                bytes(steps.ready_bytes)
            )
        }),
        growth: backend.growth.map(|line| {
            format!(
                "growth by least squares over {} lengths: {} B per token, {} B at none",
                line.points,
                three_digits(line.slope),
                three_digits(line.intercept)
            )
        }),
        sentences: backend.sentences.clone(),
    }
}

/// The arithmetic of each term, and where the type of the cache comes from.
fn terms(backend: &KvBackend) -> Vec<String> {
    let formulas = backend.terms.iter().map(|term| term.formula.clone());
    let source = backend.dtype.as_ref().zip(backend.dtype_source);
    let source = source.map(|(dtype, source)| format!("cache in {dtype}: {}", source.words()));
    formulas.chain(source).collect()
}

fn text(quantity: KvQuantity, cell: KvCell) -> KvText {
    KvText {
        value: written(quantity, cell.value),
        difference: cell.difference.map(signed),
        far: cell
            .difference
            .is_some_and(|d| d.abs() > inferbench_model::report::kv::EXPLAINED_FROM),
    }
}

/// A difference with its sign: `+1.20 %`, `−16.7 %`, `±0 %`.
fn signed(difference: f64) -> String {
    let size = percent(difference.abs());
    if difference.abs() < 5e-6 {
        return "±0 %".to_owned();
    }
    format!("{}{size}", if difference > 0.0 { '+' } else { '−' })
}

fn written(quantity: KvQuantity, value: f64) -> String {
    match quantity {
        KvQuantity::Tokens => grouped(value.round() as u64),
        KvQuantity::BytesPerToken => format!("{} B", grouped(value.round() as u64)),
        KvQuantity::Bytes | KvQuantity::WeightBytes => bytes(value.round() as u64),
    }
}

/// One line per backend for the terminal: what it holds against the prediction,
/// and where it was fullest; none for a cache that nothing was predicted of and
/// that stayed all but empty.
#[must_use]
pub fn lines(report: &Report) -> Vec<String> {
    let Some(kv) = &report.kv else {
        return Vec::new();
    };
    /// Share in use below which a cache cannot have mattered.
    const WORTH_TELLING: f64 = 0.05;
    let each = kv.backends.iter().filter_map(|backend| {
        let line = backend
            .lines
            .iter()
            .find(|line| line.quantity == KvQuantity::Tokens)?;
        let reported = line.metrics.or(line.info).or(line.log)?;
        let mut text = format!(
            "KV cache of {}: {} tokens",
            backend.backend,
            written(line.quantity, reported.value)
        );
        if let (Some(predicted), Some(difference)) = (line.predicted, reported.difference) {
            let predicted = written(line.quantity, predicted);
            text.push_str(&format!(", predicted {predicted} ({})", signed(difference)));
        }
        let own = kv
            .usage
            .iter()
            .filter(|usage| usage.backend == backend.backend);
        let fullest = own
            .filter(|usage| usage.peak_usage_ratio.is_some())
            .max_by(|a, b| {
                a.peak_usage_ratio
                    .unwrap_or(0.0)
                    .total_cmp(&b.peak_usage_ratio.unwrap_or(0.0))
            });
        let fullest = fullest.and_then(|usage| Some((usage, usage.peak_usage_ratio?)));
        if line.predicted.is_none() && fullest.is_some_and(|(_, peak)| peak < WORTH_TELLING) {
            return None;
        }
        if let Some((usage, peak)) = fullest {
            text.push_str(&format!(
                ", up to {} in use at {}",
                percent(peak),
                usage.level
            ));
        }
        Some(text)
    });
    each.collect()
}
