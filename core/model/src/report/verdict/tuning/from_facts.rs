//! From what a tuning measured to what it has found.

use serde_json::Value;

use super::{BestAgainst, PointEnd, TunedPoint, TunedRound, Tuning, TuningEnd, TuningVerdict};
use crate::cell::measured::MeasuredCell;
use crate::config::{BackendConfig, Config, Entrants, Objective};
use crate::facts::manifest::{Manifest, StageFacts};
use crate::facts::tuned;
use crate::plan::tune::{Found, Race, Start, TuneStep};
use crate::report::provenance::backend::failure_words;
use crate::report::verdict::effects::{Effect, Seen, effects};
use crate::report::verdict::pairwise::MARGIN;
use crate::stats::best_of::{BestOf, BestVerdict, best_of};

/// What was found of every sweep, in the order of the config; empty without a tuning.
pub(crate) fn all(manifest: &Manifest, config: &Config, cells: &[MeasuredCell<'_>]) -> Vec<Tuning> {
    let Some(tune) = &config.tune else {
        return Vec::new();
    };
    let starts = tuned::starts(config, &manifest.stages, &manifest.cells);
    let facts = Facts {
        manifest,
        config,
        cells,
        race: Race::new(config, &starts),
        starts: &starts,
    };
    let end = match facts.race.next(&manifest.plan.stages) {
        TuneStep::Start(_) => TuningEnd::CutOff,
        TuneStep::OutOfTime => TuningEnd::OutOfTime,
        TuneStep::Done if facts.is_short_of_looks() => TuningEnd::OutOfTime,
        TuneStep::Done => TuningEnd::Done,
    };
    let swept = config.entrants().into_iter();
    let swept = swept.filter(|entrants| entrants.points.len() > 1);
    swept
        .map(|entrants| facts.tuning(&entrants, tune.objective, end))
        .collect()
}

/// What a tuning is reported from.
struct Facts<'a> {
    manifest: &'a Manifest,
    config: &'a Config,
    cells: &'a [MeasuredCell<'a>],
    race: Race<'a>,
    starts: &'a [Start],
}

