//! Flags that say where plugins come from, and what is done with them.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use inferbench_engine::plugins::search::SearchPath;

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
    /// Create a plugin project, with a config that can be run at once.
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
