//! What each command does.

mod calibrate;
mod check;
mod compare;
mod derived;
mod doctor;
mod kv_cache;
mod new;
mod plugins;
mod report;
mod run;
mod schema;
mod validate;
mod verify;

use std::io::IsTerminal;
use std::path::Path;

use clap::CommandFactory;
use inferbench_engine::plugins::host::{PluginHost, SearchPath};
use inferbench_model::config::{self, Loaded};
use serde::Serialize;

use crate::args::{Args, Command};
use crate::exit::{CliError, Code};
use crate::table::{Look, WIDTH};

/// Does what the command line asks.
pub(crate) fn dispatch(args: Args) -> Result<Code, CliError> {
    let Args {
        command,
        plugins: plugin_args,
        output,
    } = args;
    let search = SearchPath::from(&plugin_args);
    match command {
        Command::Run {
            config,
            output: folder,
            resume,
        } => run::run(
            &config,
            folder.as_deref(),
            resume.as_deref(),
            &search,
            output,
        ),
        Command::Validate { config } => validate::validate(&config, &search, output),
        Command::Schema { of } => schema::print(of),
        Command::Plugins { action } => plugins::plugins(action, &search, output),
        Command::Report { folder } => report::report(&folder, output),
        Command::Compare(args) => compare::compare(&args, output),
        Command::Verify { folder } => verify::verify(&folder, output),
        Command::Calibrate {
            quick,
            output: file,
        } => calibrate::calibrate(quick, file.as_deref(), &search, output),
        Command::CheckPlugin { file, exchanges } => {
            check::child(&file, exchanges.as_deref(), search.trust_dirs)
        }
        Command::Supervise => {
            inferbench_engine::server::supervise::main()?;
            Ok(Code::Done)
        }
        Command::Doctor {
            output: folder,
            clean,
        } => {
            if clean {
                doctor::clean();
            }
            doctor::doctor(folder, search, output)
        }
        Command::KvCache(args) => kv_cache::kv_cache(&args, output),
        Command::Completions { shell } => {
            let mut command = Args::command();
            clap_complete::generate(shell, &mut command, "inferbench", &mut std::io::stdout());
            Ok(Code::Done)
        }
    }
}

/// Reads and checks a config.
fn load_config(path: &Path) -> Result<Loaded, CliError> {
    if path.is_dir() {
        return Err(CliError::ConfigIsFolder {
            folder: path.to_owned(),
            is_run: path.join("run.json").exists(),
        });
    }
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| CliError::Unreadable {
        file: file.clone(),
        source,
    })?;
    config::load(&file, &text, &|name| std::env::var(name).ok()).map_err(CliError::Config)
}

/// Loads plugins; with `verbose`, tells which were refused and why.
fn load_plugins(search: &SearchPath, verbose: bool) -> PluginHost {
    let host = PluginHost::load(search);
    for found in &host.found {
        if let Err(refusal) = &found.outcome
            && (verbose || found.origin == "--plugin")
        {
            eprintln!("warning: {}: {refusal}", found.file.display());
        }
    }
    host
}

fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// How the terminal table looks where standard output goes.
fn look() -> Look {
    let wants_none = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
    if std::io::stdout().is_terminal() && !wants_none {
        Look::Styled
    } else {
        Look::Plain
    }
}

/// Columns that a line may have where standard output goes.
fn width() -> usize {
    let size = console::Term::stdout().size_checked();
    size.map_or(WIDTH, |(_, columns)| usize::from(columns).min(WIDTH))
}