impl Facts<'_> {
    /// Some look of a point that was in the race did not come about.
    fn is_short_of_looks(&self) -> bool {
        let looks = 0..self.config.look_blocks();
        let all = self.config.entrants();
        let mut due = looks.flat_map(|block| {
            let each = all.iter();
            each.flat_map(move |own| self.race.points_in(own, block))
                .map(move |point| (point, block))
        });
        due.any(|(point, block)| !self.has_start(point, block))
    }

    fn has_start(&self, point: usize, block: u32) -> bool {
        let mut own = self.own(point);
        own.any(|start| start.block == block)
    }

    fn own(&self, point: usize) -> impl Iterator<Item = &Start> {
        self.starts
            .iter()
            .filter(move |start| start.backend == point)
    }

    fn tuning(&self, entrants: &Entrants, objective: Objective, end: TuningEnd) -> Tuning {
        let finals = self.finals(entrants);
        let mut points: Vec<TunedPoint> = entrants
            .points
            .iter()
            .map(|point| self.point(*point, &finals))
            .collect();
        let place = |point: &TunedPoint| match point.end {
            PointEnd::Finalist => 0,
            PointEnd::LeftOut => 1,
            PointEnd::NoValue => 2,
            PointEnd::Failed => 3,
            PointEnd::NotReached => 4,
        };
        points.sort_by(|a, b| {
            let by_value = b.value.unwrap_or(0.0).total_cmp(&a.value.unwrap_or(0.0));
            place(a).cmp(&place(b)).then(by_value)
        });
        let best = points.first().filter(|point| point.value.is_some());
        let best = best.map(|point| point.backend.clone());
        let verdict = finals.found.as_ref().map(|found| found.verdict);
        let own = |label: &String| {
            let mut backends = self.config.backends.iter();
            backends.find(|backend| backend.label() == label)
        };
        Tuning {
            backend: entrants.label.clone(),
            objective,
            over: self.config.load.search.as_ref().map(|search| search.over),
            end,
            verdict: match verdict {
                Some(BestVerdict::Better) => TuningVerdict::Better,
                Some(BestVerdict::Equal) => TuningVerdict::Equal,
                Some(BestVerdict::Open) => TuningVerdict::Open,
                None => TuningVerdict::NoVerdict,
            },
            effects: self.effects(entrants),
            config: best.as_ref().and_then(own).and_then(as_written),
            command: best.as_ref().and_then(|label| self.command(label)),
            best,
            points,
            text: String::new(),
        }
    }

    /// The points that were measured in full, in the repeats that all of them have.
    fn finals(&self, entrants: &Entrants) -> Finals {
        let looks = self.config.look_blocks();
        let value = |point: usize, block: u32| {
            let mut own = self.own(point);
            own.find(|start| start.block == block)?.found.value()
        };
        let blocks: Vec<u32> = (looks..self.config.blocks()).collect();
        let mut points = entrants.points.clone();
        points.retain(|point| blocks.iter().any(|block| value(*point, *block).is_some()));
        // One that failed in a repeat is no candidate.
        let has_failed = |point: usize| {
            let mut own = self.own(point);
            own.any(|start| start.block >= looks && start.found.value().is_none())
        };
        points.retain(|point| !has_failed(*point));
        let is_full = |block: &&u32| points.iter().all(|point| value(*point, **block).is_some());
        let full: Vec<u32> = blocks.iter().filter(is_full).copied().collect();
        let values = points.iter().map(|point| {
            let own = full.iter().filter_map(|block| value(*point, *block));
            own.collect::<Vec<f64>>()
        });
        let values: Vec<Vec<f64>> = values.collect();
        Finals {
            found: best_of(&values, MARGIN.ln_1p()),
            points,
        }
    }

    fn point(&self, point: usize, finals: &Finals) -> TunedPoint {
        let backend = &self.config.backends[point];
        let label = backend.label();
        let looks = self.config.look_blocks();
        let failure = self.manifest.stages.iter().rev();
        let failure = failure.filter(|stage| stage.backend == label && !stage.interrupted);
        let failure = failure.filter_map(words_of_failure).next();
        let rounds: Vec<TunedRound> = self
            .own(point)
            .map(|start| self.round(label, start))
            .collect();
        let in_full: Vec<f64> = rounds
            .iter()
            .filter(|round| round.block >= looks)
            .filter_map(|round| round.value)
            .collect();
        let end = match self.own(point).last().map(|start| start.found) {
            None => PointEnd::NotReached,
            Some(Found::Nothing | Found::NotStarted) if failure.is_some() => PointEnd::Failed,
            Some(Found::Nothing | Found::NotStarted) => PointEnd::NoValue,
            Some(Found::Value(_)) if in_full.is_empty() => PointEnd::LeftOut,
            Some(Found::Value(_)) => PointEnd::Finalist,
        };
        TunedPoint {
            backend: label.to_owned(),
            settings: backend
                .point
                .as_ref()
                .map(|p| p.settings.clone())
                .unwrap_or_default(),
            end,
            rounds,
            value: match in_full.is_empty() {
                false => finals.mean(point).or(Some(geometric_mean(&in_full))),
                true => self.race.value_before(point, looks),
            },
            best_against: finals.best_against(point),
            failure: failure.filter(|_| end == PointEnd::Failed),
        }
    }

    fn round(&self, label: &str, start: &Start) -> TunedRound {
        let before_finals = self.config.look_blocks().saturating_sub(start.block);
        let mut own = self.cells.iter().map(|cell| &cell.row);
        TunedRound {
            block: start.block,
            share: 0.5_f64.powi(before_finals as i32),
            value: start.found.value(),
            trustworthy: own
                .all(|row| row.trustworthy || row.backend != label || row.block != start.block),
        }
    }

    /// By the blocks that every point of the sweep was in: its first look, or every repeat.
    fn effects(&self, entrants: &Entrants) -> Vec<Effect> {
        let looks = self.config.look_blocks();
        let first = looks - entrants.looks();
        let of_all = |block: u32| match entrants.looks() {
            0 => block >= looks,
            _ => block == first,
        };
        let seen = entrants.points.iter().flat_map(|point| {
            let settings = self.config.backends[*point].point.as_ref();
            let own = self.own(*point).filter(|start| of_all(start.block));
            own.filter_map(move |start| {
                Some(Seen {
                    settings: &settings?.settings,
                    block: start.block,
                    value: start.found.value()?,
                })
            })
        });
        effects(&seen.collect::<Vec<_>>())
    }

    fn command(&self, label: &str) -> Option<Vec<String>> {
        let mut stages = self.manifest.stages.iter();
        stages.find_map(|stage| stage.command.clone().filter(|_| stage.backend == label))
    }
}

/// The points that were measured in full.
struct Finals {
    points: Vec<usize>,
    found: Option<BestOf>,
}

impl Finals {
    /// The mean over the repeats that all of them have.
    fn mean(&self, point: usize) -> Option<f64> {
        let own = self.points.iter().position(|own| *own == point)?;
        self.found.as_ref()?.means.get(own).copied()
    }

    fn best_against(&self, point: usize) -> Option<BestAgainst> {
        let found = self.found.as_ref()?;
        let own = self.points.iter().position(|own| *own == point)?;
        let rank = found.order.iter().position(|place| *place == own)?;
        let against = found.against.get(rank.checked_sub(1)?)?;
        Some(BestAgainst {
            ratio: against.ratio,
            low: against.low,
            high: against.high,
        })
    }
}

fn words_of_failure(stage: &StageFacts) -> Option<String> {
    let known = stage.cause.as_ref().map(|known| known.name.as_str());
    Some(failure_words(stage.failure.as_deref()?, known))
}

fn geometric_mean(values: &[f64]) -> f64 {
    let logs: f64 = values.iter().map(|value| value.ln()).sum();
    (logs / values.len() as f64).exp()
}

/// A backend as a user would write it: without what has its default, and without the sweep
/// that it is a point of.
fn as_written(backend: &BackendConfig) -> Option<Value> {
    let alone = BackendConfig {
        point: None,
        ..backend.clone()
    };
    let plain: BackendConfig =
        serde_json::from_value(serde_json::json!({"plugin": backend.plugin})).ok()?;
    let (own, plain) = (serde_json::to_value(alone), serde_json::to_value(plain));
    let (Value::Object(mut own), Value::Object(plain)) = (own.ok()?, plain.ok()?) else {
        return None;
    };
    own.retain(|key, value| key == "plugin" || plain.get(key) != Some(value));
    Some(Value::Object(own))
}
