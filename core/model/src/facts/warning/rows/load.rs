//! Warnings about the load: whether it was as asked, held, and came to its end.

macro_rules! load_rows {
    ([$next:ident! $($later:tt)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

        /// Fewer requests were in flight than the level says.
        FewerInFlight {
            /// On average over the measured window.
            in_flight: f64,
            /// Asked for.
            asked: u32,
        } = "fewer-in-flight", Critical, "Raise load.requests; if a server refuses connections, lower the level.";
        /// Fewer requests per second were sent than planned, so latencies from sending are a lower bound.
        FewerSent {
            /// Requests per second.
            planned_per_s: f64,
            /// Requests per second.
            sent_per_s: f64,
        } = "fewer-sent", Critical, "Lower the rate, or give the client more CPU.";
        /// Sends waited for a free place under `max_in_flight`, so the load was not as its rate says.
        SendsHeldBack {
            /// Measured requests whose send waited.
            sends: u64,
            /// Measured requests.
            requests: u64,
            /// How long they waited, mean, ms.
            mean_ms: f64,
            /// The longest, ms.
            longest_ms: f64,
        } = "sends-held-back", Warning, "Take latencies from the planned time (e2e_from_schedule_ms), or raise load.max_in_flight.";
        /// No request lies under steady load, so the cell has no rates.
        NoWindow = "no-window", Critical, "Raise load.requests or load.duration.";
        /// Some requests failed. They enter no latency.
        RequestsFailed {
            /// Failed.
            failed: u64,
            /// Measured in all.
            requests: u64,
            /// Failed ones by reason.
            by_reason: BTreeMap<String, u64>,
        } = "requests-failed", Warning, "Look up the reasons in the book (failure reasons) and read the server's log.";
        /// The server closed kept connections without a word, at the moment when the next requests went out. Each was sent again, once, on a new connection, and timed from there; from then on each request had a connection of its own.
        RequestsResent {
            /// Sent again.
            resent: u64,
            /// Measured in all.
            requests: u64,
        } = "requests-resent", Warning, "Nothing: the figures hold. The server, or a proxy before it, should say `Connection: close` when it closes.";
        /// Many requests ended while the load was falling, since there were no more to send.
        FallingLoad {
            /// Requests that ended after the window.
            requests: u64,
            /// Successful requests.
            of_requests: u64,
            /// Requests that keep the load up.
            enough: u64,
        } = "falling-load", Warning, "Raise load.requests.";
        /// A class of traffic gets little where another is served well: fewer than half as many of its requests met their limits, or were answered where there are none.
        ClassStarves {
            /// Name of the class.
            class: String,
            /// Its requests that met their limits, as a share.
            share: f64,
            /// A class that is served well.
            other: String,
            /// The same of that class.
            other_share: f64,
        } = "class-starves", Warning, "Lower the load, or give the class a queue or a priority of its own in the server.";
        /// One of several replicas fails more than the others: at least a hundredth of its requests, and more than twice the share of theirs.
        ReplicaFails {
            /// Its URL, or its place in `attach` from 0 where that is not known.
            replica: String,
            /// Its requests that failed.
            failed: u64,
            /// Its requests.
            requests: u64,
        } = "replica-fails", Critical, "Look at that server, or leave it out of `attach`: the figures of the whole are not those of as many replicas.";
        /// Replicas of a backend say different things of themselves, so that its figures are those of a mixture.
        ReplicasDiffer {
            /// What differs.
            what: String,
            /// URL of a replica.
            one: String,
            /// What it says.
            one_says: String,
            /// URL of another.
            other: String,
            /// What that one says.
            other_says: String,
        } = "replicas-differ", Warning, "Start all replicas alike.";
        /// A figure rose or fell while it was measured.
        NotSteady {
            /// The series: `output_tokens`, `ttft_ms` or `tpot_ms`.
            series: String,
            /// Change over the measured time, as a share.
            change: f64,
            /// Repeats in which it changed that way.
            repeats: u64,
            /// Repeats that were tested.
            of_repeats: u64,
        } = "not-steady", Critical, "Warm up longer (load.warmup_requests) and measure longer.";
        /// A figure looks as if it rose or fell, and requests depend so much on each other that chance gives as much.
        MayNotBeSteady {
            /// The series: `output_tokens`, `ttft_ms` or `tpot_ms`.
            series: String,
            /// Change over the measured time, as a share.
            change: f64,
            /// Repeats in which it changed that way.
            repeats: u64,
            /// Repeats that were tested.
            of_repeats: u64,
        } = "may-not-be-steady", Note, "Measure longer: so few requests cannot decide it.";
        /// The last repeat differs from the first over all backends: the machine became faster or slower.
        MachineDrifted {
            /// Label of the run, where several are compared.
            run: Option<String>,
            /// The metric.
            metric: String,
            /// Last repeat over first.
            ratio: f64,
            /// Lower end of the 95 % interval.
            low: f64,
            /// Upper end.
            high: f64,
            /// Pairs of a backend and a level.
            pairs: u64,
            /// Starts of backends, each of which is one value.
            starts: u64,
        } = "machine-drifted", Warning, "Let the machine warm up or cool down; load.cooldown sets a pause.";

    } };
}
