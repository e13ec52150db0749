//! What the samples of a run say of memory and of the cache's use, taken in one
//! by one: how many there are does not matter.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FULL_FROM;
use crate::config::Level;
use crate::facts::key::CellKey;
use crate::facts::manifest::Manifest;
use crate::facts::samples::{Evidence, ServerSample};

/// Memory of all sampled GPUs around one start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemorySteps {
    /// Used before the launch.
    pub before_bytes: u64,
    /// Used when the log reported the weights as loaded; absent if it did not.
    pub weights_bytes: Option<u64>,
    /// Used when the backend was ready.
    pub ready_bytes: u64,
}

/// Use of the KV cache by one backend at one level, over all repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KvUse {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Largest share of the cache in use, 0 to 1; absent if the server does not
    /// report it.
    pub peak_usage_ratio: Option<f64>,
    /// Most requests waiting for room.
    pub peak_waiting: Option<f64>,
    /// Requests preempted for lack of room, all repeats together; absent if the
    /// server does not count them, or its counters went back.
    pub preemptions: Option<f64>,
    /// Counters of the server that went back at this level, by their field in
    /// `server_metrics.jsonl`: what it counted there is no evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters_went_back: Vec<String>,
}

impl KvUse {
    /// Whether the cache was full or requests were preempted.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        let full = self.peak_usage_ratio.is_some_and(|peak| peak >= FULL_FROM);
        full || self.preemptions.is_some_and(|count| count > 0.0)
    }
}

/// One reading of a GPU's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct MemoryReading {
    /// Monotonic time of the reading.
    pub t_ns: u64,
    /// Index in NVML's order.
    pub index: u32,
    /// Memory in use on the device.
    pub memory_used_bytes: Option<u64>,
}

/// A moment of one start, and what each device held last before it.
#[derive(Debug)]
struct Moment {
    t_ns: u64,
    held: BTreeMap<u32, u64>,
}

impl Moment {
    fn new(t_ns: u64) -> Self {
        let held = BTreeMap::new();
        Self { t_ns, held }
    }

    fn add(&mut self, reading: &MemoryReading) {
        if let Some(bytes) = reading.memory_used_bytes
            && reading.t_ns <= self.t_ns
        {
            self.held.insert(reading.index, bytes);
        }
    }

    fn bytes(&self) -> Option<u64> {
        let held = self.held.values().copied();
        // What a broken file says of memory is shown, however much it is.
        held.reduce(u64::saturating_add)
    }
}

#[derive(Debug)]
struct Start {
    backend: String,
    block: u32,
    before: Moment,
    weights: Option<Moment>,
    ready: Moment,
}

#[derive(Debug)]
struct Span {
    key: CellKey,
    start_ns: u64,
    end_ns: u64,
}

/// Index of the preemptions in [`COUNTERS`].
const PREEMPTIONS: usize = 2;
/// A counter that goes back so often in one start is no counter of one server.
const SEVERAL_SERVERS: usize = 2;

/// A counter: its field in `server_metrics.jsonl`, and its value.
type Counter = (&'static str, fn(&Evidence) -> Option<f64>);

/// What a server counts since its start.
const COUNTERS: [Counter; 5] = [
    ("prefix_cache_queries", |e| e.prefix_cache_queries),
    ("prefix_cache_hits", |e| e.prefix_cache_hits),
    ("preemptions", |e| e.preemptions),
    ("prompt_tokens", |e| e.prompt_tokens),
    ("generation_tokens", |e| e.generation_tokens),
];

/// Its counters at one reading.
#[derive(Debug, Clone, Copy)]
struct Counted {
    t_ns: u64,
    values: [Option<f64>; COUNTERS.len()],
}

impl Counted {
    fn new(sample: &ServerSample) -> Self {
        Self {
            t_ns: sample.t_ns,
            values: COUNTERS.map(|(_, of)| of(&sample.evidence)),
        }
    }

    /// Counters that stand lower than they did `before`.
    fn went_back(&self, before: &Self) -> Vec<&'static str> {
        let pairs = before.values.iter().zip(&self.values);
        let named = COUNTERS.iter().zip(pairs);
        let lower = named.filter(|(_, (then, now))| now.zip(**then).is_some_and(|(n, t)| n < t));
        lower.map(|((name, _), _)| *name).collect()
    }
}

