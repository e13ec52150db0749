//! What several replicas of a backend say of themselves, taken together, and where they
//! differ.

use inferbench_contract::Evidence;

use super::warning::WarningKind;

/// What the replicas of a backend say as one: counts are summed, shares are averaged, and
/// what is no number is that of the first. What one of them does not say is not known of
/// all.
#[must_use]
pub fn together(replicas: &[Evidence]) -> Evidence {
    let Some(first) = replicas.first() else {
        return Evidence::default();
    };
    if replicas.len() == 1 {
        return first.clone();
    }
    let sum = |value: fn(&Evidence) -> Option<f64>| replicas.iter().map(value).sum();
    let mean = |value: fn(&Evidence) -> Option<f64>| {
        let sum: Option<f64> = sum(value);
        sum.map(|sum| sum / replicas.len() as f64)
    };
    let all = Evidence {
        running_requests: sum(|said| said.running_requests),
        waiting_requests: sum(|said| said.waiting_requests),
        kv_cache_usage_ratio: mean(|said| said.kv_cache_usage_ratio),
        prefix_cache_queries: sum(|said| said.prefix_cache_queries),
        prefix_cache_hits: sum(|said| said.prefix_cache_hits),
        preemptions: sum(|said| said.preemptions),
        prompt_tokens: sum(|said| said.prompt_tokens),
        generation_tokens: sum(|said| said.generation_tokens),
        draft_acceptance_ratio: mean(|said| said.draft_acceptance_ratio),
        ..first.clone()
    };
    all.with_caches_of(replicas)
}

/// What a replica says that decides what is measured, by name.
type Said = (&'static str, fn(&Evidence) -> Option<String>);

/// The model must be the same.
const MODEL: Said = ("model", |said| said.model.clone());
/// The rest may be meant so.
const SETTINGS: [Said; 7] = [
    ("version", |said| said.version.clone()),
    ("dtype", |said| said.dtype.clone()),
    ("quantization", |said| said.quantization.clone()),
    ("kv_cache_dtype", |said| said.kv_cache_dtype.clone()),
    ("max_model_len", |said| {
        Some(said.max_model_len?.to_string())
    }),
    ("prefix_caching", |said| {
        Some(said.prefix_caching?.to_string())
    }),
    ("kv_cache_tokens", |said| {
        Some(said.kv_cache_tokens?.to_string())
    }),
];

/// A thing in which two replicas differ: their places, and what each says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub what: &'static str,
    /// The first that says something, and what.
    pub one: (usize, String),
    /// One that says something else, and what.
    pub other: (usize, String),
}

impl Difference {
    /// The warning of it; `urls` are those of the replicas.
    #[must_use]
    pub fn warning(self, urls: &[String]) -> WarningKind {
        let url = |place: usize| urls.get(place).cloned().unwrap_or_default();
        WarningKind::ReplicasDiffer {
            what: self.what.to_owned(),
            one: url(self.one.0),
            one_says: self.one.1,
            other: url(self.other.0),
            other_says: self.other.1,
        }
    }
}

/// Two replicas that serve different models, if there are any.
#[must_use]
pub fn models_differ(replicas: &[Evidence]) -> Option<Difference> {
    difference(MODEL, replicas)
}

/// The settings in which some replicas differ.
#[must_use]
pub fn settings_differ(replicas: &[Evidence]) -> Vec<Difference> {
    let settings = SETTINGS.into_iter();
    settings
        .filter_map(|said| difference(said, replicas))
        .collect()
}

fn difference((what, said): Said, replicas: &[Evidence]) -> Option<Difference> {
    let each = replicas.iter().enumerate();
    let mut each = each.filter_map(|(place, replica)| Some((place, said(replica)?)));
    let one = each.next()?;
    let other = each.find(|(_, says)| *says != one.1)?;
    Some(Difference { what, one, other })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(running: Option<f64>, usage: f64, tokens: u64, version: &str) -> Evidence {
        Evidence {
            running_requests: running,
            kv_cache_usage_ratio: Some(usage),
            kv_cache_tokens: Some(tokens),
            version: Some(version.to_owned()),
            ..Evidence::default()
        }
    }

    #[test]
    fn counts_are_summed_and_shares_averaged() {
        let both = [
            replica(Some(3.0), 0.5, 1000, "1"),
            replica(Some(1.0), 0.1, 1000, "1"),
        ];
        let all = together(&both);
        assert_eq!(all.running_requests, Some(4.0));
        assert_eq!(all.kv_cache_usage_ratio, Some(0.3));
        assert_eq!(all.kv_cache_tokens, Some(2000));
        assert_eq!(all.version.as_deref(), Some("1"));
    }

    #[test]
    fn what_one_does_not_say_is_not_known_of_all() {
        let both = [replica(Some(3.0), 0.5, 1, "1"), replica(None, 0.1, 1, "1")];
        assert_eq!(together(&both).running_requests, None);
        assert_eq!(together(&both[..1]).running_requests, Some(3.0));
        assert_eq!(together(&[]), Evidence::default());
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let silent = Evidence::default();
        let three = [
            silent,
            replica(None, 0.0, 7, "0.32.0"),
            replica(None, 0.0, 7, "0.31.1"),
        ];
        let found = settings_differ(&three);
        assert_eq!(found.len(), 1);
        let urls = ["http://a", "http://b", "http://c"].map(str::to_owned);
        let expected = WarningKind::ReplicasDiffer {
            what: "version".to_owned(),
            one: "http://b".to_owned(),
            one_says: "0.32.0".to_owned(),
            other: "http://c".to_owned(),
            other_says: "0.31.1".to_owned(),
        };
        assert_eq!(found[0].clone().warning(&urls), expected);
        assert_eq!(models_differ(&three), None);
    }
}
