//! Which build this is: version, commit, compiler, plugin API. A report of a fault needs
//! all of them.

use std::sync::LazyLock;

use inferbench_plugin_api::abi::{API_MAJOR, API_MINOR, PluginHeader, unpadded};

/// What `--version` prints after the program's name.
pub(crate) fn words() -> &'static str {
    static WORDS: LazyLock<String> = LazyLock::new(|| {
        // Its build script knows the compiler; the rest of the header is not read.
        let header = PluginHeader::new("", cfg!(panic = "unwind"));
        format!(
            "{}\ncommit: {}\nbuild: {}, {}, {}\nplugin API: {API_MAJOR}.{API_MINOR}",
            env!("CARGO_PKG_VERSION"),
            env!("INFERBENCH_COMMIT"),
            env!("INFERBENCH_PROFILE"),
            env!("INFERBENCH_TARGET"),
            unpadded(&header.rustc),
        )
    });
    &WORDS
}
