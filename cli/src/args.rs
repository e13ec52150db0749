//! Every flag and its help.

mod shards;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;
use inferbench_engine::plugins::host::SearchPath;
use inferbench_model::kv_cache::{KvOptions, parse_size};
use inferbench_model::metrics::{self, Better, Metric};
use inferbench_model::report::runs::CAPACITY;

pub use shards::{KubernetesArgs, ServeArgs, ShardArgs, SlurmArgs};

use crate::build;

/// Which serving backend is fastest for my model on my hardware, and can I
/// trust the answer?
#[derive(Debug, Parser)]
#[command(name = "inferbench", version, long_version = build::words(), about, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where plugins come from.
    #[command(flatten)]
    pub plugins: PluginArgs,
    /// What is printed.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What is printed, and how.
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
pub struct OutputArgs {
    /// Write results as JSON to standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only results, warnings and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Also print why plugins were refused, what plugins log, and the resolved config.
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// Where plugins come from.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct PluginArgs {
    /// Also load this plugin library, before all others.
    #[arg(long = "plugin", value_name = "FILE", global = true)]
    pub files: Vec<PathBuf>,
    /// Also look for plugin libraries in this folder.
    #[arg(long = "plugin-dir", value_name = "DIR", global = true)]
    pub dirs: Vec<PathBuf>,
    /// Load plugins even from folders that other users can write to.
    #[arg(long, global = true)]
    pub trust_plugin_dir: bool,
}

