//! Whether the times of a run are those of the packets: requests of the records are
//! paired with requests on the wire, and their figures are compared. Packets are read
//! elsewhere.

mod difference;
mod pairing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use difference::Differences;
pub use difference::WireDifference;
pub use pairing::Trace;
use pairing::pair;

use super::{Verification, WIRE, WIRE_SOME};
use crate::text::number::grouped;

/// Share of the requests that the capture could show, below which it is no witness.
const FOUND_SHARE: f64 = 0.5;

/// What a capture shows of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WireComparison {
    /// The capture.
    pub capture: CaptureFacts,
    /// What became of the requests of the run.
    pub requests: WireRequests,
    /// Differences by backend and metric.
    pub differences: Vec<WireDifference>,
}

/// What a capture holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaptureFacts {
    /// Its file.
    pub file: String,
    /// Packets of any kind.
    pub packets: u64,
    /// Packets of which only the beginning was kept.
    pub cut_packets: u64,
    /// Packets of link types that are not read.
    pub unread_packets: u64,
    /// Link type of the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_link_type: Option<i32>,
    /// Time of its first packet, UTC, RFC 3339.
    pub first_utc: String,
    /// Time of its last packet.
    pub last_utc: String,
    /// Connections with plain HTTP.
    pub http_connections: u64,
    /// Connections with TLS.
    pub tls_connections: u64,
    /// The file ends inside a packet.
    pub is_cut_short: bool,
}

/// What became of the requests of a run, and of those on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WireRequests {
    /// Requests that the run sent.
    pub sent: u64,
    /// Found on the wire with their whole answer.
    pub found: u64,
    /// Of these, those whose figures are compared: the others failed.
    pub compared: u64,
    /// Sent before the first or after the last packet of the capture.
    pub outside_capture: u64,
    /// Found, but the capture lacks packets of them.
    pub packets_missing: u64,
    /// Inside the time of the capture, which has no such request.
    pub not_on_wire: u64,
    /// Found, but with another text than the record's.
    pub other_answer: u64,
    /// Found, but with another number of output events than the record's.
    pub other_events: u64,
    /// Output events that came in one read with a later one and have its time.
    pub shared_events: u64,
    /// To a backend that does not speak plain HTTP.
    pub no_plain_http: u64,
    /// On the wire while the load ran, with an answer, and not in the run.
    pub not_in_run: u64,
}

impl WireRequests {
    /// Requests that the capture could show.
    fn expected(&self) -> u64 {
        self.found + self.packets_missing + self.not_on_wire + self.other_answer
    }
}

/// The requests of one start of a backend, by the records and on the wire.
#[derive(Debug, Clone, Default)]
pub struct StartTraces {
    /// By the records, on the run's clock.
    pub records: Vec<Trace>,
    /// By the packets, on the wall clock.
    pub wire: Vec<Trace>,
    /// What the wall clock may be ahead of the run's, ns.
    pub offsets_ns: Vec<i64>,
}

/// First and last moment of a capture, wall clock, ns.
pub type CaptureSpan = (u64, u64);

/// Compares a run with a capture, start by start.
#[derive(Debug, Default)]
pub struct WireAudit {
    requests: WireRequests,
    backends: Vec<(String, Differences)>,
}

impl WireAudit {
    /// Requests to a backend that does not speak plain HTTP.
    pub fn take_unreadable(&mut self, sent: u64) {
        self.requests.sent += sent;
        self.requests.no_plain_http += sent;
    }

    /// Takes in one start of a backend.
    pub fn take(&mut self, backend: &str, start: &StartTraces, span: CaptureSpan) {
        let pairs = pair(&start.records, &start.wire, &start.offsets_ns);
        let mut paired = vec![false; start.wire.len()];
        for (record, found) in start.records.iter().zip(&pairs) {
            self.requests.sent += 1;
            let Some(at) = *found else {
                self.take_missing(record, &start.offsets_ns, span);
                continue;
            };
            paired[at] = true;
            self.take_pair(backend, record, &start.wire[at]);
        }
        let left = start.wire.iter().zip(paired);
        let left = left.filter(|(trace, paired)| !paired && trace.is_whole);
        let left = left.filter(|(trace, _)| trace.sent_ns.is_some() && trace.first_ns.is_some());
        self.requests.not_in_run += left.count() as u64;
    }

    fn take_missing(&mut self, record: &Trace, offsets_ns: &[i64], (first, last): CaptureSpan) {
        let sent_ns = record.sent_ns.unwrap_or(0);
        let inside = offsets_ns
            .iter()
            .any(|offset| (first..=last).contains(&sent_ns.saturating_add_signed(*offset)));
        let counter = match inside {
            true => &mut self.requests.not_on_wire,
            false => &mut self.requests.outside_capture,
        };
        *counter += 1;
    }

    fn take_pair(&mut self, backend: &str, record: &Trace, wire: &Trace) {
        let requests = &mut self.requests;
        if !wire.is_whole {
            requests.packets_missing += 1;
            return;
        }
        if !record.same_text(wire) {
            requests.other_answer += 1;
            return;
        }
        requests.found += 1;
        if !record.is_ok {
            return;
        }
        requests.compared += 1;
        let place = self.backends.iter().position(|(name, _)| name == backend);
        let place = place.unwrap_or_else(|| {
            let fresh = (backend.to_owned(), Differences::default());
            self.backends.push(fresh);
            self.backends.len() - 1
        });
        match self.backends[place].1.take(record, wire) {
            Some(shared) => self.requests.shared_events += shared,
            None => self.requests.other_events += 1,
        }
    }

    /// Whether the capture shows any request of the run.
    #[must_use]
    pub fn has_found_any(&self) -> bool {
        self.requests.found + self.requests.packets_missing > 0
    }

    /// The comparison, and what it finds against the rule.
    #[must_use]
    pub fn finish(self, capture: CaptureFacts, found: &mut Verification) -> WireComparison {
        let backends = self.backends.into_iter();
        let differences: Vec<WireDifference> = backends
            .flat_map(|(backend, differences)| differences.finish(&backend))
            .collect();
        let requests = self.requests;
        for row in &differences {
            let faults = [(WIRE, row.fault()), (WIRE_SOME, row.fault_of_some())];
            for (rule, words) in faults {
                words
                    .into_iter()
                    .for_each(|words| found.find(rule, &row.backend, words));
            }
        }
        let place = &capture.file;
        let expected = requests.expected();
        if (requests.found as f64) < FOUND_SHARE * expected as f64 {
            let words = format!(
                "it shows {} of {} requests with their whole answer",
                grouped(requests.found),
                grouped(expected)
            );
            found.find(WIRE, place, words);
        }
        for (count, what) in [
            (requests.other_answer, "another text"),
            (requests.other_events, "another number of output events"),
        ] {
            if count > 0 {
                let words = format!("{} answers have {what} than their records", grouped(count));
                found.find(WIRE, place, words);
            }
        }
        WireComparison {
            capture,
            requests,
            differences,
        }
    }
}
