//! Whether a backend answers a prompt faster when it is asked again, although
//! nothing that it should keep was left to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::cache_audit::{CacheAuditFacts, PrefixCacheState};
use crate::stats::inference::paired_ratio;
use crate::text::number::three_digits;

/// Gain from which on answers are taken to come from a cache.
const LEAST_GAIN: f64 = 0.10;

/// The repeated prompt against new ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheAudit {
    /// End-to-end latency of the repeated prompt to that of new ones: ratio of
    /// geometric means over pairs.
    pub ratio: f64,
    /// Lower end of its 95 % interval, by Student's t on the log scale.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Pairs.
    pub pairs: usize,
    /// What stood in the way of a gain from the prefix cache.
    pub prefix_cache: PrefixCacheState,
    /// The repeated prompt gains more than 10 %, and not by chance.
    pub gains: bool,
}

impl CacheAudit {
    pub(crate) fn from_facts(facts: &CacheAuditFacts) -> Option<Self> {
        let pairs = facts.repeated_ms.iter().copied();
        let pairs: Vec<(f64, f64)> = pairs.zip(facts.distinct_ms.iter().copied()).collect();
        let interval = paired_ratio(&pairs)?;
        Some(Self {
            ratio: interval.ratio,
            low: interval.low,
            high: interval.high,
            pairs: interval.blocks,
            prefix_cache: facts.prefix_cache,
            gains: interval.high < 1.0 - LEAST_GAIN,
        })
    }

    /// Whether its answers come from a cache that none of the others may have:
    /// a gain that the prefix cache cannot explain.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.gains && self.prefix_cache != PrefixCacheState::MayHelp
    }
}

/// `takes 0.980 times as long as a new one (95 %: 0.950 to 1.01), prefix cache
/// emptied each time`.
pub(crate) fn asked_again([ratio, low, high]: [f64; 3], prefix_cache: PrefixCacheState) -> String {
    let cache = match prefix_cache {
        PrefixCacheState::Emptied => "emptied each time",
        PrefixCacheState::Off => "off",
        PrefixCacheState::MayHelp => "not emptied",
    };
    format!(
        "takes {} times as long as a new one (95 %: {} to {}), prefix cache {cache}",
        three_digits(ratio),
        three_digits(low),
        three_digits(high)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(repeated_ms: [f64; 3], prefix_cache: PrefixCacheState) -> CacheAudit {
        let facts = CacheAuditFacts {
            distinct_ms: vec![100.0; 3],
            repeated_ms: repeated_ms.to_vec(),
            prefix_cache,
        };
        CacheAudit::from_facts(&facts).unwrap()
    }

    #[test]
    fn a_clear_gain_without_a_prefix_cache_is_a_cache_of_answers() {
        let found = audit([50.0, 50.0, 50.0], PrefixCacheState::Emptied);
        assert!((found.ratio - 0.5).abs() < 1e-12 && found.is_cached());
        assert!(!audit([50.0; 3], PrefixCacheState::MayHelp).is_cached());
    }

    #[test]
    fn a_small_or_scattered_gain_is_none() {
        assert!(!audit([91.0; 3], PrefixCacheState::Off).gains);
        // Of 20, 90 and 120 ms the interval reaches far above 1.
        assert!(!audit([20.0, 90.0, 120.0], PrefixCacheState::Off).gains);
    }

    #[test]
    fn fewer_than_two_pairs_show_nothing() {
        let facts = CacheAuditFacts {
            distinct_ms: vec![1.0],
            repeated_ms: vec![1.0],
            prefix_cache: PrefixCacheState::Off,
        };
        assert_eq!(CacheAudit::from_facts(&facts), None);
    }
}
