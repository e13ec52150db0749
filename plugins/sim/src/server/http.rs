//! HTTP/1.1 as the simulator speaks it: bytes to requests, answers to bytes.
//! It knows no route and no socket.

use std::io::Write as _;

/// Largest request head, bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Largest request body, bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024 * 1024;
const MAX_HEADERS: usize = 100;
const SERVER: &str = "server: inferbench-sim\r\n";

/// One complete request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// As sent, e.g. `POST`.
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    /// `x-request-id`, if sent.
    pub(crate) x_request_id: Option<String>,
    /// The connection ends after the answer.
    pub(crate) close: bool,
    /// HTTP/1.0: the client knows no chunks.
    pub(crate) http10: bool,
}

/// What the bytes so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// More bytes are needed; the client may be waiting for `100 Continue`.
    Partial {
        /// The head is complete and asks for it.
        expects_continue: bool,
    },
    /// A request, and how many bytes it took.
    Complete(Box<Request>, usize),
    /// Not acceptable: status and reason in words. The connection must end.
    Bad(u16, String),
}

#[derive(Default)]
struct Head {
    length: Option<usize>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    x_request_id: Option<String>,
}

/// Reads one request from the start of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut raw = httparse::Request::new(&mut headers);
    let head_len = match raw.parse(bytes) {
        Ok(httparse::Status::Complete(n)) => n,
        Ok(httparse::Status::Partial) if bytes.len() > MAX_HEAD => {
            return Parsed::Bad(431, format!("request head is over {MAX_HEAD} bytes"));
        }
        Ok(httparse::Status::Partial) => {
            return Parsed::Partial {
                expects_continue: false,
            };
        }
        Err(httparse::Error::TooManyHeaders) => {
            return Parsed::Bad(431, format!("request has more than {MAX_HEADERS} headers"));
        }
        Err(e) => return Parsed::Bad(400, format!("request head: {e}")),
    };
    let head = match read_head(raw.headers) {
        Ok(head) => head,
        Err(reason) => return Parsed::Bad(400, reason),
    };
    let (body, taken) = match read_body(&head, &bytes[head_len..]) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let waits = head.expects_continue && bytes.len() == head_len;
            return Parsed::Partial {
                expects_continue: waits,
            };
        }
        Err((status, reason)) => return Parsed::Bad(status, reason),
    };
    let http10 = raw.version == Some(0);
    let path = raw.path.unwrap_or("/").split('?').next().unwrap_or("/");
    let request = Request {
        method: raw.method.unwrap_or("").to_owned(),
        path: path.to_owned(),
        body,
        x_request_id: head.x_request_id,
        close: head.close || (http10 && !head.keep_alive),
        http10,
    };
    Parsed::Complete(Box::new(request), head_len + taken)
}

fn read_head(headers: &[httparse::Header<'_>]) -> Result<Head, String> {
    let mut head = Head::default();
    for header in headers {
        let value = String::from_utf8_lossy(header.value);
        let value = value.trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let length = value
                    .parse()
                    .map_err(|_| format!("content-length `{value}` is not a number of bytes"))?;
                if head.length.is_some_and(|l| l != length) {
                    return Err("content-length is given twice and differs".into());
                }
                head.length = Some(length);
            }
            "transfer-encoding" => {
                if !value.eq_ignore_ascii_case("chunked") {
                    return Err(format!("transfer-encoding `{value}` is not chunked"));
                }
                head.chunked = true;
            }
            "connection" => {
                let has = |word: &str| {
                    value
                        .split(',')
                        .any(|v| v.trim().eq_ignore_ascii_case(word))
                };
                head.close |= has("close");
                head.keep_alive |= has("keep-alive");
            }
            "expect" => head.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            "x-request-id" => head.x_request_id = Some(value.to_owned()),
            _ => {}
        }
    }
    if head.chunked && head.length.is_some() {
        return Err("both content-length and transfer-encoding are given".into());
    }
    Ok(head)
}

type Body = Option<(Vec<u8>, usize)>;

/// The body and the bytes it took; `None` if it is not all there yet.
fn read_body(head: &Head, bytes: &[u8]) -> Result<Body, (u16, String)> {
    if head.chunked {
        return read_chunks(bytes);
    }
    let length = head.length.unwrap_or(0);
    if length > MAX_BODY {
        return Err((
            413,
            format!("request body of {length} bytes is over {MAX_BODY}"),
        ));
    }
    Ok(bytes.get(..length).map(|body| (body.to_vec(), length)))
}

fn read_chunks(bytes: &[u8]) -> Result<Body, (u16, String)> {
    let bad = || (400, "request body: chunk is malformed".to_owned());
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut total = 0usize;
    let mut at = 0;
    loop {
        let (line, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(bad()),
        };
        at += line;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        total = total.saturating_add(size);
        if total > MAX_BODY {
            return Err((413, format!("request body is over {MAX_BODY} bytes")));
        }
        if size == 0 {
            return Ok(skip_trailers(&bytes[at..]).map(|n| (parts.concat(), at + n)));
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else {
            return Ok(None);
        };
        if !chunk.ends_with(b"\r\n") {
            return Err(bad());
        }
        parts.push(&chunk[..size]);
        at += size + 2;
    }
}

/// Length of the trailer section with its final empty line.
fn skip_trailers(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = bytes[at..].windows(2).position(|w| w == b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(at);
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// Appends `100 Continue`.
pub(crate) fn push_continue(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n");
    out.extend_from_slice(SERVER.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A whole answer but for its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Media type of the body.
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// Seconds in `retry-after`, if any.
    pub(crate) retry_after_s: Option<u64>,
}

impl Response {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        let body = body.to_string().into_bytes();
        Self {
            status,
            content_type: "application/json",
            body,
            retry_after_s: None,
        }
    }

    /// Appends head and body.
    pub(crate) fn push(&self, close: bool, out: &mut Vec<u8>) {
        let connection = if close { "connection: close\r\n" } else { "" };
        let retry = self
            .retry_after_s
            .map(|s| format!("retry-after: {s}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {} {}\r\n{SERVER}content-length: {}\r\ncontent-type: {}\r\n{retry}{connection}\r\n",
            self.status,
            reason(self.status),
            self.body.len(),
            self.content_type,
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&self.body);
    }
}

/// Appends the head of a streamed answer; without `chunked` the end of the
/// connection ends the body.
pub(crate) fn push_stream_head(chunked: bool, close: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    out.extend_from_slice(SERVER.as_bytes());
    out.extend_from_slice(b"content-type: text/event-stream; charset=utf-8\r\n");
    if chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `data` as one chunk, or bare.
pub(crate) fn push_chunk(chunked: bool, data: &[u8], out: &mut Vec<u8>) {
    if chunked {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{:x}\r\n", data.len());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    } else {
        out.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests;
