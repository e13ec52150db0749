//! Reads the body of a good answer: cuts it into messages, decodes and logs them.

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::client::DecoderClient;
use inferbench_plugin_api::events::{Decoded, decoded, most_events};
use inferbench_plugin_api::{Framing, Message, PluginError};

use super::outcome::broken;
use crate::http::Framer;

/// What reads the body of one answer.
pub(crate) struct Body {
    framer: Framer,
    /// What the body is has been told by its first bytes.
    settled: bool,
    decoder: DecoderClient,
    events: EventBuf,
    is_empty: bool,
}

impl Body {
    pub(crate) fn new(framing: Framing, decoder: DecoderClient) -> Self {
        Self {
            framer: Framer::new(framing),
            settled: false,
            decoder,
            events: EventBuf::default(),
            is_empty: true,
        }
    }

    /// Whether no byte of it has come.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether a message has begun and not ended.
    pub(super) fn has_part(&self) -> bool {
        self.framer.has_part()
    }

    /// The answer calls itself JSON. Lines of JSON are sent under that type too,
    /// so only a stream of events is known not to be one.
    pub(crate) fn calls_itself_json(&mut self) {
        if matches!(self.framer, Framer::Sse(_)) {
            self.framer = Framer::new(Framing::Body);
        }
    }

    /// Takes bytes that arrived at `t_ns`; what follows an end marker is no part
    /// of the answer.
    pub(crate) fn feed(
        &mut self,
        exchange: &mut Exchange,
        data: &[u8],
        t_ns: u64,
    ) -> Result<(), StreamEnd> {
        if !self.settled {
            self.settled = self.framer.settle(data);
        }
        let Self {
            framer,
            decoder,
            events,
            is_empty,
            ..
        } = self;
        *is_empty &= data.is_empty();
        let mut fed = Ok(());
        let pushed = framer.push(data, &mut |message| {
            if fed.is_ok() && !exchange.has_ended() {
                fed = decode(decoder, events, exchange, message, t_ns);
            }
        });
        fed?;
        pushed.map_err(|error| broken(FailureReason::MessageTooLong, error.to_string()))
    }

    /// The body has ended as HTTP says it should.
    pub(crate) fn finish(&mut self, exchange: &mut Exchange, t_ns: u64) -> Result<(), StreamEnd> {
        let Self {
            framer,
            decoder,
            events,
            ..
        } = self;
        let mut fed = Ok(());
        framer.finish(&mut |message| {
            if fed.is_ok() {
                fed = decode(decoder, events, exchange, message, t_ns);
            }
        });
        events.clear();
        let finished = decoder.finish(events);
        take_events(events, &[], t_ns, exchange);
        fed?;
        finished.map_err(decoder_failed)
    }
}

fn decode(
    decoder: &mut DecoderClient,
    events: &mut EventBuf,
    exchange: &mut Exchange,
    message: Message<'_>,
    t_ns: u64,
) -> Result<(), StreamEnd> {
    events.clear();
    let fed = decoder.feed(message, events);
    let (have, limit) = (events.events.len(), most_events(message.bytes().len()));
    if have > limit {
        *events = EventBuf::default();
        let words = format!("one message gave {have} events, limit {limit}");
        return Err(broken(FailureReason::DecoderError, words));
    }
    take_events(events, message.bytes(), t_ns, exchange);
    fed.map_err(decoder_failed)
}

/// Takes the events that one message gave, all of the same arrival.
pub(super) fn take_events(buffer: &EventBuf, message: &[u8], t_ns: u64, exchange: &mut Exchange) {
    for event in decoded(buffer) {
        match event {
            Decoded::Output(kind, text, tokens) => exchange.output(t_ns, kind, text, tokens),
            Decoded::Usage(usage) => exchange.usage(usage),
            Decoded::Finish(reason) => exchange.finish(reason),
            Decoded::Error(message) => exchange.error(message),
            Decoded::End => exchange.end_marker(),
            Decoded::Unread(field, messages) => exchange.unread(field, messages),
            Decoded::Mended => exchange.mended(message),
            Decoded::Malformed => exchange.malformed(message),
        }
    }
}

fn decoder_failed(error: PluginError) -> StreamEnd {
    let reason = if error.panicked {
        FailureReason::PluginPanicked
    } else {
        FailureReason::DecoderError
    };
    broken(reason, error.message)
}
