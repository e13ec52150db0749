//! By how much the figures of the records differ from those of the packets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pairing::Trace;
use crate::stats::percentile;
use crate::text::units::ms_between;

/// Largest median difference of what begins with the send, ms, or share of the metric's
/// mean if that is more. The packet of a request passes the capture inside the call that
/// sends it, and the client looks at the clock behind that call, which over the loopback
/// device also does the server's part: 0.01 to 0.15 ms later.
const MEDIAN_MS: f64 = 0.25;
const MEDIAN_SHARE: f64 = 0.001;
/// Largest median difference of gaps, ms: the kernel gives client and capture the same
/// stamp of a packet that comes in.
const GAP_MEDIAN_MS: f64 = 0.1;
/// Largest difference at the 99th percentile: the client may lose its processor before it
/// looks at the clock.
const P99_MS: f64 = 1.0;
const P99_SHARE: f64 = 0.01;
/// Names of the metrics.
const TTFT: &str = "ttft_ms";
const ITL: &str = "itl_ms";
const E2E: &str = "e2e_latency_ms";

/// By how much one metric of the records differs from the packets, over the requests of
/// one backend. A difference is the run's value minus the wire's. What a record says itself is
/// none: that its first output may have come earlier, and that output events share a read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WireDifference {
    /// Label of the backend.
    pub backend: String,
    /// The metric: `ttft_ms`, `itl_ms` or `e2e_latency_ms`.
    pub metric: String,
    /// Values that are compared.
    pub values: u64,
    /// Mean by the records.
    pub run_mean_ms: f64,
    /// Mean by the packets.
    pub wire_mean_ms: f64,
    /// Mean difference, with its sign.
    pub mean_ms: f64,
    /// Median of the differences without their sign.
    pub median_ms: f64,
    /// Their 99th percentile.
    pub p99_ms: f64,
    /// The largest.
    pub largest_ms: f64,
}

impl WireDifference {
    /// Largest median and 99th percentile that are no difference, ms.
    fn limits_ms(&self) -> (f64, f64) {
        let share = |share| share * self.wire_mean_ms;
        let median_ms = match self.metric.as_str() {
            ITL => GAP_MEDIAN_MS,
            _ => MEDIAN_MS.max(share(MEDIAN_SHARE)),
        };
        (median_ms, P99_MS.max(share(P99_SHARE)))
    }

    /// What does not hold of the metric as a whole, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        self.beyond("in the median", self.median_ms, self.limits_ms().0)
    }

    /// What does not hold of single values, if anything.
    pub(super) fn fault_of_some(&self) -> Option<String> {
        self.beyond("at p99", self.p99_ms, self.limits_ms().1)
    }

    fn beyond(&self, of: &str, is_ms: f64, limit_ms: f64) -> Option<String> {
        let metric = &self.metric;
        (is_ms > limit_ms).then(|| {
            format!(
                "{metric} differs from the packets by {is_ms:.3} ms {of}, may by {limit_ms:.3} ms"
            )
        })
    }
}

/// Values of one metric.
#[derive(Debug, Default)]
struct Values {
    run_sum_ms: f64,
    wire_sum_ms: f64,
    differences_ms: Vec<f64>,
}

impl Values {
    fn take(&mut self, run_ms: f64, wire_ms: f64) {
        self.run_sum_ms += run_ms;
        self.wire_sum_ms += wire_ms;
        self.differences_ms.push((run_ms - wire_ms).abs());
    }

    fn finish(mut self, backend: &str, metric: &str) -> Option<WireDifference> {
        self.differences_ms.sort_by(f64::total_cmp);
        let at = |p| percentile(&self.differences_ms, p).ok();
        let n = self.differences_ms.len() as f64;
        Some(WireDifference {
            backend: backend.to_owned(),
            metric: metric.to_owned(),
            values: self.differences_ms.len() as u64,
            median_ms: at(50.0)?,
            p99_ms: at(99.0)?,
            largest_ms: at(100.0)?,
            run_mean_ms: self.run_sum_ms / n,
            wire_mean_ms: self.wire_sum_ms / n,
            mean_ms: (self.run_sum_ms - self.wire_sum_ms) / n,
        })
    }
}

/// Differences of one backend.
#[derive(Debug, Default)]
pub(super) struct Differences {
    ttft: Values,
    itl: Values,
    e2e: Values,
}

impl Differences {
    /// Takes in one request, by its record and on the wire. The output events that came in
    /// one read with a later one, which have its time; `None` if the wire has another
    /// number of events.
    pub(super) fn take(&mut self, record: &Trace, wire: &Trace) -> Option<u64> {
        let span = |from: Option<u64>, to: Option<u64>| Some(ms_between(from?, to?));
        // Bytes of a long request wait in the socket: it was handed over some time
        // between its first packet and its last.
        let wire_ms = |run_ms: f64, to: Option<u64>| {
            let shortest_ms = span(wire.sent_ns, to)?;
            let longest_ms = span(wire.begun_ns, to).unwrap_or(shortest_ms);
            Some(run_ms.min(longest_ms).max(shortest_ms))
        };
        let ttft_ms = span(record.sent_ns, record.first_ns);
        if let Some(run_ms) = ttft_ms
            && let Some(wire_ms) = wire_ms(run_ms, wire.first_ns)
        {
            let early_ms = (run_ms - wire_ms).clamp(0.0, record.early_ms);
            self.ttft.take(run_ms - early_ms, wire_ms);
        }
        let e2e_ms = span(record.sent_ns, record.last_ns);
        if let Some(run_ms) = e2e_ms
            && let Some(wire_ms) = wire_ms(run_ms, wire.last_ns)
        {
            self.e2e.take(run_ms, wire_ms);
        }
        let same_events = record.gaps_ms.len() == wire.gaps_ms.len()
            && record.first_ns.is_some() == wire.first_ns.is_some();
        same_events.then(|| self.take_gaps(&record.gaps_ms, &wire.gaps_ms))
    }

