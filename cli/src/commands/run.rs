//! `run`: a whole benchmark, from config to page.

use std::path::Path;
use std::time::Duration;

use inferbench_engine::plugins::host::SearchPath;
use inferbench_engine::prepare::prepare;
use inferbench_engine::run::{self, Destination, Stops};
use inferbench_engine::secrets::Secrets;
use inferbench_model::config::Config;
use inferbench_model::plan::sample_size;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{derived, load_config, load_plugins, print_json};
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};
use crate::progress::Progress;
use crate::table::render_table;

pub(super) fn run(
    config: &Path,
    folder: Option<&Path>,
    resume: Option<&Path>,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let loaded = load_config(config)?;
    let host = load_plugins(search, output.verbose);
    let prepared = prepare(&loaded, &host).map_err(CliError::Config)?;
    // A backend without a launch plan is told now, not in the middle of the run.
    prepared.preview(&loaded).map_err(CliError::Config)?;
    tell_sample(&prepared.config, output);
    let destination = match (resume, folder) {
        (Some(resume), _) => Destination::Resume(resume),
        (None, Some(folder)) => Destination::New(folder),
        (None, None) => Destination::New(Path::new(&prepared.config.output)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let finished = runtime.block_on(async {
        let stops = Stops::default();
        tokio::spawn(heed_signals(stops.clone()));
        let (events, mut heard) = mpsc::unbounded_channel();
        let progress = tokio::spawn(async move {
            let mut progress = Progress::new(output);
            while let Some(event) = heard.recv().await {
                progress.show(event);
            }
            progress.end();
        });
        let version = env!("CARGO_PKG_VERSION");
        let finished = run::run(&prepared, destination, version, events, &stops).await;
        // It ends by itself once the run has dropped its end of the channel.
        drop(progress.await);
        finished
    })?;
    show_plugin_log(output, &prepared.secrets);
    let derived = derived::write(finished.folder.path())?;
    if output.json {
        print_json(&derived.report)?;
    } else {
        let look = super::look();
        println!("{}", render_table(&derived.report, look, super::width()));
        println!("folder: {}", finished.folder.path().display());
        println!("page: {}", finished.folder.file("report.html").display());
    }
    let no_success = derived.cells.cells.iter().any(|cell| cell.counts.ok == 0);
    match Code::from(finished.exit_state) {
        Code::Done if no_success => Ok(Code::Incomplete),
        code => Ok(code),
    }
}

/// What the requests and repeats of the config are too few for.
fn tell_sample(config: &Config, output: OutputArgs) {
    let sample = sample_size::forecast(config);
    for warning in sample.warnings {
        eprintln!("warning: {warning}");
    }
    for note in sample.notes.iter().filter(|_| !output.quiet) {
        eprintln!("note: {note}");
    }
}

fn show_plugin_log(output: OutputArgs, secrets: &Secrets) {
    for (level, line) in inferbench_engine::plugins::log::drain() {
        if level <= 2 || output.verbose {
            eprintln!("plugin: {}", secrets.masked(&line));
        }
    }
}

/// How long stopping at once may take before the process ends all the same. A
/// server that ignores its signal is killed well within it.
const AT_ONCE_LIMIT: Duration = Duration::from_secs(30);

/// The first signal stops in order, the second at once, the third whatever hangs.
pub(super) async fn heed_signals(stops: Stops) {
    let mut signals = Vec::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        match signal(kind) {
            Ok(signal) => signals.push(signal),
            Err(error) => eprintln!("warning: a signal cannot be heard: {error}"),
        }
    }
    let mut heard = futures_heard(signals);
    if heard.recv().await.is_some() {
        eprintln!("stopping: again to stop at once");
        stops.gentle.cancel();
    }
    if heard.recv().await.is_some() {
        stops.gentle.cancel();
        stops.now.cancel();
        // A plugin that does not come back cannot be stopped from outside. The
        // servers' supervisors see this process go, and stop them.
        tokio::select! {
            _ = heard.recv() => {}
            () = tokio::time::sleep(AT_ONCE_LIMIT) => {}
        }
        eprintln!("error: the run does not come back");
        eprintln!("hint: inferbench plugins check tells whether a plugin hangs");
        std::process::exit(Code::Interrupted as i32);
    }
}

fn futures_heard(signals: Vec<tokio::signal::unix::Signal>) -> mpsc::UnboundedReceiver<()> {
    let (tell, heard) = mpsc::unbounded_channel();
    for mut signal in signals {
        let tell = tell.clone();
        tokio::spawn(
            async move { while signal.recv().await.is_some() && tell.send(()).is_ok() {} },
        );
    }
    heard
}
