//! What the samples of a run say of memory and of the cache's use, taken in one
//! by one: how many there are does not matter.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FULL_FROM;
use crate::config::Level;
use crate::facts::key::CellKey;
use crate::facts::manifest::Manifest;
use crate::facts::record::ServerSample;

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
    /// server does not count them.
    pub preemptions: Option<f64>,
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
        (!self.held.is_empty()).then(|| self.held.values().sum())
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

#[derive(Debug, Clone, Copy)]
struct Counted {
    t_ns: u64,
    preemptions: f64,
}

/// Takes in the samples of a run.
#[derive(Debug)]
pub struct KvObserver {
    starts: Vec<Start>,
    spans: Vec<Span>,
    usage: Vec<KvUse>,
    counted: BTreeMap<(String, u32), Counted>,
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
        if let Some(preemptions) = evidence.preemptions {
            self.count(sample, preemptions);
        }
    }

    /// Preemptions since the last reading go to the cell in which most of that
    /// time lies.
    fn count(&mut self, sample: &ServerSample, preemptions: f64) {
        let place = (sample.backend.clone(), sample.block);
        let now = Counted {
            t_ns: sample.t_ns,
            preemptions,
        };
        // What stood there at the first reading may be older than the run.
        let Some(before) = self.counted.insert(place, now) else {
            return;
        };
        let (from_ns, since) = (before.t_ns, before.preemptions);
        // A counter that has gone back has started over.
        let more = if preemptions < since {
            preemptions
        } else {
            preemptions - since
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
            });
            self.usage.len() - 1
        });
        &mut self.usage[at]
    }

    /// What they hold.
    #[must_use]
    pub fn finish(self) -> Observed {
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
        let is_known =
            |usage: &&KvUse| usage.peak_usage_ratio.is_some() || usage.preemptions.is_some();
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
