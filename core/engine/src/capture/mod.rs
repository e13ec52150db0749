//! Holds a run against the packets of its own connections: a capture file in, and by how
//! much the records differ from it out. The packets are read once, in order, and kept no
//! longer than the answer that they belong to.

mod answers;
mod backends;
mod connection;
mod error;
mod file;
mod order;
mod segment;
mod starts;
mod stream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use inferbench_model::config::Config;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::verify::Verification;
use inferbench_model::verify::wire::{
    CaptureFacts, CaptureSpan, StartTraces, Trace, WireAudit, WireComparison,
};

use crate::plugins::host::PluginHost;
use crate::store::{LineFile, RunFolder};
use answers::{Answers, trace};
use backends::Backends;
use connection::{Carries, Connection};
pub use error::CaptureError;
use order::InOrder;
use segment::{Segment, is_read, segment};
use starts::{Starts, utc};

/// Connections that are followed at once; beyond that, those without an open answer are
/// forgotten.
const MAX_CONNECTIONS: usize = 262_144;

/// Holds the run in `folder` against the capture in `file`.
///
/// # Errors
/// If the capture cannot be read, shows nothing of this run, or a plugin is missing.
pub fn compare(
    folder: &Path,
    manifest: &Manifest,
    host: &PluginHost,
    file: &Path,
    found: &mut Verification,
) -> Result<WireComparison, CaptureError> {
    let config: Config =
        serde_json::from_value(manifest.config.clone()).map_err(CaptureError::Config)?;
    let merged = manifest.merged.as_ref();
    let machines = merged.map_or(1, |merged| merged.machines().len());
    if machines > 1 {
        return Err(CaptureError::SeveralMachines { machines });
    }
    let backends = Backends::open(&config, host)?;
    let starts = Starts::read(manifest)?;
    let mut reader = CaptureReader::new(Answers::new(&backends, &starts));
    let end = file::read(file, &mut |packet| reader.take(packet))?;
    let (mut facts, span, wire) = reader.finish();
    facts.file = file.display().to_string();
    facts.packets = end.packets;
    facts.is_cut_short = end.is_cut_short;
    check(&facts, file)?;
    let records = records_of(folder, &starts)?;
    let sent = records.iter().map(Vec::len).sum::<usize>() as u64;
    let audit = audit(&backends, &starts, records, wire, span);
    if !audit.has_found_any() {
        return Err(CaptureError::OtherRun {
            file: file.to_owned(),
            sent,
            captured: match facts.is_cut_short {
                true => format!("{} (the file ends inside a packet)", from_to(span)),
                false => from_to(span),
            },
            ran: from_to(starts.span_ns()),
        });
    }
    Ok(audit.finish(facts, found))
}

/// Brings the records and the wire together, start by start.
fn audit(
    backends: &Backends,
    starts: &Starts,
    records: Vec<Vec<Trace>>,
    wire: Vec<Vec<Trace>>,
    span: CaptureSpan,
) -> WireAudit {
    let mut audit = WireAudit::default();
    for ((start, records), wire) in starts.all.iter().zip(records).zip(wire) {
        if backends.get(&start.backend).is_none() {
            audit.take_unreadable(records.len() as u64);
            continue;
        }
        let traces = StartTraces {
            records,
            wire,
            offsets_ns: start.offsets_ns.clone(),
        };
        audit.take(&start.backend, &traces, span);
    }
    audit
}

fn from_to((from, to): CaptureSpan) -> String {
    format!("from {} to {}", utc(from), utc(to))
}

/// Whether there is anything in a capture that can be held against a run.
fn check(facts: &CaptureFacts, file: &Path) -> Result<(), CaptureError> {
    let file = file.to_owned();
    if facts.packets == 0 {
        return Err(CaptureError::NoPacket(file));
    }
    if facts.unread_packets == facts.packets {
        let link_type = facts.unread_link_type.unwrap_or(0);
        return Err(CaptureError::LinkType { file, link_type });
    }
    match (facts.http_connections, facts.tls_connections) {
        (0, 0) => Err(CaptureError::NoHttp {
            file,
            packets: facts.packets,
        }),
        (0, connections) => Err(CaptureError::OnlyTls { file, connections }),
        _ => Ok(()),
    }
}

