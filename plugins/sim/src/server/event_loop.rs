//! The poll: listener, signals, timer and connections on one thread.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{Backlog, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::args::{Args, Spin};
use super::clock::now_ns;
use super::conn::Conn;
use super::server::Server;

/// Connections that may wait to be accepted; the kernel caps it at somaxconn.
const BACKLOG: i32 = 4095;
const LISTENER: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);
const TIMER: Token = Token(usize::MAX - 3);

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTERM or SIGINT.
    Signal,
    /// `--exit-after-requests`.
    Crash,
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The address is in use, not ours, or not an address.
    #[error("cannot listen on {host}:{port}: {cause}")]
    Listen {
        /// As given.
        host: String,
        /// As given.
        port: u16,
        /// The system's error.
        cause: io::Error,
    },
    /// Poll, timer or signals are not available.
    #[error("cannot set up the event loop: {0}")]
    Setup(#[from] io::Error),
}

#[derive(Debug)]
struct Pauses {
    every_ns: u64,
    length_ns: u64,
    next_ns: u64,
}

/// The running server.
#[derive(Debug)]
pub(crate) struct EventLoop {
    poll: Poll,
    listener: TcpListener,
    address: SocketAddr,
    signals: SignalFd,
    timer: TimerFd,
    timer_at_ns: u64,
    pauses: Option<Pauses>,
    server: Server,
    stopping: bool,
    /// A connection could not be accepted for want of descriptors.
    accept_again: bool,
}

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One descriptor per connection: takes all that the hard limit allows.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Refused, it leaves the soft limit, which still works for fewer clients.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn watch_signals(ignore_sigterm: bool) -> io::Result<SignalFd> {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTERM);
    blocked.add(Signal::SIGINT);
    blocked.thread_block()?;
    if ignore_sigterm {
        blocked.remove(Signal::SIGTERM);
    }
    Ok(SignalFd::with_flags(
        &blocked,
        SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC,
    )?)
}

impl EventLoop {
    /// Listens, and takes over SIGTERM and SIGINT.
    ///
    /// # Errors
    /// `BindError`.
    pub(crate) fn bind(args: Args) -> Result<Self, BindError> {
        raise_descriptor_limit();
        let mut listener = listen(&args.host, args.port).map_err(|cause| BindError::Listen {
            host: args.host.clone(),
            port: args.port,
            cause,
        })?;
        let address = listener.local_addr()?;
        // Bursts of connections are the purpose; the default queue of 1024 drops some.
        let backlog = Backlog::new(BACKLOG).map_err(io::Error::from)?;
        nix::sys::socket::listen(&listener, backlog).map_err(io::Error::from)?;
        // Accepted sockets inherit it, so the first bytes are stamped too. Where the system
        // has no stamps, requests are stamped by their reads, and the truth says so.
        let _unstamped = setsockopt(&listener, sockopt::ReceiveTimestampns, &true);
        let signals = watch_signals(args.ignore_sigterm)?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(io::Error::from)?;
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        registry.register(
            &mut SourceFd(&signals.as_raw_fd()),
            SIGNALS,
            Interest::READABLE,
        )?;
        registry.register(
            &mut SourceFd(&timer.as_fd().as_raw_fd()),
            TIMER,
            Interest::READABLE,
        )?;
        let pauses = args.pause_ns().map(|(every_ns, length_ns)| Pauses {
            every_ns,
            length_ns,
            next_ns: now_ns() + every_ns,
        });
        Ok(Self {
            poll,
            listener,
            address,
            signals,
            timer,
            timer_at_ns: 0,
            pauses,
            server: Server::new(args),
            stopping: false,
            accept_again: false,
        })
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until stopped.
    ///
    /// # Errors
    /// The poll's or timer's error.
    pub(crate) fn run(&mut self) -> io::Result<Stop> {
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = self.timeout()?;
            match self.poll.poll(&mut events, timeout) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                self.handle(event);
            }
            if self.accept_again {
                self.accept();
            }
            self.server.take_queued_requests();
            self.pause_if_due();
            self.server.turn();
            self.server.take_queued_requests();
            if self.server.crashed {
                return Ok(Stop::Crash);
            }
            if self.stopping {
                return Ok(Stop::Signal);
            }
        }
    }

    /// Ends all connections; the truth as JSON lines.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        for slot in 0..self.server.conns.len() {
            self.server.drop_conn(slot);
        }
        self.server.truth.to_json_lines()
    }

    /// How long the poll may sleep. The timer, not the poll, wakes it: the
    /// poll counts in whole milliseconds.
    fn timeout(&mut self) -> io::Result<Option<Duration>> {
        if self.server.args.spin == Spin::Busy || self.server.due_ns() == Some(0) {
            return Ok(Some(Duration::ZERO));
        }
        let pause_ns = self.pauses.as_ref().map(|p| p.next_ns);
        let Some(due_ns) = [self.server.due_ns(), pause_ns].into_iter().flatten().min() else {
            return Ok(None);
        };
        if due_ns <= now_ns() {
            return Ok(Some(Duration::ZERO));
        }
        if due_ns != self.timer_at_ns {
            self.timer_at_ns = due_ns;
            let at = TimeSpec::from_duration(Duration::from_nanos(due_ns));
            self.timer
                .set(
                    Expiration::OneShot(at),
                    TimerSetTimeFlags::TFD_TIMER_ABSTIME,
                )
                .map_err(io::Error::from)?;
        }
        Ok(None)
    }

    fn handle(&mut self, event: &Event) {
        match event.token() {
            LISTENER => self.accept(),
            SIGNALS => {
                while let Ok(Some(_)) = self.signals.read_signal() {
                    self.stopping = true;
                }
            }
            TIMER => {}
            Token(slot) => {
                if event.is_writable() {
                    self.server.writable(slot);
                }
                if event.is_readable() || event.is_error() || event.is_read_closed() {
                    self.server.readable(slot);
                }
            }
        }
    }

    fn accept(&mut self) {
        self.accept_again = false;
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    // Out of descriptors: tried again when something else happens.
                    self.accept_again = true;
                    return;
                }
            };
            // Without the option the stream still works, with larger gaps.
            let _ = stream.set_nodelay(true);
            let token = Token(self.server.next_slot());
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self
                .poll
                .registry()
                .register(&mut stream, token, interest)
                .is_ok()
            {
                self.server.insert(Conn::new(stream));
            }
        }
    }

    fn pause_if_due(&mut self) {
        let Some(pauses) = &mut self.pauses else {
            return;
        };
        if now_ns() < pauses.next_ns {
            return;
        }
        std::thread::sleep(Duration::from_nanos(pauses.length_ns));
        while pauses.next_ns <= now_ns() {
            pauses.next_ns += pauses.every_ns;
        }
    }
}