/// A start whose counters went back: the moments around each time, and which.
#[derive(Debug, Default)]
struct Backwards {
    times: Vec<(u64, u64)>,
    counters: BTreeSet<&'static str>,
}

/// Takes in the samples of a run.
#[derive(Debug)]
pub struct KvObserver {
    starts: Vec<Start>,
    spans: Vec<Span>,
    usage: Vec<KvUse>,
    counted: BTreeMap<(String, u32), Counted>,
    backwards: BTreeMap<(String, u32), Backwards>,
}

/// What the samples of a run hold.
#[derive(Debug, Default)]
pub struct Observed {
    memory: Vec<(String, u32, MemorySteps)>,
    usage: Vec<KvUse>,
}

impl KvObserver {
    /// One for the starts and cells of a run.
    #[must_use]
    pub fn new(manifest: &Manifest) -> Self {
        let starts = manifest.stages.iter().filter_map(|stage| {
            Some(Start {
                backend: stage.backend.clone(),
                block: stage.block,
                before: Moment::new(stage.start_ns?),
                weights: stage.weights_ns.map(Moment::new),
                ready: Moment::new(stage.ready_ns?),
            })
        });
        let spans = manifest.cells.iter().map(|cell| Span {
            key: cell.key.clone(),
            start_ns: cell.start_ns,
            end_ns: cell.end_ns,
        });
        Self {
            starts: starts.collect(),
            spans: spans.collect(),
            usage: Vec::new(),
            counted: BTreeMap::new(),
            backwards: BTreeMap::new(),
        }
    }

    /// Takes in a reading of a GPU; readings come in the order of their time.
    pub fn add_memory(&mut self, reading: &MemoryReading) {
        for start in &mut self.starts {
            start.before.add(reading);
            start.ready.add(reading);
            if let Some(weights) = &mut start.weights {
                weights.add(reading);
            }
        }
    }

    /// Takes in a reading of a server's metrics; those of one start come in the
    /// order of their time.
    pub fn add_server(&mut self, sample: &ServerSample) {
        let evidence = &sample.evidence;
        let (usage, waiting) = (evidence.kv_cache_usage_ratio, evidence.waiting_requests);
        let within = |span: &&Span| (span.start_ns..=span.end_ns).contains(&sample.t_ns);
        let at = self.of_sample(sample).find(within);
        let at = at.map(|span| span.key.clone());
        if let Some(at) = at.filter(|_| usage.is_some() || waiting.is_some()) {
            let entry = self.entry(&at);
            entry.peak_usage_ratio = most(entry.peak_usage_ratio, usage);
            entry.peak_waiting = most(entry.peak_waiting, waiting);
        }
        self.count(sample);
    }

    /// Preemptions since the last reading go to the cell in which most of that
    /// time lies, unless a counter went back meanwhile.
    fn count(&mut self, sample: &ServerSample) {
        let place = (sample.backend.clone(), sample.block);
        let now = Counted::new(sample);
        if now.values.iter().all(Option::is_none) {
            return;
        }
        // What stood there at the first reading may be older than the run.
        let Some(before) = self.counted.insert(place.clone(), now) else {
            return;
        };
        let went_back = now.went_back(&before);
        if !went_back.is_empty() {
            let known = self.backwards.entry(place).or_default();
            known.times.push((before.t_ns, now.t_ns));
            known.counters.extend(went_back);
            return;
        }
        let (from_ns, of) = (before.t_ns, |counted: &Counted| counted.values[PREEMPTIONS]);
        let Some(more) = of(&now).zip(of(&before)).map(|(now, then)| now - then) else {
            return;
        };
        let overlap = |span: &&Span| {
            let (from, to) = (span.start_ns.max(from_ns), span.end_ns.min(sample.t_ns));
            to.saturating_sub(from)
        };
        let spans = self.of_sample(sample).filter(|span| overlap(span) > 0);
        let key = spans.max_by_key(overlap).map(|span| span.key.clone());
        if let Some(key) = key {
            let entry = self.entry(&key);
            entry.preemptions = Some(entry.preemptions.unwrap_or(0.0) + more);
        }
    }

