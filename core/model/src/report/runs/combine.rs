//! Several runs as one: every backend of every run is a backend of its own.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::MeasuredRun;
use crate::cell::measured::MeasuredCell;
use crate::config::{Config, Level};
use crate::facts::manifest::{ExitState, Manifest};
use crate::metrics::{self, PRICE_UNIT};
use crate::plan::Skipped;
use crate::report::data::{Report, RunTimeline};
use crate::report::figures::capacity::{self, Capacity};
use crate::report::kv::KvReport;
use crate::report::provenance::environment;
use crate::report::provenance::fact::Fact;
use crate::report::provenance::reproduce::{self, Reproduce};
use crate::report::source::Source;

/// Several runs as one.
pub(super) struct Combined<'r> {
    pub(super) manifest: Manifest,
    pub(super) config: Config,
    pub(super) levels: Vec<Level>,
    pub(super) cells: Vec<MeasuredCell<'r>>,
    /// Labels of the backends of each run, in the order of their configs.
    pub(super) labels: Vec<Vec<String>>,
    /// Backends whose own run does not have a level, by its place in `levels`.
    no_level: HashSet<(String, usize)>,
    /// Those of the runs that have prices; with more than one, what the runs cost does
    /// not compare.
    currencies: Vec<Option<String>>,
}

impl Combined<'_> {
    /// The currencies of the runs' prices, where they are several, so that what the runs
    /// cost is left out.
    pub(super) fn other_currencies(&self) -> Vec<String> {
        let named = self.currencies.iter().map(Option::as_deref);
        match self.currencies.len() {
            0 | 1 => Vec::new(),
            _ => named
                .map(|name| name.unwrap_or(PRICE_UNIT).to_owned())
                .collect(),
        }
    }

    pub(super) fn source(&self) -> Source<'_> {
        let mut run_of = HashMap::new();
        for (run, labels) in (0..).zip(&self.labels) {
            run_of.extend(labels.iter().map(|label| (label.as_str(), run)));
        }
        Source {
            manifest: &self.manifest,
            config: &self.config,
            levels: self.levels.clone(),
            cells: &self.cells,
            run_of,
            no_level: self
                .no_level
                .iter()
                .map(|(label, at)| (label.as_str(), *at))
                .collect(),
        }
    }
}

