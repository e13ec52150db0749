//! The load: requests offered as the plan says, each answered with a record.
//! It runs on a thread of its own, so that nothing else delays it.

mod answer;
pub(crate) mod body;
mod channel;
mod closed_loop;
mod connections;
mod error;
pub mod exchange;
mod feed;
mod in_process;
mod limits;
mod open_loop;
pub mod outcome;
mod phases;
pub mod requests;
pub mod self_check;
pub mod tokenizer;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use inferbench_model::config::Level;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::plan::schedule::Schedule;
use tokio_util::sync::CancellationToken;

use channel::Shared;
pub use channel::{CellLoad, Progress, RecordSink, Transport};
pub use error::{LoadError, RequestError};
use feed::Feed;
pub(crate) use feed::MAKE_LIMIT;
pub use feed::RequestSource;
pub use in_process::EngineHub;
use outcome::Timeouts;
use self_check::{LagTimer, Lags, Watch};

/// Offers the load of one cell and returns when its last request has ended.
/// Blocks: call it on a thread of its own.
///
/// # Errors
/// See [`LoadError`]. Failed requests are records, not errors.
pub fn run_cell(
    cell: &CellLoad,
    transport: &Transport,
    source: impl RequestSource,
    sink: RecordSink,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<SelfCheck, LoadError> {
    crate::http::stamps::settle();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let local = tokio::task::LocalSet::new();
    let feed = Feed::start(source, feed_depth(cell));
    let shared = Rc::new(Shared {
        cell: cell.clone(),
        transport: transport.clone(),
        timeouts: Timeouts {
            total: cell.load.timeout.0,
            idle: cell.load.idle_timeout.map(|idle| idle.0),
        },
        sink: RefCell::new(sink),
        progress: Arc::clone(progress),
        cancel: cancel.clone(),
        reads: RefCell::default(),
    });
    if let Transport::Http(target) = transport {
        target.count_connections_anew();
    }
    let watch = Watch::start();
    let lags = Rc::new(RefCell::new(Lags::default()));
    let ran = local.block_on(&runtime, async {
        if let Ok(timer) = LagTimer::start() {
            let lags = Rc::clone(&lags);
            tokio::task::spawn_local(async move { timer.watch(&lags).await });
        }
        match cell.key.level {
            Level::Concurrency(n) => closed_loop::run(&shared, feed, n).await,
            Level::RequestRate(rate) => {
                let schedule = Schedule::new(&cell.load, rate, cell.arrivals_seed)?;
                open_loop::run(&shared, feed, schedule).await
            }
        }
    });
    ran.map(|()| {
        let mut check = SelfCheck::default();
        let length_ns = watch.fill_in(&mut check);
        lags.borrow().fill_in(length_ns, &mut check);
        shared.reads.borrow().fill_in(&mut check);
        if let Transport::Http(target) = transport {
            check.connections_open_max = Some(target.most_connections());
        }
        check
    })
}

/// Requests that are made ahead of time.
fn feed_depth(cell: &CellLoad) -> usize {
    match cell.key.level {
        Level::Concurrency(n) => 2 * n as usize + 64,
        Level::RequestRate(_) => 1024,
    }
}
