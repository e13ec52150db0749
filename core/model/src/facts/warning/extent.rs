//! How far a warning goes, to find the worst of those that differ in numbers only.

use super::code::WarningKind;

/// A part of a whole; 0 of a whole of nothing.
fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

impl WarningKind {
    /// How far it goes: of two with the same words, the larger one is worse. `None`
    /// where numbers say nothing of that.
    #[must_use]
    pub fn extent(&self) -> Option<f64> {
        self.extent_of_client()
            .or_else(|| self.extent_of_answers())
            .or_else(|| self.extent_of_machine())
    }

    fn extent_of_client(&self) -> Option<f64> {
        Some(match self {
            Self::ClientBusy {
                cpu_percent,
                core_wait_percent,
            } => cpu_percent + core_wait_percent,
            Self::ClientWaited { core_wait_percent } => *core_wait_percent,
            Self::StampedLate { loop_lag_ms_p99 } => *loop_lag_ms_p99,
            Self::ClientStalled { share, .. } | Self::ClientThrottled { share } => *share,
            Self::MachineSlept { slept_s } => *slept_s,
            Self::ReadLate {
                first_outputs_share,
                events_share,
                ..
            } => first_outputs_share.max(*events_share),
            // The smaller the part that was reached, the worse.
            Self::FewerInFlight { in_flight, asked } => -in_flight / f64::from(*asked),
            Self::FewerSent {
                planned_per_s,
                sent_per_s,
            } => -sent_per_s / planned_per_s,
            Self::SendsHeldBack {
                sends, requests, ..
            } => share(*sends, *requests),
            Self::CpuStolen { steal_percent } => *steal_percent,
            Self::ClockJumped { largest_ms, .. } => *largest_ms,
            _ => return None,
        })
    }

    fn extent_of_answers(&self) -> Option<f64> {
        let (part, whole) = match self {
            Self::ManyMessagesUnreadable {
                messages,
                of_messages,
                ..
            }
            | Self::MessagesUnreadable {
                messages,
                of_messages,
                ..
            } => (messages, of_messages),
            Self::OutputNotSeen {
                answers, requests, ..
            }
            | Self::AnswersHeldBack {
                answers, requests, ..
            }
            | Self::NotStreamed { answers, requests }
            | Self::EndsWithoutOutput { answers, requests }
            | Self::FinishReasonUnknown {
                answers, requests, ..
            }
            | Self::AnswerLengthDiffers { answers, requests }
            | Self::TokensNotCounted { answers, requests } => (answers, requests),
            Self::RequestsFailed {
                failed, requests, ..
            }
            | Self::ReplicaFails {
                failed, requests, ..
            } => (failed, requests),
            Self::RequestsResent { resent, requests } => (resent, requests),
            Self::FallingLoad {
                requests,
                of_requests,
                ..
            } => (requests, of_requests),
            Self::MoreEventsThanTokens { events, tokens }
            | Self::TokensUndercounted { events, tokens } => (events, tokens),
            Self::WarmPrefixCache { share } | Self::SharedReads { share } => return Some(*share),
            Self::ClassStarves { share, .. } => return Some(-share),
            Self::SeveralTokensPerEvent { tokens_per_event } => return Some(*tokens_per_event),
            Self::PromptLengthDiffers {
                sent_tokens,
                counted_tokens,
            } => return Some(share(counted_tokens.abs_diff(*sent_tokens), *sent_tokens)),
            _ => return None,
        };
        Some(share(*part, *whole))
    }

    fn extent_of_machine(&self) -> Option<f64> {
        Some(match self {
            Self::NoOpenFiles { requests } | Self::NoLocalPorts { requests } => *requests as f64,
            Self::EnergyDisagrees {
                difference_percent, ..
            }
            | Self::EnergyCounterUnused {
                difference_percent, ..
            } => difference_percent.abs(),
            Self::GpuThrottled {
                seconds_by_reason, ..
            } => seconds_by_reason.values().sum(),
            Self::NotSteady { change, .. } | Self::MayNotBeSteady { change, .. } => change.abs(),
            Self::MemoryLeft { bytes, .. } => *bytes as f64,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_part_is_worse_and_a_smaller_reach_is_worse() {
        let failed = |failed, requests| {
            let by_reason = std::collections::BTreeMap::new();
            WarningKind::RequestsFailed {
                failed,
                requests,
                by_reason,
            }
            .extent()
        };
        // 3 of 20 are more than 9 of 100.
        assert_eq!((failed(3, 20), failed(9, 100)), (Some(0.15), Some(0.09)));
        let in_flight = |in_flight| WarningKind::FewerInFlight {
            in_flight,
            asked: 8,
        };
        assert!(in_flight(4.0).extent() > in_flight(6.0).extent());
        assert_eq!(WarningKind::OneRepeat.extent(), None);
    }
}
