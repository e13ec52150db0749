//! What the streams of a cell had in them that is not as it should be, and what
//! follows for its figures.

use std::collections::BTreeMap;

use crate::facts::finish_reason::Finish;
use crate::facts::record::RequestRecord;
use crate::facts::warning::WarningKind;

/// Share of answers that came at once from which on a cell has no figure of the time
/// between tokens: the others are no fair sample.
const AT_ONCE_LIMIT: f64 = 0.1;
/// Unreadable messages as a share of all that could be output, above which latencies
/// are not to be trusted: each may have been the first of its answer.
const UNREADABLE_LIMIT: f64 = 0.01;
/// Events without a token of their own as a share, above which the server's counts
/// are said to be too small.
const MORE_EVENTS_LIMIT: f64 = 0.01;
/// Lateness of a read from which on it may have joined events of their own, ms.
const LATE_MS: f64 = 0.5;
/// The same share, above which figures per token are not to be trusted: no model puts so
/// many tokens out in pieces.
const UNDERCOUNTED_LIMIT: f64 = 0.1;

/// Sums over the measured requests, failed ones too where nothing else is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamFaults {
    /// Output events.
    events: u64,
    malformed: u64,
    /// Index of the first request with an unreadable message, and how it begins.
    malformed_example: Option<(u64, String)>,
    mended: u64,
    /// As of an unreadable one.
    mended_example: Option<(u64, String)>,
    /// Output events that hold ids of tokens and no text.
    token_ids: u64,
    /// Successful requests.
    answers: u64,
    /// Answers with output that was not seen.
    unseen: u64,
    /// Index of the first of them that names a field, and the field.
    unseen_field: Option<(u64, String)>,
    /// Answers of one event with several tokens.
    whole: u64,
    /// Answers of several events that came at one instant.
    held_back: u64,
    /// Those of them that the client may have read so late that it joined their events,
    /// and by how much at most, ms.
    held_back_late: (u64, f64),
    /// Answers that end with tokens without output.
    silent_ends: u64,
    /// Finish reasons that are not known, of successful requests.
    finish_reasons: BTreeMap<String, u64>,
    /// Tokens and events of answers that have a count.
    counted: (u64, u64),
    /// Answers whose decode time per token is an estimate.
    estimated: u64,
}

impl StreamFaults {
    pub(crate) fn add(&mut self, record: &RequestRecord) {
        let events = u64::from(record.output_events());
        self.events += events;
        self.malformed += u64::from(record.malformed_events);
        keep_first(
            &mut self.malformed_example,
            record,
            &record.malformed_example,
        );
        self.mended += u64::from(record.mended_events);
        keep_first(&mut self.mended_example, record, &record.mended_example);
        self.token_ids += u64::from(record.token_id_events);
        if !record.is_ok() {
            return;
        }
        self.answers += 1;
        if record.has_unseen_output() {
            self.unseen += 1;
            keep_first(&mut self.unseen_field, record, &record.unread_field);
        }
        if record.came_at_once() {
            self.whole += u64::from(events == 1);
            self.held_back += u64::from(events > 1);
            if let Some(late_ms) = late_for_all_ms(record).filter(|_| events > 1) {
                let (answers, most_ms) = self.held_back_late;
                self.held_back_late = (answers + 1, most_ms.max(late_ms));
            }
        }
        self.silent_ends += u64::from(record.ends_without_output());
        self.estimated += u64::from(record.decode_is_estimated);
        if let Some(reason) = &record.finish_reason
            && Finish::from_reason(reason) == Finish::Unknown
        {
            *self.finish_reasons.entry(reason.clone()).or_default() += 1;
        }
        if let Some(tokens) = record.output_tokens {
            self.counted.0 += u64::from(tokens);
            self.counted.1 += events;
        }
    }

    /// Whether nothing is known of the time between tokens: output was not seen, or too
    /// many answers came at once.
    pub(crate) fn hides_time_between_tokens(&self) -> bool {
        self.unseen > 0 || share(self.whole + self.held_back, self.answers) > AT_ONCE_LIMIT
    }

