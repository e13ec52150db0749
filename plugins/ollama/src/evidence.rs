//! What Ollama reports about itself, in its answers.
//!
//! Source: `docs/api.md` of Ollama.

use inferbench_plugin_api::openai::version_evidence;
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError, json};
use serde_json::Value;

use crate::wire::{LOADED_PROBE, VERSION_PROBE};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    match source {
        EvidenceSource::Info(name) if name == VERSION_PROBE => version_evidence(bytes),
        EvidenceSource::Info(name) if name == LOADED_PROBE => loaded(bytes),
        _ => Ok(Evidence::default()),
    }
}

/// The model that is loaded, if it is the only one.
fn loaded(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = json::read(bytes)?;
    let models = answer["models"].as_array().map(Vec::as_slice);
    let Some([model]) = models else {
        return Ok(Evidence::default());
    };
    let text = |path: &str| model.pointer(path)?.as_str().map(str::to_owned);
    Ok(Evidence {
        model: text("/model"),
        quantization: text("/details/quantization_level"),
        max_model_len: model["context_length"].as_u64(),
        ..Evidence::default()
    })
}
