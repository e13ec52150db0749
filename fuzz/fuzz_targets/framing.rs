//! A body in two pieces: the same messages whatever the cut. The first byte
//! chooses the framing, the second the cut.

#![no_main]

use inferbench_engine::http::Framer;
use inferbench_plugin_api::{Framing, Message};
use libfuzzer_sys::fuzz_target;

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

fuzz_target!(|data: &[u8]| {
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
});
