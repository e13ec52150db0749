//! What a server's finish reason says: that the answer ended as it should, that it
//! broke off, or nothing that is known.

use super::failure_reason::FailureReason;

/// Reasons with which an answer is whole, in lower case.
const WHOLE: &[&str] = &[
    "stop",
    "length",
    "eos",
    "eos_token",
    "stop_token",
    "stop_sequence",
    "stop_str",
    "end_turn",
    "end",
    "max_tokens",
    "max_output_tokens",
    "max_length",
    "model_length",
    "limit",
    "tool_calls",
    "tool_call",
    "tool_use",
    "function_call",
    "complete",
    "completed",
];

/// Reasons with which it is not, and as what it failed.
const BROKEN_OFF: &[(&str, FailureReason)] = &[
    ("abort", FailureReason::FinishAbort),
    ("aborted", FailureReason::FinishAbort),
    // Of `/v1/responses`, where nothing says why.
    ("incomplete", FailureReason::FinishAbort),
    ("error", FailureReason::FinishError),
    ("failed", FailureReason::FinishError),
    ("internal_error", FailureReason::FinishError),
    ("engine_error", FailureReason::FinishError),
    ("server_error", FailureReason::FinishError),
    ("content_filter", FailureReason::FinishFiltered),
    ("content_filtered", FailureReason::FinishFiltered),
    ("safety", FailureReason::FinishFiltered),
    ("sensitive", FailureReason::FinishFiltered),
    ("recitation", FailureReason::FinishFiltered),
    ("prohibited_content", FailureReason::FinishFiltered),
    ("cancelled", FailureReason::FinishCancelled),
    ("canceled", FailureReason::FinishCancelled),
    ("interrupted", FailureReason::FinishCancelled),
    ("preempted", FailureReason::FinishCancelled),
    ("preempt", FailureReason::FinishCancelled),
    ("timeout", FailureReason::FinishTimeout),
    ("timed_out", FailureReason::FinishTimeout),
    ("deadline_exceeded", FailureReason::FinishTimeout),
    ("network_error", FailureReason::FinishNetwork),
    ("connection_error", FailureReason::FinishNetwork),
    ("disconnect", FailureReason::FinishNetwork),
    ("disconnected", FailureReason::FinishNetwork),
    (
        "insufficient_system_resource",
        FailureReason::FinishResources,
    ),
    ("insufficient_resources", FailureReason::FinishResources),
    ("resource_exhausted", FailureReason::FinishResources),
    ("out_of_memory", FailureReason::FinishResources),
    ("overloaded", FailureReason::FinishResources),
    ("rate_limit", FailureReason::FinishResources),
];

/// What a finish reason says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The answer is whole.
    Whole,
    /// It broke off: the request failed.
    BrokenOff(FailureReason),
    /// No reason that is known. The request counts, and the reason is shown.
    Unknown,
}

impl Finish {
    /// What `reason` says, in upper or lower case.
    #[must_use]
    pub fn from_reason(reason: &str) -> Self {
        let reason = reason.trim().to_ascii_lowercase().replace('-', "_");
        if WHOLE.contains(&reason.as_str()) {
            return Self::Whole;
        }
        let broken = BROKEN_OFF.iter().find(|(word, _)| *word == reason);
        broken.map_or(Self::Unknown, |(_, failure)| Self::BrokenOff(*failure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_whole_broken_off_or_unknown_in_any_case() {
        for (reason, says) in [
            ("stop", Finish::Whole),
            ("MAX_TOKENS", Finish::Whole),
            ("eos", Finish::Whole),
            ("tool_calls", Finish::Whole),
            ("abort", Finish::BrokenOff(FailureReason::FinishAbort)),
            (
                "network_error",
                Finish::BrokenOff(FailureReason::FinishNetwork),
            ),
            (
                "Canceled",
                Finish::BrokenOff(FailureReason::FinishCancelled),
            ),
            (
                "content_filter",
                Finish::BrokenOff(FailureReason::FinishFiltered),
            ),
            ("repetition", Finish::Unknown),
            ("", Finish::Unknown),
        ] {
            assert_eq!(Finish::from_reason(reason), says, "{reason}");
        }
    }

    #[test]
    fn no_reason_is_in_both_lists() {
        for (word, _) in BROKEN_OFF {
            assert!(!WHOLE.contains(word), "{word}");
        }
    }
}
