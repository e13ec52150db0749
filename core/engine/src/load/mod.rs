//! The load: requests offered as the plan says, each answered with a record. It runs
//! on threads of its own, so that nothing else delays it: each has an event loop with
//! its own sockets, and shares only what to send next and where records go.

mod answer;
mod between;
pub(crate) mod body;
mod carried;
mod closed_loop;
mod connections;
pub mod conversations;
pub mod encoded;
mod error;
mod event_loop;
pub mod exchange;
pub mod gate;
mod in_process;
mod limits;
mod mailbox;
pub mod model_files;
mod open_loop;
pub mod outcome;
mod own_requests;
mod phases;
mod places;
mod replicas;
pub mod requests;
pub mod self_check;
mod shared;
mod supply;
mod threads;
mod timers;
pub mod tokenizer;
mod under_way;
mod woke;

use std::sync::Arc;

use inferbench_model::config::Level;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::plan::schedule::{Schedule, ScheduleError};
use tokio_util::sync::CancellationToken;

use closed_loop::{ClosedLoop, Common, Ramp};
pub use error::{LoadError, RequestError};
use event_loop::{EventLoop, Offer};
use gate::OPEN_BEFORE_NS;
pub use in_process::EngineHub;
use open_loop::OpenLoop;
use own_requests::OwnRequests;
use phases::Phases;
use places::Places;
use replicas::{InTurn, Server, Servers};
use self_check::{ThreadWatch, Watch};
use shared::Shared;
pub use shared::{CellLoad, Progress, RecordSink, Transport};
pub(crate) use supply::MAKE_LIMIT;
use supply::Supply;
pub use supply::{NextRequest, RequestSource};

/// Requests of an open loop that are made ahead.
const OPEN_LOOP_DEPTH: usize = 1024;