impl From<&PluginArgs> for SearchPath {
    fn from(args: &PluginArgs) -> Self {
        Self {
            files: args.files.clone(),
            dirs: args.dirs.clone(),
            trust_dirs: args.trust_plugin_dir,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a benchmark and report on it.
    Run {
        /// The config file (YAML).
        config: PathBuf,
        /// Create the run folder here, instead of where the config says.
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Continue the run in this folder: measure only what is missing.
        #[arg(long, value_name = "DIR", conflicts_with = "output")]
        resume: Option<PathBuf>,
        /// Measure the server at this URL, and start none; for a config of one backend.
        #[arg(long, value_name = "URL", conflicts_with = "resume")]
        attach: Option<String>,
        /// Which part of the load is made here, where it is shared out among processes.
        #[command(flatten)]
        shard: ShardArgs,
    },
    /// Start the backend of a config by its plugin's plan, and keep it until it is stopped.
    Serve(ServeArgs),
    /// Join the shards of a run into one run folder, and report on it.
    Merge {
        /// Folders of shards, or folders with some in them.
        #[arg(required = true, num_args = 1.., value_name = "DIR")]
        folders: Vec<PathBuf>,
        /// The run folder to make.
        #[arg(long, short = 'o', value_name = "RUN")]
        output: PathBuf,
        /// Leave lost shards out: a partial report, without a verdict.
        #[arg(long)]
        allow_missing: bool,
    },
    /// Print, or submit, one batch script for Slurm that runs a config as shards and merges them.
    Slurm(SlurmArgs),
    /// Print manifests for Kubernetes that run a config as shards and merge them.
    Kubernetes(KubernetesArgs),
    /// Check a config and show what a run would do, without starting anything.
    Validate {
        /// The config file (YAML).
        config: PathBuf,
        /// The run is for another machine: do not look for programs and images here.
        #[arg(long)]
        elsewhere: bool,
        /// Draw the load of each level over time: requests sent per second, or slots that
        /// begin one after the other.
        #[arg(long)]
        show_schedule: bool,
    },
    /// List where prompts may come from, or write the requests of a config as JSON lines.
    Prompts(PromptsArgs),
    /// List the configs to start from, or print one.
    Config {
        /// Its name; lists all if omitted.
        name: Option<String>,
    },
    /// Print the JSON Schema of the config, or of a file that a run writes.
    Schema {
        /// Which schema.
        #[arg(value_enum, default_value_t = SchemaKind::Config)]
        of: SchemaKind,
    },
    /// List plugins, show one, create a new one, or check a built one.
    Plugins {
        /// What to do; lists all plugins if omitted.
        #[command(subcommand)]
        action: Option<PluginAction>,
    },
    /// Rebuild the report and all other derived files of a run folder.
    Report {
        /// The run folder.
        folder: PathBuf,
    },
    /// Compare runs: what differs between them, and what got better or worse.
    Compare(CompareArgs),
    /// Check a run folder against every audit rule; exit code 4 if it is rejected.
    Verify {
        /// The run folder.
        folder: PathBuf,
        /// Hold its times against this capture of its connections (pcap or pcapng).
        #[arg(long, value_name = "FILE")]
        capture: Option<PathBuf>,
    },
    /// Measure how exact timings are on this machine, against a simulated server.
    Calibrate {
        /// Use fewer streams and requests: about half a minute instead of two.
        #[arg(long)]
        quick: bool,
        /// Write the result to this file instead of the user's data folder, where runs find it.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check one plugin library inside this process (called by `plugins check`).
    #[command(hide = true)]
    CheckPlugin {
        /// The library.
        file: PathBuf,
        /// Folder of recorded exchanges.
        #[arg(long, value_name = "DIR")]
        exchanges: Option<PathBuf>,
        /// Load it, and check nothing else.
        #[arg(long)]
        load_only: bool,
    },
    /// Supervise one server (called by `run`).
    #[command(hide = true)]
    Supervise,
    /// Check this machine: tools, GPUs, limits, clocks, and what a config needs.
    Doctor {
        /// A config file: also look for what its backends need.
        config: Option<PathBuf>,
        /// Folder that runs would be written to; its disk is checked.
        #[arg(long, value_name = "DIR", default_value = "results")]
        output: PathBuf,
        /// First stop servers that crashed runs have left behind.
        #[arg(long)]
        clean: bool,
    },
    /// Compute a model's KV cache: bytes per token, what fits, and the arithmetic.
    KvCache(KvCacheArgs),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write a man page of each command (called when a package is made).
    #[command(hide = true)]
    ManPages {
        /// The folder to write to, which must be there.
        folder: PathBuf,
    },
}

/// Which prompts are written, and where to.
#[derive(Debug, Clone, ClapArgs)]
pub struct PromptsArgs {
    /// The config file (YAML); without one the sources of prompts are listed.
    pub config: Option<PathBuf>,
    /// Write to this file instead of standard output.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Make a trace of a proxy's log (JSON lines), without its text: times, lengths, and which prompts begin alike.
    #[arg(long, value_name = "LOG", conflicts_with = "config")]
    pub from_log: Option<PathBuf>,
    /// The level whose requests are written, as the config has it; default: the first.
    #[arg(long, value_name = "LEVEL", requires = "config")]
    pub level: Option<String>,
    /// The repeat whose requests are written.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "config")]
    pub repeat: u32,
    /// Write so many requests; default: as many as the level has, warm-up and all.
    #[arg(long, value_name = "N", requires = "config")]
    pub limit: Option<u64>,
}

/// Which runs are compared, and the gate.
#[derive(Debug, Clone, ClapArgs)]
pub struct CompareArgs {
    /// Two or more run folders, each optionally with a name.
    #[arg(required = true, num_args = 1.., value_name = "[NAME=]RUN")]
    pub runs: Vec<String>,
    /// The run that the others are compared with, by folder or name; default: the first.
    #[arg(long, value_name = "RUN")]
    pub baseline: Option<String>,
    /// Exit with code 4 if a metric is shown to be worse than the baseline by more than this.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub fail_on_regression: Option<f64>,
    /// Metric that must not get worse, or `capacity` (repeatable); default: the one that
    /// ranks the backends, TTFT and TPOT, and of searches the capacity.
    #[arg(long, value_name = "NAME", value_parser = parse_metric, requires = "fail_on_regression")]
    pub metric: Vec<String>,
    /// Exit with code 5 if some check is undecided and none failed.
    #[arg(long, requires = "fail_on_regression")]
    pub require_decision: bool,
    /// Write the page, report.json and the summaries to this folder.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Compare even runs of different models or workloads.
    #[arg(long)]
    pub force: bool,
}

/// A percentage from 0 % to below 100 %, as a share.
fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map(str::trim);
    let percent = number.and_then(|number| number.parse::<f64>().ok());
    match percent {
        Some(percent) if (0.0..100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("must be a percentage from 0% to below 100%, such as 5%".to_owned()),
    }
}

/// The name of a metric that ranks: more of it, or less, is better; or the capacity.
fn parse_metric(text: &str) -> Result<String, String> {
    let ranks = |metric: &&&Metric| metric.better != Better::Neither;
    let all = metrics::all();
    let known = all.iter().filter(ranks).map(|metric| metric.name);
    let known: Vec<&str> = known.chain([CAPACITY]).collect();
    if known.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("must be one of {}", known.join(", ")))
}

/// Which model's KV cache is computed, and for which server.
#[derive(Debug, Clone, ClapArgs)]
pub struct KvCacheArgs {
    /// Folder with the model's config.json, or the id of a model in the HuggingFace cache.
    #[arg(value_name = "MODEL_DIR")]
    pub model: String,
    /// Memory of one GPU, such as 32GiB or 80GB; needed to compute what fits.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub gpu_memory: Option<u64>,
    /// Share of that memory that the server may use, above 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    pub utilization: f64,
    /// Memory per GPU for activations, graphs and the runtime.
    #[arg(long, value_name = "SIZE", default_value = "0B", value_parser = parse_size)]
    pub overhead: u64,
    /// Size of the model's weights, instead of the size of its files.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub weights: Option<u64>,
    /// Data type of the cache, such as fp8; default: what the checkpoint asks for, else
    /// the model's.
    #[arg(long, value_name = "DTYPE")]
    pub kv_dtype: Option<String>,
    /// Data type that the model runs in; default: that of its config.
    #[arg(long, value_name = "DTYPE")]
    pub dtype: Option<String>,
    /// Data type of recurrent states; default: that of the config, else the model's.
    #[arg(long, value_name = "DTYPE")]
    pub state_dtype: Option<String>,
    /// Tensor-parallel size: GPUs that each layer is split over.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub tp: u32,
    /// Pipeline-parallel size: GPUs that the layers are divided among.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub pp: u32,
    /// Decode-context-parallel size: GPUs of a tensor-parallel group that deal a
    /// sequence's tokens out among them.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub dcp: u32,
    /// Data-parallel size: engines, or ranks of attention, that have a cache each.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub dp: u32,
    /// The data-parallel ranks are parts of the tensor-parallel group, which then
    /// splits the heads that much less.
    #[arg(long)]
    pub dp_attention: bool,
    /// Length of a sequence (prompt and answer), tokens.
    #[arg(long, value_name = "TOKENS", default_value_t = 8192,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    pub context: u64,
    /// Tokens per cache block.
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub block_size: u32,
    /// Tokens per engine step, which vLLM keeps in addition to a sliding window.
    #[arg(long, value_name = "TOKENS")]
    pub max_num_batched_tokens: Option<u64>,
    /// Also compute what this many concurrent sequences need.
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub concurrency: Option<u64>,
}

impl KvCacheArgs {
    /// The options that the estimate depends on.
    #[must_use]
    pub fn options(&self) -> KvOptions {
        KvOptions {
            dtype: self.kv_dtype.clone(),
            model_dtype: self.dtype.clone(),
            state_dtype: self.state_dtype.clone(),
            tensor_parallel: self.tp,
            pipeline_parallel: self.pp,
            decode_context_parallel: self.dcp,
            data_parallel: self.dp,
            attention_data_parallel: self.dp_attention,
            block_size: self.block_size,
            batched_tokens: self.max_num_batched_tokens,
            ..KvOptions::default()
        }
    }
}

/// What kind of server a plugin project is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Flavour {
    /// One that speaks OpenAI's API.
    Openai,
    /// One with an API of its own, whose answers are lines of JSON.
    Native,
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub enum PluginAction {
    /// Show one plugin and its options.
    Show {
        /// Its name.
        name: String,
    },
    /// Create a plugin project, with a config whose run works as it is.
    New {
        /// Its name, as written after `plugin:` in a config.
        name: String,
        /// Kind of server that it is for.
        #[arg(long, value_enum, default_value_t = Flavour::Openai)]
        flavour: Flavour,
        /// Folder to create; default: `inferbench-NAME`.
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
        /// Build it against this copy of core/plugin-api instead of the published crate.
        #[arg(long, value_name = "DIR")]
        api_path: Option<PathBuf>,
    },
    /// Run the conformance suite on a built plugin library, in a child process.
    Check {
        /// The library.
        file: PathBuf,
        /// Folder of recorded exchanges; default: `exchanges` beside the library.
        #[arg(long, value_name = "DIR")]
        exchanges: Option<PathBuf>,
        /// Longest time for one check; a check that takes longer counts as hanging.
        #[arg(long, value_name = "SECONDS", default_value_t = 60,
              value_parser = clap::value_parser!(u64).range(1..))]
        time_limit: u64,
    },
}

/// A JSON Schema to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaKind {
    /// The config.
    Config,
    /// `cells.json`.
    Cells,
    /// `report.json`.
    Report,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_limit_is_a_percentage_below_a_hundred() {
        assert_eq!(parse_percent("5%"), Ok(0.05));
        assert_eq!(parse_percent("2.5 %"), Ok(0.025));
        for wrong in ["5", "0.05", "100%", "-1%", "NaN%", "%", ""] {
            assert!(parse_percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_metric_that_does_not_rank_is_refused() {
        assert!(parse_metric("ttft_ms").is_ok());
        for wrong in ["input_tokens", "latency"] {
            let error = parse_metric(wrong).unwrap_err();
            assert!(error.contains("output_token_throughput"), "{error}");
        }
    }
}
