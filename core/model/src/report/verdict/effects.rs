//! Which settings of a sweep mattered: points that differ in one setting alone are held
//! against each other, so that no model of how settings work together is needed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::family::TAIL;
use super::pairwise::MARGIN;
use crate::stats::inference::{Interval, holm, paired_ratio};

/// What one value of a setting does against its first value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// The setting; several that always change together are one.
    pub settings: Vec<String>,
    /// Their values.
    pub values: Vec<Value>,
    /// The values that they are held against.
    pub against: Vec<Value>,
    /// Ratio of the objective to that with the other values, all else equal: geometric
    /// mean over the pairs.
    pub ratio: f64,
    /// Its interval; absent with one pair.
    pub interval: Option<Interval>,
    /// Pairs of points that differ in this alone.
    pub pairs: usize,
    /// What follows, beside all other effects of the sweep (Holm).
    pub outcome: EffectOutcome,
}

/// What an effect shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectOutcome {
    /// More.
    Higher,
    /// Less.
    Lower,
    /// No difference of 3 % or more.
    Same,
    /// Neither is shown.
    Open,
}

/// A point in one block.
#[derive(Debug, Clone)]
pub(crate) struct Seen<'a> {
    pub(crate) settings: &'a BTreeMap<String, Value>,
    pub(crate) block: u32,
    pub(crate) value: f64,
}

/// The effect of every value of every setting, in the order in which they come.
pub(crate) fn effects(seen: &[Seen<'_>]) -> Vec<Effect> {
    let factors = factors(seen);
    let mut found: Vec<Effect> = Vec::new();
    for factor in &factors {
        let mut values: Vec<Vec<&Value>> = Vec::new();
        for point in seen {
            let own = values_of(point, factor);
            if !values.contains(&own) {
                values.push(own);
            }
        }
        let first = values.first().cloned().unwrap_or_default();
        let others = values.iter().skip(1);
        found.extend(others.filter_map(|value| effect(seen, factor, (value, &first))));
    }
    decide(&mut found);
    found
}

/// The settings, those that always change together as one.
fn factors(seen: &[Seen<'_>]) -> Vec<Vec<String>> {
    let names = seen.first().map(|point| point.settings.keys().cloned());
    let mut factors: Vec<Vec<String>> = Vec::new();
    for name in names.into_iter().flatten() {
        let changes_with = |other: &String| {
            let splits_alike = |a: &Seen<'_>, b: &Seen<'_>| {
                let same = |key: &String| a.settings.get(key) == b.settings.get(key);
                same(&name) == same(other)
            };
            let mut pairs = seen.iter().flat_map(|a| seen.iter().map(move |b| (a, b)));
            pairs.all(|(a, b)| splits_alike(a, b))
        };
        match factors.iter_mut().find(|factor| changes_with(&factor[0])) {
            Some(factor) => factor.push(name),
            None => factors.push(vec![name]),
        }
    }
    factors
}

fn values_of<'a>(point: &Seen<'a>, factor: &[String]) -> Vec<&'a Value> {
    let own = factor.iter().filter_map(|name| point.settings.get(name));
    own.collect()
}

/// The pairs of points that have these values of the factor, and all else equal.
fn effect(
    seen: &[Seen<'_>],
    factor: &[String],
    (values, first): (&[&Value], &[&Value]),
) -> Option<Effect> {
    let rest = |point: &Seen<'_>| {
        let mut others = point.settings.clone();
        others.retain(|name, _| !factor.contains(name));
        (point.block, others)
    };
    let having = |values: &[&Value]| -> Vec<&Seen<'_>> {
        let own = seen
            .iter()
            .filter(|point| values_of(point, factor) == values);
        own.collect()
    };
    let base = having(first);
    let pairs: Vec<(f64, f64)> = having(values)
        .into_iter()
        .filter_map(|point| {
            let partner = base.iter().find(|other| rest(other) == rest(point))?;
            Some((point.value, partner.value))
        })
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let logs: f64 = pairs.iter().map(|(a, b)| (a / b).ln()).sum();
    let owned = |values: &[&Value]| values.iter().map(|value| (*value).clone()).collect();
    Some(Effect {
        settings: factor.to_vec(),
        values: owned(values),
        against: owned(first),
        ratio: (logs / pairs.len() as f64).exp(),
        interval: paired_ratio(&pairs),
        pairs: pairs.len(),
        outcome: EffectOutcome::Open,
    })
}

