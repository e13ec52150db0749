//! How true InferBench's figures are on one machine: what it reports against
//! what a paced server did.

mod trust;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::facts::machine::HostFacts;
use crate::facts::record::RequestRecord;
use crate::stats::Summary;
use crate::text::number::{grouped, three_digits};
use crate::text::units::ms_between;
pub use trust::{Against, Disturbance, TrustCell, TrustCount};

/// Version of `calibration.json`.
pub const CALIBRATION_SCHEMA_VERSION: u32 = 1;

/// Error from which on the client counts as no longer exact, ms: a
/// hundredth of the 10 ms between two tokens of a usual engine.
pub const ERROR_LIMIT_MS: f64 = 0.1;

/// What the server recorded of one request, times in monotonic nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueRequest {
    /// Which request it was; absent if it had no id.
    pub x_request_id: Option<String>,
    /// When its last byte arrived.
    pub received_ns: u64,
    /// Where the time is from: `kernel` or `read`.
    pub received_by: String,
    /// For each token, the time just before the write that carried it.
    pub token_write_ns: Vec<u64>,
}

/// Reported minus true, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorFigures {
    /// Mean; positive if too much is reported.
    pub mean: Option<f64>,
    /// Median; positive if too much is reported.
    pub p50: Option<f64>,
    /// 99th percentile of the error's size; absent below 100 values.
    pub p99: Option<f64>,
    /// Number of values.
    pub n: usize,
}

impl ErrorFigures {
    /// Figures of `errors`, in any order.
    #[must_use]
    pub fn from_errors(errors: &[f64]) -> Self {
        let signed = Summary::from_values(errors.iter().copied());
        let size = Summary::from_values(errors.iter().map(|error| error.abs()));
        Self {
            mean: signed.mean,
            p50: signed.p50,
            p99: size.carried(99),
            n: signed.n,
        }
    }
}

/// Errors at one number of paced streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedLevel {
    /// Streams at once.
    pub concurrency: u32,
    /// Measured requests whose true times are known.
    pub requests: usize,
    /// Error of the time to the first token.
    pub ttft_error_ms: ErrorFigures,
    /// Error of each gap between tokens.
    pub itl_error_ms: ErrorFigures,
    /// Thresholds of the self-check that were broken meanwhile, in words.
    pub breaches: Vec<String>,
}

/// How much the client takes from a server that does not wait.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FastFigures {
    /// Streams at once.
    pub concurrency: u32,
    /// Tokens per second, by the records; the server's own limit if that is lower.
    pub tokens_per_s: Option<f64>,
    /// CPU of the whole client per 1,000 tokens, ms.
    pub cpu_ms_per_1000_tokens: Option<f64>,
}

/// The file `calibration.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Version of this file's form.
    pub schema_version: u32,
    /// Version of InferBench that was calibrated.
    pub inferbench_version: String,
    /// When, UTC, RFC 3339.
    pub utc: String,
    /// The machine that was calibrated.
    pub host: HostFacts,
    /// Where the client's arrival times came from: `kernel`, `user` or `mixed`.
    pub arrival_clock: Option<String>,
    /// Whether the server knew by the kernel's stamp when requests arrived;
    /// otherwise its own delay counts as the client's error.
    pub truth_is_kernels: bool,
    /// One entry per number of streams, ascending.
    pub levels: Vec<CalibratedLevel>,
    /// First number of streams at which the p99 of the TTFT error passed
    /// 0.1 ms; absent if none did.
    pub error_passed_at: Option<u32>,
    /// Unpaced.
    pub fast: Option<FastFigures>,
    /// Paced streams while client and server were disturbed.
    #[serde(default)]
    pub trust: Vec<TrustCell>,
}

impl Calibration {
    /// Whether it was made on the machine `host`.
    #[must_use]
    pub fn is_of(&self, host: &HostFacts) -> bool {
        let machine = |host: &HostFacts| (host.hostname.clone(), host.cpu.clone(), host.cores);
        machine(&self.host) == machine(host)
    }

