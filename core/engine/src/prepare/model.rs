//! Checks the model of a run and makes what comes from it: files that fit it, a
//! vocabulary, prompts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inferbench_model::config::{Config, Length, LoadConfig, Loaded, PromptSource, WorkloadConfig};
use inferbench_model::plan::prompt::{IdRange, Vocabulary};
use inferbench_model::yaml::{PathStep, YamlError};
use inferbench_plugin_api::PromptForm;

use super::located::{at_backend, key};
use super::prepared::PreparedBackend;
use crate::load::model_files::ModelFiles;
use crate::load::tokenizer;
use crate::prompts::{Place, PromptFileError, PromptMaker, Scan, ScanLimit};

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
    if backends.iter().all(|b| !b.attach.is_empty()) || simulated {
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
    let (prompt, answer) = config.workload.longest_request()?;
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
        loaded.tree.error_at(&path, error.to_string(), None)
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

/// Rows of a file that are looked at where only time ends the cells.
const ROWS_FOR_A_TIME: u64 = 10_000;
/// Longest time for a look at a file.
const LOOK_LIMIT: Duration = Duration::from_secs(300);

/// As many rows of a file as one cell can need: all of them where their times are
/// replayed and no number of requests is given.
fn scan_limit(load: &LoadConfig) -> ScanLimit {
    let levels = load.levels();
    let each = levels.iter().map(|level| load.requests_at(*level));
    let most = each
        .collect::<Option<Vec<u64>>>()
        .and_then(|n| n.into_iter().max());
    let for_a_time = match load.replays_trace() {
        true => u64::MAX,
        false => ROWS_FOR_A_TIME,
    };
    let rows = most.map_or(for_a_time, |n| n.saturating_add(load.warmup_requests));
    ScanLimit {
        rows,
        // A time that was not seen could not be replayed.
        time: match load.replays_trace() {
            true => Duration::MAX,
            false => LOOK_LIMIT,
        },
    }
}

pub(super) fn make_prompts(
    loaded: &Loaded,
    vocabulary: Option<Arc<dyn Vocabulary + Send + Sync>>,
    backends: &[PreparedBackend],
) -> Result<PromptMaker, YamlError> {
    let workload = &loaded.config.workload;
    let can_decode = vocabulary.as_ref().is_some_and(|v| v.decode(&[]).is_some());
    for (_, part) in workload.parts() {
        if !matches!(part.prompts, PromptSource::Jsonl | PromptSource::Sharegpt) {
            let has = (vocabulary.is_some(), can_decode);
            check_vocabulary(loaded, part.prompts, has, backends)?;
        }
        check_takes_images(loaded, part, backends)?;
        check_can_go_on(loaded, part, can_decode, backends)?;
    }
    let limit = scan_limit(&loaded.config.load);
    let prompts = PromptMaker::open(workload, vocabulary, limit);
    let prompts = prompts.map_err(|(path, error)| unusable(loaded, &path, &error))?;
    for (_, part, scan) in prompts.scans() {
        let file = part.file.as_deref().unwrap_or_default();
        check_forms(loaded, (file, scan), can_decode, backends)?;
        check_rows_fit(loaded, (file, scan))?;
    }
    Ok(prompts)
}

/// A workload, by its path in the config, whose files cannot be used.
fn unusable(loaded: &Loaded, path: &str, error: &PromptFileError) -> YamlError {
    let parts = loaded.config.workload.parts();
    let part = parts.iter().find(|(other, _)| other == path);
    let has_file = part.is_some_and(|(_, part)| part.file.is_some());
    let steps = path.split('.').map(|step| match step.parse() {
        Ok(index) => PathStep::Index(index),
        Err(_) => key(step),
    });
    let mut path: Vec<PathStep> = steps.collect();
    path.push(key(if has_file { "file" } else { "images" }));
    let words = format!("cannot be used: {error}");
    loaded.tree.error_at(&path, words, None)
}

/// Whether there is a vocabulary to make prompts of, with text where a backend wants it.
fn check_vocabulary(
    loaded: &Loaded,
    prompts: PromptSource,
    (is_there, can_decode): (bool, bool),
    backends: &[PreparedBackend],
) -> Result<(), YamlError> {
    let needs_text = backends
        .iter()
        .find(|b| b.opened.form != PromptForm::TokenIds);
    let path = [key("model"), key("tokenizer")];
    let refuse = |words: String| {
        Err(loaded
            .tree
            .error_at(&path, words, Some(where_a_tokenizer_is(loaded, backends))))
    };
    match (is_there, needs_text) {
        (false, _) => refuse(format!(
            "is absent, and nothing here has a vocabulary to make {} prompts of",
            prompts.name()
        )),
        (true, _) if prompts == PromptSource::Text && !can_decode => {
            refuse("is absent, and pieces of a text of an exact length need a tokenizer".to_owned())
        }
        (true, Some(backend)) if !can_decode => refuse(format!(
            "is absent, but `{}` takes prompts as {}, and text of an exact length needs a tokenizer",
            backend.label,
            backend.opened.form.name()
        )),
        _ => Ok(()),
    }
}

fn where_a_tokenizer_is(loaded: &Loaded, backends: &[PreparedBackend]) -> String {
    let id = &loaded.config.model.id;
    match backends.iter().all(|b| !b.attach.is_empty()) {
        // The name under which a server serves it need not be the hub's.
        true => {
            "set model.tokenizer to the tokenizer.json of the model that is served, or to a folder with one: \
             prompts of an exact length are made here; or take prompts from a file with workload.prompts: jsonl"
                .to_owned()
        }
        false => format!(
            "set model.tokenizer to a tokenizer.json or a folder with one, or fetch the model first: hf download {id}"
        ),
    }
}

/// Whether later turns of made conversations, which hold answers' text, can be put into
/// the form that each backend takes.
fn check_can_go_on(
    loaded: &Loaded,
    part: &WorkloadConfig,
    can_encode: bool,
    backends: &[PreparedBackend],
) -> Result<(), YamlError> {
    let is_made = part.prompts == PromptSource::Synthetic && part.turns != Length::Fixed(1);
    let mut of_ids = backends
        .iter()
        .filter(|b| b.opened.form == PromptForm::TokenIds);
    match of_ids.next().filter(|_| is_made && !can_encode) {
        None => Ok(()),
        Some(backend) => Err(loaded.tree.error_at(
            &[key("model"), key("tokenizer")],
            format!(
                "is absent, but later turns of a conversation hold what was answered, and `{}` takes prompts as token ids",
                backend.label
            ),
            Some(where_a_tokenizer_is(loaded, backends)),
        )),
    }
}

/// Whether each backend's prompts have a place for images.
fn check_takes_images(
    loaded: &Loaded,
    part: &WorkloadConfig,
    backends: &[PreparedBackend],
) -> Result<(), YamlError> {
    if part.images.is_none() {
        return Ok(());
    }
    let other = |b: &PreparedBackend| b.opened.form != PromptForm::Messages;
    let Some(index) = backends.iter().position(other) else {
        return Ok(());
    };
    let words = format!(
        "takes prompts as {}, but workload.images needs messages to put images into",
        backends[index].opened.form.name()
    );
    let hint = "set its options.endpoint to chat or responses, where the plugin has it: inferbench plugins show";
    Err(at_backend(
        loaded,
        index,
        None,
        words,
        Some(hint.to_owned()),
    ))
}

/// Whether the rows of a file can be put into the form that each backend takes.
fn check_forms(
    loaded: &Loaded,
    (file, scan): (&str, &Scan),
    can_encode: bool,
    backends: &[PreparedBackend],
) -> Result<(), YamlError> {
    for (index, backend) in backends.iter().enumerate() {
        let form = backend.opened.form;
        let row = |place: Place, has: &str, hint: String| {
            let words = format!(
                "takes prompts as {}, but {file}:{place} has {has}",
                form.name()
            );
            Err(at_backend(loaded, index, None, words, Some(hint)))
        };
        match (form, scan.first_messages, scan.first_text) {
            (PromptForm::TokenIds | PromptForm::Text, Some(place), _) => {
                let hint = "set its options.endpoint to chat, where the plugin has it: inferbench plugins show";
                return row(place, "chat messages", hint.to_owned());
            }
            (PromptForm::TokenIds, None, Some(place)) if !can_encode => {
                let hint = where_a_tokenizer_is(loaded, backends);
                return row(place, "text, and there is no tokenizer to read it", hint);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The longest row that was seen against the longest that servers are to take.
fn check_rows_fit(loaded: &Loaded, (file, scan): (&str, &Scan)) -> Result<(), YamlError> {
    let limit = loaded.config.model.max_model_len;
    let Some((limit, (total, place))) = limit.zip(scan.longest_total) else {
        return Ok(());
    };
    if total <= limit {
        return Ok(());
    }
    let words =
        format!("is {limit} tokens, but prompt and answer of {file}:{place} are {total} together");
    let hint = format!(
        "raise it, or leave such rows out with workload.keep: {{max_total_tokens: {limit}}}"
    );
    let path = [key("model"), key("max_model_len")];
    Err(loaded.tree.error_at(&path, words, Some(hint)))
}
