//! The corpus of troublesome streams, read with the decoder of OpenAI's API.

use std::path::Path;

use inferbench_plugin_api::openai::OpenAiDecoder;
use inferbench_test_support::streams;

#[test]
fn troublesome_streams_read_as_their_sidecars_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/streams");
    let cases = streams::cases(&folder, |case| {
        case.endpoint.starts_with("openai-")
            && !case.http.transfer_framing_in_file
            && !case.http.headers.contains_key("content-encoding")
    });
    assert_eq!(cases.len(), 43);
    for case in &cases {
        streams::check(&folder, case, &mut OpenAiDecoder::new());
    }
}
