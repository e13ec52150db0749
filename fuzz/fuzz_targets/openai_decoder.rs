//! Messages of a stream, one per line, into the decoders of OpenAI's formats. The first
//! byte chooses the endpoint.

#![no_main]

use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::openai::{Endpoint, WireDecoder};
use inferbench_plugin_api::{Decoder, Events, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
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
});
