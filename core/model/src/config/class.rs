//! What a config's classes of traffic mean for it as a whole: the workloads that requests
//! come from, and the limits of each.

use super::Config;
use super::slo::Slos;
use super::workload::WorkloadConfig;

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

impl Config {
    /// The service-level objectives of its requests.
    #[must_use]
    pub fn slos(&self) -> Slos {
        let classes = self.workload.classes.iter();
        let own = classes.filter_map(|class| Some((class.name.clone(), class.slo?)));
        Slos::new(self.slo, own.collect())
    }
}
