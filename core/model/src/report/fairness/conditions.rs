//! What the backends report about the conditions that they work under.

use super::{Condition, FairnessRow, explained, stated_row};
use crate::report::provenance::backend::BackendReport;
use crate::text::number::grouped;

/// How a backend states a condition.
struct Stated {
    condition: Condition,
    read: fn(&BackendReport) -> Option<String>,
    /// Why a difference breaks nothing; absent if it does.
    harmless: Option<&'static str>,
    /// Shown even if no backend states it, because it matters so much.
    always: bool,
}

/// A scheduler's limits are what a reader compares when comparing engines.
const OWN_LIMIT: &str = "a scheduler's own limit, part of what is compared";

const CONDITIONS: [Stated; 8] = [
    Stated {
        condition: Condition::PromptForm,
        read: |b| b.prompt_form.clone(),
        harmless: Some("the prompt tokens above show whether it changed the work"),
        always: true,
    },
    Stated {
        condition: Condition::DataType,
        read: |b| b.dtype.as_deref().map(plain_dtype),
        harmless: None,
        always: true,
    },
    Stated {
        condition: Condition::MaxModelLen,
        read: |b| b.max_model_len.map(|n| format!("{} tokens", grouped(n))),
        harmless: Some("it limits lengths, and does not change the work"),
        always: true,
    },
    Stated {
        condition: Condition::Quantization,
        read: |b| b.quantization.clone(),
        harmless: None,
        always: false,
    },
    Stated {
        condition: Condition::PrefixCache,
        read: |b| {
            b.prefix_caching
                .map(|on| if on { "on" } else { "off" }.to_owned())
        },
        harmless: Some("the prompt tokens from it above show what it changed"),
        always: false,
    },
    Stated {
        condition: Condition::Attention,
        read: |b| b.attention_backend.clone(),
        harmless: Some("each engine has its own"),
        always: false,
    },
    Stated {
        condition: Condition::MaxSequences,
        read: |b| b.max_running_requests.map(grouped),
        harmless: Some(OWN_LIMIT),
        always: false,
    },
    Stated {
        condition: Condition::MaxBatchedTokens,
        read: |b| b.max_batched_tokens.map(grouped),
        harmless: Some(OWN_LIMIT),
        always: false,
    },
];

/// A row for each condition that some backend states, and for those that matter
/// in any case.
pub(super) fn rows(backends: &[&BackendReport], labels: &[&str]) -> Vec<FairnessRow> {
    let row = |stated: &Stated| {
        let values: Vec<Option<String>> = backends.iter().map(|b| (stated.read)(b)).collect();
        let is_shown = stated.always || values.iter().any(Option::is_some);
        let row = is_shown.then(|| stated_row(stated.condition, labels, values))?;
        Some(match stated.harmless {
            Some(why) => explained(row, why),
            None => row,
        })
    };
    CONDITIONS.iter().filter_map(row).collect()
}

/// PyTorch writes `torch.bfloat16` where others write `bfloat16`.
fn plain_dtype(dtype: &str) -> String {
    dtype.trim_start_matches("torch.").to_lowercase()
}
