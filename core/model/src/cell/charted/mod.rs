//! What is kept of a cell's requests for the charts that show single requests:
//! gaps by their position in the answer, some requests as lines, and how many
//! were in flight. Bounded, however many requests there are.

mod in_flight;
mod lines;
mod positions;

pub(crate) use in_flight::{InFlight, Load};
pub(crate) use lines::{Line, Lines};
pub(crate) use positions::Positions;

use crate::facts::record::RequestRecord;

/// A cell's requests, as far as they have been taken in.
#[derive(Debug, Default)]
pub(crate) struct ChartedFold {
    positions: Positions,
    lines: Lines,
    in_flight: InFlight,
}

/// What is kept of a cell's requests once all have been taken in.
#[derive(Debug)]
pub(crate) struct Charted {
    /// Gaps by their position in the answer.
    pub(crate) positions: Positions,
    /// Some requests.
    pub(crate) lines: Lines,
    /// Requests in flight over time; absent if none was sent.
    pub(crate) load: Option<Load>,
}

impl ChartedFold {
    /// Takes in a record, of any phase and in any order.
    pub(crate) fn add(&mut self, record: &RequestRecord) {
        if record.counts() {
            self.positions.add(record);
        }
        if let Some(line) = Line::from_record(record) {
            self.lines.add(line);
            self.in_flight.add(&line);
        }
    }

    /// Packs what has come so far.
    pub(crate) fn pack(&mut self) {
        self.positions.pack();
        self.in_flight.pack();
    }

    /// What is kept.
    pub(crate) fn finish(self) -> Charted {
        Charted {
            positions: self.positions,
            lines: self.lines,
            load: self.in_flight.finish(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::config::Level;
    use crate::facts::exchange::{Asked, Exchange, OutputKind, StreamEnd};
    use crate::facts::record::{Phase, RequestKey, RequestRecord};

    const MS: u64 = 1_000_000;

    /// An answer with these gaps between its output events, ms: sent at 100 ms,
    /// first output at 110 ms.
    pub(crate) fn answer(gaps_ms: &[u64]) -> RequestRecord {
        let mut exchange = Exchange::default();
        exchange.asked = Asked {
            input_tokens: Some(8),
            output_tokens: gaps_ms.len() as u32 + 1,
            ..Asked::default()
        };
        exchange.sent_ns = Some(100 * MS);
        exchange.http_status = Some(200);
        let mut at_ns = 110 * MS;
        exchange.output(at_ns, OutputKind::Text, "a", Some(1));
        for (n, gap_ms) in gaps_ms.iter().enumerate() {
            at_ns += gap_ms * MS;
            exchange.output(at_ns, OutputKind::Text, "a", Some(n as u32 + 2));
        }
        exchange.finish("length");
        exchange.end_marker();
        let key = RequestKey {
            backend: "one".to_owned(),
            block: 0,
            level: Level::Concurrency(1),
            phase: Phase::Measured,
            index: 0,
        };
        exchange.finish_record(key, &StreamEnd::Clean, at_ns, false)
    }
}
