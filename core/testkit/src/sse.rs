//! A plain splitter of event streams for recorded answers. It is written to
//! be clear; the host that measures has its own.

use inferbench_plugin_api::Message;

/// What kind of message an event is to a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A default or `message` event.
    Data,
    /// An event named `error`.
    ErrorEvent,
    /// A line whose field name is `error`.
    ErrorField,
    /// An event with a name of its own.
    NamedEvent,
}

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: Kind,
    /// The name of a named event; empty for the others.
    pub name: Vec<u8>,
    pub data: Vec<u8>,
}

impl Event {
    /// As a decoder is fed with it.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        match self.kind {
            Kind::Data => Message::Data(&self.data),
            Kind::ErrorEvent => Message::ErrorEvent(&self.data),
            Kind::ErrorField => Message::ErrorField(&self.data),
            Kind::NamedEvent => Message::NamedEvent {
                name: &self.name,
                data: &self.data,
            },
        }
    }
}

/// Splits a stream that comes in pieces of any size.
///
/// Lines end with LF, CR or CRLF.
/// Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
#[derive(Debug, Default)]
pub struct Splitter {
    line: Vec<u8>,
    after_cr: bool,
    name: Vec<u8>,
    data: Option<Vec<u8>>,
}

impl Splitter {
    /// The events that `bytes` completes.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.end_line(&mut events),
                byte => self.line.push(*byte),
            }
        }
        events
    }

    /// The event left open when the stream ended cleanly.
    pub fn finish(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.line.is_empty() {
            self.end_line(&mut events);
        }
        self.dispatch(&mut events);
        events
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.dispatch(events);
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            b"event" => self.name = value.to_vec(),
            b"error" => events.push(Event {
                kind: Kind::ErrorField,
                name: Vec::new(),
                data: value.to_vec(),
            }),
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut Vec<Event>) {
        let name = std::mem::take(&mut self.name);
        let Some(data) = self.data.take() else {
            return;
        };
        let (kind, name) = match name.as_slice() {
            b"" | b"message" => (Kind::Data, Vec::new()),
            b"error" => (Kind::ErrorEvent, Vec::new()),
            _ => (Kind::NamedEvent, name),
        };
        events.push(Event { kind, name, data });
    }
}

/// The events of a whole recorded stream that ended cleanly, without those that have a
/// name of their own.
#[must_use]
pub fn split(body: &[u8]) -> Vec<Event> {
    let mut events = split_named(body);
    events.retain(|event| event.kind != Kind::NamedEvent);
    events
}

/// As [`split`], with those that have a name of their own.
#[must_use]
pub fn split_named(body: &[u8]) -> Vec<Event> {
    let mut splitter = Splitter::default();
    let mut events = splitter.push(body);
    events.extend(splitter.finish());
    events
}
