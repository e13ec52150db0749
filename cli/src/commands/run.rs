//! `run`: a whole benchmark, from config to page.

use std::path::Path;

use inferbench_engine::plugins::search::SearchPath;
use inferbench_engine::prepare::{PreparedRun, prepare};
use inferbench_engine::run::{self, Destination, Finished, Stops};
use inferbench_engine::secrets::Secrets;
use inferbench_model::config::Config;
use inferbench_model::facts::warning::WarningKind;
use inferbench_model::plan::sample_size;
use inferbench_model::report::{Severity, warning_words};
use tokio::sync::mpsc;

use super::inputs::{attach_to, load_config, load_plugins, plugin_names};
use super::output::{look, print_json, width};
use super::{derived, runtime, shard as own_shard, signals};
use crate::args::{OutputArgs, ShardArgs};
use crate::exit::{CliError, Code};
use crate::progress::Progress;
use crate::table::render_table;

pub(super) fn run(
    (config, attach, shard): (&Path, Option<&str>, &ShardArgs),
    folder: Option<&Path>,
    resume: Option<&Path>,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let mut loaded = load_config(config)?;
    if let Some(url) = attach {
        attach_to(&mut loaded.config, "--attach", url)?;
    }
    let host = load_plugins(search, plugin_names(&loaded), output.verbose);
    let mut prepared = prepare(&loaded, &host).map_err(CliError::Config)?;
    prepared.shard = own_shard::plan(shard, &prepared)?;
    // A backend that cannot be launched is an error now, not in the middle of the run.
    prepared.preview(&loaded).map_err(CliError::Config)?;
    warn_of_small_samples(&prepared.config, output);
    let destination = match (resume, folder) {
        (Some(resume), _) => Destination::Resume(resume),
        (None, Some(folder)) => Destination::New(folder),
        (None, None) => Destination::New(Path::new(&prepared.config.output)),
    };
    let finished = measure(&prepared, destination, output)?;
    show_plugin_log(output, &prepared.secrets);
    if let Some(own) = &prepared.shard {
        return own_shard::show(own.shard, &finished, output);
    }
    let derived = derived::write(finished.folder.path())?;
    if output.json {
        print_json(&derived.report)?;
    } else {
        println!("{}", render_table(&derived.report, look(), width()));
        println!("folder: {}", finished.folder.path().display());
        println!("page: {}", finished.folder.file("report.html").display());
    }
    let tuning = &derived.report.tuning;
    let is_without_result = match tuning.is_empty() {
        true => derived.cells.cells.iter().any(|cell| cell.counts.ok == 0),
        // A point that fails is a result, but a best one is asked for.
        false => tuning.iter().any(|tuning| tuning.best.is_none()),
    };
    match Code::from(finished.exit_state) {
        Code::Done if is_without_result => Ok(Code::Incomplete),
        code => Ok(code),
    }
}

/// Does the run, and shows its progress meanwhile.
pub(super) fn measure(
    prepared: &PreparedRun,
    destination: Destination<'_>,
    output: OutputArgs,
) -> Result<Finished, CliError> {
    let finished = runtime::block_on(async {
        let stops = Stops::default();
        tokio::spawn(signals::stop_on_signals(stops.clone()));
        let (events, mut received) = mpsc::unbounded_channel();
        let progress = tokio::spawn(async move {
            let mut progress = Progress::new(output);
            while let Some(event) = received.recv().await {
                progress.show(event);
            }
            progress.end();
        });
        let version = env!("CARGO_PKG_VERSION");
        let finished = run::run(prepared, destination, version, events, &stops).await;
        // It ends once the run has dropped its end of the channel.
        drop(progress.await);
        finished
    })??;
    Ok(finished)
}

/// Warns if the config asks for too few requests or repeats.
fn warn_of_small_samples(config: &Config, output: OutputArgs) {
    for kind in sample_size::forecast(config)
        .into_iter()
        .map(WarningKind::from)
    {
        let severity = kind.code().severity();
        if severity != Severity::Note || !output.quiet {
            eprintln!("{}: {}", severity.word(), warning_words(&kind));
        }
    }
}

fn show_plugin_log(output: OutputArgs, secrets: &Secrets) {
    for (level, line) in inferbench_engine::plugins::log::drain() {
        if level <= 2 || output.verbose {
            eprintln!("plugin: {}", secrets.masked(&line));
        }
    }
}
