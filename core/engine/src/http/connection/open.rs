//! Opens a connection: the way through a proxy, the handshake of TLS, and what can go
//! wrong with them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Semaphore;

use super::Connection;
use crate::http::address::HostPort;
use crate::http::buffer::ReadBytes;
use crate::http::socket::Socket;
use crate::http::target::{Target, Way};
use crate::http::tls::{self, Session, Tls};
use crate::http::waiter::{self, Waiter};
use crate::os::clock;
use crate::os::loopback::{self, NoLoopback};

/// Connections that this process opens at once: as many as a listener's queue
/// commonly takes (128). One that finds it full is tried again by the kernel
/// after a second.
pub const MAX_OPENING: usize = 128;
/// Longest answer of a proxy to CONNECT.
const MAX_PROXY_ANSWER_BYTES: usize = 16 * 1024;

static OPENING: Semaphore = Semaphore::const_new(MAX_OPENING);

/// A connection that could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The name has no address.
    #[error("`{host}` has no address: {cause}")]
    NoAddress {
        host: String,
        /// The resolver's words.
        cause: io::Error,
    },
    /// The socket's own error.
    #[error("{0}")]
    Socket(io::Error),
    /// This process may open no more files.
    #[error("no file descriptor is left: the soft limit of open files is {soft_limit}")]
    OutOfFiles {
        /// Open files that this process may have.
        soft_limit: u64,
    },
    /// No local port is left.
    #[error("no local port is left: see net.ipv4.ip_local_port_range")]
    OutOfPorts,
    /// This machine cannot reach itself.
    #[error(transparent)]
    NoLoopback(NoLoopback),
    /// It took too long.
    #[error("not open after {:.1} s", limit.as_secs_f64())]
    TimedOut { limit: Duration },
    /// The proxy refuses it.
    #[error("the proxy {proxy} answered `{answer}`")]
    Proxy {
        proxy: String,
        /// First line of its answer.
        answer: String,
    },
    /// TLS cannot be set up.
    #[error("{0}")]
    Tls(String),
}

impl OpenError {
    /// Whether waiting cannot help: the server is there, but cannot be trusted
    /// or understood; or it can only be there where nothing can be reached.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::NoLoopback(_))
    }

    /// Why none of these addresses could be connected to.
    fn not_connected(error: io::Error, addresses: &[SocketAddr]) -> Self {
        let no_way = |address: &SocketAddr| match address.ip() {
            ip if ip.is_loopback() => loopback::check(ip).err(),
            _ => None,
        };
        let first = loopback::is_no_way(&error).then(|| {
            let all: Option<Vec<NoLoopback>> = addresses.iter().map(no_way).collect();
            all?.into_iter().next()
        });
        match first.flatten() {
            Some(no_loopback) => Self::NoLoopback(no_loopback),
            None => error.into(),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        use nix::sys::resource::{Resource, getrlimit};
        match error.raw_os_error() {
            Some(nix::libc::EMFILE) => Self::OutOfFiles {
                soft_limit: getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft),
            },
            Some(nix::libc::EADDRNOTAVAIL) => Self::OutOfPorts,
            _ => Self::Socket(error),
        }
    }
}

impl From<rustls::Error> for OpenError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(tls::words(&error))
    }
}

impl Connection {
    /// Opens a connection to any of the target's addresses. At most
    /// [`MAX_OPENING`] of this process are being opened at once; `limit` counts
    /// from its turn.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(target: &Target, limit: Duration) -> Result<Self, OpenError> {
        // The semaphore is never closed, so there is always a turn to wait for.
        let _turn = OPENING.acquire().await;
        let began = clock::now_ns();
        let mut opened = tokio::time::timeout(limit, Self::establish(target))
            .await
            .map_err(|_| OpenError::TimedOut { limit })??;
        opened.connect_ms = inferbench_model::text::units::ms_between(began, clock::now_ns());
        opened.counted = Some(target.known.one_more());
        Ok(opened)
    }

    async fn establish(target: &Target) -> Result<Self, OpenError> {
        let (server, tls, proxy) = match &target.way {
            Way::Unix(path) => return Ok(Self::plain(waiter::connect_unix(path).await?)),
            Way::Tcp { server, tls, proxy } => (server, tls, proxy),
        };
        let first = proxy.as_ref().unwrap_or(server);
        let found = first.addresses().await;
        let addresses = found.map_err(|cause| OpenError::NoAddress {
            host: first.host.clone(),
            cause,
        })?;
        let stream = first.connect(&addresses).await;
        let stream = stream.map_err(|error| OpenError::not_connected(error, &addresses))?;
        let mut connection = Self::plain(Socket::tcp(stream.into_std()?)?);
        if let Some(tls) = tls {
            if let Some(proxy) = proxy {
                connection.tunnel(proxy, server).await?;
            }
            connection.handshake(tls).await?;
        }
        Ok(connection)
    }

    /// Asks the proxy for a tunnel to `server`.
    async fn tunnel(&mut self, proxy: &HostPort, server: &HostPort) -> Result<(), OpenError> {
        let to = server.text();
        let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        self.send(request.into_bytes())?;
        let waiter = self.waiter()?;
        let mut answer = Vec::new();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            let bytes = self.wait(&waiter).await?;
            if bytes.is_empty() || answer.len() > MAX_PROXY_ANSWER_BYTES {
                break;
            }
            answer.extend_from_slice(&bytes);
        }
        let line = answer.split(|byte| *byte == b'\r').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
        let status = line.split(' ').nth(1).unwrap_or_default();
        if status.len() == 3 && status.starts_with('2') {
            return Ok(());
        }
        Err(OpenError::Proxy {
            proxy: proxy.text(),
            answer: line.chars().take(200).collect(),
        })
    }

    async fn handshake(&mut self, tls: &Tls) -> Result<(), OpenError> {
        let mut session = Session::new(tls)?;
        let waiter = self.waiter()?;
        let mut early = ReadBytes::take();
        loop {
            session.write_pending(&mut self.outgoing.bytes)?;
            self.flush()?;
            if !session.is_handshaking() && self.outgoing.is_empty() {
                break;
            }
            if !self.outgoing.is_empty() && !session.is_handshaking() {
                waiter.writable().await?;
                waiter.not_writable();
                continue;
            }
            let bytes = self.wait(&waiter).await?;
            if bytes.is_empty() {
                let words = "the server closed the connection during the TLS handshake";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, words).into());
            }
            if let Err(error) = session.decrypt(&bytes, &mut early) {
                // The alert gives the server the reason; it may not read it.
                drop(session.write_pending(&mut self.outgoing.bytes));
                drop(self.flush());
                return Err(error.into());
            }
        }
        if !early.is_empty() {
            return Err(OpenError::Tls(
                "the server spoke before it was asked".to_owned(),
            ));
        }
        self.tls = Some(Box::new(session));
        Ok(())
    }

    /// Reads off the wire, below TLS, without a limit of its own.
    async fn wait(&mut self, waiter: &Waiter) -> io::Result<ReadBytes> {
        loop {
            if !self.outgoing.is_empty() {
                waiter.readable_or_writable().await?;
                waiter.not_writable();
                self.flush()?;
            } else {
                waiter.readable().await?;
            }
            match waiter.try_read(|| self.socket.read()) {
                Ok((bytes, _)) => return Ok(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
