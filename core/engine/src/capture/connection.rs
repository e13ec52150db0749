//! One connection: which side asks, where its requests begin and end, and which bytes
//! answer them. What an answer says is for [`answers`](super::answers).

use super::answers::{Answers, OpenAnswer};
use super::segment::Segment;
use super::stream::{Piece, Sent, Stream};

/// Longest head of a request that is read.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// A side of a connection: the place of its address in the key.
type Side = usize;

/// What a connection carries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carries {
    #[default]
    Unknown,
    /// Plain HTTP, asked by this side.
    Http(Side),
    Tls,
}

/// Where the bytes of the asking side stand.
#[derive(Debug)]
enum Asking {
    Head(Vec<u8>),
    Body {
        left: u64,
    },
    /// Until a segment begins like a request.
    Lost,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) carries: Carries,
    streams: [Stream; 2],
    has_ended: [bool; 2],
    asking: Asking,
    /// When the first byte of the request that comes now was sent.
    begun_ns: u64,
    answer: Option<OpenAnswer>,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            carries: Carries::Unknown,
            streams: Default::default(),
            has_ended: [false; 2],
            asking: Asking::Head(Vec::new()),
            begun_ns: 0,
            answer: None,
        }
    }
}

impl Connection {
    /// Takes a segment that `side` sent.
    pub(super) fn take(&mut self, side: Side, mut segment: Segment, answers: &mut Answers<'_>) {
        if segment.is_syn {
            self.begin(side, &segment, answers);
            return;
        }
        if let Some(number) = segment.acknowledged {
            self.streams[1 - side].acknowledge(number);
        }
        let payload = std::mem::take(&mut segment.payload);
        if !payload.is_empty() && self.is_read(side, &payload) {
            let mut stream = std::mem::take(&mut self.streams[side]);
            let sent = Sent {
                sequence: segment.sequence,
                acknowledged: segment.acknowledged,
                at_ns: segment.wall_ns,
                bytes: payload,
            };
            stream.take(sent, &mut |piece| self.piece(side, piece, answers));
            self.streams[side] = stream;
        }
        self.has_ended[side] |= segment.is_fin;
        if segment.is_reset {
            self.has_ended = [true; 2];
        }
        if self.has_ended == [true; 2] {
            self.close(segment.wall_ns, answers);
        }
    }

