//! Checks the model of a run and makes what comes from it: files that fit it, a
//! vocabulary, prompts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inferbench_model::config::{Config, Loaded, PromptSource};
use inferbench_model::plan::prompt::{IdRange, Vocabulary};
use inferbench_model::yaml::YamlError;
use inferbench_plugin_api::PromptForm;

use super::located::key;
use super::prepared::PreparedBackend;
use crate::load::requests::{self, PromptMaker};
use crate::load::tokenizer::{self, ModelFiles};

/// What the model's own files say against this run.
pub(super) fn check_model(
    loaded: &Loaded,
    files: &ModelFiles,
    backends: &[PreparedBackend],
) -> Vec<YamlError> {
    let id = &loaded.config.model.id;
    let path = [key("model"), key("id")];
    let simulated = backends.iter().all(|b| b.plugin.description.simulated);
    let looks_local = id.starts_with(['/', '.', '~']);
    let mut errors = Vec::new();
    // An attached server's name for it may look like a path.
    if backends.iter().all(|b| b.attach.is_some()) || simulated {
        return errors;
    }
    let Some(folder) = &files.folder else {
        // A file is a model too, such as llama.cpp's.
        if looks_local && !Path::new(id).is_file() {
            let words = format!("is \"{id}\", which is no folder and no file");
            errors.push(loaded.tree.error_at(&path, words, None));
        }
        return errors;
    };
    let file = folder.join("config.json");
    let Some(config) = files.config() else {
        let words = format!("is \"{id}\", whose {} cannot be read", file.display());
        errors.push(loaded.tree.error_at(&path, words, None));
        return errors;
    };
    if config.get("model_type").and_then(|t| t.as_str()).is_none() {
        let words = format!(
            "is \"{id}\", whose {} names no `model_type`: not a model folder",
            file.display()
        );
        errors.push(loaded.tree.error_at(&path, words, None));
    }
    errors.extend(check_length(loaded, &config));
    errors
}

/// Tokens that a model takes at most, as its config.json says, stretched if it says
/// so.
fn longest(model: &serde_json::Value) -> Option<u64> {
    let text = model.get("text_config").unwrap_or(model);
    let get = |name: &str| model.get(name).or_else(|| text.get(name));
    let limit = get("max_position_embeddings")?.as_u64()?;
    let scaling = get("rope_scaling").or_else(|| get("rope_parameters"));
    let factor = scaling.and_then(|scaling| scaling.get("factor")?.as_f64());
    Some((limit as f64 * factor.unwrap_or(1.0).max(1.0)) as u64)
}

/// Whether some backend's environment has a variable that lets a server take more,
/// such as `VLLM_ALLOW_LONG_MAX_MODEL_LEN`.
fn allows_longer(config: &Config) -> bool {
    let mut names = config.backends.iter().flat_map(|b| b.env.keys());
    names.any(|name| name.contains("_ALLOW_") && name.contains("LONG"))
}

/// The longest request against the longest that the model takes.
fn check_length(loaded: &Loaded, model: &serde_json::Value) -> Option<YamlError> {
    let config = &loaded.config;
    let limit = longest(model)?;
    if let Some(asked) = config.model.max_model_len {
        return (u64::from(asked) > limit && !allows_longer(config)).then(|| {
            let words = format!(
                "is {asked} tokens, but the model takes {limit} (max_position_embeddings in its config.json)"
            );
            let path = [key("model"), key("max_model_len")];
            let hint = "lower it, or set the server's variable that allows more in the backend's env";
            loaded.tree.error_at(&path, words, Some(hint.to_owned()))
        });
    }
    if config.workload.prompts != PromptSource::Synthetic {
        return None;
    }
    let prompt = u64::from(config.workload.input_tokens.bounds().1);
    let answer = u64::from(config.workload.output_tokens.bounds().1);
    (prompt + answer > limit).then(|| {
        let words = format!(
            "can be {prompt} tokens, with answers of up to {answer}: {} do not fit the model's {limit} (max_position_embeddings)",
            prompt + answer
        );
        let path = [key("workload"), key("input_tokens")];
        loaded.tree.error_at(&path, words, None)
    })
}

pub(super) fn find_vocabulary(
    loaded: &Loaded,
    files: &ModelFiles,
    backends: &[PreparedBackend],
) -> Result<Option<Arc<dyn Vocabulary + Send + Sync>>, YamlError> {
    let found = tokenizer::vocabulary(loaded.config.model.tokenizer.as_deref(), files);
    let found = found.map_err(|error| {
        let path = [key("model"), key("tokenizer")];
        loaded
            .tree
            .error_at(&path, format!("cannot be used: {error}"), None)
    })?;
    Ok(found.or_else(|| declared_ids(backends)))
}

/// Ids that every backend says any prompt may use.
fn declared_ids(backends: &[PreparedBackend]) -> Option<Arc<dyn Vocabulary + Send + Sync>> {
    let spans = backends.iter().map(|b| b.plugin.description.token_ids);
    let spans: Option<Vec<_>> = spans.collect();
    let spans = spans?;
    let lo = spans.iter().map(|span| span.lo).max()?;
    let hi = spans.iter().map(|span| span.hi).min()?;
    (lo < hi).then(|| Arc::new(IdRange::new(lo, hi)) as Arc<dyn Vocabulary + Send + Sync>)
}

pub(super) fn make_prompts(
    loaded: &Loaded,
    vocabulary: Option<Arc<dyn Vocabulary + Send + Sync>>,
    backends: &[PreparedBackend],
) -> Result<PromptMaker, YamlError> {
    let workload = &loaded.config.workload;
    if let (PromptSource::Jsonl, Some(file)) = (workload.prompts, &workload.file) {
        let rows = requests::read_jsonl(&PathBuf::from(file), workload).map_err(|error| {
            let path = [key("workload"), key("file")];
            loaded
                .tree
                .error_at(&path, format!("cannot be used: {error}"), None)
        })?;
        return Ok(PromptMaker::listed(workload.clone(), rows, vocabulary));
    }
    let needs_text = backends
        .iter()
        .find(|b| b.opened.form != PromptForm::TokenIds);
    let has_text = vocabulary.as_ref().is_some_and(|v| v.decode(&[]).is_some());
    let id = &loaded.config.model.id;
    let hint = Some(match backends.iter().all(|b| b.attach.is_some()) {
        // The name under which a server serves it need not be the hub's.
        true => {
            "set model.tokenizer to the tokenizer.json of the model that is served, or to a folder with one: \
             prompts of an exact length are made here; or take prompts from a file with workload.prompts: jsonl"
                .to_owned()
        }
        false => format!(
            "set model.tokenizer to a tokenizer.json or a folder with one, or fetch the model first: hf download {id}"
        ),
    });
    let path = [key("model"), key("tokenizer")];
    match (vocabulary, needs_text) {
        (None, _) => {
            let words = "is absent, and nothing here has a vocabulary to make synthetic prompts of";
            Err(loaded.tree.error_at(&path, words, hint))
        }
        (Some(_), Some(backend)) if !has_text => {
            let words = format!(
                "is absent, but `{}` takes prompts as {}, and text of an exact length needs a tokenizer",
                backend.label,
                backend.opened.form.name()
            );
            Err(loaded.tree.error_at(&path, words, hint))
        }
        (Some(vocabulary), _) => Ok(PromptMaker::synthetic(workload.clone(), vocabulary)),
    }
}
