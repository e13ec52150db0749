//! Errors of preparation at their place in the config.

use inferbench_model::config::Loaded;
use inferbench_model::yaml::{PathStep, YamlError};

pub(super) fn key(name: &str) -> PathStep {
    PathStep::Key(name.to_owned())
}

/// An error at a backend, or at one of its keys: `option` is a name, or several
/// joined by `.`.
pub(super) fn at_backend(
    loaded: &Loaded,
    index: usize,
    option: Option<&str>,
    words: String,
    hint: Option<String>,
) -> YamlError {
    let mut path = vec![key("backends"), PathStep::Index(index)];
    path.extend(option.iter().flat_map(|keys| keys.split('.')).map(key));
    loaded.tree.error_at(&path, words, hint)
}
