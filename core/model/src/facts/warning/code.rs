//! What is made of the table of warnings: their codes, their numbers, how much each
//! matters, what it means and what to do. The rows are in [`rows`](super::rows).

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Severity;
use crate::facts::cache_audit::PrefixCacheState;
use crate::facts::changed_shard::ChangedShard;

macro_rules! warnings {
    ([] $(
        $(#[doc = $meaning:literal])+
        $name:ident $({ $($(#[doc = $unit:literal])+ $field:ident: $type:ty),+ $(,)? })?
            = $code:literal, $severity:ident, $todo:literal;
    )+) => {
        /// What a warning is about, with its numbers.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "code", content = "values")]
        pub enum WarningKind {
            $(
                $(#[doc = $meaning])+
                #[serde(rename = $code)]
                $name $({ $($(#[doc = $unit])+ $field: $type),+ })?,
            )+
        }

        /// The code of a warning, which stays: other people's scripts rely on it.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema,
        )]
        pub enum WarningCode {
            $($(#[doc = $meaning])+ #[serde(rename = $code)] $name,)+
        }

        impl WarningKind {
            /// Its code.
            #[must_use]
            pub fn code(&self) -> WarningCode {
                match self {
                    $(Self::$name { .. } => WarningCode::$name,)+
                }
            }
        }

        impl WarningCode {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// As it stands in files.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// How much it matters.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)+
                }
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_ascii(),)+
                }
            }

            /// What to do about it.
            #[must_use]
            pub fn what_to_do(self) -> &'static str {
                match self {
                    $(Self::$name => $todo,)+
                }
            }
        }
    };
}

client_rows! { [load_rows! answers_rows! servers_rows! hardware_rows! comparison_rows! run_rows! warnings!] }

impl WarningCode {
    /// Whether a cell with it is not to be trusted: a threshold of the self-check
    /// was broken, or what came was not what was made.
    #[must_use]
    pub fn breaks_trust(self) -> bool {
        matches!(
            self,
            Self::ClientBusy
                | Self::ClientWaited
                | Self::StampedLate
                | Self::ClientStalled
                | Self::ClientThrottled
                | Self::MachineSlept
                | Self::ReadLate
                | Self::ManyMessagesUnreadable
                | Self::OutputNotSeen
                | Self::TokensUndercounted
                | Self::FewerInFlight
                | Self::FewerSent
                | Self::NoOpenFiles
                | Self::NoLocalPorts
                | Self::CpuStolen
                | Self::ClockJumped
                | Self::ShardClocksApart
                | Self::ShardClocksUnknown
        )
    }

    /// Whether the client, and not the backend, may have set the throughput.
    #[must_use]
    pub fn means_client_limit(self) -> bool {
        matches!(
            self,
            Self::ClientBusy | Self::FewerSent | Self::NoOpenFiles | Self::NoLocalPorts
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_say_what_to_do() {
        for (at, code) in WarningCode::ALL.iter().enumerate() {
            let earlier = &WarningCode::ALL[..at];
            assert!(earlier.iter().all(|other| other.as_str() != code.as_str()));
            assert!(code.meaning().ends_with('.') && code.what_to_do().ends_with('.'));
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(code.as_str().chars().all(kebab), "{}", code.as_str());
        }
    }

    #[test]
    fn what_breaks_trust_is_critical_and_so_is_what_limits_the_client() {
        for code in WarningCode::ALL {
            assert!(!code.breaks_trust() || code.severity() == Severity::Critical);
            assert!(!code.means_client_limit() || code.breaks_trust());
        }
    }
}
