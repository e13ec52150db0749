//! From facts to the report, stage by stage: figures, verdicts, warnings, and
//! last the words, which nothing reads.

use super::data::{REPORT_SCHEMA_VERSION, Report};
use super::fairness::{self, Fairness};
use super::figures::columns::{self, MetricColumn};
use super::figures::row::{Absence, AbsenceCode, Row};
use super::figures::{
    capacity, classes, distribution, figure, pareto, replicas, requests, streaming, turns,
};
use super::kv::KvReport;
use super::marks::{tiles, trust};
use super::prose;
use super::provenance::backend::{self, BackendReport};
use super::provenance::{environment, reproduce, self_check};
use super::source::Source;
use super::verdict::compare::{self, Comparison, Reason};
use super::verdict::{against, chunking, drift, rank, tuning};
use super::warnings;
use crate::cell::measured::MeasuredCell;
use crate::config::{Config, Level};
use crate::facts::key::Counts;
use crate::facts::manifest::Manifest;
use crate::facts::shard::MergedFacts;
use crate::hardware::over_time::Timeline;
use crate::metrics;

/// What is known beside the cells.
#[derive(Debug, Default)]
pub struct Extras {
    /// Hardware and load over time.
    pub timeline: Option<Timeline>,
    /// The KV caches.
    pub kv: Option<KvReport>,
}

impl Report {
    /// The report of a run. `cells`: in any order.
    #[must_use]
    pub fn build(
        manifest: &Manifest,
        config: &Config,
        cells: &[MeasuredCell<'_>],
        extras: Extras,
    ) -> Self {
        let mut report = Self::without_words(manifest, config, cells, extras);
        prose::write(&mut report);
        report
    }

    /// The report with every figure, verdict, mark and code, and no sentence.
    #[must_use]
    pub fn without_words(
        manifest: &Manifest,
        config: &Config,
        cells: &[MeasuredCell<'_>],
        extras: Extras,
    ) -> Self {
        let in_full = in_full(config, cells);
        let source = Source {
            manifest,
            config,
            levels: config.load.levels(),
            cells: &in_full,
            run_of: Default::default(),
            no_level: Default::default(),
        };
        let mut report = assemble(&source);
        report.tuning = tuning::all(manifest, config, cells);
        report.timeline = extras.timeline.filter(|time| !time.series.is_empty());
        report.kv = extras.kv;
        judge(&mut report, manifest, cells);
        report
    }
}

/// The cells that figures are of: without the looks of a tuning, which are shorter, and
/// which only some points had.
fn in_full<'c>(config: &Config, cells: &[MeasuredCell<'c>]) -> Vec<MeasuredCell<'c>> {
    let looks = config.look_blocks();
    let own = cells.iter().filter(|cell| cell.row.block >= looks);
    own.cloned().collect()
}

/// What forbids a verdict of shards that were merged.
fn no_verdict_of(merged: &MergedFacts) -> Option<Reason> {
    let changed = (!merged.changed.is_empty()).then_some(Reason::ShardsChanged);
    merged.partial().map(|_| Reason::ShardsMissing).or(changed)
}

/// Figures and verdicts.
pub(super) fn assemble(source: &Source<'_>) -> Report {
    let Source {
        manifest,
        config,
        cells,
        ..
    } = *source;
    let levels = source.levels.clone();
    let backends = backend::all(manifest, config);
    let all_metrics = metrics::all();
    let mut rows = rows(source, &backends);
    let shown = columns::with_values(&all_metrics, &rows);
    for row in &mut rows {
        row.figures
            .retain(|name, _| shown.iter().any(|metric| metric.name == name));
    }
    rank::mark_best(&mut rows, &levels, &shown);
    against::fill_against(&mut rows, &levels, &shown);
    let fairness = fairness::build(&backends, cells);
    let mixed = chunking::mixed_levels(&rows, &levels);
    let mut comparisons = compared(&mut rows, &levels, &shown, (&mixed, &fairness));
    let merged = manifest.merged.as_ref();
    let partial = merged.and_then(MergedFacts::partial);
    let changed = merged.map_or_else(Vec::new, |merged| merged.changed.clone());
    if let Some(why) = merged.and_then(no_verdict_of) {
        let each = comparisons.into_iter();
        comparisons = each.map(|of| of.without_verdict(why)).collect();
    }
    let is_mixed = !mixed.is_empty();
    let ordered = in_order_of(&rows, source);
    let mut counts = Counts::default();
    cells.iter().for_each(|cell| counts.add(&cell.row.counts));
    Report {
        distributions: distribution::all(&rows, cells),
        gaps_by_position: streaming::gaps(&rows, cells),
        tokens_per_event: streaming::tokens(&backends, cells),
        capacity: capacity::all(manifest, config, cells),
        tuning: Vec::new(),
        classes: classes::all(&rows, cells),
        replicas: replicas::all(&rows, cells, manifest),
        turns: turns::all(&rows, cells),
        requests_over_time: requests::all(&ordered),
        schema_version: REPORT_SCHEMA_VERSION,
        inferbench_version: manifest.inferbench_version.clone(),
        name: config.name.clone(),
        model: config.model.id.clone(),
        machine: environment::machine_line(manifest),
        start_utc: manifest.anchors.first().map(|anchor| anchor.utc.clone()),
        simulated: manifest.is_simulated(),
        exit_state: manifest.exit_state,
        partial,
        changed,
        blocks: config.repeats,
        counts,
        slo: config.slo,
        answer: Vec::new(),
        // Loads differ from start to start: no single one is worth a headline.
        tiles: match &config.load.search {
            Some(search) if search.finds_capacity() => Vec::new(),
            _ => tiles::choose(&comparisons, &levels, config.slo, is_mixed),
        },
        trust: Vec::new(),
        warnings: Vec::new(),
        trade: pareto::build(manifest, config.slo, &rows),
        metrics: shown
            .iter()
            .map(|m| MetricColumn::new(m, is_mixed, config.currency.as_deref()))
            .collect(),
        drift: drift::find(&rows, &levels),
        self_check_summary: self_check::summary(cells),
        self_check: environment::self_check(cells),
        environment: environment::facts(manifest, config),
        reproduce: Some(reproduce::from_manifest(manifest)),
        request_failures: backend::request_failures(cells),
        backends,
        levels,
        rows,
        comparisons,
        fairness,
        kv: None,
        timeline: None,
        timelines: Vec::new(),
        runs: None,
    }
}