/// `runs`: at least one.
pub(super) fn combine<'r>(runs: &'r [MeasuredRun<'r>]) -> Combined<'r> {
    let labels = labels(runs);
    let levels = levels(runs);
    let mut combined = Combined {
        manifest: base(runs),
        config: runs[0].config.clone(),
        levels: levels.clone(),
        cells: Vec::new(),
        no_level: HashSet::new(),
        currencies: currencies(runs),
        labels,
    };
    combined.config.backends.clear();
    combined.config.currency = match combined.currencies.as_slice() {
        [only] => only.clone(),
        _ => None,
    };
    combined.config.tune = runs.iter().find_map(|run| run.config.tune.clone());
    combined.config.repeats = runs.iter().map(|run| run.config.repeats).min().unwrap_or(1);
    for (run, labels) in runs.iter().zip(combined.labels.clone()) {
        combined.put(run, &labels, &levels);
    }
    combined
}

impl<'r> Combined<'r> {
    fn put(&mut self, run: &'r MeasuredRun<'r>, labels: &[String], levels: &[Level]) {
        let own = run.config.backends.iter().map(|backend| backend.label());
        let new: NewLabels<'_> = own.zip(labels).collect();
        self.put_facts(run, &new);
        for (backend, label) in run.config.backends.iter().zip(labels) {
            let mut backend = backend.clone();
            backend.label = Some(label.clone());
            self.config.backends.push(backend);
        }
        self.skip_missing(run, labels, levels);
        // Looks of a tuning are shorter, and only some points had them.
        let looks = run.config.look_blocks();
        let is_known = |cell: &&MeasuredCell<'_>| {
            cell.row.block >= looks && new.contains_key(cell.row.backend.as_str())
        };
        for cell in run.cells.iter().filter(is_known) {
            let mut cell = cell.clone();
            rename(&new, &mut cell.row.backend);
            if self.currencies.len() > 1 {
                cell.row.metrics.retain(|name, _| !is_price(name));
            }
            self.cells.push(cell);
        }
    }

    /// Puts in what the manifest says; before the run's backends are put in.
    fn put_facts(&mut self, run: &MeasuredRun<'_>, new: &NewLabels<'_>) {
        let offset = self.config.backends.len();
        let (from, to) = (&run.manifest, &mut self.manifest);
        to.backends
            .extend(from.backends.iter().cloned().map(|mut facts| {
                rename(new, &mut facts.label);
                facts
            }));
        to.stages
            .extend(from.stages.iter().cloned().map(|mut stage| {
                rename(new, &mut stage.backend);
                stage
            }));
        let planned = from.plan.stages.iter().cloned().map(|mut stage| {
            rename(new, &mut stage.backend);
            stage.backend_index += offset;
            stage
        });
        to.plan.stages.extend(planned);
        let skipped = from.plan.skipped.iter().cloned().map(|mut skipped| {
            rename(new, &mut skipped.backend);
            skipped
        });
        to.plan.skipped.extend(skipped);
        to.warnings
            .extend(from.warnings.iter().cloned().map(|mut warning| {
                match &mut warning.backend {
                    Some(label) => rename(new, label),
                    None => warning.backend = Some(run.label.clone()),
                }
                warning
            }));
    }

    /// Levels that other runs have.
    fn skip_missing(&mut self, run: &MeasuredRun<'_>, labels: &[String], levels: &[Level]) {
        let own = run.config.load.levels();
        for (at, level) in levels.iter().enumerate() {
            if own.contains(level) {
                continue;
            }
            let skipped = labels.iter().map(|label| Skipped {
                backend: label.clone(),
                level: *level,
                reason: "not a level of this run".to_owned(),
            });
            self.manifest.plan.skipped.extend(skipped);
            let missing = labels.iter().map(|label| (label.clone(), at));
            self.no_level.extend(missing);
        }
    }
}

/// What each backend of each run bears, where all runs search for the same: the same
/// promise, of the same kind of load.
pub(super) fn capacity(runs: &[MeasuredRun<'_>], combined: &Combined<'_>) -> Vec<Capacity> {
    let promise = |run: &MeasuredRun<'_>| {
        let search = run.config.load.search.as_ref();
        let search = search.filter(|search| search.finds_capacity())?;
        Some((search.over, search.slo.clone()))
    };
    let first = runs.first().and_then(promise);
    if first.is_none() || runs.iter().any(|run| promise(run) != first) {
        return Vec::new();
    }
    let each = runs.iter().zip(&combined.labels).flat_map(|(run, labels)| {
        let own = run.config.backends.iter().map(|backend| backend.label());
        let new: NewLabels<'_> = own.zip(labels).collect();
        let found = capacity::all(&run.manifest, &run.config, &run.cells);
        let renamed = found.into_iter().map(move |mut capacity| {
            rename(&new, &mut capacity.backend);
            capacity
        });
        renamed.collect::<Vec<_>>()
    });
    each.collect()
}

