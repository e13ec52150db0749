//! What commands read: a config, and plugins.

use std::path::Path;

use inferbench_engine::derive;
use inferbench_engine::os::files;
use inferbench_engine::plugins::host::PluginHost;
use inferbench_engine::plugins::search::SearchPath;
use inferbench_model::config::{self, Attach, Config, Loaded};
use inferbench_model::text::visible::visible_line;

use crate::exit::CliError;

/// Largest config that is read.
const CONFIG_BYTES: u64 = 16 << 20;

/// Reads and checks a config.
pub(super) fn load_config(path: &Path) -> Result<Loaded, CliError> {
    if path.is_dir() {
        return Err(CliError::ConfigIsFolder {
            folder: path.to_owned(),
            is_run: path.join("run.json").exists(),
        });
    }
    let file = path.display().to_string();
    let text = config_text(path)?;
    config::load(&file, &text, &|name| std::env::var(name).ok()).map_err(CliError::Config)
}

/// Names of the plugins that a config asks for.
pub(super) fn plugin_names(loaded: &Loaded) -> impl Iterator<Item = &str> {
    let backends = loaded.config.backends.iter();
    backends.map(|backend| backend.plugin.as_str())
}

/// Has the config's one backend attach to a server in place of starting one. `flag`: what
/// asks for it.
pub(super) fn attach_to(config: &mut Config, flag: &str, url: &str) -> Result<(), CliError> {
    let [backend] = config.backends.as_mut_slice() else {
        let count = config.backends.len();
        return Err(CliError::Usage(format!(
            "{flag}: the config has {count} backends, must have one"
        )));
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(CliError::Usage(format!(
            "{flag} is `{url}`, must be a URL such as http://127.0.0.1:8000"
        )));
    }
    backend.attach = Some(Attach::One(url.to_owned()));
    // What a start alone takes.
    backend.version = None;
    backend.container = None;
    backend.env.clear();
    Ok(())
}

/// The text of a config.
pub(super) fn config_text(path: &Path) -> Result<String, CliError> {
    files::read_text(path, CONFIG_BYTES).map_err(|source| CliError::Unreadable {
        file: path.display().to_string(),
        source,
    })
}

/// Warns if the facts of a run are not those that it left.
pub(super) fn warn_of_altered(folder: &Path) -> Result<(), CliError> {
    if let Some(altered) = derive::altered(folder)? {
        let folder = folder.display();
        eprintln!("warning: {altered}: inferbench verify {folder} says what was changed");
    }
    Ok(())
}

/// Loads the plugins that `names` need, with `verbose` all of them, and warns of refused
/// ones: with `verbose` of all, else of those named by `--plugin` and of those that ended
/// the process which tried them.
pub(super) fn load_plugins<'a>(
    search: &SearchPath,
    names: impl IntoIterator<Item = &'a str>,
    verbose: bool,
) -> PluginHost {
    let host = match verbose {
        true => PluginHost::load(search),
        false => {
            let names = names.into_iter().map(str::to_owned).collect();
            PluginHost::load_for(search, &names)
        }
    };
    for found in &host.found {
        if let Err(refusal) = &found.outcome
            && (verbose || found.origin == "--plugin" || refusal.is_of_its_code())
        {
            let file = found.file.display().to_string();
            eprintln!("warning: {}: {refusal}", visible_line(&file));
        }
    }
    host
}
