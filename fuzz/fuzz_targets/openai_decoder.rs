//! Messages of a stream, one per line, into the decoder of OpenAI's format.

#![no_main]

use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::openai::OpenAiDecoder;
use inferbench_plugin_api::{Decoder, Events, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut decoder = OpenAiDecoder::new();
    let mut buffer = EventBuf::default();
    for line in data.split(|byte| *byte == b'\n') {
        let mut out = Events::new(&mut buffer);
        // An error ends a request; the decoder must stay sound all the same.
        drop(decoder.feed(Message::Data(line), &mut out));
    }
    drop(decoder.finish(&mut Events::new(&mut buffer)));
});
