//! Why a request failed: a closed list of words, each with whose fault it is
//! and what it means. Other people's scripts rely on the words.

use std::borrow::Cow;

/// Whose fault a failure is, as far as the client can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server's, or that of what runs in front of it.
    Server,
    /// InferBench's, its plugin's or this machine's.
    Client,
    /// The way between client and server.
    Network,
    /// Whoever started the run.
    User,
}

impl Fault {
    /// The word for it: `server`, `client`, `network` or `user`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Network => "network",
            Self::User => "user",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident, $word:literal, $fault:ident, $meaning:literal;)+) => {
        /// Why a request failed. The list is closed, but for the HTTP statuses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FailureReason {
            /// The answer had this status instead of 200.
            Http(u16),
            $($(#[doc = $doc])+ $name,)+
        }

        /// Every reason but those of HTTP statuses, in the order of the page.
        pub const ALL: &[FailureReason] = &[$(FailureReason::$name,)+];

        impl FailureReason {
            /// The word in `requests.jsonl`: `http_503` and its like, or a fixed one.
            #[must_use]
            pub fn word(self) -> Cow<'static, str> {
                match self {
                    Self::Http(status) => format!("http_{status}").into(),
                    $(Self::$name => $word.into(),)+
                }
            }

            /// Whose fault it is. A status of 400 to 499 other than 408, 425
            /// and 429 rejects what was asked, which the client wrote.
            #[must_use]
            pub fn fault(self) -> Fault {
                match self {
                    Self::Http(408 | 425 | 429) => Fault::Server,
                    Self::Http(400..=499) => Fault::Client,
                    Self::Http(_) => Fault::Server,
                    $(Self::$name => Fault::$fault,)+
                }
            }

            /// What it means, in a line.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    Self::Http(_) => "the answer had that HTTP status instead of 200",
                    $(Self::$name => $meaning,)+
                }
            }
        }
    };
}

reasons! {
    /// An error object or error event inside an answer of status 200.
    InBandError, "in_band_error", Server,
        "an error object or an error event came inside an answer of status 200";
    /// The server finished with `abort`.
    FinishAbort, "finish_reason_abort", Server,
        "the server finished the answer with reason `abort`";
    /// The server finished with `error`.
    FinishError, "finish_reason_error", Server,
        "the server finished the answer with reason `error`";
    /// The server finished because of its content filter.
    FinishFiltered, "finish_reason_content_filter", Server,
        "the server broke the answer off by its content filter (`content_filter`, `safety`, `sensitive`)";
    /// The server finished with `cancelled` or its like.
    FinishCancelled, "finish_reason_cancelled", Server,
        "the server broke the answer off with reason `cancelled`, `interrupted` or `preempted`";
    /// The server finished with `timeout` or its like.
    FinishTimeout, "finish_reason_timeout", Server,
        "the server broke the answer off with reason `timeout` or `deadline_exceeded`";
    /// The server finished with `network_error` or its like.
    FinishNetwork, "finish_reason_network_error", Server,
        "the server broke the answer off with reason `network_error` or `connection_error`";
    /// The server finished for lack of resources.
    FinishResources, "finish_reason_insufficient_resources", Server,
        "the server broke the answer off for lack of resources (`insufficient_system_resource`, `overloaded`, `out_of_memory`)";
    /// The answer ended early.
    Truncated, "truncated", Server,
        "the answer ended inside its body, or without a finish reason and without an end marker";
    /// Nothing but a head.
    NoBody, "no_body", Server,
        "the server answered 200 without a body";
    /// Closed before an answer began.
    ConnectionClosed, "connection_closed", Server,
        "the server closed the connection before an answer began";
    /// Reset while in use.
    ConnectionReset, "connection_reset", Server,
        "the connection was reset while the request was under way";
    /// Nobody listens.
    ConnectionRefused, "connection_refused", Server,
        "nobody listens at the server's address";
    /// Silent for too long.
    ReadTimeout, "read_timeout", Server,
        "the server was silent for `load.idle_timeout`";
    /// Took too long as a whole.
    Timeout, "timeout", Server,
        "the request took longer than `load.timeout`";
    /// The answer breaks HTTP.
    BadHttp, "bad_http", Server,
        "the answer breaks HTTP, its transfer framing or its content coding";
    /// A message above the limit.
    MessageTooLong, "message_too_long", Server,
        "one message of the answer is longer than is kept (64 MiB)";
    /// An in-process engine did not take the request.
    Refused, "refused", Server,
        "an engine inside this process did not take the request";
    /// An in-process engine dropped the request.
    EngineGone, "engine_gone", Server,
        "an engine inside this process dropped the request";
    /// The connection could not be opened in time.
    ConnectTimeout, "connect_timeout", Network,
        "the connection was not open within `load.timeout`";
    /// The connection could not be opened.
    ConnectError, "connect_error", Network,
        "the connection could not be opened: no route, no such name, no trust in the certificate";
    /// The kernel gave the connection up.
    ConnectionTimeout, "connection_timeout", Network,
        "the kernel gave the connection up: the other end no longer acknowledges";
    /// Any other error of the socket.
    SocketError, "socket_error", Network,
        "any other error of the socket; the message names it";
    /// No local port left.
    ClientOutOfPorts, "client_out_of_ports", Client,
        "this machine has no local port left for another connection";
    /// No file descriptor left.
    ClientOutOfFiles, "client_out_of_files", Client,
        "this process may open no more files and sockets";
    /// No HTTP request to send.
    NotEncoded, "not_encoded", Client,
        "the plugin gave no HTTP request to send";
    /// The plugin could not go on.
    DecoderError, "decoder_error", Client,
        "the plugin's decoder could not go on with the answer";
    /// The plugin panicked.
    PluginPanicked, "plugin_panicked", Client,
        "the plugin panicked while it read the answer";
    /// The run was interrupted.
    Interrupted, "interrupted", User,
        "the run was interrupted before the request had ended";
}