    /// Whether both sides have ended it.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended == [true; 2]
    }

    /// Whether an answer is being read.
    pub(super) fn is_busy(&self) -> bool {
        self.answer.is_some()
    }

    /// The capture ends before the connection.
    pub(super) fn cut(&mut self, at_ns: u64, answers: &mut Answers<'_>) {
        if let Some(answer) = &mut self.answer {
            answer.lose();
        }
        self.close(at_ns, answers);
    }

    /// The connection has ended.
    pub(super) fn close(&mut self, at_ns: u64, answers: &mut Answers<'_>) {
        if let (Some(mut answer), Carries::Http(asks)) = (self.answer.take(), self.carries) {
            if self.streams[1 - asks].ends_in_hole() {
                answer.lose();
            }
            answers.finish(answer.closed(at_ns));
        }
    }

    /// The side begins to count its bytes; the first to do so begins a connection.
    fn begin(&mut self, side: Side, segment: &Segment, answers: &mut Answers<'_>) {
        let first = segment.sequence.wrapping_add(1);
        if self.streams[side].began_with(first) {
            // The same packet, sent again or seen on another device.
            return;
        }
        if segment.acknowledged.is_none() {
            self.close(segment.wall_ns, answers);
            *self = Self::default();
        }
        self.streams[side].begin(first);
    }

    /// Whether the payload is of use; finds out what the connection carries.
    fn is_read(&mut self, side: Side, payload: &[u8]) -> bool {
        if self.carries == Carries::Unknown {
            if begins_request(payload) {
                self.carries = Carries::Http(side);
            } else if begins_answer(payload) {
                self.carries = Carries::Http(1 - side);
            } else if begins_tls(payload) {
                self.carries = Carries::Tls;
            }
        }
        match self.carries {
            Carries::Http(_) => true,
            // The first bytes may come later than those behind them.
            Carries::Unknown => self.streams[side].has_begun(),
            Carries::Tls => false,
        }
    }

    fn piece(&mut self, side: Side, piece: Piece<'_>, answers: &mut Answers<'_>) {
        let begins = matches!(piece, Piece::Bytes { bytes, .. } if begins_request(bytes));
        if self.carries == Carries::Unknown && begins {
            self.carries = Carries::Http(side);
        }
        let Carries::Http(asks) = self.carries else {
            return;
        };
        match piece {
            Piece::Hole => {
                if asks == side {
                    self.asking = Asking::Lost;
                }
                if let Some(answer) = &mut self.answer {
                    answer.lose();
                }
            }
            Piece::Bytes {
                bytes,
                at_ns,
                acknowledged,
            } if asks == side => {
                if begins && matches!(self.asking, Asking::Lost) {
                    self.asking = Asking::Head(Vec::new());
                }
                self.ask(bytes, at_ns, acknowledged, answers);
            }
            Piece::Bytes { bytes, at_ns, .. } => {
                self.open_alone(bytes, at_ns, answers);
                let answer = self.answer.as_mut();
                if answer.is_some_and(|answer| answer.take(bytes, at_ns))
                    && let Some(answer) = self.answer.take()
                {
                    answers.finish(answer);
                }
            }
        }
    }

    /// Takes bytes of the asking side.
    fn ask(
        &mut self,
        mut bytes: &[u8],
        at_ns: u64,
        acknowledged: Option<u32>,
        answers: &mut Answers<'_>,
    ) {
        while !bytes.is_empty() {
            let used = match &mut self.asking {
                Asking::Lost => None,
                Asking::Body { left } => {
                    let used = (bytes.len() as u64).min(*left);
                    *left -= used;
                    Some(used as usize)
                }
                Asking::Head(_) => self.ask_head(bytes, at_ns, acknowledged, answers),
            };
            let Some(used) = used else { return };
            bytes = &bytes[used..];
            if matches!(self.asking, Asking::Body { left: 0 }) {
                self.asking = Asking::Head(Vec::new());
                if let Some(answer) = &mut self.answer {
                    answer.sent(at_ns);
                }
            }
        }
    }

    /// Takes bytes that belong to a head; how many of them, if it is whole now.
    fn ask_head(
        &mut self,
        bytes: &[u8],
        at_ns: u64,
        acknowledged: Option<u32>,
        answers: &mut Answers<'_>,
    ) -> Option<usize> {
        let Asking::Head(head) = &mut self.asking else {
            return None;
        };
        let before = head.len();
        if before == 0 {
            self.begun_ns = at_ns;
        }
        head.extend_from_slice(bytes);
        let Ok(read) = RequestHead::read(head) else {
            self.asking = Asking::Lost;
            return None;
        };
        let head = read?;
        self.asking = Asking::Body {
            left: head.body_bytes,
        };
        self.open(&head, acknowledged, answers);
        Some(head.length - before)
    }

    /// Where an answer begins without a request, the capture lacks that.
    fn open_alone(&mut self, bytes: &[u8], at_ns: u64, answers: &mut Answers<'_>) {
        let is_open = self.answer.as_ref().is_some_and(|answer| !answer.is_lost());
        if is_open || !begins_answer(bytes) {
            return;
        }
        if let Some(before) = self.answer.take() {
            answers.finish(before);
        }
        self.answer = answers.open_alone(at_ns);
    }

    /// A request begins: what it acknowledges is the end of the answer before.
    fn open(&mut self, head: &RequestHead, acknowledged: Option<u32>, answers: &mut Answers<'_>) {
        let Carries::Http(asks) = self.carries else {
            return;
        };
        let had_all = acknowledged.is_none_or(|number| self.streams[1 - asks].skip_to(number));
        if let Some(mut before) = self.answer.take() {
            if !had_all {
                before.lose();
            }
            answers.finish(before);
        }
        self.answer = answers.open(&head.method, &head.path, self.begun_ns);
    }
}

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
struct RequestHead {
    /// Its bytes.
    length: usize,
    body_bytes: u64,
    method: String,
    path: String,
}

/// Bytes that are no head of a request, or of one whose end is not known.
#[derive(Debug, PartialEq, Eq)]
struct NoHead;

impl RequestHead {
    /// The head at the beginning of `bytes`; `None` if it has not come whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, NoHead> {
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut parsed = httparse::Request::new(&mut headers);
        let length = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD_BYTES => return Ok(None),
            _ => return Err(NoHead),
        };
        let header = |name: &str| {
            let mut all = parsed.headers.iter();
            let found = all.find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok().map(str::trim)
        };
        let body_bytes = match (header("transfer-encoding"), header("content-length")) {
            (Some(_), _) => return Err(NoHead),
            (None, None) => 0,
            (None, Some(text)) => text.parse().map_err(|_| NoHead)?,
        };
        Ok(Some(Self {
            length,
            body_bytes,
            method: parsed.method.ok_or(NoHead)?.to_owned(),
            path: parsed.path.ok_or(NoHead)?.to_owned(),
        }))
    }
}

/// Whether bytes begin like a request of HTTP/1.
fn begins_request(bytes: &[u8]) -> bool {
    let methods = [
        "GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ",
    ];
    methods
        .iter()
        .any(|method| bytes.starts_with(method.as_bytes()))
}

/// Whether bytes begin like an answer of HTTP/1.
fn begins_answer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.")
}

/// Whether bytes begin like a record of TLS: handshake, alert or data, version 3.x.
fn begins_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23, 3, 0..=4, ..])
}
