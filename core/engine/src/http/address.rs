//! Addresses of a host: looked up once, tried one after the other, the one that
//! answered first from then on.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Head start of an address before the next one is tried beside it (RFC 8305,
/// section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A host and port, with what is known of its addresses.
#[derive(Debug)]
pub(super) struct HostPort {
    pub(super) host: String,
    pub(super) port: u16,
    known: Mutex<Vec<SocketAddr>>,
}

impl HostPort {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            known: Mutex::default(),
        }
    }

    /// Host and port as a header or a URL writes them.
    pub(super) fn text(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether the host is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }

    /// The addresses, the one to try first in front; at least one.
    ///
    /// # Errors
    /// The resolver's own.
    pub(super) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let known = self.known().clone();
        if !known.is_empty() {
            return Ok(known);
        }
        let found = look_up(&self.host, self.port).await?;
        if found.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        self.known().clone_from(&found);
        Ok(found)
    }

    /// Connects to the first of its addresses that answers.
    ///
    /// # Errors
    /// The last address's own.
    pub(super) async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        if let [only] = addresses {
            return TcpStream::connect(only).await;
        }
        let raced = race(addresses).await;
        match &raced {
            Ok((_, winner)) if addresses.first() != Some(winner) => {
                self.known().sort_by_key(|address| address != winner);
            }
            Ok(_) => {}
            // The name may stand for another machine by the next try.
            Err(_) => self.known().clear(),
        }
        raced.map(|(stream, _)| stream)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the system's resolver, on a thread of its own: one that does not answer holds up
/// neither who has given up waiting for it nor the end of the runtime.
async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (send, found) = oneshot::channel();
    let host = host.to_owned();
    let ask = move || {
        let found = (host.as_str(), port).to_socket_addrs();
        // Nobody may be waiting any more.
        drop(send.send(found.map(Iterator::collect)));
    };
    std::thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(ask)?;
    found.await.map_err(io::Error::other)?
}

/// The same for the control plane's client.
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = look_up(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// What the C libraries' resolvers say of a name that there is not, or that has
/// no address: `gai_strerror` of EAI_NONAME and EAI_NODATA in glibc, musl and
/// macOS. The standard library hands on the words alone.
const NO_SUCH_NAME: [&str; 5] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
    "nodename nor servname provided, or not known",
];

/// Whether the resolver has answered that there is no such name; not where it
/// could not be asked.
pub(super) fn is_no_such_name(error: &io::Error) -> bool {
    let words = error.to_string();
    NO_SUCH_NAME.iter().any(|said| words.ends_with(said))
}

async fn race(addresses: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut trying = JoinSet::new();
    let mut last = io::Error::other("the name has no address");
    let mut left = addresses.iter().copied();
    loop {
        let more = left.next().map(|address| {
            trying.spawn(async move { Ok((TcpStream::connect(address).await?, address)) });
        });
        let ended = match more {
            Some(()) => match tokio::time::timeout(HEAD_START, trying.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
            None => trying.join_next().await,
        };
        match ended {
            Some(Ok(Ok(won))) => return Ok(won),
            Some(Ok(Err(error))) => last = error,
            Some(Err(error)) => last = error.into(),
            None => return Err(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use super::*;

    #[tokio::test]
    async fn the_family_that_answers_is_found_and_tried_first_from_then_on() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let other = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
        let server = HostPort::new("localhost", address.port());
        server.known().clone_from(&vec![other, address]);
        let first = server.addresses().await.unwrap();
        assert!(server.connect(&first).await.is_ok());
        assert_eq!(server.addresses().await.unwrap(), [address, other]);
    }

    #[tokio::test]
    async fn addresses_that_all_refuse_are_looked_up_again() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let server = HostPort::new("name.invalid", address.port());
        server.known().clone_from(&vec![address, address]);
        let error = server.connect(&[address, address]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(server.known().is_empty());
    }

    #[test]
    fn only_a_resolver_that_has_answered_says_that_there_is_no_such_name() {
        let said = |words: &str| {
            let words = format!("failed to lookup address information: {words}");
            is_no_such_name(&io::Error::other(words))
        };
        assert!(said("Name or service not known"));
        assert!(!said("Temporary failure in name resolution"));
    }

    #[test]
    fn this_machine_is_known_by_name_and_by_number() {
        for (host, here) in [
            ("localhost", true),
            ("127.0.0.7", true),
            ("::1", true),
            ("a.localhost", true),
            ("10.0.0.1", false),
            ("localhost.example.com", false),
        ] {
            assert_eq!(HostPort::new(host, 1).is_loopback(), here, "{host}");
        }
    }
}
