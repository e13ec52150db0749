//! The inputs that the targets of `fuzz` came by, with each way through the code once,
//! and those that broke one.

use std::fs;
use std::path::Path;

use crate::targets;

/// Runs a target on every input of its folder.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let files = fs::read_dir(folder.join(name)).unwrap();
    let mut inputs = 0;
    for file in files {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        target(&bytes);
        inputs += 1;
    }
    assert!(inputs >= 20, "{name}: {inputs} inputs");
}

#[test]
fn what_the_fuzzer_came_by_breaks_nothing() {
    replay("response", targets::response);
    replay("framing", targets::framing);
    replay("openai_decoder", targets::openai_decoder);
    replay("config_yaml", targets::config_yaml);
}