    /// Whether some decode time per token is an estimate.
    pub(crate) fn has_estimates(&self) -> bool {
        self.estimated > 0
    }

    /// `client_late_ms`: by how much the client itself read late, so that it may have read
    /// some answers whole.
    pub(crate) fn warnings(&self, client_late_ms: Option<f64>) -> Vec<WarningKind> {
        let (late, most_ms) = self.held_back_late;
        let client_late_ms = client_late_ms.or((2 * late > self.held_back).then_some(most_ms));
        let held_back = match client_late_ms.is_some() && !self.hides_time_between_tokens() {
            true => 0,
            false => self.held_back,
        };
        let found = [
            self.unreadable(),
            self.unseen(),
            self.of_answers(self.whole)
                .map(|(answers, requests)| WarningKind::NotStreamed { answers, requests }),
            self.of_answers(held_back)
                .map(|(answers, requests)| WarningKind::AnswersHeldBack {
                    answers,
                    requests,
                    client_late_ms,
                }),
            self.of_answers(self.silent_ends)
                .map(|(answers, requests)| WarningKind::EndsWithoutOutput { answers, requests }),
            self.unknown_finish(),
            self.more_events(),
            self.mended(),
            (self.token_ids > 0).then_some(WarningKind::TokenIdsOnly),
        ];
        found.into_iter().flatten().collect()
    }

    fn unreadable(&self) -> Option<WarningKind> {
        let (messages, of_messages) = (self.malformed, self.events + self.malformed);
        let (_, example) = self.malformed_example.clone().unwrap_or_default();
        if messages == 0 {
            return None;
        }
        Some(match share(messages, of_messages) > UNREADABLE_LIMIT {
            true => WarningKind::ManyMessagesUnreadable {
                messages,
                of_messages,
                example,
            },
            false => WarningKind::MessagesUnreadable {
                messages,
                of_messages,
                example,
            },
        })
    }

    fn mended(&self) -> Option<WarningKind> {
        let (_, example) = self.mended_example.clone()?;
        Some(WarningKind::MessagesMended {
            messages: self.mended,
            example,
        })
    }

    fn unseen(&self) -> Option<WarningKind> {
        (self.unseen > 0).then(|| WarningKind::OutputNotSeen {
            answers: self.unseen,
            requests: self.answers,
            field: self.unseen_field.clone().map(|(_, field)| field),
        })
    }

    fn of_answers(&self, answers: u64) -> Option<(u64, u64)> {
        (answers > 0).then_some((answers, self.answers))
    }

    fn unknown_finish(&self) -> Option<WarningKind> {
        let answers = self.finish_reasons.values().sum();
        (answers > 0).then(|| WarningKind::FinishReasonUnknown {
            answers,
            requests: self.answers,
            by_reason: self.finish_reasons.clone(),
        })
    }

    fn more_events(&self) -> Option<WarningKind> {
        let (tokens, events) = self.counted;
        let more = share(events.saturating_sub(tokens), events);
        if more > UNDERCOUNTED_LIMIT {
            return Some(WarningKind::TokensUndercounted { events, tokens });
        }
        (more > MORE_EVENTS_LIMIT).then_some(WarningKind::MoreEventsThanTokens { events, tokens })
    }
}

/// By how much the client may have read the first event late, where that is known and more
/// than nothing: the others may have come in that time. Where it is most of the answer's
/// own time, nothing is known of the client.
fn late_for_all_ms(record: &RequestRecord) -> Option<f64> {
    let (late_ms, waited_ms) = record.first_output_early_ms.zip(record.ttft_ms)?;
    (late_ms > LATE_MS && late_ms < waited_ms / 2.0).then_some(late_ms)
}

/// Part of all; 0 of nothing.
pub(crate) fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    part as f64 / all as f64
}

/// Keeps a text of the request that was sent first.
fn keep_first(kept: &mut Option<(u64, String)>, record: &RequestRecord, text: &Option<String>) {
    let Some(text) = text else { return };
    if kept.as_ref().is_none_or(|(index, _)| record.index < *index) {
        *kept = Some((record.index, text.clone()));
    }
}
