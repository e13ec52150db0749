//! A warning as data: a code, how much it matters, whom it is about, and the
//! numbers that it rests on. Its sentence is made in `report::prose` alone.

#[macro_use]
mod rows;

mod code;
mod extent;
mod reference;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use code::{WarningCode, WarningKind};
pub use reference::reference;

use crate::config::Level;
use crate::plan::sample_size::{MIN_REPEATS, MIN_REQUESTS, SampleFinding};

/// How much a warning matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Some figure or verdict is not to be trusted, or is missing.
    Critical,
    /// It can change how a figure is read.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// As a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that a reader must know before trusting a figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// How much it matters; follows from the code.
    pub severity: Severity,
    /// Its code, and the numbers of the worst measurement that it was found in.
    #[serde(flatten)]
    pub kind: WarningKind,
    /// Label of the backend that it is about; absent if it is about the run.
    pub backend: Option<String>,
    /// Levels that it is about, in the order of the config; empty if about all.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// In how many more measurements it was found.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// The sentence, which names neither the backend nor the levels; absent in
    /// `run.json`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Warning {
    /// A warning about the run as a whole.
    #[must_use]
    pub fn about_run(kind: WarningKind) -> Self {
        Self {
            severity: kind.code().severity(),
            kind,
            backend: None,
            levels: Vec::new(),
            more: 0,
            text: String::new(),
        }
    }

    /// A warning about one backend, at all its levels.
    #[must_use]
    pub fn about(backend: &str, kind: WarningKind) -> Self {
        Self {
            backend: Some(backend.to_owned()),
            ..Self::about_run(kind)
        }
    }

    /// The same warning, about these levels only.
    #[must_use]
    pub fn at(self, levels: Vec<Level>) -> Self {
        Self { levels, ..self }
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> WarningCode {
        self.kind.code()
    }
}

impl From<SampleFinding> for WarningKind {
    fn from(finding: SampleFinding) -> Self {
        match finding {
            SampleFinding::NeverFull(span) => Self::LevelsNeverFull {
                requests: span.requests,
                least: span.least,
                most: span.most,
                enough: span.enough,
            },
            SampleFinding::PartlyFull(span) => Self::LevelsPartlyFull {
                requests: span.requests,
                least: span.least,
                most: span.most,
                enough: span.enough,
            },
            SampleFinding::FewRepeats { repeats } => Self::FewRepeats {
                repeats,
                needed: MIN_REPEATS,
            },
            SampleFinding::FewRequests { requests } => Self::FewRequests {
                requests,
                needed: MIN_REQUESTS,
            },
        }
    }
}

/// Reads the warnings of a `run.json`. Schema version 1 kept sentences: each
/// becomes a warning of the code `older-version`.
pub(super) fn of_any_version<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Warning>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Sentence(String),
        Data(Warning),
    }
    let kept = Vec::<Kept>::deserialize(deserializer)?;
    let read = kept.into_iter().map(|kept| match kept {
        Kept::Data(warning) => warning,
        Kept::Sentence(sentence) => Warning::about_run(WarningKind::OlderVersion { sentence }),
    });
    Ok(read.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_its_code_and_its_numbers() {
        let kind = WarningKind::PromptLengthDiffers {
            sent_tokens: 512,
            counted_tokens: 530,
        };
        let warning = Warning::about("vllm", kind).at(vec![Level::Concurrency(8)]);
        let json = serde_json::to_value(&warning).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "severity": "warning",
                "code": "prompt-length-differs",
                "values": { "sent_tokens": 512, "counted_tokens": 530 },
                "backend": "vllm",
                "levels": [{ "kind": "concurrency", "value": 8 }],
            })
        );
        assert_eq!(serde_json::from_value::<Warning>(json).unwrap(), warning);
    }

    #[test]
    fn a_code_without_numbers_has_no_values() {
        let json = serde_json::to_value(Warning::about_run(WarningKind::RunInterrupted)).unwrap();
        assert_eq!(json["code"], "run-interrupted");
        assert_eq!(json.get("values"), None);
    }

    #[test]
    fn sentences_of_schema_version_1_are_kept() {
        #[derive(Deserialize)]
        struct Old {
            #[serde(deserialize_with = "of_any_version")]
            warnings: Vec<Warning>,
        }
        let old: Old = serde_json::from_str(r#"{"warnings": ["hf: x"]}"#).unwrap();
        let sentence = "hf: x".to_owned();
        assert_eq!(old.warnings[0].kind, WarningKind::OlderVersion { sentence });
    }
}
