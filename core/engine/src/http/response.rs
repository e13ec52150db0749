//! An HTTP/1.1 answer, however its bytes are cut: head, then body with its
//! transfer framing and content coding taken off.

mod chunked;
mod coding;

use chunked::Chunked;
use coding::{Decoder, decoder_for};
use thiserror::Error;

const MAX_HEAD_BYTES: usize = 256 * 1024;
/// Largest length of a body that is believed.
const MAX_BODY_BYTES: u64 = 1 << 40;

/// An answer that breaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HttpError {
    /// The head cannot be read.
    #[error("unreadable answer head: {0}")]
    Head(String),
    /// The head does not end.
    #[error("answer head is above {MAX_HEAD_BYTES} bytes")]
    HeadTooLong,
    /// Its length is none, or there are several.
    #[error("content-length {0:?} is no length, or not the only one")]
    ContentLength(String),
    /// A chunk's size line cannot be read.
    #[error("unreadable chunk size in the answer")]
    ChunkSize,
    /// The content coding is broken.
    #[error("unreadable {coding} body: {reason}")]
    Coding {
        /// Name of the coding.
        coding: &'static str,
        reason: String,
    },
    /// A content coding that was not asked for.
    #[error("content-encoding {0:?} was not asked for and cannot be read")]
    UnknownCoding(String),
}

/// What matters of an answer's head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// The connection may carry another request.
    pub keep_alive: bool,
    /// Content type, lower case.
    pub content_type: String,
    /// Where a redirect points.
    pub location: Option<String>,
    /// Seconds that `Retry-After` asks for.
    pub retry_after_s: Option<u64>,
    /// Content coding other than identity.
    pub coding: Option<String>,
}

impl Head {
    /// Whether the answer holds what was asked for.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.status == 200
    }
}

#[derive(Debug)]
enum Body {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

/// Reads one answer.
pub struct ResponseReader {
    head_bytes: Vec<u8>,
    head: Option<Head>,
    body: Body,
    decoder: Decoder,
    complete: bool,
    surplus: bool,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self {
            head_bytes: Vec::new(),
            head: None,
            body: Body::UntilClose,
            decoder: Decoder::Identity,
            complete: false,
            surplus: false,
        }
    }
}

impl ResponseReader {
    /// The head, once it has come whole.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether the body has come whole.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the connection can carry another request after this answer.
    #[must_use]
    pub fn can_reuse(&self) -> bool {
        self.complete && !self.surplus && self.head.as_ref().is_some_and(|head| head.keep_alive)
    }

    /// Takes the bytes of one read and gives what body they hold to `sink`.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), HttpError> {
        let mut rest = bytes;
        if self.head.is_none() {
            match self.push_head(bytes)? {
                Some(used) => rest = &bytes[used..],
                None => return Ok(()),
            }
        }
        self.push_body(rest, sink)
    }

    /// The connection has ended: whether that is a proper end of this answer.
    #[must_use]
    pub fn close(&mut self) -> bool {
        if self.head.is_some() && matches!(self.body, Body::UntilClose) {
            self.complete = true;
        }
        self.complete
    }

    /// Bytes of `bytes` that belong to the head, if it is whole now.
    fn push_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, HttpError> {
        let before = self.head_bytes.len();
        self.head_bytes.extend_from_slice(bytes);
        let mut start = 0;
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut parsed = httparse::Response::new(&mut headers);
            let status = parsed
                .parse(&self.head_bytes[start..])
                .map_err(|error| HttpError::Head(error.to_string()))?;
            let httparse::Status::Complete(length) = status else {
                if self.head_bytes.len() > MAX_HEAD_BYTES {
                    return Err(HttpError::HeadTooLong);
                }
                return Ok(None);
            };
            start += length;
            let code = parsed.code.unwrap_or(0);
            // An interim answer such as 100 Continue: the real one follows.
            if (100..200).contains(&code) && code != 101 {
                continue;
            }
            let (head, body) = read_head(code, parsed.version == Some(1), parsed.headers)?;
            self.decoder = decoder_for(head.coding.as_deref())?;
            self.complete = matches!(body, Body::Length(0));
            self.body = body;
            self.head = Some(head);
            self.head_bytes = Vec::new();
            return Ok(Some(start - before));
        }
    }

    fn push_body(
        &mut self,
        mut bytes: &[u8],
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), HttpError> {
        while !bytes.is_empty() {
            if self.complete {
                self.surplus = true;
                return Ok(());
            }
            match &mut self.body {
                Body::UntilClose => {
                    self.decoder.push(bytes, sink)?;
                    return Ok(());
                }
                Body::Length(left) => {
                    let n = (bytes.len() as u64).min(*left) as usize;
                    *left -= n as u64;
                    self.complete = *left == 0;
                    self.decoder.push(&bytes[..n], sink)?;
                    bytes = &bytes[n..];
                }
                Body::Chunked(state) => {
                    let (used, data) = state.step(bytes)?;
                    self.complete = *state == Chunked::Done;
                    if let Some(data) = data {
                        self.decoder.push(data, sink)?;
                    }
                    bytes = &bytes[used..];
                }
            }
        }
        Ok(())
    }
}

