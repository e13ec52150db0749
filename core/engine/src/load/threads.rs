//! How many threads make the load, and each thing of a cell on a thread of its own.

use std::thread;

use inferbench_model::config::{Level, LoadThreads};
use inferbench_model::plan::rate_curve::RateCurve;
use inferbench_model::plan::trace_times::TraceTimes;

use super::error::LoadError;
use super::shared::CellLoad;

/// Streams that one thread reads without trouble: a quarter of what it can, so that
/// what a neighbour takes away leaves enough.
const STREAMS_PER_THREAD: f64 = 256.0;
/// Requests per second that one thread sends without trouble.
const RATE_PER_THREAD: f64 = 500.0;

/// Threads that make the load of a cell: as many for each of the `servers` that share it.
pub(super) fn load_threads(cell: &CellLoad, servers: u32) -> u32 {
    let cores = thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let count = cell.shard.count();
    let level = match cell.key.level {
        Level::Concurrency(slots) => Level::Concurrency(cell.shard.slots(slots)),
        timed => timed,
    };
    let threads = wanted(
        cell.load.threads,
        level,
        work(cell) / f64::from(count),
        cores,
    );
    for_each_server(threads, level, servers)
}

/// As many threads for each server as come next to those that are `wanted`, and no more
/// than there are slots.
fn for_each_server(wanted: u32, level: Level, servers: u32) -> u32 {
    let each = wanted.div_ceil(servers);
    let each = match level {
        Level::Concurrency(slots) => each.min(slots / servers).max(1),
        Level::RequestRate(_) | Level::TraceSpeed(_) => each,
    };
    each.saturating_mul(servers)
}

/// The work of a cell's level, where 1 is as much as a thread does without trouble.
fn work(cell: &CellLoad) -> f64 {
    match cell.key.level {
        Level::Concurrency(slots) => f64::from(slots) / STREAMS_PER_THREAD,
        Level::RequestRate(rate) => {
            let shape = cell.load.shape.as_ref();
            let highest = shape.map_or(1.0, |shape| RateCurve::new(shape).highest());
            rate.0 * highest / RATE_PER_THREAD
        }
        Level::TraceSpeed(speed) => {
            let mean = cell.trace.as_ref().map_or(0.0, TraceTimes::mean_rate);
            mean * speed.0 / RATE_PER_THREAD
        }
    }
}

fn wanted(asked: LoadThreads, level: Level, work: f64, cores: u32) -> u32 {
    let most = match level {
        Level::Concurrency(slots) => slots.max(1),
        Level::RequestRate(_) | Level::TraceSpeed(_) => u32::MAX,
    };
    let wanted = match asked {
        LoadThreads::Exactly(n) => n.get(),
        LoadThreads::Auto => {
            // One core is left for the rest: the server, the making of requests.
            (work.ceil() as u32).min(cores.saturating_sub(1)).max(1)
        }
    };
    wanted.min(most)
}

/// Does something with each pair, each on a thread of its own, and gives what each
/// gave; the first error if there is one.
pub(super) fn each<A: Send, B: Send, R: Send>(
    first: &mut [A],
    second: &mut [B],
    act: impl Fn(&mut A, &mut B) -> Result<R, LoadError> + Sync,
) -> Result<Vec<R>, LoadError> {
    let mut pairs = first.iter_mut().zip(second);
    if pairs.len() == 1 {
        // A run has given this thread to the load already.
        return pairs.map(|(a, b)| act(a, b)).collect();
    }
    thread::scope(|scope| {
        let act = &act;
        let running: Vec<_> = pairs
            .by_ref()
            .map(|(a, b)| scope.spawn(move || act(a, b)))
            .collect();
        let ended = running
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(LoadError::Lost)));
        // All have ended before the first error is given.
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use inferbench_model::config::Rate;

    use super::*;

    #[test]
    fn every_server_has_as_many_threads_and_every_thread_a_slot() {
        let rate = Level::RequestRate(Rate(9.0));
        assert_eq!(for_each_server(3, rate, 1), 3);
        assert_eq!(for_each_server(3, rate, 2), 4);
        assert_eq!(for_each_server(1, rate, 5), 5);
        // Five slots leave each of two servers two, which is room for two threads.
        assert_eq!(for_each_server(8, Level::Concurrency(5), 2), 4);
        assert_eq!(for_each_server(8, Level::Concurrency(5), 5), 5);
    }
}
