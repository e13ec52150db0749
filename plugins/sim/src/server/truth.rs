//! What really happened to each request, as JSON lines. It takes no time itself.

use serde::Serialize;

/// One generation request. All times are CLOCK_MONOTONIC ns; absent if it never came to that.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    /// `id` of the answer.
    pub(crate) id: String,
    /// The request's `x-request-id` header.
    pub(crate) x_request_id: Option<String>,
    /// Path of the API called.
    pub(crate) endpoint: &'static str,
    /// Whether the answer was streamed.
    pub(crate) stream: bool,
    /// HTTP status of the answer.
    pub(crate) status: u16,
    /// Absent if the request was refused.
    pub(crate) prompt_tokens: Option<u32>,
    /// Prompt tokens found in the prefix cache.
    pub(crate) cached_tokens: u32,
    /// Tokens written to the socket; as many as `token_write_ns` has entries.
    pub(crate) output_tokens: u32,
    /// When the last byte of the request arrived, by the clock that `received_by` names.
    pub(crate) received_ns: u64,
    /// `kernel` (the kernel's receive stamp) or `read` (after the read call).
    pub(crate) received_by: &'static str,
    /// After the read call that completed the request.
    pub(crate) read_ns: u64,
    /// Before the write that carried the first byte of the answer.
    pub(crate) head_write_ns: Option<u64>,
    /// Before the write that carried the first token.
    pub(crate) first_write_ns: Option<u64>,
    /// Before the write that carried the last token.
    pub(crate) last_write_ns: Option<u64>,
    /// After the last write of the answer; absent if the client left before.
    pub(crate) done_ns: Option<u64>,
    /// For each token, the time just before the write call that carried its last byte.
    pub(crate) token_write_ns: Vec<u64>,
    /// The client left, or the server stopped, before the answer was complete.
    pub(crate) aborted: bool,
    /// Fault that struck it; a fault set for a later token than its last never does.
    pub(crate) fault: Option<&'static str>,
}

impl Record {
    /// Notes that a write begun at `at_ns` carried `tokens` whole tokens.
    pub(crate) fn wrote(&mut self, at_ns: u64, tokens: u32) {
        for _ in 0..tokens {
            self.token_write_ns.push(at_ns);
        }
    }

    fn seal(&mut self) {
        self.output_tokens = u32::try_from(self.token_write_ns.len()).unwrap_or(u32::MAX);
        self.first_write_ns = self.token_write_ns.first().copied();
        self.last_write_ns = self.token_write_ns.last().copied();
    }
}

/// All ended requests, in order of their end.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    records: Vec<Record>,
}

impl Truth {
    /// Adds an ended request.
    pub(crate) fn push(&mut self, mut record: Record) {
        record.seal();
        self.records.push(record);
    }

    /// Forgets all.
    pub(crate) fn reset(&mut self) {
        self.records.clear();
    }

    /// One JSON object per line.
    pub(crate) fn to_json_lines(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for record in &self.records {
            // Writing to a Vec cannot fail, and a record has only string keys.
            let _ = serde_json::to_writer(&mut out, record);
            out.push(b'\n');
        }
        out
    }
}
