//! What `transformers serve` reports about itself, in its list of models and its log.

use inferbench_plugin_api::openai;
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError};

/// The line that says that its model is loaded: it listens from then on.
const STARTED: &str = "Application startup complete";

/// Parts of log lines that are read here.
pub(crate) const LOG_PATTERNS: [&str; 1] = [STARTED];

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    match source {
        EvidenceSource::LogLine => {
            let line = String::from_utf8_lossy(bytes);
            Ok(Evidence {
                weights_loaded: line.contains(STARTED).then_some(true),
                ..Evidence::default()
            })
        }
        _ => openai::usual_evidence(source, bytes),
    }
}
