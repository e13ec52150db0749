//! What decides who serves best, and the words for it.
//!
//! In a closed loop it is throughput. In an open loop throughput follows the
//! offered rate as long as a backend keeps up, so it is goodput if an SLO is
//! set, else latency from the planned time.

use super::compare::Comparison;
use crate::config::Level;
use crate::text::number::three_digits;

/// What decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RankingMetric {
    /// Output tokens per second.
    Tokens,
    /// Requests per second, where no server counts tokens.
    Requests,
    /// Requests per second that met the SLO.
    Goodput,
    /// Time from the planned send to the last token.
    Latency,
}

/// Whether the load is an open loop with at least one level over time: sent all at
/// once, requests are served as fast as the backend can.
pub(crate) fn is_open(levels: &[Level]) -> bool {
    levels.iter().any(|level| level.is_timed())
}

impl RankingMetric {
    /// That of a run with these levels and comparisons.
    pub(crate) fn choose(levels: &[Level], comparisons: &[Comparison]) -> Self {
        let compared = |own: &Self| {
            let metric = own.metric();
            comparisons.iter().any(|c| c.metric == metric)
        };
        let candidates: &[Self] = if is_open(levels) {
            &[Self::Goodput, Self::Latency, Self::Tokens, Self::Requests]
        } else {
            &[Self::Tokens, Self::Requests]
        };
        candidates
            .iter()
            .copied()
            .find(compared)
            .unwrap_or(Self::Tokens)
    }

    /// Name of its metric.
    pub(crate) fn metric(self) -> &'static str {
        match self {
            Self::Tokens => "output_token_throughput",
            Self::Requests => "request_throughput",
            Self::Goodput => "goodput",
            Self::Latency => "e2e_from_schedule_ms",
        }
    }

    /// `fastest`, or what the best does.
    pub(crate) fn best(self) -> &'static str {
        match self {
            Self::Goodput => "best within the SLO",
            _ => "fastest",
        }
    }

    /// `equally fast`, or what equals are.
    pub(crate) fn equally(self) -> &'static str {
        match self {
            Self::Goodput => "equally well within the SLO",
            _ => "equally fast",
        }
    }

    /// `The most output tokens per second`, or what the leader has.
    pub(crate) fn lead(self) -> &'static str {
        match self {
            Self::Tokens => "The most output tokens per second",
            Self::Requests => "The most requests per second",
            Self::Goodput => "The most requests per second within the SLO",
            Self::Latency => "The shortest time from planned send to last token (p50)",
        }
    }

    /// What a winner does and by how much, as a verb phrase.
    pub(crate) fn by_how_much(self, won: &[&Comparison]) -> String {
        if won.iter().all(|c| c.second_value == Some(0.0)) {
            return "is the only one that gives any".to_owned()
                + match self {
                    Self::Goodput => " request within the SLO",
                    _ => "",
                };
        }
        let verb = match self {
            Self::Latency => "takes",
            _ => "gives",
        };
        format!("{verb} {}", self.measured(&ratios(won)))
    }

    /// What is so many times that of the next: `1.40 times the requests per second of
    /// the next backend`.
    pub(crate) fn measured(self, ratios: &str) -> String {
        match self {
            Self::Tokens => format!("{ratios} the output tokens per second of the next backend"),
            Self::Requests => format!("{ratios} the requests per second of the next backend"),
            Self::Goodput => {
                format!("{ratios} the requests per second within the SLO of the next backend")
            }
            Self::Latency => format!(
                "{ratios} the time of the next backend from planned send to last token (p50)"
            ),
        }
    }
}

/// Those of single repeats, from the least lead to the widest.
pub(crate) fn ratios_of_repeats(comparisons: &[&Comparison]) -> String {
    let ahead = comparisons.iter().filter_map(|comparison| comparison.ahead);
    let ends = ahead.flat_map(|ahead| [ahead.least, ahead.most]);
    in_words(ends.map(|ratio| ratio.unwrap_or(f64::INFINITY)))
}

/// `1.40 times`, `1.40 to 3.40 times`, or `1.40 times or more` where the next
/// is at 0 somewhere.
pub(crate) fn ratios(comparisons: &[&Comparison]) -> String {
    let ratios = comparisons.iter().filter_map(|comparison| {
        let measured = comparison.interval.map(|interval| interval.ratio);
        measured.or_else(|| Some(comparison.best_value / comparison.second_value?))
    });
    in_words(ratios)
}

fn in_words(ratios: impl Iterator<Item = f64>) -> String {
    let (finite, other): (Vec<f64>, Vec<f64>) = ratios.partition(|ratio| ratio.is_finite());
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = (three_digits(low), three_digits(high));
    if finite.is_empty() {
        "more than any number of times".to_owned()
    } else if !other.is_empty() {
        format!("{low} times or more")
    } else if low == high {
        format!("{low} times")
    } else {
        format!("{low} to {high} times")
    }
}