fn read_head(
    status: u16,
    http_1_1: bool,
    headers: &[httparse::Header<'_>],
) -> Result<(Head, Body), HttpError> {
    let mut head = Head {
        status,
        keep_alive: http_1_1,
        ..Head::default()
    };
    let mut body = Body::UntilClose;
    let mut length = None;
    for header in headers {
        let value = String::from_utf8_lossy(header.value);
        let value = value.trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(content_length(value, length)?),
            "transfer-encoding" if value.to_ascii_lowercase().contains("chunked") => {
                body = Body::Chunked(Chunked::Size {
                    digits: 0,
                    value: 0,
                });
            }
            "connection" => {
                let value = value.to_ascii_lowercase();
                head.keep_alive =
                    (head.keep_alive || value.contains("keep-alive")) && !value.contains("close");
            }
            "content-type" => head.content_type = value.to_ascii_lowercase(),
            "content-encoding"
                if !matches!(value.to_ascii_lowercase().as_str(), "" | "identity") =>
            {
                head.coding = Some(value.to_ascii_lowercase());
            }
            "location" => head.location = Some(value.to_owned()),
            "retry-after" => head.retry_after_s = value.parse().ok(),
            _ => {}
        }
    }
    if let (Some(length), Body::UntilClose) = (length, &body) {
        body = Body::Length(length);
    }
    if matches!(status, 204 | 304) {
        body = Body::Length(0);
    }
    if matches!(body, Body::UntilClose) {
        head.keep_alive = false;
    }
    Ok((head, body))
}

/// The length that a header gives, and each of a list in it, as a proxy may have joined
/// them: digits alone (RFC 9110, 8.6), and the same as that `before` it.
fn content_length(value: &str, before: Option<u64>) -> Result<u64, HttpError> {
    let wrong = || HttpError::ContentLength(value.to_owned());
    let mut length = before;
    for part in value.split(',').map(str::trim) {
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        let parsed: u64 = part.parse().map_err(|_| wrong())?;
        let is_same = length.is_none_or(|length| length == parsed);
        if !is_number || !is_same || parsed > MAX_BODY_BYTES {
            return Err(wrong());
        }
        length = Some(parsed);
    }
    length.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], cut: usize) -> (ResponseReader, Vec<u8>) {
        let mut reader = ResponseReader::default();
        let mut body = Vec::new();
        for piece in bytes.chunks(cut) {
            reader
                .push(piece, &mut |data| body.extend_from_slice(data))
                .unwrap();
        }
        (reader, body)
    }

    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5;name=\"v\"\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n";

    #[test]
    fn chunks_extensions_and_trailers_read_the_same_at_every_cut() {
        for cut in 1..CHUNKED.len() {
            let (reader, body) = read(CHUNKED, cut);
            assert_eq!(body, b"hello!");
            assert!(reader.is_complete() && reader.can_reuse());
            assert_eq!(reader.head().unwrap().content_type, "text/event-stream");
        }
    }

    #[test]
    fn an_empty_content_coding_is_none() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Encoding: \r\nContent-Length: 2\r\n\r\nok";
        let (reader, body) = read(bytes, 1000);
        assert_eq!(
            (reader.head().unwrap().coding.as_deref(), body.as_slice()),
            (None, &b"ok"[..])
        );
    }

    #[test]
    fn an_interim_answer_is_skipped() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for cut in 1..bytes.len() {
            let (reader, body) = read(bytes, cut);
            assert_eq!(
                (reader.head().unwrap().status, body.as_slice()),
                (200, &b"ok"[..])
            );
        }
    }

    #[test]
    fn bytes_after_the_body_forbid_reuse() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokGARBAGE";
        let (reader, body) = read(bytes, 1000);
        assert_eq!(body, b"ok");
        assert!(reader.is_complete() && !reader.can_reuse());
    }

    #[test]
    fn a_body_without_length_ends_with_the_connection() {
        let (mut reader, body) = read(b"HTTP/1.0 200 OK\r\n\r\nabc", 4);
        assert_eq!(body, b"abc");
        assert!(!reader.is_complete());
        assert!(reader.close());
        assert!(!reader.can_reuse());
    }

    #[test]
    fn an_end_inside_a_chunk_is_no_proper_end() {
        let (mut reader, _) = read(&CHUNKED[..CHUNKED.len() - 20], 7);
        assert!(!reader.close());
    }

    #[test]
    fn a_length_that_is_none_or_not_the_only_one_is_an_error() {
        let answer = |headers: &str| {
            let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\nok");
            let mut reader = ResponseReader::default();
            let read = reader.push(head.as_bytes(), &mut |_| ());
            read.map(|()| reader.is_complete())
        };
        for value in [
            "-1",
            "+2",
            "0x2",
            "2 2",
            "",
            "2,3",
            "99999999999999999999",
            "1099511627777",
        ] {
            let wrong = Err(HttpError::ContentLength(value.to_owned()));
            assert_eq!(answer(&format!("Content-Length: {value}\r\n")), wrong);
        }
        let twice = "Content-Length: 2\r\nContent-Length: 3\r\n";
        let wrong = Err(HttpError::ContentLength("3".to_owned()));
        assert_eq!(answer(twice), wrong);
        for same in [
            "Content-Length: 2\r\nContent-Length: 2\r\n",
            "Content-Length: 2, 2\r\n",
        ] {
            assert_eq!(answer(same), Ok(true));
        }
    }

    #[test]
    fn nonsense_is_an_error_and_no_panic() {
        let mut reader = ResponseReader::default();
        assert!(
            reader
                .push(b"SSH-2.0-OpenSSH\r\n\r\n", &mut |_| ())
                .is_err()
        );
        let mut reader = ResponseReader::default();
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
        assert_eq!(reader.push(head, &mut |_| ()), Err(HttpError::ChunkSize));
        let mut reader = ResponseReader::default();
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n";
        assert_eq!(reader.push(head, &mut |_| ()), Err(HttpError::ChunkSize));
    }
}
