//! `serve`: a backend that is started by its plugin's plan for others to measure.

use std::path::Path;

use inferbench_engine::plugins::search::SearchPath;
use inferbench_engine::prepare::{ServePlan, prepare};
use inferbench_engine::run::Destination;

use super::inputs::{load_config, load_plugins, plugin_names};
use super::run::measure;
use crate::args::{OutputArgs, ServeArgs};
use crate::exit::{CliError, Code};

pub(super) fn serve(
    args: &ServeArgs,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let loaded = load_config(&args.config)?;
    let host = load_plugins(search, plugin_names(&loaded), output.verbose);
    let mut prepared = prepare(&loaded, &host).map_err(CliError::Config)?;
    prepared.serve = Some(ServePlan {
        host: args.host.clone(),
        ready_file: args.ready_file.clone(),
    });
    let launches = prepared.preview(&loaded).map_err(CliError::Config)?;
    let refused = |why: String| Err(CliError::Usage(format!("serve: {why}")));
    match launches.as_slice() {
        [Some(_)] => {}
        [None] => {
            let label = loaded.config.backends[0].label();
            return refused(format!(
                "{label} is not started: it is attached to, or runs in the process that measures it"
            ));
        }
        several => {
            return refused(format!(
                "the config has {} backends, must have one",
                several.len()
            ));
        }
    }
    let folder = match &args.output {
        Some(folder) => folder.as_path(),
        None => Path::new(&prepared.config.output),
    };
    let finished = measure(&prepared, Destination::New(folder), output)?;
    println!("folder: {}", finished.folder.path().display());
    Ok(Code::from(finished.exit_state))
}