/// Decides all effects together.
fn decide(effects: &mut [Effect]) {
    let claims: Vec<(EffectOutcome, f64)> = effects.iter().map(claim).collect();
    let p_values: Vec<f64> = claims.iter().map(|(_, p)| *p).collect();
    let holds = holm(&p_values, TAIL);
    for (effect, ((outcome, _), holds)) in effects.iter_mut().zip(claims.into_iter().zip(holds)) {
        if holds {
            effect.outcome = outcome;
        }
    }
}

/// Of all that an effect may show the most likely, with its p value.
fn claim(effect: &Effect) -> (EffectOutcome, f64) {
    let Some(interval) = effect.interval else {
        return (EffectOutcome::Open, 1.0);
    };
    let claims = [
        (EffectOutcome::Higher, interval.p_above(0.0)),
        (EffectOutcome::Lower, interval.p_below(0.0)),
        (EffectOutcome::Same, interval.p_within(MARGIN.ln_1p())),
    ];
    let by_p = |a: &(EffectOutcome, f64), b: &(EffectOutcome, f64)| a.1.total_cmp(&b.1);
    claims.into_iter().min_by(by_p).unwrap_or(claims[0])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A grid of two settings by three, whose first setting doubles the value.
    fn grid() -> Vec<(BTreeMap<String, Value>, f64)> {
        let mut points = Vec::new();
        for a in [1, 2] {
            for (at, b) in ["x", "y", "z"].into_iter().enumerate() {
                let settings = json!({"options.a": a, "options.b": b, "options.c": a * 10});
                let settings = serde_json::from_value(settings).unwrap();
                let off = [0.999, 1.0, 1.001][at];
                points.push((
                    settings,
                    100.0 * f64::from(a) * if a == 2 { off } else { 1.0 },
                ));
            }
        }
        points
    }

    fn found(points: &[(BTreeMap<String, Value>, f64)]) -> Vec<Effect> {
        let seen = points.iter().map(|(settings, value)| Seen {
            settings,
            block: 0,
            value: *value,
        });
        effects(&seen.collect::<Vec<_>>())
    }

    #[test]
    fn what_differs_in_one_setting_alone_tells_what_it_does() {
        let found = found(&grid());
        // `c` always changes with `a`; `b` has two values against its first.
        assert_eq!(found.len(), 3);
        let doubles = &found[0];
        assert_eq!(doubles.settings, ["options.a", "options.c"]);
        assert_eq!(doubles.values, [json!(2), json!(20)]);
        assert_eq!((doubles.pairs, doubles.outcome), (3, EffectOutcome::Higher));
        assert!((doubles.ratio - 2.0).abs() < 1e-3);
        // Two pairs of one repeat each: t with one degree of freedom bounds 0.05 % to 0.7 %.
        assert_eq!(found[1].settings, ["options.b"]);
        assert_eq!((found[1].pairs, found[1].outcome), (2, EffectOutcome::Same));
    }

    #[test]
    fn a_point_that_is_missing_takes_its_pairs_along_and_one_pair_shows_nothing() {
        let mut points = grid();
        points.truncate(4);
        let found = found(&points);
        let doubles = &found[0];
        assert_eq!((doubles.pairs, doubles.interval), (1, None));
        assert_eq!(doubles.outcome, EffectOutcome::Open);
    }
}
