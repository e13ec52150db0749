//! The servers that share the load of a cell: one, or several replicas, among which the
//! requests of an open loop are spread by index and the slots of a closed loop by place.

use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::encoded::EncodedRequest;
use super::error::{LoadError, RequestError};
use super::mailbox::Opener;
use super::outcome::{Answered, Timeouts};
use super::shared::{CellLoad, Progress, RecordSink, Replica, Shared, Transport};
use super::supply::{NextRequest, RequestSource};

/// What requests to one server need.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) shared: Arc<Shared>,
    /// Opens its connections; absent for an engine in this process.
    pub(super) opener: Option<Opener>,
}

/// All servers of a cell, of which there is at least one.
pub(super) struct Servers(Vec<Server>);

impl Servers {
    /// Requests are made for the first of the `transports`.
    ///
    /// # Errors
    /// If a thread that opens connections cannot be started, or there is no server.
    pub(super) fn start(
        cell: &CellLoad,
        transports: &[Transport],
        sink: RecordSink,
        progress: &Arc<Progress>,
        cancel: &CancellationToken,
    ) -> Result<Self, LoadError> {
        let sink = Arc::new(Mutex::new(sink));
        let timeouts = Timeouts {
            total: cell.load.timeout.0,
            idle: cell.load.idle_timeout.map(|idle| idle.0),
        };
        let start_one = |(place, transport): (usize, &Transport)| {
            let shared = Arc::new(Shared {
                cell: cell.clone(),
                transport: transport.clone(),
                replica: replica(transports, place),
                timeouts,
                sink: Arc::clone(&sink),
                progress: Arc::clone(progress),
                cancel: cancel.clone(),
            });
            let opener = match transport {
                Transport::Http(target) => {
                    target.count_connections_anew();
                    let limit = timeouts.total;
                    Some(Opener::start(target.clone(), limit, cancel.clone())?)
                }
                Transport::InProcess(_) => None,
            };
            Ok(Server { shared, opener })
        };
        let servers: Result<Vec<Server>, LoadError> =
            transports.iter().enumerate().map(start_one).collect();
        match servers? {
            none if none.is_empty() => Err(LoadError::NoServer),
            servers => Ok(Self(servers)),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// What all share is that of the first.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0[0].shared
    }

    /// The server of each thread: they take turns.
    pub(super) fn of_threads(&self, threads: u32) -> impl Iterator<Item = (u32, &Server)> {
        (0..threads).zip(self.0.iter().cycle())
    }

    /// The most connections that were open at once, over all servers; `None` for an engine
    /// in this process.
    pub(super) fn most_connections(&self) -> Option<u64> {
        let each = self.0.iter().map(|server| match &server.shared.transport {
            Transport::Http(target) => Some(target.most_connections()),
            Transport::InProcess(_) => None,
        });
        each.sum()
    }
}

/// Which replica the server at a place is; `None` if there is one server.
fn replica(transports: &[Transport], place: usize) -> Option<Replica> {
    match transports {
        [Transport::Http(made_for), _, ..] => Some(Replica {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            made_for: made_for.clone(),
        }),
        _ => None,
    }
}

/// Makes each request for the server that is its turn.
pub(super) struct InTurn<S> {
    source: S,
    servers: Vec<Arc<Shared>>,
}

impl<S: RequestSource> InTurn<S> {
    pub(super) fn new(source: S, servers: &Servers) -> Self {
        let servers = servers.0.iter().map(|server| Arc::clone(&server.shared));
        Self {
            source,
            servers: servers.collect(),
        }
    }
}

impl<S: RequestSource> RequestSource for InTurn<S> {
    fn make(&mut self, index: u64) -> Result<EncodedRequest, RequestError> {
        let server = index as usize % self.servers.len();
        Ok(self.servers[server].addressed(self.source.make(index)?))
    }

    fn pass_over(&mut self, index: u64) -> Result<(), RequestError> {
        self.source.pass_over(index)
    }

    fn follow(&mut self, answered: &Answered) -> Result<Option<NextRequest>, RequestError> {
        self.source.follow(answered)
    }
}
