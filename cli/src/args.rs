//! Every flag and its help.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;
use inferbench_engine::host::SearchPath;

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
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
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
}
