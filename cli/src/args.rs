//! The command line: every command, flag and its help.

mod compare;
mod kv_cache;
mod plugins;
mod shards;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

pub use compare::CompareArgs;
pub use kv_cache::KvCacheArgs;
pub use plugins::{Flavour, PluginAction, PluginArgs};
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
        /// Merge shards whose facts were changed after their run: a report that says so, without a verdict.
        #[arg(long)]
        allow_changed: bool,
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
        /// Compare its times with those in this capture of its connections (pcap or pcapng).
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
    /// Write this many requests; default: all of the level, warm-up included.
    #[arg(long, value_name = "N", requires = "config")]
    pub limit: Option<u64>,
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
}
