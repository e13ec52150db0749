//! Every flag and its help.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;
use inferbench_engine::plugins::host::SearchPath;
use inferbench_model::kv_cache::{KvOptions, parse_size};
use inferbench_model::metrics::{self, Better, Metric};

/// Which serving backend is fastest for my model on my hardware, and can I
/// trust the answer?
#[derive(Debug, Parser)]
#[command(name = "inferbench", version, about, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where plugins come from.
    #[command(flatten)]
    pub plugins: PluginArgs,
    /// How much is said.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How much is said, and how.
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
pub struct OutputArgs {
    /// Write results as JSON to standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but results, warnings and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say more: why plugins were refused, what plugins log, the config as resolved.
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// Where plugins come from.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct PluginArgs {
    /// Load this plugin library too, before all others.
    #[arg(long = "plugin", value_name = "FILE", global = true)]
    pub files: Vec<PathBuf>,
    /// Look for plugin libraries in this folder too.
    #[arg(long = "plugin-dir", value_name = "DIR", global = true)]
    pub dirs: Vec<PathBuf>,
    /// Load plugins even from folders that others than their owner may write to.
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
        /// The config, YAML.
        config: PathBuf,
        /// Make the run's folder in this folder, whatever the config says.
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Go on with the run in this folder: measure only the cells that it lacks.
        #[arg(long, value_name = "DIR", conflicts_with = "output")]
        resume: Option<PathBuf>,
    },
    /// Check a config wholly, show what it would do, and start nothing.
    Validate {
        /// The config, YAML.
        config: PathBuf,
    },
    /// Print the JSON Schema of the config, or of a file that a run leaves.
    Schema {
        /// Which schema.
        #[arg(value_enum, default_value_t = SchemaKind::Config)]
        of: SchemaKind,
    },
    /// List the plugins, show one, write a new one, or check one that is built.
    Plugins {
        /// What to do; without it, all are listed.
        #[command(subcommand)]
        action: Option<PluginAction>,
    },
    /// Make every derived file of a run folder again from its facts.
    Report {
        /// The run folder.
        folder: PathBuf,
    },
    /// Set runs side by side: what differs, and what became better or worse.
    Compare(CompareArgs),
    /// Hold a run against every rule that an auditor would: exit code 4 if one rejects it.
    Verify {
        /// The run folder.
        folder: PathBuf,
    },
    /// Measure how true this machine's figures are, against a simulated server that knows.
    Calibrate {
        /// Fewer streams and requests: some ten seconds instead of a minute.
        #[arg(long)]
        quick: bool,
        /// Write it here instead of into the user's data folder, where runs find it.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check one plugin library inside this process; `plugins check` calls this itself.
    #[command(hide = true)]
    CheckPlugin {
        /// The library.
        file: PathBuf,
        /// Folder of recorded exchanges.
        #[arg(long, value_name = "DIR")]
        exchanges: Option<PathBuf>,
    },
    /// Watch over one server for InferBench, which calls this itself.
    #[command(hide = true)]
    Supervise,
    /// Look at this machine: what is there, what it allows, how exact its times are.
    Doctor {
        /// Look at the disk of this folder, into which runs would be written.
        #[arg(long, value_name = "DIR", default_value = "results")]
        output: PathBuf,
        /// Stop what runs that crashed have left running, first.
        #[arg(long)]
        clean: bool,
    },
    /// Predict a model's KV cache: what it takes, what fits, with every term in numbers.
    KvCache(KvCacheArgs),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Which runs are compared, and what must hold.
#[derive(Debug, Clone, ClapArgs)]
pub struct CompareArgs {
    /// Two or more run folders, each with a name of its own if that is wanted.
    #[arg(required = true, num_args = 1.., value_name = "[NAME=]RUN")]
    pub runs: Vec<String>,
    /// The run that the others are held against, by folder or name; the first if not given.
    #[arg(long, value_name = "RUN")]
    pub baseline: Option<String>,
    /// Exit code 4 if a figure is significantly worse than the baseline's by more than this.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub fail_on_regression: Option<f64>,
    /// Metric that must not become worse, more than once if wanted; if not given, the one
    /// that decides who serves best.
    #[arg(long, value_name = "NAME", value_parser = parse_metric, requires = "fail_on_regression")]
    pub metric: Vec<String>,
    /// Write the page, report.json and the summaries into this folder.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Compare runs of different models or workloads too.
    #[arg(long)]
    pub force: bool,
}

/// A share from a percentage, 0 % to below 100 %.
fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map(str::trim);
    let percent = number.and_then(|number| number.parse::<f64>().ok());
    match percent {
        Some(percent) if (0.0..100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("must be a percentage from 0% to below 100%, such as 5%".to_owned()),
    }
}

/// The name of a metric of which more or less is better.
fn parse_metric(text: &str) -> Result<String, String> {
    let ranks = |metric: &&&Metric| metric.better != Better::Neither;
    let all = metrics::all();
    if all.iter().filter(ranks).any(|metric| metric.name == text) {
        return Ok(text.to_owned());
    }
    let known: Vec<&str> = all.iter().filter(ranks).map(|metric| metric.name).collect();
    Err(format!("must be one of {}", known.join(", ")))
}

/// Which model's cache is predicted, and for which server.
#[derive(Debug, Clone, ClapArgs)]
pub struct KvCacheArgs {
    /// Folder with the model's config.json, or a hub id that is in the hub's cache.
    #[arg(value_name = "MODEL_DIR")]
    pub model: String,
    /// Memory of one GPU, such as 32GiB or 80GB; without it, nothing is said of what fits.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub gpu_memory: Option<u64>,
    /// Share of it that the server may use, above 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    pub utilization: f64,
    /// Memory of one GPU for activations, graphs and the runtime.
    #[arg(long, value_name = "SIZE", default_value = "0B", value_parser = parse_size)]
    pub overhead: u64,
    /// Bytes of the model's weights, in place of what its files say.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub weights: Option<u64>,
    /// Data type of the cache, such as fp8; the model's own if not given.
    #[arg(long, value_name = "DTYPE")]
    pub kv_dtype: Option<String>,
    /// Data type that the model runs in; that of its config if not given.
    #[arg(long, value_name = "DTYPE")]
    pub dtype: Option<String>,
    /// Data type of recurrent states; that of the config, else the model's, if not given.
    #[arg(long, value_name = "DTYPE")]
    pub state_dtype: Option<String>,
    /// GPUs that each layer is split over.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub tp: u32,
    /// Ranks that the layers are dealt to.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub pp: u32,
    /// Length of a sequence, prompt and answer, tokens.
    #[arg(long, value_name = "TOKENS", default_value_t = 8192,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    pub context: u64,
    /// Tokens in one block of the cache.
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub block_size: u32,
    /// Tokens in one engine step, which vLLM keeps beyond a window.
    #[arg(long, value_name = "TOKENS")]
    pub max_num_batched_tokens: Option<u64>,
    /// Say what this many sequences at once need.
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub concurrency: Option<u64>,
}

impl KvCacheArgs {
    /// What the estimate depends on.
    #[must_use]
    pub fn options(&self) -> KvOptions {
        KvOptions {
            dtype: self.kv_dtype.clone(),
            model_dtype: self.dtype.clone(),
            state_dtype: self.state_dtype.clone(),
            tensor_parallel: self.tp,
            pipeline_parallel: self.pp,
            block_size: self.block_size,
            batched_tokens: self.max_num_batched_tokens,
        }
    }
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub enum PluginAction {
    /// Show one plugin and its options.
    Show {
        /// Its name.
        name: String,
    },
    /// Write the project of a new plugin, for a server that speaks OpenAI's API.
    New {
        /// Its name, as a config's `plugin:` will have it.
        name: String,
        /// Folder to make; `inferbench-NAME` if not given.
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
        /// Build it against this folder, InferBench's core/plugin-api, instead of the
        /// published crate.
        #[arg(long, value_name = "DIR")]
        api_path: Option<PathBuf>,
    },
    /// Run the conformance suite on a built plugin library, in a child process.
    Check {
        /// The library.
        file: PathBuf,
        /// Folder of recorded exchanges; `exchanges` beside the library if not given.
        #[arg(long, value_name = "DIR")]
        exchanges: Option<PathBuf>,
        /// Longest time for one check; what takes longer hangs.
        #[arg(long, value_name = "SECONDS", default_value_t = 60,
              value_parser = clap::value_parser!(u64).range(1..))]
        time_limit: u64,
    },
}

/// A published schema.
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