    /// The calibration in a line, as a run's report quotes it.
    #[must_use]
    pub fn line(&self) -> String {
        let mut parts = Vec::new();
        let known = self.levels.iter().rev();
        let last = known
            .filter_map(|level| Some((level, level.ttft_error_ms.p99?)))
            .next();
        if let Some((level, ttft)) = last {
            let itl = level
                .itl_error_ms
                .p99
                .map_or_else(String::new, |itl| format!(", ITL {}", three_digits(itl)));
            parts.push(format!(
                "error p99 at {} streams: TTFT {}{itl} ms",
                grouped(level.concurrency.into()),
                three_digits(ttft)
            ));
        }
        parts.push(self.passed_words());
        if let Some(fast) = &self.fast {
            if let Some(rate) = fast.tokens_per_s {
                parts.push(format!("takes {} tokens/s", grouped(rate.round() as u64)));
            }
            if let Some(cpu) = fast.cpu_ms_per_1000_tokens {
                let (cpu, tokens) = (three_digits(cpu), grouped(1000));
                parts.push(format!("{cpu} ms CPU per {tokens} tokens"));
            }
        }
        parts.push(format!("version {}, {}", self.inferbench_version, self.utc));
        parts.join("; ")
    }

    /// Where the TTFT error passes its limit, in words.
    #[must_use]
    pub fn passed_words(&self) -> String {
        match (self.error_passed_at, self.levels.last()) {
            (Some(at), _) => format!(
                "TTFT error p99 passes {ERROR_LIMIT_MS} ms at {} streams",
                grouped(at.into())
            ),
            (None, Some(last)) => format!(
                "TTFT error p99 of {ERROR_LIMIT_MS} ms not reached up to {} streams",
                grouped(last.concurrency.into())
            ),
            (None, None) => "no level was measured".to_owned(),
        }
    }
}

/// First number of streams at which the p99 of the TTFT error passes the limit.
#[must_use]
pub fn error_passed_at(levels: &[CalibratedLevel]) -> Option<u32> {
    let passed = |level: &&CalibratedLevel| {
        level
            .ttft_error_ms
            .p99
            .is_some_and(|error| error > ERROR_LIMIT_MS)
    };
    levels.iter().find(passed).map(|level| level.concurrency)
}

/// A measured, successful request and what the server recorded of it.
struct Matched<'a> {
    record: &'a RequestRecord,
    truth: &'a TrueRequest,
    reported_ttft_ms: f64,
    first_write_ns: u64,
}

impl Matched<'_> {
    fn true_ttft_ms(&self) -> f64 {
        ms_between(self.truth.received_ns, self.first_write_ns)
    }

    fn true_itl_ms(&self) -> impl Iterator<Item = f64> {
        let gaps = self.truth.token_write_ns.windows(2);
        gaps.map(|gap| ms_between(gap[0], gap[1]))
    }
}

/// The measured, successful requests that the server has a first token of.
fn matched<'a>(
    records: &'a [RequestRecord],
    truth: &'a [TrueRequest],
    id_for: &dyn Fn(u64) -> String,
) -> Vec<Matched<'a>> {
    let by_id: HashMap<&str, &TrueRequest> = truth
        .iter()
        .filter_map(|request| Some((request.x_request_id.as_deref()?, request)))
        .collect();
    let found = records.iter().filter(|record| record.counts());
    let found = found.filter_map(|record| {
        let truth = by_id.get(id_for(record.index).as_str()).copied()?;
        Some(Matched {
            record,
            truth,
            reported_ttft_ms: record.ttft_ms?,
            first_write_ns: *truth.token_write_ns.first()?,
        })
    });
    found.collect()
}

