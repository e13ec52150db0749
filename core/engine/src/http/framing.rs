//! From body bytes to complete messages: server-sent events, lines of JSON, or
//! the whole body. Cuts between reads change nothing.

use inferbench_plugin_api::{Framing, Message};
use thiserror::Error;

/// Longest line, event or body that is kept.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// A message that is too long to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a message of the answer is above {MAX_MESSAGE_BYTES} bytes")]
pub struct MessageTooLong;

/// Cuts a body into messages.
#[derive(Debug)]
pub enum Framer {
    Sse(Sse),
    /// Newline-delimited JSON.
    Ndjson(Vec<u8>),
    /// The whole body.
    Body(Vec<u8>),
}

impl Framer {
    /// A framer for the given framing.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Self::Sse(Sse::default()),
            Framing::NamedSse => Self::Sse(Sse {
                gives_named: true,
                ..Sse::default()
            }),
            Framing::Ndjson => Self::Ndjson(Vec::new()),
            Framing::Body => Self::Body(Vec::new()),
        }
    }

    /// Looks at the first bytes of the body: one that begins like a JSON object is no
    /// stream of events, whatever it calls itself. Whether there was a byte to tell.
    pub fn settle(&mut self, bytes: &[u8]) -> bool {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if matches!((&self, first), (Self::Sse(_), Some(b'{'))) {
            *self = Self::Body(Vec::new());
        }
        first.is_some()
    }

    /// Takes body bytes and gives every message they complete to `sink`.
    ///
    /// # Errors
    /// `MessageTooLong`.
    pub fn push(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), MessageTooLong> {
        match self {
            Self::Sse(sse) => sse.push(bytes, sink),
            Self::Ndjson(partial) => {
                let mut rest = bytes;
                while let Some(end) = memchr::memchr(b'\n', rest) {
                    partial.extend_from_slice(&rest[..end]);
                    give_line(partial, sink);
                    partial.clear();
                    rest = &rest[end + 1..];
                }
                keep(partial, rest)
            }
            Self::Body(body) => keep(body, bytes),
        }
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub fn has_part(&self) -> bool {
        match self {
            Self::Sse(sse) => sse.has_data || !sse.line.is_empty(),
            Self::Ndjson(partial) => !partial.is_empty(),
            // There is only one.
            Self::Body(_) => false,
        }
    }

    /// The body has ended cleanly: an unterminated last message is used.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Message<'_>)) {
        match self {
            Self::Sse(sse) => sse.finish(sink),
            Self::Ndjson(partial) => give_line(partial, sink),
            Self::Body(body) => sink(Message::Data(body)),
        }
    }
}

