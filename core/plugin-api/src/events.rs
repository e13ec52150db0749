//! Messages in, events out. Events carry no time: the host knows when the
//! bytes arrived.

use inferbench_contract::{OutputKind, Usage};

use crate::abi::{Event, EventBuf, EventKind, NO_COUNT};

/// One message of an answer, as the host framed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Data of a default (`message`) event, a line of NDJSON, or a whole body.
    Data(&'a [u8]),
    /// Data of an event named `error`.
    ErrorEvent(&'a [u8]),
    /// A line whose field name is `error`, as old llama.cpp servers write it.
    ErrorField(&'a [u8]),
    /// An event with a name of its own, under
    /// [`Framing::NamedSse`](crate::Framing::NamedSse) alone.
    NamedEvent {
        /// What its `event:` line says.
        name: &'a [u8],
        /// Its data.
        data: &'a [u8],
    },
}

impl<'a> Message<'a> {
    /// Its data, or what stands in place of it.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Data(bytes) | Self::ErrorEvent(bytes) | Self::ErrorField(bytes) => bytes,
            Self::NamedEvent { data, .. } => data,
        }
    }
}

/// Most events that the host takes from one message of so many bytes: one for
/// each byte, and some that come from none. A decoder that gives more is broken,
/// and the request fails.
#[must_use]
pub fn most_events(message_bytes: usize) -> usize {
    message_bytes + 64
}

/// Where a decoder puts what it found.
#[derive(Debug)]
pub struct Events<'a> {
    buffer: &'a mut EventBuf,
}

impl<'a> Events<'a> {
    /// Events that go to `buffer`.
    pub fn new(buffer: &'a mut EventBuf) -> Self {
        Self { buffer }
    }

    /// A piece of output. Empty text is no output event; give it all the same
    /// if `cumulative_tokens` is known. That count is the server's, up to and
    /// with this piece.
    pub fn output(&mut self, kind: OutputKind, text: &str, cumulative_tokens: Option<u32>) {
        self.push(Event::output(kind, cumulative_tokens), text);
    }

    /// Token counts.
    pub fn usage(&mut self, usage: Usage) {
        let event = Event {
            a: usage.input_tokens.unwrap_or(NO_COUNT),
            b: usage.output_tokens.unwrap_or(NO_COUNT),
            c: usage.cached_tokens.unwrap_or(NO_COUNT),
            d: usage.reasoning_tokens.unwrap_or(NO_COUNT),
            ..Event::bare(EventKind::USAGE)
        };
        self.push(event, "");
        if let Some(image_tokens) = usage.image_tokens {
            let event = Event {
                a: image_tokens,
                ..Event::bare(EventKind::MORE_USAGE)
            };
            self.push(event, "");
        }
    }

    /// The finish reason.
    pub fn finish(&mut self, reason: &str) {
        self.push(Event::bare(EventKind::FINISH), reason);
    }

    /// An error that the server reported inside its answer.
    pub fn error(&mut self, message: &str) {
        self.push(Event::bare(EventKind::ERROR), message);
    }

    /// The end marker: nothing that matters follows.
    pub fn end(&mut self) {
        self.push(Event::bare(EventKind::END), "");
    }

    /// So many messages without output, in which `field` is not known and holds
    /// something: perhaps output that nobody sees. `field` is its path.
    pub fn unread(&mut self, field: &str, messages: u32) {
        let event = Event {
            a: messages,
            ..Event::bare(EventKind::UNREAD)
        };
        self.push(event, field);
    }

    /// A message that no strict reader takes, and of which all was read that could be:
    /// see [`mended`](crate::json::mended). Its events follow.
    pub fn mended(&mut self) {
        self.push(Event::bare(EventKind::MENDED), "");
    }

    /// A message that cannot be read and is skipped.
    pub fn malformed(&mut self) {
        self.push(Event::bare(EventKind::MALFORMED), "");
    }

    fn push(&mut self, mut event: Event, text: &str) {
        event.text_off = self.buffer.text.len() as u32;
        event.text_len = text.len() as u32;
        self.buffer.text.extend_from_copy_slice(text.as_bytes());
        self.buffer.events.push(event);
    }
}

