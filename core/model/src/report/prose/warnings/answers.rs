//! Sentences of warnings about the answers.

use crate::facts::warning::WarningKind;
use crate::text::number::{grouped, three_digits};

pub(super) fn words(kind: &WarningKind) -> Option<String> {
    of_streams(kind).or_else(|| of_counts(kind))
}

/// What came in the streams, and what did not.
fn of_streams(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ManyMessagesUnreadable {
            messages,
            of_messages,
            example,
        }
        | WarningKind::MessagesUnreadable {
            messages,
            of_messages,
            example,
        } => format!(
            "{messages} of {of_messages} messages could not be read and were skipped; the first begins with `{example}`"
        ),
        WarningKind::OutputNotSeen {
            answers,
            requests,
            field,
        } => {
            let place = field.as_ref().map_or_else(String::new, |field| {
                format!("; `{field}` holds something and is not known")
            });
            format!(
                "output was not seen in {answers} of {requests} answers: what the server made is not among the events that came{place}. No time per output token, no verdict"
            )
        }
        WarningKind::NotStreamed { answers, requests } => format!(
            "the server did not stream: {answers} of {requests} answers of several tokens came in one event, so no time between tokens was measured"
        ),
        WarningKind::AnswersHeldBack {
            answers,
            requests,
            client_late_ms,
        } => {
            let who = match client_late_ms {
                Some(_) => {
                    "the server or a proxy before it holds them back, or this client, which read late, did"
                }
                None => "the server, or a proxy before it, holds them back",
            };
            format!(
                "{answers} of {requests} answers came whole, all events at once: {who}, so no time between tokens was measured"
            )
        }
        WarningKind::EndsWithoutOutput { answers, requests } => format!(
            "{answers} of {requests} answers end with tokens that have no text: no time per output token for them, decode time per token is right"
        ),
        WarningKind::FinishReasonUnknown {
            answers,
            requests,
            by_reason,
        } => {
            let each = by_reason.iter().map(|(why, n)| format!("{n} `{why}`"));
            let each: Vec<String> = each.collect();
            format!(
                "{answers} of {requests} answers ended with a finish reason that is not known ({})",
                each.join(", ")
            )
        }
        WarningKind::MessagesMended { messages, example } => format!(
            "{messages} messages are not JSON, as with a number or a character that it does not have, and were mended; the first begins with `{example}`"
        ),
        WarningKind::TokenIdsOnly => {
            "the server sent ids of tokens and no text (output_ids): its answers cannot be compared with others".to_owned()
        }
        _ => return None,
    })
}

/// What the server counted.
fn of_counts(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::MoreEventsThanTokens { events, tokens } => format!(
            "{} output events came and the server counts {} tokens: its count is too small, or something cuts tokens into pieces",
            grouped(*events),
            grouped(*tokens)
        ),
        WarningKind::TokensUndercounted { events, tokens } => format!(
            "{} output events came and the server counts {} tokens: its count is too small, and throughput and time per token with it",
            grouped(*events),
            grouped(*tokens)
        ),
        WarningKind::TokensNotCounted { answers, requests } => {
            format!("the server did not count the tokens of {answers} of {requests} answers")
        }
        WarningKind::DecodeEstimated => {
            "the server does not count tokens per event: decode time per token is estimated, its tokens taken for evenly spread over the events".to_owned()
        }
        WarningKind::SeveralTokensPerEvent { tokens_per_event } => format!(
            "an event carries up to {} tokens on average: inter-token latency is between events; decode time per token is right",
            three_digits(*tokens_per_event)
        ),
        WarningKind::AnswerLengthDiffers { answers, requests } => {
            format!("{answers} of {requests} answers had another length than was asked")
        }
        WarningKind::PromptLengthDiffers {
            sent_tokens,
            counted_tokens,
        } => format!(
            "the server counted {counted_tokens} prompt tokens where {sent_tokens} were sent (a chat template or another tokenizer)"
        ),
        WarningKind::WarmPrefixCache { share } => format!(
            "warm prefix cache: {:.1} % of the prompt tokens came from it",
            share * 100.0
        ),
        _ => return None,
    })
}
