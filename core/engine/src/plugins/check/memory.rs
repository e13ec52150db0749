//! Checks that answers that were read leave no memory behind.

use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{
    Message, OpenContext, PluginError, PromptContent, PromptForm, RequestSpec,
};
use procfs::ProcError;
use serde_json::json;
use thiserror::Error;

use crate::plugins::host::Plugin;

pub(super) const CLAIM: &str = "many answers leave no memory behind";
/// Requests that are encoded and answers that are read in one go.
const ANSWERS: usize = 4_000;
/// Growth in one go that counts as one, bytes: 256 for each answer.
const LIMIT_BYTES: u64 = 256 * ANSWERS as u64;

const MESSAGES: [&[u8]; 4] = [
    b"{\"choices\":[{\"text\":\"a few words of an answer\",\"finish_reason\":null}]}",
    b"{\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}",
    b"not JSON at all",
    b"[DONE]",
];

/// A check of memory that does not hold, or could not be made.
#[derive(Debug, Error)]
pub(super) enum MemoryError {
    /// The plugin fails at what it is asked.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// It grows with every answer.
    #[error(
        "{ANSWERS} answers left {} KiB behind each time, limit {} KiB",
        bytes / 1024,
        LIMIT_BYTES / 1024
    )]
    LeftBehind {
        /// Growth in one go.
        bytes: u64,
    },
    /// The kernel does not give the memory in use.
    #[error("/proc/self/statm: {0}")]
    NotRead(ProcError),
}

/// Measures growth three times; the first warms up. Only what grows both times
/// after that is a leak: a cache or the allocator grows once.
pub(super) fn check(plugin: &Plugin) -> Result<(), MemoryError> {
    let name = &plugin.description.name;
    let context = OpenContext {
        attached: true,
        ..OpenContext::default()
    };
    let client = BackendClient::open(plugin.module, name, &context)?;
    let form = client.prompt_form()?;
    let mut least = u64::MAX;
    for round in 0..3 {
        let before = resident_bytes()?;
        for _ in 0..ANSWERS {
            one(&client, form)?;
        }
        if round > 0 {
            least = least.min(resident_bytes()?.saturating_sub(before));
        }
    }
    if least <= LIMIT_BYTES {
        return Ok(());
    }
    Err(MemoryError::LeftBehind { bytes: least })
}

fn one(client: &BackendClient, form: PromptForm) -> Result<(), MemoryError> {
    let prompt = match form {
        PromptForm::TokenIds => PromptContent::TokenIds(vec![1, 2, 3]),
        PromptForm::Text => PromptContent::Text("a b c".to_owned()),
        PromptForm::Messages => {
            PromptContent::Messages(json!([{"role": "user", "content": "a b c"}]))
        }
    };
    let request = RequestSpec::one_token("m", prompt);
    // An engine in the process has no requests to encode.
    not_a_panic(client.encode(&request))?;
    let mut decoder = client.decoder(&request)?;
    let mut buffer = EventBuf::default();
    for message in MESSAGES {
        buffer.clear();
        not_a_panic(decoder.feed(Message::Data(message), &mut buffer))?;
    }
    not_a_panic(decoder.finish(&mut buffer))
}

fn not_a_panic<T>(result: Result<T, PluginError>) -> Result<(), MemoryError> {
    match result {
        Err(error) if error.panicked => Err(error.into()),
        _ => Ok(()),
    }
}

fn resident_bytes() -> Result<u64, MemoryError> {
    let own = procfs::process::Process::myself().and_then(|own| own.statm());
    let pages = own.map_err(MemoryError::NotRead)?;
    Ok(pages.resident * procfs::page_size())
}