/// An event as the host reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// Output.
    Output(OutputKind, &'a str, Option<u32>),
    /// Token counts.
    Usage(Usage),
    /// Finish reason.
    Finish(&'a str),
    /// Error reported in the answer.
    Error(&'a str),
    /// End marker.
    End,
    /// A field that is not known, and messages without output that it was in.
    Unread(&'a str, u32),
    /// A message that had to be mended to be read.
    Mended,
    /// An unreadable message.
    Malformed,
}

/// The events in `buffer`, in order. An event of a kind this host does not
/// know, or whose text is not where it says, reads as `Malformed`.
pub fn decoded(buffer: &EventBuf) -> impl Iterator<Item = Decoded<'_>> {
    buffer
        .events
        .iter()
        .map(|event| decode(event, buffer.text.as_slice()))
}

fn decode<'a>(event: &Event, text: &'a [u8]) -> Decoded<'a> {
    let start = event.text_off as usize;
    let end = start + event.text_len as usize;
    let Some(Ok(text)) = text.get(start..end).map(std::str::from_utf8) else {
        return Decoded::Malformed;
    };
    let count = |n: u32| (n != NO_COUNT).then_some(n);
    match event.kind {
        EventKind::TEXT => Decoded::Output(OutputKind::Text, text, count(event.a)),
        EventKind::REASONING => Decoded::Output(OutputKind::Reasoning, text, count(event.a)),
        EventKind::TOOL_CALL => Decoded::Output(OutputKind::ToolCall, text, count(event.a)),
        EventKind::TOKEN_IDS => Decoded::Output(OutputKind::TokenIds, text, count(event.a)),
        EventKind::USAGE => Decoded::Usage(Usage {
            input_tokens: count(event.a),
            output_tokens: count(event.b),
            cached_tokens: count(event.c),
            reasoning_tokens: count(event.d),
            image_tokens: None,
        }),
        EventKind::MORE_USAGE => Decoded::Usage(Usage {
            image_tokens: count(event.a),
            ..Usage::default()
        }),
        EventKind::FINISH => Decoded::Finish(text),
        EventKind::ERROR => Decoded::Error(text),
        EventKind::END => Decoded::End,
        EventKind::UNREAD => Decoded::Unread(text, event.a),
        EventKind::MENDED => Decoded::Mended,
        _ => Decoded::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_as_they_went_in() {
        let mut buffer = EventBuf::default();
        let usage = Usage {
            input_tokens: Some(3),
            output_tokens: Some(0),
            ..Usage::default()
        };
        let mut events = Events::new(&mut buffer);
        events.output(OutputKind::Text, "día", Some(2));
        events.output(OutputKind::ToolCall, "f", None);
        events.usage(usage);
        events.output(OutputKind::TokenIds, "7 8", None);
        events.unread("choices[].x", 3);
        events.mended();
        events.finish("stop");
        events.end();
        let back: Vec<_> = decoded(&buffer).collect();
        assert_eq!(
            back,
            [
                Decoded::Output(OutputKind::Text, "día", Some(2)),
                Decoded::Output(OutputKind::ToolCall, "f", None),
                Decoded::Usage(usage),
                Decoded::Output(OutputKind::TokenIds, "7 8", None),
                Decoded::Unread("choices[].x", 3),
                Decoded::Mended,
                Decoded::Finish("stop"),
                Decoded::End,
            ]
        );
    }

    #[test]
    fn image_tokens_come_as_counts_of_their_own() {
        let mut buffer = EventBuf::default();
        let counts = |input_tokens, image_tokens| Usage {
            input_tokens,
            image_tokens,
            ..Usage::default()
        };
        Events::new(&mut buffer).usage(counts(Some(9), Some(4)));
        let back: Vec<_> = decoded(&buffer).collect();
        assert_eq!(
            back,
            [
                Decoded::Usage(counts(Some(9), None)),
                Decoded::Usage(counts(None, Some(4))),
            ]
        );
    }

    #[test]
    fn an_event_that_lies_about_its_text_is_malformed() {
        let mut buffer = EventBuf::default();
        buffer.events.push(Event {
            text_off: u32::MAX,
            text_len: u32::MAX,
            ..Event::bare(EventKind::TEXT)
        });
        buffer.events.push(Event::bare(EventKind(999)));
        assert!(decoded(&buffer).all(|event| event == Decoded::Malformed));
    }
}