    fn of_sample(&self, sample: &ServerSample) -> impl Iterator<Item = &Span> {
        self.spans
            .iter()
            .filter(|span| span.key.backend == sample.backend && span.key.block == sample.block)
    }

    fn entry(&mut self, key: &CellKey) -> &mut KvUse {
        let is_it = |usage: &KvUse| usage.backend == key.backend && usage.level == key.level;
        let at = self.usage.iter().position(is_it).unwrap_or_else(|| {
            self.usage.push(KvUse {
                backend: key.backend.clone(),
                level: key.level,
                peak_usage_ratio: None,
                peak_waiting: None,
                preemptions: None,
                counters_went_back: Vec::new(),
            });
            self.usage.len() - 1
        });
        &mut self.usage[at]
    }

    /// Takes back what counters say of the cells in which they went back: those that
    /// the time between both readings touches, and all of the start if several
    /// servers seem to answer in turn.
    fn drop_backwards(&mut self) {
        for (place, known) in std::mem::take(&mut self.backwards) {
            let spans = self.spans.iter().filter(|span| {
                let of_start = (&span.key.backend, span.key.block) == (&place.0, place.1);
                let touches =
                    |(from, to): &(u64, u64)| span.start_ns <= *to && *from <= span.end_ns;
                let is_shared = known.times.len() >= SEVERAL_SERVERS;
                of_start && (is_shared || known.times.iter().any(touches))
            });
            let keys: Vec<CellKey> = spans.map(|span| span.key.clone()).collect();
            for key in keys {
                let entry = self.entry(&key);
                let names = known.counters.iter().map(|name| (*name).to_owned());
                entry.counters_went_back.extend(names);
                entry.counters_went_back.sort_unstable();
                entry.counters_went_back.dedup();
                entry.preemptions = None;
            }
        }
    }

    /// What they hold.
    #[must_use]
    pub fn finish(mut self) -> Observed {
        self.drop_backwards();
        let steps = self.starts.into_iter().filter_map(|start| {
            let steps = MemorySteps {
                before_bytes: start.before.bytes()?,
                weights_bytes: start.weights.and_then(|weights| weights.bytes()),
                ready_bytes: start.ready.bytes()?,
            };
            Some((start.backend, start.block, steps))
        });
        Observed {
            memory: steps.collect(),
            usage: self.usage,
        }
    }
}

impl Observed {
    /// Memory around the start of a backend in a block.
    #[must_use]
    pub fn memory(&self, backend: &str, block: u32) -> Option<MemorySteps> {
        let mut found = self.memory.iter();
        found.find_map(|(b, n, steps)| (b == backend && *n == block).then_some(*steps))
    }

    /// Use of the cache, levels in the order given and backends as they came.
    pub(super) fn usage(&self, levels: &[Level]) -> Vec<KvUse> {
        let is_known = |usage: &&KvUse| {
            let counts = usage.preemptions.is_some() || !usage.counters_went_back.is_empty();
            usage.peak_usage_ratio.is_some() || counts
        };
        let of_level = |level: &Level| {
            let level = *level;
            self.usage.iter().filter(move |usage| usage.level == level)
        };
        let ordered = levels.iter().flat_map(of_level).filter(is_known).cloned();
        ordered.collect()
    }
}

fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}
