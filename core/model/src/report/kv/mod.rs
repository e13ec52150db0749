//! The KV cache of each backend three times over: predicted from the model's
//! config, reported by the server, and measured from outside; and when it was
//! full.

mod explain;
mod fit;
mod observe;
mod table;

pub use fit::{Line, least_squares};
pub use observe::{KvObserver, KvUse, MemoryReading, MemorySteps, Observed};
pub use table::{KvCell, KvLine, KvQuantity};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;
use crate::facts::manifest::{KvEvidence, Manifest};
use crate::kv_cache::{DtypeSource, KvEstimate, KvTerm};

/// Difference from which on a sentence explains it.
pub const EXPLAINED_FROM: f64 = 0.05;
/// Share of the KV cache from which on it is full: no room is left for a block
/// of another request.
pub const FULL_FROM: f64 = 0.99;

/// What is known of the KV caches of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KvReport {
    /// Backends of which something is known, in the order of the config.
    pub backends: Vec<KvBackend>,
    /// Use of the cache per backend and level, where the server reports it.
    pub usage: Vec<KvUse>,
}

/// The KV cache of one backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KvBackend {
    /// Label.
    pub backend: String,
    /// Terms of the prediction in numbers; none if there is no prediction.
    pub terms: Vec<KvTerm>,
    /// Data type of the cache that the prediction takes.
    pub dtype: Option<String>,
    /// Where that comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype_source: Option<DtypeSource>,
    /// Quantities of which something is known.
    pub lines: Vec<KvLine>,
    /// Memory of the GPUs around the start; absent without readings.
    pub memory: Option<MemorySteps>,
    /// Growth of the cache over the tokens of one sequence, if the server
    /// measures it.
    pub growth: Option<Line>,
    /// What a reader should know: one sentence for each difference above 5 %.
    pub sentences: Vec<String>,
}

/// Everything that is known of the KV caches; absent if that is nothing.
///
/// `observed`: what the samples of the run hold.
#[must_use]
pub fn build(manifest: &Manifest, levels: &[Level], observed: &Observed) -> Option<KvReport> {
    let backends = manifest.backends.iter().filter_map(|facts| {
        let stages = || manifest.stages.iter().filter(|s| s.backend == facts.label);
        // Every start allocates the same again, so the first with facts is enough.
        let stage = stages().find(|stage| !stage.kv_evidence.is_empty());
        let memory = stages().find_map(|stage| observed.memory(&stage.backend, stage.block));
        let max_model_len = stage.and_then(|stage| stage.evidence.max_model_len);
        let known = Known {
            estimate: facts.kv_estimate.as_ref(),
            reported: stage.map_or(&[], |stage| &stage.kv_evidence),
            memory,
            max_model_len,
        };
        known.backend(&facts.label)
    });
    let report = KvReport {
        backends: backends.collect(),
        usage: observed.usage(levels),
    };
    (!report.backends.is_empty() || !report.usage.is_empty()).then_some(report)
}

/// What one backend's part is made from.
struct Known<'a> {
    estimate: Option<&'a KvEstimate>,
    reported: &'a [KvEvidence],
    memory: Option<MemorySteps>,
    max_model_len: Option<u64>,
}

impl Known<'_> {
    /// `None` if the server reports nothing and nothing was measured: a
    /// prediction alone is what `inferbench kv-cache` shows.
    fn backend(&self, label: &str) -> Option<KvBackend> {
        let growth = self.reported.iter().find_map(|reported| {
            let points = reported.evidence.kv_growth.as_deref()?;
            least_squares(points)
        });
        let lines = table::lines(self, growth.as_ref());
        let beyond_prediction = |line: &KvLine| {
            line.measured.is_some()
                || [&line.log, &line.metrics, &line.info]
                    .iter()
                    .any(|c| c.is_some())
        };
        if !lines.iter().any(beyond_prediction) {
            return None;
        }
        Some(KvBackend {
            backend: label.to_owned(),
            terms: self.estimate.map_or_else(Vec::new, |e| e.terms.clone()),
            dtype: self.estimate.map(|estimate| estimate.dtype.clone()),
            dtype_source: self.estimate.and_then(|estimate| estimate.dtype_source),
            sentences: explain::sentences(self, &lines),
            lines,
            memory: self.memory,
            growth,
        })
    }
}

impl KvReport {
    /// Whether the cache of a backend was full, or requests were preempted, at
    /// a level.
    #[must_use]
    pub fn is_pressed(&self, backend: &str, level: &Level) -> bool {
        let mut pressed = self.usage.iter().filter(|usage| usage.is_pressed());
        pressed.any(|usage| usage.backend == backend && usage.level == *level)
    }
}
