//! Service-level objectives: limits of single requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits that a good request stays within; an absent one does not count.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SloConfig {
    /// Highest time to first token, ms.
    pub ttft_ms: Option<f64>,
    /// Highest time per output token, ms.
    pub tpot_ms: Option<f64>,
    /// Highest end-to-end latency, ms; from the planned time in an open loop.
    pub e2e_latency_ms: Option<f64>,
}

impl SloConfig {
    /// Whether any limit is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.ttft_ms.is_some() || self.tpot_ms.is_some() || self.e2e_latency_ms.is_some()
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
    pub(super) fn new(common: SloConfig, by_class: BTreeMap<String, SloConfig>) -> Self {
        Self { common, by_class }
    }

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