/// The times of all records that were sent, by start of a backend.
fn records_of(folder: &Path, starts: &Starts) -> Result<Vec<Vec<Trace>>, CaptureError> {
    let mut traces: Vec<Vec<Trace>> = starts.all.iter().map(|_| Vec::new()).collect();
    let places: HashMap<(&str, u32), usize> = starts
        .all
        .iter()
        .enumerate()
        .map(|(at, start)| ((start.backend.as_str(), start.block), at))
        .collect();
    let file = LineFile::open(&RunFolder::open(folder).file("requests.jsonl"))?;
    file.each(|record: RequestRecord| {
        let place = places.get(&(record.backend.as_str(), record.block));
        if let (Some(place), Some(_)) = (place, record.sent_ns) {
            traces[*place].push(trace(&record, true));
        }
    })?;
    Ok(traces)
}

/// Follows the connections of a capture.
#[derive(Debug)]
struct CaptureReader<'r> {
    facts: CaptureFacts,
    span: Option<CaptureSpan>,
    in_order: InOrder,
    connections: Connections<'r>,
}

#[derive(Debug)]
struct Connections<'r> {
    /// By both addresses, the lesser first.
    open: HashMap<[SocketAddr; 2], Connection>,
    answers: Answers<'r>,
    http: u64,
    tls: u64,
    last_ns: u64,
}

impl<'r> CaptureReader<'r> {
    fn new(answers: Answers<'r>) -> Self {
        Self {
            facts: CaptureFacts::default(),
            span: None,
            in_order: InOrder::default(),
            connections: Connections {
                open: HashMap::new(),
                answers,
                http: 0,
                tls: 0,
                last_ns: 0,
            },
        }
    }

    fn take(&mut self, packet: file::Packet<'_>) {
        let (first, last) = self.span.unwrap_or((packet.wall_ns, packet.wall_ns));
        self.span = Some((first.min(packet.wall_ns), last.max(packet.wall_ns)));
        self.facts.cut_packets += u64::from(packet.is_cut);
        if !is_read(packet.link_type) {
            self.facts.unread_packets += 1;
            self.facts.unread_link_type.get_or_insert(packet.link_type);
        }
        if let Some(segment) = segment(packet) {
            let connections = &mut self.connections;
            self.in_order
                .take(segment, &mut |segment| connections.take(segment));
        }
    }

    /// What the capture holds, from when to when, and the answers in it.
    fn finish(mut self) -> (CaptureFacts, CaptureSpan, Vec<Vec<Trace>>) {
        let mut connections = self.connections;
        self.in_order
            .finish(&mut |segment| connections.take(segment));
        connections.finish();
        let span = self.span.unwrap_or_default();
        self.facts.first_utc = utc(span.0);
        self.facts.last_utc = utc(span.1);
        self.facts.http_connections = connections.http;
        self.facts.tls_connections = connections.tls;
        (self.facts, span, connections.answers.traces)
    }
}

impl Connections<'_> {
    fn take(&mut self, segment: Segment) {
        self.last_ns = segment.wall_ns;
        let side = usize::from(segment.from > segment.to);
        let mut key = [segment.from, segment.to];
        key.sort_unstable();
        if !self.open.contains_key(&key) {
            if segment.payload.is_empty() && !segment.is_syn {
                return;
            }
            if self.open.len() >= MAX_CONNECTIONS {
                self.open.retain(|_, connection| connection.is_busy());
            }
        }
        let connection = self.open.entry(key).or_default();
        let before = connection.carries;
        connection.take(side, segment, &mut self.answers);
        match (before, connection.carries) {
            (Carries::Unknown, Carries::Http(_)) => self.http += 1,
            (Carries::Unknown, Carries::Tls) => self.tls += 1,
            _ => {}
        }
        if connection.has_ended() {
            self.open.remove(&key);
        }
    }

    /// The capture ends: answers that are still open are not seen to their end.
    fn finish(&mut self) {
        for (_, mut connection) in self.open.drain() {
            connection.cut(self.last_ns, &mut self.answers);
        }
    }
}
