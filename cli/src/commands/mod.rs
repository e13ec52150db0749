//! One file per command, and what they share.

mod calibrate;
mod check;
mod compare;
mod completions;
mod config;
mod derived;
mod doctor;
mod inputs;
mod kubernetes;
mod kv_cache;
mod man_pages;
mod merge;
mod new;
mod output;
mod plugins;
mod prompts;
mod report;
mod run;
mod runtime;
mod schedule;
mod schema;
mod serve;
mod shard;
mod signals;
mod slurm;
mod validate;
mod verify;
pub(crate) mod watched;
mod wire;

use inferbench_engine::merge::Allowed;
use inferbench_engine::plugins::check::ChildWork;
use inferbench_engine::plugins::search::SearchPath;
use inferbench_engine::server::supervise;

use crate::args::{Args, Command};
use crate::exit::{CliError, Code};

/// Runs a command.
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
            attach,
            shard,
        } => run::run(
            (&config, attach.as_deref(), &shard),
            folder.as_deref(),
            resume.as_deref(),
            &search,
            output,
        ),
        Command::Serve(args) => serve::serve(&args, &search, output),
        Command::Merge {
            folders,
            output: run,
            allow_missing: missing,
            allow_changed: changed,
        } => merge::merge(&folders, &run, Allowed { missing, changed }, output),
        Command::Slurm(args) => slurm::slurm(&args, &plugin_args),
        Command::Kubernetes(args) => kubernetes::kubernetes(&args),
        Command::Validate {
            config,
            elsewhere,
            show_schedule,
        } => validate::validate(&config, (elsewhere, show_schedule), &search, output),
        Command::Prompts(args) => prompts::prompts(&args, &search, output),
        Command::Config { name } => config::config(name.as_deref()),
        Command::Schema { of } => schema::print(of),
        Command::Plugins { action } => plugins::plugins(action, &search, output),
        Command::Report { folder } => report::report(&folder, output),
        Command::Compare(args) => compare::compare(&args, output),
        Command::Verify { folder, capture } => {
            verify::verify(&folder, capture.as_deref(), &search, output)
        }
        Command::Calibrate {
            quick,
            output: file,
        } => calibrate::calibrate(quick, file.as_deref(), &search, output),
        Command::CheckPlugin {
            file,
            exchanges,
            load_only,
        } => check::child(&ChildWork {
            file: &file,
            exchanges: exchanges.as_deref(),
            trust_dir: search.trust_dirs,
            load_only,
        }),
        Command::Supervise => {
            supervise::main()?;
            Ok(Code::Done)
        }
        Command::Doctor {
            config,
            output: folder,
            clean,
        } => {
            if clean {
                doctor::clean();
            }
            doctor::doctor(config.as_deref(), folder, search, output)
        }
        Command::KvCache(args) => kv_cache::kv_cache(&args, output),
        Command::Completions { shell } => Ok(completions::print(shell)),
        Command::ManPages { folder } => man_pages::write(&folder),
    }
}
