//! What every plugin's own tests, and `inferbench plugins check`, run: a
//! conformance suite over a library, a replay of messages through a decoder, and
//! a splitter for recorded event streams. [`trial`] is for a plugin's own tests:
//! what it makes of options, requests and answers. It needs no server.

mod checks;
pub mod exchanges;
pub mod sse;
pub mod trial;

use std::borrow::Cow;
use std::fmt;

use inferbench_plugin_api::abi::{EventBuf, PluginModuleRef};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::events::{Decoded, decoded};
use inferbench_plugin_api::{Message, OutputKind, PluginError, RequestSpec, Usage};
use serde_json::{Map, Value};

/// One named check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What a plugin must do, as a claim.
    pub name: Cow<'static, str>,
    /// Nothing, or what it did instead.
    pub outcome: Result<(), String>,
}

/// The outcome of all checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order they ran.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether every check held.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.failures().next().is_none()
    }

    /// The checks that did not hold, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.checks.iter().filter_map(|check| {
            let reason = check.outcome.as_ref().err()?;
            Some((check.name.as_ref(), reason.as_str()))
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            match &check.outcome {
                Ok(()) => writeln!(f, "ok    {}", check.name)?,
                Err(reason) => writeln!(f, "FAIL  {}: {reason}", check.name)?,
            }
        }
        Ok(())
    }
}

/// Runs the conformance suite over the backend `name` of a library, opened with
/// `options`. In a plugin's own tests the library is
/// [`this_library`](inferbench_plugin_api::abi::this_library):
///
/// ```ignore
/// let report = conformance(this_library(), "mine", &Map::new());
/// assert!(report.passed(), "{report}");
/// ```
#[must_use]
pub fn conformance(module: PluginModuleRef, name: &str, options: &Map<String, Value>) -> Report {
    conformance_watched(module, name, options, &mut |_| ())
}

/// What a watcher of a suite gets.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// The check of that name begins.
    Begins(&'a str),
    /// It has ended.
    Ended(&'a Check),
}

/// As [`conformance`], and calls `watch` before and after each check, so that
/// it is known which one was running when a plugin took the process with it.
#[must_use]
pub fn conformance_watched(
    module: PluginModuleRef,
    name: &str,
    options: &Map<String, Value>,
    watch: &mut dyn FnMut(Progress<'_>),
) -> Report {
    checks::run(module, name, options, watch)
}

/// One event that came out of a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// Output: its kind, its text, and the server's running token count.
    Output(OutputKind, String, Option<u32>),
    Usage(Usage),
    Finish(String),
    /// Error reported in the answer.
    Error(String),
    End,
    /// A field that is not known, and messages without output that it was in.
    Unread(String, u32),
    /// A message that had to be mended to be read.
    Mended,
    /// An unreadable message.
    Malformed,
}

impl From<Decoded<'_>> for Replayed {
    fn from(event: Decoded<'_>) -> Self {
        match event {
            Decoded::Output(kind, text, tokens) => Self::Output(kind, text.to_owned(), tokens),
            Decoded::Usage(usage) => Self::Usage(usage),
            Decoded::Finish(reason) => Self::Finish(reason.to_owned()),
            Decoded::Error(message) => Self::Error(message.to_owned()),
            Decoded::End => Self::End,
            Decoded::Unread(field, messages) => Self::Unread(field.to_owned(), messages),
            Decoded::Mended => Self::Mended,
            Decoded::Malformed => Self::Malformed,
        }
    }
}

/// Feeds `messages` to a new decoder for `request`, ends the answer and gives
/// the events.
///
/// # Errors
/// If the decoder gives up or panics.
pub fn replay(
    client: &BackendClient,
    request: &RequestSpec,
    messages: &[Message<'_>],
) -> Result<Vec<Replayed>, PluginError> {
    let mut decoder = client.decoder(request)?;
    let mut buffer = EventBuf::default();
    for message in messages {
        decoder.feed(*message, &mut buffer)?;
    }
    decoder.finish(&mut buffer)?;
    Ok(decoded(&buffer).map(Replayed::from).collect())
}

/// Texts of the output events of one kind, in order, joined.
#[must_use]
pub fn text_of(events: &[Replayed], wanted: OutputKind) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Replayed::Output(kind, text, _) if *kind == wanted => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