/// Errors of the measured, successful requests of one level. `id_for` gives the
/// id that the server has for the request with that index.
#[must_use]
pub fn level(
    concurrency: u32,
    records: &[RequestRecord],
    truth: &[TrueRequest],
    id_for: &dyn Fn(u64) -> String,
    breaches: Vec<String>,
) -> CalibratedLevel {
    let (mut ttft, mut itl) = (Vec::new(), Vec::new());
    for pair in matched(records, truth, id_for) {
        ttft.push(pair.reported_ttft_ms - pair.true_ttft_ms());
        if pair.truth.token_write_ns.len() == pair.record.itl_ms.len() + 1 {
            let pairs = pair.true_itl_ms().zip(&pair.record.itl_ms);
            itl.extend(pairs.map(|(truth, reported)| reported - truth));
        }
    }
    CalibratedLevel {
        concurrency,
        requests: ttft.len(),
        ttft_error_ms: ErrorFigures::from_errors(&ttft),
        itl_error_ms: ErrorFigures::from_errors(&itl),
        breaches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;
    use crate::facts::exchange::{Asked, Exchange, OutputKind, StreamEnd};
    use crate::facts::record::{Phase, RequestKey};

    const MS: u64 = 1_000_000;

    /// A request sent at 0 whose tokens arrive at these times.
    fn record(index: u64, arrivals_ns: &[u64]) -> RequestRecord {
        let mut exchange = Exchange::default();
        exchange.asked = Asked {
            input_tokens: None,
            output_tokens: arrivals_ns.len() as u32,
            ..Asked::default()
        };
        exchange.sent_ns = Some(0);
        exchange.http_status = Some(200);
        for t_ns in arrivals_ns {
            exchange.output(*t_ns, OutputKind::Text, "x", Some(1));
        }
        exchange.end_marker();
        let key = RequestKey {
            backend: "sim".to_owned(),
            block: 0,
            level: Level::Concurrency(1),
            phase: Phase::Measured,
            index,
        };
        exchange.finish_record(key, &StreamEnd::Clean, 100 * MS, false)
    }

    fn truth(id: &str, writes_ns: &[u64]) -> TrueRequest {
        TrueRequest {
            x_request_id: Some(id.to_owned()),
            received_ns: 2_000,
            received_by: "kernel".to_owned(),
            token_write_ns: writes_ns.to_vec(),
        }
    }

    #[test]
    fn errors_are_reported_minus_true_matched_by_id() {
        // Received at 0.002 ms, written at 50 and 60 ms; seen at 50.05 and 60.02.
        let records = [
            record(1, &[50 * MS + 50_000, 60 * MS + 20_000]),
            record(7, &[MS]),
        ];
        let known = [truth("r2", &[3 * MS]), truth("r1", &[50 * MS, 60 * MS])];
        let found = level(
            1,
            &records,
            &known,
            &|index| format!("r{index}"),
            Vec::new(),
        );
        assert_eq!(found.requests, 1, "the request without a truth is left out");
        // 50.05 - 49.998 and (60.02 - 50.05) - 10.
        assert!((found.ttft_error_ms.mean.unwrap() - 0.052).abs() < 1e-9);
        assert!((found.itl_error_ms.mean.unwrap() + 0.03).abs() < 1e-9);
        assert_eq!(found.ttft_error_ms.p99, None, "one value carries no p99");
    }

    #[test]
    fn the_p99_is_of_the_size_of_the_error() {
        let errors: Vec<f64> = (0..100).map(|n| -f64::from(n)).collect();
        let figures = ErrorFigures::from_errors(&errors);
        assert_eq!((figures.mean, figures.p50), (Some(-49.5), Some(-49.5)));
        // Rank 0.99 * 99 = 98.01 of 0, 1, .. 99.
        assert!((figures.p99.unwrap() - 98.01).abs() < 1e-9);
    }

    #[test]
    fn the_first_level_beyond_the_limit_is_named() {
        let at = |concurrency, p99| CalibratedLevel {
            concurrency,
            requests: 100,
            ttft_error_ms: ErrorFigures {
                p99,
                ..ErrorFigures::default()
            },
            itl_error_ms: ErrorFigures::default(),
            breaches: Vec::new(),
        };
        let levels = [at(1, None), at(64, Some(0.1)), at(256, Some(0.3))];
        assert_eq!(error_passed_at(&levels), Some(256));
        assert_eq!(error_passed_at(&levels[..2]), None);
    }

    #[test]
    fn a_calibration_is_of_one_machine_whatever_its_system() {
        let host = HostFacts {
            hostname: Some("bench-1".to_owned()),
            cpu: Some("AMD EPYC 9354".to_owned()),
            cores: Some(32),
            os: Some("Linux 6.8.0".to_owned()),
            ..HostFacts::default()
        };
        let calibration = Calibration {
            schema_version: CALIBRATION_SCHEMA_VERSION,
            inferbench_version: "0.1.0".to_owned(),
            utc: "2026-11-25T14:02:11Z".to_owned(),
            host: host.clone(),
            arrival_clock: Some("kernel".to_owned()),
            truth_is_kernels: true,
            levels: Vec::new(),
            error_passed_at: None,
            fast: None,
            trust: Vec::new(),
        };
        let updated = HostFacts {
            os: Some("Linux 6.9.0".to_owned()),
            ..host.clone()
        };
        let other = HostFacts {
            cores: Some(16),
            ..host
        };
        assert!(calibration.is_of(&updated));
        assert!(!calibration.is_of(&other));
        assert!(
            calibration
                .line()
                .ends_with("version 0.1.0, 2026-11-25T14:02:11Z")
        );
    }
}
