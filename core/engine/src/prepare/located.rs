//! Errors of preparation at their place in the config.

use inferbench_model::config::Loaded;
use inferbench_model::yaml::{PathStep, YamlError};

pub(super) fn key(name: &str) -> PathStep {
    PathStep::Key(name.to_owned())
}

/// An error of a backend, at the first of these keys of it
/// that the config sets.
#[must_use]
pub fn at_backend_key(
    loaded: &Loaded,
    index: usize,
    keys: &[&str],
    words: String,
    hint: Option<String>,
) -> YamlError {
    let is_set = |keys: &&&str| {
        let mut path = vec![key("backends"), PathStep::Index(index)];
        path.extend(keys.split('.').map(key));
        loaded.tree.get(&path).is_some()
    };
    let set = keys.iter().find(is_set).copied();
    at_backend(loaded, index, set, words, hint)
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
