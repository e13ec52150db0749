//! Which class of traffic a request is of.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::config::WorkloadConfig;
use crate::plan::prompt::PromptKey;
use crate::plan::seed;

/// Requests among which the shares of the classes are exact, at least.
const LEAST_ROUND: u64 = 64;

/// A mixture of classes. Requests come in rounds: each has every class as often as its
/// weight says, in an order drawn from the seed. So the shares are those of the config at
/// any time, and the class of a request needs nothing but its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixture {
    seed: u64,
    /// Requests of each class in a round.
    counts: Vec<u32>,
}

/// The class of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassPlace {
    /// Place of the class in the config.
    pub class: usize,
    /// Index of the request among those of its class.
    pub index: u64,
}

impl Mixture {
    /// A mixture with these weights, each 1 or more. `seed`: that of the workload.
    #[must_use]
    pub fn new(seed: u64, weights: &[u32]) -> Self {
        let common = weights.iter().copied().fold(0, gcd).max(1);
        let each = weights.iter().map(|weight| weight / common);
        let sum: u64 = each.clone().map(u64::from).sum();
        let times = LEAST_ROUND.div_ceil(sum.max(1)) as u32;
        Self {
            seed,
            counts: each.map(|n| n.saturating_mul(times)).collect(),
        }
    }

    /// The class of the request with this key, and its place among those.
    #[must_use]
    pub fn place(&self, key: PromptKey) -> ClassPlace {
        let of_round: u64 = self.counts.iter().map(|n| u64::from(*n)).sum();
        let (round, at) = (key.index / of_round, (key.index % of_round) as usize);
        let mut order: Vec<usize> = Vec::with_capacity(of_round as usize);
        for (class, n) in self.counts.iter().enumerate() {
            order.extend(std::iter::repeat_n(class, *n as usize));
        }
        let path = [seed::CLASS, u64::from(key.block), key.level as u64, round];
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed::derive(
            self.seed, &path,
        )));
        let class = order[at];
        let before = order[..at].iter().filter(|other| **other == class).count();
        ClassPlace {
            class,
            index: round * u64::from(self.counts[class]) + before as u64,
        }
    }

    /// The mixture of a workload; `None` if it is none.
    #[must_use]
    pub fn from_workload(workload: &WorkloadConfig) -> Option<Self> {
        let weights = workload.classes.iter().map(|class| class.weight);
        let weights: Vec<u32> = weights.collect();
        workload
            .is_mixture()
            .then(|| Self::new(workload.seed, &weights))
    }
}

/// The workload of a class of a mixture, with a seed that no other class has.
#[must_use]
pub fn class_workload(workload: &WorkloadConfig, class: usize) -> Option<WorkloadConfig> {
    let own = workload.classes.get(class)?.workload.as_deref()?;
    let path = [seed::CLASS, class as u64, own.seed];
    Some(WorkloadConfig {
        seed: seed::derive(workload.seed, &path),
        ..own.clone()
    })
}

fn gcd(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(index: u64) -> PromptKey {
        PromptKey {
            block: 0,
            level: 0,
            index,
        }
    }

    #[test]
    fn every_round_has_each_class_as_often_as_its_weight_says() {
        // 70 : 20 : 10 is 7 : 2 : 1; a round of 10 seven times over is the first of 64 or more.
        let mixture = Mixture::new(1, &[70, 20, 10]);
        assert_eq!(mixture.counts, [49, 14, 7]);
        for round in 0..3 {
            let mut counts = [0; 3];
            for index in round * 70..(round + 1) * 70 {
                counts[mixture.place(key(index)).class] += 1;
            }
            assert_eq!(counts, [49, 14, 7]);
        }
    }

    #[test]
    fn requests_of_a_class_are_numbered_without_a_gap() {
        let mixture = Mixture::new(1, &[3, 5]);
        let mut next = [0; 2];
        for index in 0..500 {
            let place = mixture.place(key(index));
            assert_eq!(place.index, next[place.class]);
            next[place.class] += 1;
        }
    }

    #[test]
    fn the_order_differs_from_round_to_round_and_from_cell_to_cell() {
        let mixture = Mixture::new(1, &[1, 1]);
        let order = |from: u64, level: usize| -> Vec<usize> {
            let keys = (from..from + 64).map(|index| PromptKey {
                level,
                ..key(index)
            });
            keys.map(|key| mixture.place(key).class).collect()
        };
        assert_ne!(order(0, 0), order(64, 0));
        assert_ne!(order(0, 0), order(0, 1));
        assert_eq!(order(0, 0), order(0, 0));
    }

    #[test]
    fn classes_have_seeds_of_their_own() {
        let seeds = |seed: u64, own: u64| {
            let class = |name| json!({"name": name, "workload": {"seed": own}});
            let workload = json!({"seed": seed, "classes": [class("a"), class("b")]});
            let workload: WorkloadConfig = serde_json::from_value(workload).unwrap();
            [0, 1].map(|class| class_workload(&workload, class).unwrap().seed)
        };
        let all = [seeds(1, 42), seeds(2, 42), seeds(1, 43)].concat();
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 6);
    }
}
