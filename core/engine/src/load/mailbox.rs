//! What other threads have for an event loop: connections that they opened, and events
//! of an engine in this process.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use inferbench_model::facts::exchange::StreamEnd;
use inferbench_plugin_api::abi::EventBuf;
use mio::Waker;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::carried::{interrupted, not_opened};
use crate::http::{Connection, Target};
use crate::os::clock;
use std::time::Duration;

/// One piece of it.
pub(super) enum Mail {
    Opened(Opened),
    /// Events of a request that an engine works on, by its number there.
    Events {
        id: u64,
        t_ns: u64,
        events: EventBuf,
    },
}

/// A connection that was asked for.
pub(super) struct Opened {
    /// Who asked.
    pub(super) id: u64,
    /// It, or how a request ends that needs it.
    pub(super) connection: Result<Connection, StreamEnd>,
    /// How long it took, ns.
    pub(super) took_ns: u64,
}

/// Mail for one event loop, which is woken when some comes.
pub(super) struct Mailbox {
    mail: Mutex<Vec<Mail>>,
    waker: Arc<Waker>,
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailbox")
    }
}

impl Mailbox {
    pub(super) fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self {
            mail: Mutex::default(),
            waker: Arc::new(waker),
        })
    }

    /// What wakes its event loop.
    pub(super) fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    pub(super) fn put(&self, piece: Mail) {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        mail.push(piece);
        let is_first = mail.len() == 1;
        drop(mail);
        if is_first {
            // It looks again by itself, only later.
            drop(self.waker.wake());
        }
    }

    /// All that has come.
    pub(super) fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut *self.mail.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Opens connections on a thread of its own.
#[derive(Clone)]
pub(super) struct Opener(UnboundedSender<Wish>);

struct Wish {
    id: u64,
    mailbox: Arc<Mailbox>,
}

impl Opener {
    /// Starts the thread; it ends with the last handle. Each connection has `limit`.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn start(
        target: Target,
        limit: Duration,
        cancel: CancellationToken,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (sender, wishes) = unbounded_channel();
        std::thread::Builder::new()
            .name("connections".to_owned())
            .spawn(move || {
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, open_all(wishes, target, limit, cancel));
            })?;
        Ok(Self(sender))
    }

    /// Asks for a connection; it comes by mail.
    pub(super) fn open(&self, id: u64, mailbox: &Arc<Mailbox>) {
        let mailbox = Arc::clone(mailbox);
        let wish = Wish { id, mailbox };
        if let Err(refused) = self.0.send(wish) {
            // Its thread is gone, which only a panic can end.
            let Wish { id, mailbox } = refused.0;
            mailbox.put(Mail::Opened(Opened {
                id,
                connection: Err(interrupted()),
                took_ns: 0,
            }));
        }
    }
}

async fn open_all(
    mut wishes: UnboundedReceiver<Wish>,
    target: Target,
    limit: Duration,
    cancel: CancellationToken,
) {
    while let Some(Wish { id, mailbox }) = wishes.recv().await {
        let (target, cancel) = (target.clone(), cancel.clone());
        tokio::task::spawn_local(async move {
            let began_ns = clock::now_ns();
            let connection = tokio::select! {
                biased;
                opened = Connection::open(&target, limit) => {
                    opened.map_err(|error| not_opened(&target, &error))
                }
                () = cancel.cancelled() => Err(interrupted()),
            };
            let took_ns = clock::now_ns().saturating_sub(began_ns);
            mailbox.put(Mail::Opened(Opened {
                id,
                connection,
                took_ns,
            }));
        });
    }
}
