//! Waiting for a socket in a task of the runtime: while a connection is opened, and
//! for single requests. The load waits for its sockets by itself.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::socket::{Socket, Stream};

/// Pause before a Unix-domain socket whose listen queue is full is tried again:
/// the kernel refuses such a connection at once.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// Connects to a Unix-domain socket.
pub(super) async fn connect_unix(path: &Path) -> io::Result<Socket> {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Socket::unix(stream.into_std()?),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(QUEUE_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Another handle of a connection's socket, which the runtime watches.
#[derive(Debug)]
pub struct Waiter(Watched);

#[derive(Debug)]
enum Watched {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Both streams have the same methods and no trait that holds them.
macro_rules! on {
    ($stream:expr, $inner:ident => $does:expr) => {
        match &$stream {
            Watched::Tcp($inner) => $does,
            Watched::Unix($inner) => $does,
        }
    };
}

impl Waiter {
    pub(super) fn new(stream: &Stream) -> io::Result<Self> {
        Ok(Self(match stream.try_clone()? {
            Stream::Tcp(stream) => Watched::Tcp(TcpStream::from_std(stream)?),
            Stream::Unix(stream) => Watched::Unix(UnixStream::from_std(stream)?),
        }))
    }

    /// Waits until a read may succeed.
    ///
    /// # Errors
    /// The runtime's own.
    pub async fn readable(&self) -> io::Result<()> {
        on!(self.0, stream => stream.readable().await)
    }

    /// Waits until a write may succeed.
    pub(super) async fn writable(&self) -> io::Result<()> {
        on!(self.0, stream => stream.writable().await)
    }

    /// Waits until a read or a write may succeed.
    ///
    /// # Errors
    /// The runtime's own.
    pub async fn readable_or_writable(&self) -> io::Result<()> {
        let either = Interest::READABLE | Interest::WRITABLE;
        on!(self.0, stream => stream.ready(either).await).map(drop)
    }

    /// Lets the runtime forget that a write may succeed. To be called before the write
    /// that finds out: the kernel tells anew when there is room again.
    pub fn not_writable(&self) {
        let forgotten: io::Result<()> = on!(self.0, stream => {
            stream.try_io(Interest::WRITABLE, || Err(io::ErrorKind::WouldBlock.into()))
        });
        drop(forgotten);
    }

    /// Reads, and lets the runtime know if there was nothing to read.
    ///
    /// # Errors
    /// What `read` gives, and `WouldBlock` if the runtime knows of nothing to read.
    pub fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        on!(self.0, stream => stream.try_io(Interest::READABLE, read))
    }
}
