//! Classes of traffic: kinds of requests in one load, each with figures of its own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Config, SloConfig, WorkloadConfig};

/// One class of traffic: made from a workload of its own, or the rows of a file that name
/// it in their field `class`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Name of the class, unique.
    pub name: String,
    /// Share of the requests, against the weights of the other classes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
    /// What its requests ask. Either every class has one, or none: then rows of the file
    /// say which class they are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Box<WorkloadConfig>>,
    /// Service-level objectives of its requests, in place of the run's `slo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<SloConfig>,
    /// Name under which the server has its model, such as a LoRA adapter's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Fields for the body of its requests.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra_body: Map<String, Value>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

impl WorkloadConfig {
    /// Whether its requests are those of classes with a workload each.
    #[must_use]
    pub fn is_mixture(&self) -> bool {
        self.classes.iter().any(|class| class.workload.is_some())
    }

    /// The workloads that requests come from, each with its path in the config: those of
    /// the classes, or this one.
    #[must_use]
    pub fn parts(&self) -> Vec<(String, &WorkloadConfig)> {
        if !self.is_mixture() {
            return vec![("workload".to_owned(), self)];
        }
        let classes = self.classes.iter().enumerate();
        let parts = classes.filter_map(|(index, class)| {
            let path = format!("workload.classes.{index}.workload");
            Some((path, class.workload.as_deref()?))
        });
        parts.collect()
    }

    /// Mean of a length over all requests, tokens.
    #[must_use]
    pub fn mean_tokens(&self, length: impl Fn(&WorkloadConfig) -> f64) -> f64 {
        if !self.is_mixture() {
            return length(self);
        }
        let classes = self.classes.iter();
        let parts = classes.filter_map(|class| {
            let weight = f64::from(class.weight);
            Some((weight, weight * length(class.workload.as_deref()?)))
        });
        let (weights, sum) = parts.fold((0.0, 0.0), |(w, s), (weight, tokens)| {
            (w + weight, s + tokens)
        });
        sum / weights
    }
}

/// The service-level objectives of a run: those of all requests, and those of classes that
/// have their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slos {
    common: SloConfig,
    by_class: BTreeMap<String, SloConfig>,
}

impl Slos {
    /// Those of a request of this class.
    #[must_use]
    pub fn for_class(&self, class: Option<&str>) -> &SloConfig {
        let own = class.and_then(|class| self.by_class.get(class));
        own.unwrap_or(&self.common)
    }

    /// Whether any limit is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.each().any(SloConfig::is_set)
    }

    /// Whether any limit is one of the time per output token.
    #[must_use]
    pub fn limit_tpot(&self) -> bool {
        self.each().any(|slo| slo.tpot_ms.is_some())
    }

    fn each(&self) -> impl Iterator<Item = &SloConfig> {
        std::iter::once(&self.common).chain(self.by_class.values())
    }
}

impl From<SloConfig> for Slos {
    fn from(common: SloConfig) -> Self {
        Self {
            common,
            by_class: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The service-level objectives of its requests.
    #[must_use]
    pub fn slos(&self) -> Slos {
        let classes = self.workload.classes.iter();
        let own = classes.filter_map(|class| Some((class.name.clone(), class.slo?)));
        Slos {
            common: self.slo,
            by_class: own.collect(),
        }
    }
}