    /// Takes in the gaps between arrivals: of output events that came in one read, the
    /// last tells. How many others there are.
    fn take_gaps(&mut self, run_ms: &[f32], wire_ms: &[f32]) -> u64 {
        let mut shared = 0;
        // What the wire has gone ahead since the last arrival; `None` before the first.
        let mut since_ms = None;
        let mut run_gap_ms = 0.0;
        for at in 0..=run_ms.len() {
            let is_last_of_read = run_ms.get(at).is_none_or(|gap| *gap > 0.0);
            if is_last_of_read {
                if let Some(wire_gap_ms) = since_ms {
                    self.itl.take(run_gap_ms, wire_gap_ms);
                }
                since_ms = Some(0.0);
                run_gap_ms = 0.0;
            } else {
                shared += 1;
            }
            if let Some((run_ms, wire_ms)) = run_ms.get(at).zip(wire_ms.get(at)) {
                run_gap_ms += f64::from(*run_ms);
                since_ms = since_ms.map(|since_ms| since_ms + f64::from(*wire_ms));
            }
        }
        shared
    }

    pub(super) fn finish(self, backend: &str) -> Vec<WireDifference> {
        let all = [(self.ttft, TTFT), (self.itl, ITL), (self.e2e, E2E)];
        let rows = all.into_iter();
        rows.filter_map(|(values, metric)| values.finish(backend, metric))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A request sent at 0, with output after so many milliseconds.
    fn outputs(at_ms: &[u64]) -> Trace {
        let gaps = at_ms.windows(2);
        Trace {
            sent_ns: Some(0),
            first_ns: at_ms.first().map(|ms| ms * MS),
            last_ns: at_ms.last().map(|ms| ms * MS),
            gaps_ms: gaps.map(|two| (two[1] - two[0]) as f32).collect(),
            is_ok: true,
            is_whole: true,
            ..Trace::default()
        }
    }

    fn gaps(record: &Trace, wire: &Trace) -> (Option<u64>, Option<WireDifference>) {
        let mut differences = Differences::default();
        let shared = differences.take(record, wire);
        let rows = differences.finish("a").into_iter();
        (shared, rows.into_iter().find(|row| row.metric == ITL))
    }

    #[test]
    fn of_events_in_one_read_the_last_is_compared() {
        // the second and third came in one read, stamped when the third came
        let (shared, row) = gaps(&outputs(&[10, 16, 16, 21]), &outputs(&[10, 13, 16, 20]));
        let row = row.unwrap();
        assert_eq!((shared, row.values), (Some(1), 2));
        // 6 and 5 against 6 and 4
        assert_eq!((row.largest_ms, row.mean_ms), (1.0, 0.5));
    }

    #[test]
    fn all_events_in_one_read_leave_no_gap_to_compare() {
        let (shared, row) = gaps(&outputs(&[16, 16, 16]), &outputs(&[10, 13, 16]));
        assert_eq!((shared, row), (Some(2), None));
    }

    #[test]
    fn another_number_of_events_is_told() {
        let (shared, row) = gaps(&outputs(&[10, 13]), &outputs(&[10]));
        assert_eq!((shared, row), (None, None));
    }

    #[test]
    fn what_a_record_doubts_itself_is_no_difference() {
        let mut record = outputs(&[16, 16]);
        record.early_ms = 5.0;
        let mut differences = Differences::default();
        differences.take(&record, &outputs(&[12, 16]));
        differences.take(&record, &outputs(&[8, 16]));
        let rows = differences.finish("a");
        // 4 ms are within the doubt, of 8 ms 3 are not
        assert_eq!((rows[0].largest_ms, rows[0].mean_ms), (3.0, 1.5));
        assert_eq!(
            rows[0].fault().unwrap(),
            "ttft_ms differs from the packets by 1.500 ms in the median, may by 0.250 ms"
        );
        assert!(rows[0].fault_of_some().is_some());
    }

    #[test]
    fn a_long_request_is_sent_between_its_first_packet_and_its_last() {
        let mut wire = outputs(&[30, 40]);
        wire.begun_ns = Some(0);
        wire.sent_ns = Some(5 * MS);
        let mut differences = Differences::default();
        for sent_ms in [0, 3, 7] {
            let mut record = outputs(&[30, 40]);
            record.sent_ns = Some(sent_ms * MS);
            differences.take(&record, &wire);
        }
        let rows = differences.finish("a");
        // 30 and 27 ms lie within 25 to 30, 23 does not
        assert_eq!((rows[0].largest_ms, rows[0].median_ms), (2.0, 0.0));
    }
}