/// The currencies of all runs that have a price, each once.
fn currencies(runs: &[MeasuredRun<'_>]) -> Vec<Option<String>> {
    let mut found: Vec<Option<String>> = Vec::new();
    for config in runs.iter().map(|run| &run.config) {
        let mut labels = config.backends.iter().map(|backend| backend.label());
        let has_price = labels.any(|label| config.price_per_hour_of(label).is_some());
        if has_price && !found.contains(&config.currency) {
            found.push(config.currency.clone());
        }
    }
    found
}

fn is_price(metric: &str) -> bool {
    metrics::named(metric).is_some_and(|metric| metric.unit == PRICE_UNIT)
}

/// What the backends of a run are called beside those of the others.
type NewLabels<'a> = HashMap<&'a str, &'a String>;

fn rename(new: &NewLabels<'_>, label: &mut String) {
    if let Some(new) = new.get(label.as_str()) {
        label.clone_from(new);
    }
}

/// `run · backend`, or the run alone where every run has one backend of the same
/// label.
fn labels(runs: &[MeasuredRun<'_>]) -> Vec<Vec<String>> {
    let own = |run: &MeasuredRun<'_>| -> Vec<String> {
        let backends = run.config.backends.iter();
        backends.map(|backend| backend.label().to_owned()).collect()
    };
    let first = own(&runs[0]);
    let alike = first.len() == 1 && runs.iter().all(|run| own(run) == first);
    let mut taken: Vec<String> = Vec::new();
    let each = runs.iter().map(|run| {
        let labels = own(run).into_iter().map(|label| match alike {
            true => run.label.clone(),
            false => format!("{} · {label}", run.label),
        });
        labels.map(|label| free(label, &mut taken)).collect()
    });
    each.collect()
}

/// The label, with a number behind it if it is taken.
fn free(label: String, taken: &mut Vec<String>) -> String {
    let mut found = label.clone();
    let mut number = 2;
    while taken.contains(&found) {
        found = format!("{label} ({number})");
        number += 1;
    }
    taken.push(found.clone());
    found
}

/// The levels of all runs: in the order of the first if they agree, else
/// ascending, closed loops first.
fn levels(runs: &[MeasuredRun<'_>]) -> Vec<Level> {
    let mut levels = runs[0].config.load.levels();
    if runs.iter().all(|run| run.config.load.levels() == levels) {
        return levels;
    }
    for level in runs[1..].iter().flat_map(|run| run.config.load.levels()) {
        if !levels.contains(&level) {
            levels.push(level);
        }
    }
    let key = |level: &Level| match level {
        Level::Concurrency(n) => (0, f64::from(*n)),
        Level::RequestRate(rate) => (1, rate.0),
        Level::TraceSpeed(speed) => (2, speed.0),
    };
    levels.sort_by(|a, b| {
        let (a, b) = (key(a), key(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    levels
}

/// The first run's manifest without what belongs to its backends; the GPUs only
/// where every run has one, so that throughput is per GPU in all of them.
fn base(runs: &[MeasuredRun<'_>]) -> Manifest {
    let mut base = runs[0].manifest.clone();
    base.backends.clear();
    base.stages.clear();
    base.plan.stages.clear();
    base.plan.skipped.clear();
    base.cells.clear();
    base.warnings.clear();
    base.files.clear();
    if runs.iter().any(|run| run.manifest.gpus.len() != 1) {
        base.gpus.clear();
    }
    base.exit_state = worst(runs);
    base
}

fn worst(runs: &[MeasuredRun<'_>]) -> ExitState {
    let states = [
        ExitState::Running,
        ExitState::Interrupted,
        ExitState::Incomplete,
    ];
    let is_there = |state: &ExitState| runs.iter().any(|run| run.manifest.exit_state == *state);
    states.into_iter().find(is_there).unwrap_or(ExitState::Done)
}

/// Sets name, model, machine and versions to those of all runs.
pub(super) fn describe(report: &mut Report, runs: &[MeasuredRun<'_>]) {
    let each = |words: &dyn Fn(&MeasuredRun<'_>) -> String| {
        let mut said: Vec<String> = Vec::new();
        for text in runs.iter().map(words) {
            if !said.contains(&text) {
                said.push(text);
            }
        }
        said.join(" / ")
    };
    report.name = each(&|run| run.label.clone());
    report.model = each(&|run| run.config.model.id.clone());
    report.machine = each(&|run| environment::machine_line(&run.manifest));
    report.inferbench_version = each(&|run| run.manifest.inferbench_version.clone());
    report.start_utc = None;
    report.environment = environment_of(runs);
    report.reproduce = Some(reproduce_of(runs));
}

/// What is known of the KV caches of all runs, under their labels here.
pub(super) fn kv(runs: &[MeasuredRun<'_>], combined: &Combined<'_>) -> Option<KvReport> {
    let mut all = KvReport::default();
    for (run, labels) in runs.iter().zip(&combined.labels) {
        let own = run.config.backends.iter().map(|backend| backend.label());
        let new: NewLabels<'_> = own.zip(labels).collect();
        let Some(mut kv) = run.kv.clone() else {
            continue;
        };
        let backends = kv.backends.iter_mut().map(|backend| &mut backend.backend);
        let usage = kv.usage.iter_mut().map(|usage| &mut usage.backend);
        backends.chain(usage).for_each(|label| rename(&new, label));
        all.backends.append(&mut kv.backends);
        all.usage.append(&mut kv.usage);
    }
    let place = |level: &Level| combined.levels.iter().position(|other| other == level);
    all.usage.sort_by_key(|usage| place(&usage.level));
    (!all.backends.is_empty() || !all.usage.is_empty()).then_some(all)
}

/// Hardware and load over time of each run, under the labels of its backends here.
pub(super) fn timelines(runs: &[MeasuredRun<'_>], combined: &Combined<'_>) -> Vec<RunTimeline> {
    let each = runs.iter().zip(&combined.labels);
    let found = each.filter_map(|(run, labels)| {
        let own = run.config.backends.iter().map(|backend| backend.label());
        let new: NewLabels<'_> = own.zip(labels).collect();
        let mut timeline = run
            .timeline
            .clone()
            .filter(|time| !time.series.is_empty())?;
        let stages = timeline.stages.iter_mut().map(|stage| &mut stage.backend);
        let cells = timeline.cells.iter_mut().map(|cell| &mut cell.backend);
        let series = timeline.series.iter_mut();
        let servers = series.filter_map(|series| series.backend.as_mut());
        for label in stages.chain(cells).chain(servers) {
            rename(&new, label);
        }
        Some(RunTimeline {
            run: run.label.clone(),
            timeline,
        })
    });
    found.collect()
}

/// Facts that are the same in all runs once, others once per run.
fn environment_of(runs: &[MeasuredRun<'_>]) -> Vec<Fact> {
    let facts_of = |run: &MeasuredRun<'_>| environment::facts(&run.manifest, &run.config);
    let facts: Vec<Vec<Fact>> = runs.iter().map(facts_of).collect();
    let mut names: Vec<&str> = Vec::new();
    for fact in facts.iter().flatten() {
        if !names.contains(&fact.name.as_str()) {
            names.push(&fact.name);
        }
    }
    let mut said = Vec::new();
    for name in names {
        let find = |facts: &Vec<Fact>| facts.iter().find(|fact| fact.name == name).cloned();
        let own: Vec<Option<Fact>> = facts.iter().map(find).collect();
        if own.iter().all(|fact| *fact == own[0]) {
            said.extend(own[0].clone());
            continue;
        }
        let of_each = runs.iter().zip(own).filter_map(|(run, fact)| {
            Some(Fact {
                name: format!("{name} · {}", run.label),
                text: fact?.text,
            })
        });
        said.extend(of_each);
    }
    said
}

fn reproduce_of(runs: &[MeasuredRun<'_>]) -> Reproduce {
    let mut configs = Map::new();
    let mut hashes = Vec::new();
    for run in runs {
        let own = reproduce::from_manifest(&run.manifest);
        configs.insert(run.label.clone(), own.config);
        hashes.extend(own.hashes.into_iter().map(|hash| Fact {
            name: format!("{}: {}", run.label, hash.name),
            ..hash
        }));
    }
    Reproduce {
        command: Vec::new(),
        config: Value::Object(configs),
        hashes,
    }
}

/// Whether the runs sent other prompts, so that their answers cannot agree.
pub(super) fn prompts_differ(runs: &[MeasuredRun<'_>]) -> bool {
    let first = &runs[0].manifest.workload_sha256;
    runs.iter()
        .any(|run| run.manifest.workload_sha256 != *first)
}
