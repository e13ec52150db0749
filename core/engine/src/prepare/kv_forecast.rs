//! Predicts KV caches before a launch, from a model's files on this machine and
//! the launch command, and whether the levels will fit. The arithmetic is the
//! model's; recording estimates and showing warnings is for the callers.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use inferbench_model::config::Level;
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::kv_cache::{
    Budget, KvError, KvEstimate, KvOptions, LaunchFacts, Room, Weights, estimate_of_files,
    forecast, header_length, weights_of_header, weights_of_index,
};
use thiserror::Error;

use super::prepared::{PreparedBackend, PreparedRun};
use crate::load::model_files::{ModelFiles, read_gguf};
use crate::server::method::Launch;

/// Share of GPU memory that a server is taken to use where its command does not
/// say: what the common ones use, to a few hundredths.
const USUAL_UTILIZATION: f64 = 0.9;
/// How long NVML may take to report the memory of its devices.
const NVML_LIMIT: Duration = Duration::from_secs(10);
/// Longest file that is taken for a config or an index.
const MOST_BYTES: u64 = 256 << 20;
/// Variable that sets the size of vLLM's cache on a CPU.
const CPU_CACHE: &str = "VLLM_CPU_KVCACHE_SPACE";

/// A model whose cache cannot be predicted.
#[derive(Debug, Error)]
pub enum KvModelError {
    /// It is not on this machine.
    #[error("{model}: neither a folder nor a model in the hub's cache")]
    NotHere {
        /// What was asked for.
        model: String,
    },
    /// A file of it cannot be read.
    #[error("{}: cannot be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What it says gives no estimate.
    #[error("{}: {reason}", folder.display())]
    Kv {
        /// The model's folder.
        folder: PathBuf,
        /// Why.
        reason: KvError,
    },
}

/// A model's files, as far as they matter to the cache.
#[derive(Debug, Clone)]
pub struct KvModel {
    /// Its folder, or its GGUF file.
    pub folder: PathBuf,
    /// Its weights; absent if the folder has none as safetensors, or if the GGUF file
    /// is one of several.
    pub weights: Option<Weights>,
    config: Vec<u8>,
    /// `hf_quant_config.json`, in which ModelOpt says how a checkpoint is quantized.
    hf_quant_config: Option<Vec<u8>>,
}

impl KvModel {
    /// Reads a model: a folder, a GGUF file, or a hub id that is in the hub's cache.
    ///
    /// # Errors
    /// See [`KvModelError`].
    pub fn read(model: &str) -> Result<Self, KvModelError> {
        let files = ModelFiles::find(model);
        if let Some(file) = files.gguf {
            return Self::of_gguf(file);
        }
        let folder = files.folder.ok_or_else(|| KvModelError::NotHere {
            model: model.to_owned(),
        })?;
        Ok(Self {
            config: contents(&folder.join("config.json"))?,
            hf_quant_config: contents(&folder.join("hf_quant_config.json")).ok(),
            weights: weights(&folder)?,
            folder,
        })
    }

    fn of_gguf(file: PathBuf) -> Result<Self, KvModelError> {
        let read = || {
            let gguf = read_gguf(&file)?;
            let bytes = gguf.weight_bytes(std::fs::metadata(&file)?.len());
            Ok((gguf.config().to_string().into_bytes(), bytes))
        };
        let (config, bytes) = read().map_err(|source| KvModelError::Unreadable {
            file: file.clone(),
            source,
        })?;
        Ok(Self {
            folder: file,
            weights: bytes.map(|bytes| Weights {
                bytes,
                by_dtype: Vec::new(),
            }),
            config,
            hf_quant_config: None,
        })
    }

    /// The estimate of its cache.
    ///
    /// # Errors
    /// `Kv`.
    pub fn estimate(&self, options: &KvOptions) -> Result<KvEstimate, KvModelError> {
        let found = estimate_of_files(&self.config, self.hf_quant_config.as_deref(), options);
        let mut found = found.map_err(|error| self.because(error))?;
        found.weight_bytes = self.weights.as_ref().map(|weights| weights.bytes);
        Ok(found)
    }

    /// An error of the arithmetic, with the model's folder.
    #[must_use]
    pub fn because(&self, reason: KvError) -> KvModelError {
        KvModelError::Kv {
            folder: self.folder.clone(),
            reason,
        }
    }
}

fn contents(file: &Path) -> Result<Vec<u8>, KvModelError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(file)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| KvModelError::Unreadable {
        file: file.to_owned(),
        source,
    })
}

