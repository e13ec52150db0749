//! What the targets of `fuzz` hold for every input, which includes this file: so a test
//! on a stable compiler can replay their inputs.

use inferbench_engine::http::{Framer, ResponseReader};
use inferbench_model::config;
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::openai::{Endpoint, WireDecoder};
use inferbench_plugin_api::{Decoder, Events, Framing, Message};

/// An HTTP answer in two pieces: the same body whatever the cut. The first byte
/// says where.
pub(crate) fn response(data: &[u8]) {
    let Some((cut, answer)) = data.split_first() else {
        return;
    };
    let cut = usize::from(*cut).min(answer.len());
    let (left, right) = answer.split_at(cut);
    assert_eq!(read(&[answer]), read(&[left, right]));
}

/// The body and whether all of it could be read.
fn read(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut reader = ResponseReader::default();
    let mut body = Vec::new();
    for piece in pieces {
        let pushed = reader.push(piece, &mut |data| body.extend_from_slice(data));
        if pushed.is_err() {
            return (Vec::new(), false);
        }
    }
    (body, reader.close())
}

/// A body in two pieces: the same messages whatever the cut. The first byte
/// chooses the framing, the second the cut.
pub(crate) fn framing(data: &[u8]) {
    let [choice, cut, body @ ..] = data else {
        return;
    };
    let framing = match choice % 4 {
        0 => Framing::Sse,
        1 => Framing::Ndjson,
        2 => Framing::NamedSse,
        _ => Framing::Body,
    };
    let (left, right) = body.split_at(usize::from(*cut).min(body.len()));
    assert_eq!(
        messages(framing, &[body]),
        messages(framing, &[left, right])
    );
}

fn messages(framing: Framing, pieces: &[&[u8]]) -> Vec<(u8, Vec<u8>)> {
    let mut framer = Framer::new(framing);
    let mut found = Vec::new();
    let mut sink = |message: Message<'_>| {
        let (kind, data) = match message {
            Message::Data(data) => (0, data),
            Message::ErrorEvent(data) => (1, data),
            Message::ErrorField(data) => (2, data),
            Message::NamedEvent { name, data } => {
                return found.push((3, [name, b"\n", data].concat()));
            }
        };
        found.push((kind, data.to_vec()));
    };
    for piece in pieces {
        framer
            .push(piece, &mut sink)
            .expect("no input is as long as the limit");
    }
    framer.finish(&mut sink);
    found
}

/// Messages of a stream, one per line, into the decoders of OpenAI's formats. The first
/// byte chooses the endpoint.
pub(crate) fn openai_decoder(data: &[u8]) {
    let [choice, data @ ..] = data else {
        return;
    };
    let endpoint = match choice % 2 {
        0 => Endpoint::Chat,
        _ => Endpoint::Responses,
    };
    let mut decoder = WireDecoder::new(endpoint);
    let mut buffer = EventBuf::default();
    for line in data.split(|byte| *byte == b'\n') {
        let mut out = Events::new(&mut buffer);
        // An error ends a request; the decoder must stay sound all the same.
        drop(decoder.feed(Message::Data(line), &mut out));
    }
    drop(decoder.finish(&mut Events::new(&mut buffer)));
}

/// Any text as a config: loaded, or refused with at least one error.
pub(crate) fn config_yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(errors) = config::load("fuzz.yaml", text, &|_| None) {
        assert!(!errors.is_empty());
    }
}
