//! A server that does what a test says, byte for byte: one thread per
//! connection, no HTTP library.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use inferbench_engine::http::Target;
use inferbench_engine::os::clock;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

/// A listening server; it stops accepting when it is dropped.
pub struct TestServer {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
    /// When its last byte had been read.
    pub read_ns: u64,
}

impl Request {
    /// Method and path.
    pub fn line(&self) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.trim_end_matches(" HTTP/1.1")
    }
}

/// The server's side of one connection.
pub struct Peer {
    pub stream: TcpStream,
    /// How many connections came before it.
    pub number: usize,
    read: Vec<u8>,
}

impl TestServer {
    /// A server that lets `answer` have each connection on a thread of its own.
    pub fn start(answer: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let stopping = Arc::new(AtomicBool::new(false));
        let (count, stop) = (Arc::clone(&accepted), Arc::clone(&stopping));
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                stream.set_nodelay(true).unwrap();
                let mut peer = Peer {
                    stream,
                    number: count.fetch_add(1, Ordering::SeqCst),
                    read: Vec::new(),
                };
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || answer(&mut peer));
            }
        });
        Self {
            address,
            accepted,
            stopping,
        }
    }

    /// A server that answers every request on every connection with these bytes.
    pub fn always(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |peer| {
            while peer.request().is_some() {
                peer.write(&bytes);
            }
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn target(&self) -> Target {
        Target::parse(&self.url()).unwrap()
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.address));
    }
}

impl Peer {
    /// The server's side of a connection that was accepted elsewhere.
    pub fn from_stream(stream: TcpStream) -> Self {
        Self {
            stream,
            number: 0,
            read: Vec::new(),
        }
    }

    /// The next request, read wholly; `None` once the client has gone.
    pub fn request(&mut self) -> Option<Request> {
        loop {
            if let Some(request) = self.parse() {
                return Some(request);
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(n) if n > 0 => self.read.extend_from_slice(&buffer[..n]),
                _ => return None,
            }
        }
    }

    fn parse(&mut self) -> Option<Request> {
        let end = self.read.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let length = head
            .lines()
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().unwrap())
            })
            .unwrap_or(0);
        if self.read.len() < end + length {
            return None;
        }
        let body = self.read[end..end + length].to_vec();
        self.read.drain(..end + length);
        Some(Request {
            head,
            body,
            read_ns: clock::now_ns(),
        })
    }

    /// Writes; returns whether the client still took it.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Closes the server's side in order.
    pub fn close(&mut self) {
        // The client may have closed first.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Makes the coming drop of the connection a reset.
    pub fn reset_on_drop(&mut self) {
        let at_once = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&self.stream, sockopt::Linger, &at_once).unwrap();
    }

    /// Keeps the connection open until the client closes it.
    pub fn until_closed(&mut self) {
        let mut buffer = [0; 1024];
        while matches!(self.stream.read(&mut buffer), Ok(n) if n > 0) {}
    }
}

/// Waits until the clock shows `t_ns`.
pub fn wait_until(t_ns: u64) {
    loop {
        let left = t_ns.saturating_sub(clock::now_ns());
        if left == 0 {
            return;
        }
        std::thread::sleep(Duration::from_nanos(left));
    }
}

/// One event of a completions stream.
pub fn event(text: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"text\":\"{text}\",\"finish_reason\":null}}]}}\n\n"
    )
}

/// Finish reason, usage and end marker of a completions stream.
pub fn ending(prompt_tokens: u32, output_tokens: u32) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"text\":\"\",\"finish_reason\":\"length\"}}]}}\n\n\
         data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{prompt_tokens},\"completion_tokens\":{output_tokens},\"total_tokens\":{}}}}}\n\n\
         data: [DONE]\n\n",
        prompt_tokens + output_tokens
    )
}

/// A piece of a chunked body.
pub fn chunk(data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Head of a chunked stream of events.
pub const SSE_HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// An answer of that status, type and body, with a `Content-Length`.
pub fn answer(status: &str, content_type: &str, extra: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A whole good answer: two tokens.
pub fn good_answer() -> String {
    let body = format!("{}{}{}", event("a"), event("b"), ending(3, 2));
    answer("200 OK", "text/event-stream", "", &body)
}
