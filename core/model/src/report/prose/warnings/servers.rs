//! Sentences of warnings about one backend.

use crate::facts::warning::WarningKind;
use crate::report::provenance::backend::failure_words;
use crate::text::number::{counted, percent};

pub(super) fn words(kind: &WarningKind) -> Option<String> {
    of_start_and_stop(kind).or_else(|| of_use(kind))
}

/// How it started and stopped.
fn of_start_and_stop(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::BackendFailed { cause, known_cause } => {
            failure_words(cause, known_cause.as_deref())
        }
        WarningKind::StopFailed { detail } => detail.clone(),
        WarningKind::PluginChanged {
            plugin,
            was_version,
            version,
        } => format!(
            "the run was resumed with another build of plugin {plugin} ({version}, was {was_version})"
        ),
        _ => return None,
    })
}

/// How it can be asked.
fn of_use(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::CertificateNotChecked => "`tls.verify` is false: the server's certificate is not checked, and whoever answers is measured".to_owned(),
        WarningKind::ModelNotListed {
            model,
            listed,
            more,
        } => {
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "the server lists {}{more}, not `{model}`, and answers to that name all the same",
                listed.join(", ")
            )
        }
        WarningKind::CacheNotReset { detail } => {
            format!(
                "the prefix cache was not reset between levels: {detail}; let the server allow a reset (vLLM: VLLM_SERVER_DEV_MODE=1), or switch prefix caching off"
            )
        }
        WarningKind::OneRequestAtATime { levels } => format!(
            "answers one request at a time: at {} more are in flight and wait, so that TTFT there is mostly waiting and throughput that of a single request",
            counted(*levels, "level")
        ),
        WarningKind::SpeculationOnRandomPrompts => {
            "speculative decoding was given random prompts and answers of forced length: its guesses are seldom right there, and its speed says little of real prompts".to_owned()
        }
        WarningKind::SpeculationAcceptance { accepted_ratio } => format!(
            "speculative decoding: {} of the drafted tokens were accepted",
            percent(*accepted_ratio)
        ),
        _ => return None,
    })
}