fn give_line(line: &[u8], sink: &mut dyn FnMut(Message<'_>)) {
    let line = line.trim_ascii();
    if !line.is_empty() {
        sink(Message::Data(line));
    }
}

fn keep(kept: &mut Vec<u8>, bytes: &[u8]) -> Result<(), MessageTooLong> {
    if kept.len() + bytes.len() > MAX_MESSAGE_BYTES {
        return Err(MessageTooLong);
    }
    kept.extend_from_slice(bytes);
    Ok(())
}

/// Server-sent events, by the WHATWG grammar: lines end with LF, CR or CR LF,
/// nothing else.
#[derive(Debug, Default)]
pub struct Sse {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    name: Name,
    /// The name of an event that has one of its own, if such events are given.
    own_name: Vec<u8>,
    /// Events with names of their own are given, and not passed over.
    gives_named: bool,
    after_cr: bool,
    started: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Name {
    #[default]
    Message,
    Error,
    Other,
}

impl Sse {
    fn push(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), MessageTooLong> {
        let mut rest = bytes;
        if self.after_cr && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        if !bytes.is_empty() {
            self.after_cr = false;
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            if self.line.is_empty() {
                self.take_line(&rest[..end], sink)?;
            } else {
                keep(&mut self.line, &rest[..end])?;
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, sink)?;
                self.line = line;
                self.line.clear();
            }
            let cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if cr {
                match rest.first() {
                    Some(b'\n') => rest = &rest[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        keep(&mut self.line, rest)
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Message<'_>)) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() && self.take_line(&line, sink).is_err() {
            return;
        }
        self.dispatch(sink);
    }

    fn take_line(
        &mut self,
        line: &[u8],
        sink: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), MessageTooLong> {
        let line = if self.started {
            line
        } else {
            self.started = true;
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        if line.is_empty() {
            self.dispatch(sink);
            return Ok(());
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    keep(&mut self.data, b"\n")?;
                }
                self.has_data = true;
                keep(&mut self.data, value)?;
            }
            b"event" => self.take_name(value)?,
            b"error" => sink(Message::ErrorField(value)),
            // A comment, an id, a retry or an unknown field: nothing to read.
            _ => {}
        }
        Ok(())
    }

    fn take_name(&mut self, value: &[u8]) -> Result<(), MessageTooLong> {
        self.name = match value {
            b"" | b"message" => Name::Message,
            b"error" => Name::Error,
            _ => Name::Other,
        };
        self.own_name.clear();
        match self.name {
            Name::Other if self.gives_named => keep(&mut self.own_name, value),
            _ => Ok(()),
        }
    }

    fn dispatch(&mut self, sink: &mut dyn FnMut(Message<'_>)) {
        let blank = self.data.trim_ascii().is_empty();
        match self.name {
            _ if !self.has_data => {}
            Name::Message if !blank => sink(Message::Data(&self.data)),
            Name::Error => sink(Message::ErrorEvent(&self.data)),
            Name::Other if self.gives_named => sink(Message::NamedEvent {
                name: &self.own_name,
                data: &self.data,
            }),
            Name::Message | Name::Other => {}
        }
        self.data.clear();
        self.has_data = false;
        self.name = Name::Message;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_begun_until_its_blank_line() {
        let mut framer = Framer::new(Framing::Sse);
        let mut none = |_: Message<'_>| ();
        for (bytes, has_part) in [
            (&b"data: a"[..], true),
            (b"\n", true),
            (b"\n", false),
            (b"data: b\n\nda", true),
            (b"ta: c\n\n", false),
        ] {
            framer.push(bytes, &mut none).unwrap();
            assert_eq!(framer.has_part(), has_part, "{bytes:?}");
        }
    }

    fn messages(framing: Framing, bytes: &[u8], cut: usize) -> Vec<String> {
        let mut framer = Framer::new(framing);
        let mut found = Vec::new();
        let mut sink = |message: Message<'_>| {
            let (mark, data) = match message {
                Message::Data(data) => ("", data),
                Message::ErrorEvent(data) => ("E:", data),
                Message::ErrorField(data) => ("F:", data),
                Message::NamedEvent { name, data } => {
                    let name = String::from_utf8_lossy(name);
                    return found.push(format!("{name}={}", String::from_utf8_lossy(data)));
                }
            };
            found.push(format!("{mark}{}", String::from_utf8_lossy(data)));
        };
        for piece in bytes.chunks(cut) {
            framer.push(piece, &mut sink).unwrap();
        }
        framer.finish(&mut sink);
        found
    }

    #[test]
    fn all_line_ends_read_the_same_at_every_cut() {
        for text in [
            "data: a\n\ndata: b\n\n",
            "data: a\r\n\r\ndata: b\r\n\r\n",
            "data: a\r\rdata: b\r\r",
            "data: a\n\r\ndata: b\r\n\n",
        ] {
            for cut in 1..=text.len() {
                let found = messages(Framing::Sse, text.as_bytes(), cut);
                assert_eq!(found, ["a", "b"], "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_carriage_return_completes_an_event_at_once() {
        let mut framer = Framer::new(Framing::Sse);
        let mut n = 0;
        framer.push(b"data: a\r\r", &mut |_| n += 1).unwrap();
        assert_eq!(n, 1);
    }

    #[test]
    fn comments_ids_and_foreign_events_give_nothing() {
        let text = ": ping\n\n:\n\nid: 7\n\nretry: 3000\n\nevent: ping\n\ndata:\n\nevent: run.progress\ndata: {}\n\ndata: x\n\n";
        for cut in 1..text.len() {
            assert_eq!(messages(Framing::Sse, text.as_bytes(), cut), ["x"]);
        }
    }

    #[test]
    fn named_events_are_given_where_they_are_asked_for_whatever_the_order_of_lines() {
        let text = "event: a.b\r\ndata: 1\r\n\r\ndata: 2\n\ndata: 3\nevent: c\n\n\
                    event: message\ndata: 4\n\nevent: error\ndata: 5\n\nevent: d\n\ndata: 6\n\n";
        for cut in 1..text.len() {
            let found = messages(Framing::NamedSse, text.as_bytes(), cut);
            assert_eq!(
                found,
                ["a.b=1", "2", "c=3", "4", "E:5", "6"],
                "cut at {cut}"
            );
            let plain = messages(Framing::Sse, text.as_bytes(), cut);
            assert_eq!(plain, ["2", "4", "E:5", "6"], "cut at {cut}");
        }
    }

    #[test]
    fn a_body_that_begins_like_an_object_is_no_stream_of_events() {
        let settled = |first: &[u8]| {
            let mut framer = Framer::new(Framing::Sse);
            let told = framer.settle(first);
            (told, matches!(framer, Framer::Body(_)))
        };
        assert_eq!(settled(b" \n{\"choices\""), (true, true));
        assert_eq!(settled(b"data: {"), (true, false));
        assert_eq!(settled(b" \r\n"), (false, false));
    }

    #[test]
    fn errors_by_event_name_and_by_field_are_distinguished() {
        let text = "event: error\ndata: {\"message\": \"m\"}\n\nerror: {\"code\": 500}\n\n";
        let found = messages(Framing::Sse, text.as_bytes(), 5);
        assert_eq!(found, ["E:{\"message\": \"m\"}", "F:{\"code\": 500}"]);
    }

    #[test]
    fn data_lines_join_with_a_line_feed_and_only_cr_and_lf_end_lines() {
        let text = "data: {\ndata: }\n\ndata:a\u{2028}b\u{85}c\n\n";
        let found = messages(Framing::Sse, text.as_bytes(), 3);
        assert_eq!(found, ["{\n}", "a\u{2028}b\u{85}c"]);
    }

    #[test]
    fn an_unterminated_last_event_is_used_after_a_clean_end() {
        assert_eq!(messages(Framing::Sse, b"data: [DONE]", 4), ["[DONE]"]);
        assert_eq!(
            messages(Framing::Ndjson, b"{\"a\":1}\r\n{\"b\":2}", 3),
            ["{\"a\":1}", "{\"b\":2}"]
        );
        assert_eq!(messages(Framing::Body, b"{}", 1), ["{}"]);
    }
}