/// Offers the load of one cell and returns when its last request has ended.
/// `transports`: the servers that share it, by turns. Blocks: call it on a thread of its
/// own.
///
/// # Errors
/// See [`LoadError`]. Failed requests are records, not errors.
pub fn run_cell(
    cell: &CellLoad,
    transports: &[Transport],
    source: impl RequestSource,
    sink: RecordSink,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<SelfCheck, LoadError> {
    crate::http::stamps::settle();
    let servers = Servers::start(cell, transports, sink, progress, cancel)?;
    let threads = threads::load_threads(cell, servers.count());
    let source = OwnRequests::new(source, cell.shard);
    match cell.key.level {
        Level::Concurrency(slots) => {
            let loads = (cell.shard.slots(slots), slots);
            closed(&servers, source, loads, threads)
        }
        Level::RequestRate(rate) => {
            let schedule = Schedule::new(&cell.load, rate, cell.arrivals_seed)?;
            open(&servers, source, &schedule, threads)
        }
        Level::TraceSpeed(speed) => {
            let trace = cell.trace.as_ref().ok_or(ScheduleError::NoTrace)?;
            let schedule = Schedule::replay(trace, speed);
            open(&servers, source, &schedule, threads)
        }
    }
}

fn closed(
    servers: &Servers,
    source: impl RequestSource,
    (slots, all_slots): (u32, u32),
    threads: u32,
) -> Result<SelfCheck, LoadError> {
    let shared = servers.shared();
    let supply = Supply::start(source, 1, 2 * slots as usize + 64);
    supply.fill(2 * slots as usize);
    let CellLoad { load, shard, .. } = &shared.cell;
    let phases = Phases::new(load, *shard, shared.cell.requests(), slots);
    let common = Common::new(supply, phases);
    // The remainder goes to the first threads.
    let own = |thread| slots / threads + u32::from(thread < slots % threads);
    let ramp = load.ramp_up.map(|time| Ramp {
        gap_ns: time.as_ns() / u64::from(all_slots.max(1)),
        threads: threads.into(),
        shard: *shard,
    });
    let offers = (0..threads).map(|thread| {
        let begins = ramp.map(|ramp| ramp.begins_ns(thread, own(thread)));
        ClosedLoop::new(Arc::clone(&common), own(thread), begins)
    });
    let agreed_ns = agreed_start(shared)?;
    on_threads(servers, offers.collect(), |offers| {
        let start_ns = match agreed_ns {
            Some(start_ns) => {
                gate::must_be_ahead(start_ns)?;
                gate::sleep_until(start_ns, &shared.cancel)?;
                start_ns
            }
            None => crate::os::clock::now_ns(),
        };
        offers
            .iter_mut()
            .for_each(|offer| offer.starts_at(start_ns));
        Ok(())
    })
}

/// The start that is agreed with others, shortly before it: time enough to open
/// connections. `None` if there are no others.
fn agreed_start(shared: &Shared) -> Result<Option<u64>, LoadError> {
    let Some(gate) = &shared.cell.gate else {
        return Ok(None);
    };
    let start_ns = gate.start_ns(&shared.cancel)?;
    gate::must_be_ahead(start_ns)?;
    gate::sleep_until(start_ns.saturating_sub(OPEN_BEFORE_NS), &shared.cancel)?;
    Ok(Some(start_ns))
}

fn open(
    servers: &Servers,
    source: impl RequestSource,
    schedule: &Schedule,
    threads: u32,
) -> Result<SelfCheck, LoadError> {
    let shared = servers.shared();
    let load = &shared.cell.load;
    let queues = threads as usize;
    let source = InTurn::new(source, servers);
    let supply = Arc::new(Supply::start(source, queues, OPEN_LOOP_DEPTH));
    let wanted = shared.cell.requests().map(|n| n + shared.cell.warmups());
    supply.fill(wanted.unwrap_or(u64::MAX).min(OPEN_LOOP_DEPTH as u64) as usize);
    let places = Places::new(load.max_in_flight);
    let own = |(thread, server): (u32, &Server)| {
        let shares = (&supply, &places);
        let place = (thread as usize, queues);
        OpenLoop::new(&server.shared, shares, schedule.clone(), place)
    };
    let offers = servers.of_threads(threads).map(own).collect();
    let agreed_ns = agreed_start(shared)?;
    let mut check = on_threads(servers, offers, |offers| {
        let start_ns = match agreed_ns {
            Some(start_ns) => {
                gate::must_be_ahead(start_ns)?;
                let soon_ns = start_ns.saturating_sub(open_loop::HEAD_START_NS);
                gate::sleep_until(soon_ns, &shared.cancel)?;
                start_ns
            }
            None => crate::os::clock::now_ns() + open_loop::HEAD_START_NS,
        };
        offers
            .iter_mut()
            .for_each(|offer| offer.starts_at(start_ns));
        Ok(())
    })?;
    places.fill_in(&mut check);
    Ok(check)
}

/// Runs each offer on a thread of its own, after all of them are prepared. The
/// self-check has the worst that any of them has seen.
fn on_threads<O: Offer + Send>(
    servers: &Servers,
    mut offers: Vec<O>,
    before: impl FnOnce(&mut [O]) -> Result<(), LoadError>,
) -> Result<SelfCheck, LoadError> {
    let threads = u32::try_from(offers.len()).unwrap_or(u32::MAX);
    let loops = servers
        .of_threads(threads)
        .map(|(_, server)| EventLoop::new(Arc::clone(&server.shared), server.opener.clone()));
    let mut loops: Vec<EventLoop> = loops.collect::<Result<_, _>>()?;
    threads::each(&mut loops, &mut offers, EventLoop::prepare)?;
    before(&mut offers)?;
    let watch = Watch::start();
    let ran = threads::each(&mut loops, &mut offers, |events, offer| {
        let watch = ThreadWatch::start();
        events.run(offer)?;
        let mut check = SelfCheck::default();
        let length_ns = watch.fill_in(&mut check);
        events.lags.fill_in(length_ns, &mut check);
        events.reads.fill_in(&mut check);
        Ok(check)
    })?;
    let mut check = ran
        .into_iter()
        .fold(SelfCheck::default(), SelfCheck::worse_of);
    watch.fill_in(&mut check);
    check.load_threads = Some(threads);
    check.connections_open_max = servers.most_connections();
    Ok(check)
}