/// Weights of a folder's safetensors: by data type where the files are there,
/// else the total of their index.
fn weights(folder: &Path) -> Result<Option<Weights>, KvModelError> {
    let because = |reason| KvModelError::Kv {
        folder: folder.to_owned(),
        reason,
    };
    let index_file = "model.safetensors.index.json";
    let index = folder.join(index_file);
    let total = match index.is_file() {
        true => Some(weights_of_index(index_file, &contents(&index)?).map_err(because)?),
        false => None,
    };
    let mut sum = Weights::default();
    for file in shards(folder)? {
        sum.add(&shard(folder, &file)?);
    }
    // A folder may have an index and only some of its files.
    Ok(match total {
        Some(bytes) if bytes > sum.bytes => Some(Weights {
            bytes,
            by_dtype: Vec::new(),
        }),
        _ => (sum.bytes > 0).then_some(sum),
    })
}

fn shards(folder: &Path) -> Result<Vec<PathBuf>, KvModelError> {
    let unreadable = |source| KvModelError::Unreadable {
        file: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let is_shard = file.extension().is_some_and(|end| end == "safetensors");
        // Some repositories keep the same weights once more under this name.
        let is_copy = file.file_stem().is_some_and(|stem| stem == "consolidated");
        if is_shard && !is_copy {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn shard(folder: &Path, file: &Path) -> Result<Weights, KvModelError> {
    let unreadable = |source| KvModelError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let because = |reason| KvModelError::Kv {
        folder: folder.to_owned(),
        reason,
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut open = File::open(file).map_err(unreadable)?;
    let mut start = Vec::new();
    open.by_ref()
        .take(8)
        .read_to_end(&mut start)
        .map_err(unreadable)?;
    let length = header_length(&name, &start).map_err(because)?;
    let mut header = Vec::new();
    open.take(length as u64)
        .read_to_end(&mut header)
        .map_err(unreadable)?;
    weights_of_header(&name, &header).map_err(because)
}

/// What is known of one launched backend's cache before it starts.
#[derive(Debug)]
pub struct KvForecast {
    /// Label of the backend.
    pub label: String,
    /// The estimate, or why there is none.
    pub estimate: Result<KvEstimate, Arc<KvModelError>>,
    facts: LaunchFacts,
    takes_share: bool,
}

/// The forecast of each backend that is launched, by its place in the config;
/// `None` for one that is attached to, simulated or inside this process, or if
/// the model is not on this machine.
#[must_use]
pub fn kv_forecasts(prepared: &PreparedRun) -> Vec<Option<KvForecast>> {
    let model = match KvModel::read(&prepared.config.model.id) {
        Err(KvModelError::NotHere { .. }) => None,
        read => Some(read.map_err(Arc::new)),
    };
    let backends = prepared.backends.iter().enumerate();
    let each = backends.map(|(index, backend)| {
        if !backend.attach.is_empty() || backend.plugin.description.simulated {
            return None;
        }
        let launch = prepared.preview_one(index).ok().flatten()?;
        let facts = launch_facts(&launch);
        let estimate = match model.as_ref()? {
            Ok(model) => model.estimate(&facts.options()).map_err(Arc::new),
            Err(error) => Err(Arc::clone(error)),
        };
        Some(KvForecast::new(backend, facts, estimate))
    });
    each.collect()
}

/// What the command and the environment of a launch say of the cache.
fn launch_facts(launch: &Launch) -> LaunchFacts {
    let inherited = std::env::var(CPU_CACHE).unwrap_or_default();
    let set = launch.plan.env.iter();
    let set = set.map(|var| (var.name.as_str(), var.value.as_str()));
    let env = std::iter::once((CPU_CACHE, inherited.as_str())).chain(set);
    LaunchFacts::from_command(&launch.plan.command, env)
}

/// Warnings of levels that will not fit, each with the label of its backend.
/// `gpu_bytes`: memory of the smallest GPU in use, if known.
#[must_use]
pub fn kv_warnings(
    prepared: &PreparedRun,
    forecasts: &[Option<KvForecast>],
    gpu_bytes: Option<u64>,
) -> Vec<Warning> {
    let workload = &prepared.config.workload;
    let mut parts = workload.parts().into_iter();
    if !parts.all(|(_, part)| part.has_lengths_of_its_own()) {
        return Vec::new();
    }
    let tokens = workload.mean_tokens(|part| part.input_tokens.mean() + part.output_tokens.mean());
    let mut warnings = Vec::new();
    for one in forecasts.iter().flatten() {
        // The largest says it for all: it names the most that fit.
        if let Some(most) = most_concurrent(prepared, &one.label)
            && let Some(detail) = one.warning(gpu_bytes, most, tokens.ceil() as u64)
        {
            let kind = WarningKind::KvCacheTooSmall { detail };
            warnings.push(Warning::about(&one.label, kind));
        }
    }
    warnings
}

/// What is wrong where a launch sets the size of its cache, and that holds not even
/// the longest request; one for each backend, `None` where nothing is known.
#[must_use]
pub fn kv_errors(prepared: &PreparedRun, forecasts: &[Option<KvForecast>]) -> Vec<Option<String>> {
    let (prompt, answer) = prepared.prompts.longest();
    let longest = prompt
        .zip(answer)
        .map(|(prompt, answer)| u64::from(prompt) + u64::from(answer));
    let each = forecasts.iter().map(|one| {
        let (one, longest) = (one.as_ref()?, longest?);
        let estimate = one.estimate.as_ref().ok()?;
        let set = one.facts.cache_bytes.is_some() || one.facts.cache_tokens.is_some();
        let room = one.room(estimate, None).filter(|_| set)?.ok()?;
        forecast(estimate, room, 1, longest)
    });
    each.collect()
}

/// The highest concurrency that a backend is measured at.
fn most_concurrent(prepared: &PreparedRun, label: &str) -> Option<u64> {
    let stages = prepared.plan.stages.iter();
    let stages = stages.filter(|stage| stage.backend == label);
    let levels = stages.flat_map(|stage| &stage.levels);
    let concurrent = levels.filter_map(|planned| match planned.level {
        Level::Concurrency(n) => Some(u64::from(n)),
        Level::RequestRate(_) | Level::TraceSpeed(_) => None,
    });
    concurrent.max()
}

impl KvForecast {
    fn new(
        backend: &PreparedBackend,
        facts: LaunchFacts,
        estimate: Result<KvEstimate, Arc<KvModelError>>,
    ) -> Self {
        let schema = &backend.plugin.description.options_schema;
        let has = |name: &str| schema.pointer(&format!("/properties/{name}")).is_some();
        Self {
            label: backend.label.clone(),
            estimate,
            takes_share: has("gpu_memory_utilization") || has("mem_fraction_static"),
            facts,
        }
    }

    /// Room for the cache: what its command says, else what its share of the
    /// GPU leaves beside the weights.
    fn room(&self, estimate: &KvEstimate, gpu_bytes: Option<u64>) -> Option<Result<Room, KvError>> {
        if let Some(bytes) = self.facts.cache_bytes {
            return Some(Ok(Room::Bytes(bytes)));
        }
        if let Some(tokens) = self.facts.cache_tokens {
            return Some(Ok(Room::Tokens(tokens)));
        }
        let on_cpu = self.facts.device.as_deref() == Some("cpu");
        if !self.takes_share || on_cpu {
            return None;
        }
        let budget = Budget {
            memory_bytes: gpu_bytes?,
            utilization: self.facts.utilization.unwrap_or(USUAL_UTILIZATION),
            weight_bytes: estimate.weight_bytes_per_gpu()?,
            overhead_bytes: 0,
        };
        Some(budget.cache_bytes().map(Room::Bytes))
    }

    fn warning(&self, gpu_bytes: Option<u64>, concurrency: u64, tokens: u64) -> Option<String> {
        let estimate = self.estimate.as_ref().ok()?;
        match self.room(estimate, gpu_bytes)? {
            Ok(room) => forecast(estimate, room, concurrency, tokens),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Memory of the smallest GPU that NVML lists; `None` if there is none, or if
/// NVML does not answer in time.
#[must_use]
pub fn smallest_gpu_bytes() -> Option<u64> {
    let (send, smallest) = mpsc::channel();
    let thread = std::thread::Builder::new().name("gpu-memory".to_owned());
    let started = thread.spawn(move || {
        let Ok(nvml) = crate::telemetry::gpu::nvml() else {
            return;
        };
        let devices = 0..nvml.device_count().unwrap_or(0).min(1024);
        let each = devices.filter_map(|index| {
            let memory = nvml.device_by_index(index).ok()?.memory_info().ok()?;
            Some(memory.total)
        });
        // Whoever has stopped waiting needs no answer.
        let _: Result<_, _> = send.send(each.min());
    });
    started.ok()?;
    smallest.recv_timeout(NVML_LIMIT).ok().flatten()
}