impl FailureReason {
    /// The reason of that word; `None` if no reason has it.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let status = word.strip_prefix("http_").map(str::parse);
        match status {
            Some(Ok(status)) => Some(Self::Http(status)),
            _ => ALL.iter().copied().find(|reason| reason.word() == word),
        }
    }
}

/// The reference page of all reasons, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(REFERENCE_HEAD);
    let http = (
        "http_NNN".into(),
        "server; client for most 4xx",
        FailureReason::Http(503).meaning(),
    );
    let fixed = ALL
        .iter()
        .map(|reason| (reason.word(), reason.fault().word(), reason.meaning()));
    for (word, fault, meaning) in std::iter::once::<(Cow<'_, str>, _, _)>(http).chain(fixed) {
        page.push_str(&format!("| `{word}` | {fault} | {meaning} |\n"));
    }
    page
}

const REFERENCE_HEAD: &str = "# Failure reasons

This page is generated from the list that the program uses.

A request that did not succeed has one of these words as its `reason` in `requests.jsonl`; its
`message` has the message of the server or the client. If several apply, an HTTP status
outweighs an error inside the answer, which outweighs a broken stream, which outweighs a bad finish
reason. The list is closed; `http_NNN` stands for any status, such as `http_503`. *Fault* says
whose it is as far as the client can know: `408`, `425` and `429` are the server's, every other
4xx says that the request was wrong.

Failed requests are counted by reason and enter no latency.

| Reason | Fault | Meaning |
|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_own_reason() {
        for reason in ALL {
            assert_eq!(FailureReason::named(&reason.word()), Some(*reason));
        }
        assert_eq!(
            FailureReason::named("http_503"),
            Some(FailureReason::Http(503))
        );
        assert_eq!(FailureReason::named("http_x"), None);
        assert_eq!(FailureReason::named("late"), None);
    }

    #[test]
    fn a_refused_request_is_the_clients_fault_and_an_overloaded_server_its_own() {
        for (status, fault) in [
            (503, Fault::Server),
            (429, Fault::Server),
            (408, Fault::Server),
            (422, Fault::Client),
            (404, Fault::Client),
            (302, Fault::Server),
        ] {
            assert_eq!(FailureReason::Http(status).fault(), fault, "{status}");
        }
    }
}