/// Marks and warnings: what follows from figures and verdicts.
pub(super) fn judge(report: &mut Report, manifest: &Manifest, cells: &[MeasuredCell<'_>]) {
    report.trust = trust::marks(report);
    for tile in &mut report.tiles {
        let mut metrics = report.metrics.iter();
        let own = metrics.find(|metric| metric.name == tile.comparison.metric);
        tile.unit = own.map_or_else(String::new, |metric| metric.unit.clone());
    }
    let doubts: Vec<_> = report
        .tiles
        .iter()
        .map(|tile| trust::doubts(report, tile))
        .collect();
    for (tile, doubts) in report.tiles.iter_mut().zip(doubts) {
        tile.doubts = doubts;
    }
    report.warnings = warnings::collect(report, manifest, cells);
}

/// Best against every other wherever that is fair.
fn compared(
    rows: &mut [Row],
    levels: &[Level],
    shown: &[&metrics::Metric],
    (mixed, fairness): (&[Level], &Fairness),
) -> Vec<Comparison> {
    let work_differs = fairness.unequal_work().next().is_some();
    let comparisons = compare::all(rows, levels, shown, (mixed, work_differs));
    chunking::unmark(rows, mixed);
    comparisons
}

/// The cells behind the rows, row by row and repeat by repeat.
fn in_order_of<'s>(rows: &[Row], source: &Source<'s>) -> Vec<&'s MeasuredCell<'s>> {
    let each = rows.iter();
    each.flat_map(|row| source.cells_at(&row.backend, row.level))
        .collect()
}

fn rows(source: &Source<'_>, backends: &[BackendReport]) -> Vec<Row> {
    let metrics = metrics::all();
    let mut rows = Vec::with_capacity(source.levels.len() * backends.len());
    for (place, level) in source.levels.iter().enumerate() {
        for backend in backends {
            let label = backend.label.as_str();
            let own = source.cells_at(label, *level);
            // A search measures loads of its own for each backend, and a tuning leaves out
            // most of them.
            let decides = source.config.load.search.is_some() || source.config.tune.is_some();
            if own.is_empty() && decides {
                continue;
            }
            let absence = match source.no_level.contains(&(label, place)) {
                true => Some(Absence::new(AbsenceCode::NoLevel, None)),
                false => absence(source.manifest, backend, level, &own),
            };
            let load = (*level, source.config.load.shape.is_some());
            let row = figure::row(label, load, &own, &metrics, absence);
            rows.push(Row {
                run: source.run_of.get(label).copied(),
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
    cells: &[&MeasuredCell<'_>],
) -> Option<Absence> {
    if cells.iter().any(|cell| cell.row.counts.ok > 0) {
        return None;
    }
    let skipped = manifest
        .skipped()
        .iter()
        .find(|skipped| skipped.backend == backend.label && skipped.level == *level);
    let (code, why) = if let Some(skipped) = skipped {
        (AbsenceCode::Skipped, Some(skipped.reason.clone()))
    } else if !cells.is_empty() {
        (AbsenceCode::NoSuccess, None)
    } else if let Some(failure) = backend.failures.first() {
        (AbsenceCode::BackendFailed, Some(failure.words()))
    } else {
        (AbsenceCode::RunEnded, None)
    };
    Some(Absence::new(code, why))
}
