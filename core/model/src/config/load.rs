//! From the text of a config file to a checked `Config`, every error with
//! its place. Reading the file is left to the caller.

use super::{Config, SearchSlo, auto, check, sweep};
use crate::yaml::{self, Node, YamlError};

/// A config that is valid in itself, and the tree it came from, which has the
/// line and column of every key.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub config: Config,
    /// The tree, for errors that others find later (plugins' options).
    pub tree: Node,
}

/// Reads and checks a config.
///
/// `file` is only shown in errors. `lookup_env` gives the value of an
/// environment variable, `None` if it is not set. Keys of a backend's
/// `options` that begin with `x-` are free and left out of the config.
///
/// # Errors
/// One error if the text is not YAML or does not have the form of a config;
/// otherwise everything that [`check`] finds, in the order of the text.
pub fn load(
    file: &str,
    text: &str,
    lookup_env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<YamlError>> {
    let mut tree = yaml::parse(file, text, lookup_env).map_err(|error| vec![error])?;
    sweep::expand(&mut tree)?;
    auto::expand(&mut tree).map_err(|error| vec![error])?;
    let mut config: Config = yaml::from_node(&tree).map_err(|error| vec![error])?;
    for backend in &mut config.backends {
        backend.options.retain(|key, _| !key.starts_with("x-"));
    }
    if !config.slos().is_set() {
        // So that the share of requests that keeps a promise is seen at every load.
        let promise = config.slo_of_cells().map(SearchSlo::per_request);
        config.slo = promise.unwrap_or_default();
    }
    let mut errors: Vec<YamlError> = check(&config)
        .into_iter()
        .map(|error| tree.error_at(&error.path, error.fact, error.hint))
        .collect();
    errors.sort_by_key(|error| (error.line, error.column));
    if errors.is_empty() {
        Ok(Loaded { config, tree })
    } else {
        Err(errors)
    }
}
