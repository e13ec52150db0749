//! Warnings about the client and its machine: what makes it the limit, or its times wrong.

macro_rules! client_rows {
    ([$next:ident! $($later:tt)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

        /// The client's load thread had no CPU left, so throughput is a lower bound.
        ClientBusy {
            /// CPU of the load thread, 100 is one core.
            cpu_percent: f64,
            /// Time for which it was ready and had no core, percent.
            core_wait_percent: f64,
        } = "client-busy", Critical, "Give the client a core of its own, or measure at a lower level.";
        /// The client's load thread was ready and had no core: throughput may be too low by that share.
        ClientWaited {
            /// Time for which it was ready and had no core, percent.
            core_wait_percent: f64,
        } = "client-waited", Critical, "Stop what else runs on this machine, or give the client a core of its own.";
        /// Arrivals have no kernel stamp and the client's event loop was late, so latencies are too long.
        StampedLate {
            /// Lateness of the event loop, p99, ms.
            loop_lag_ms_p99: f64,
        } = "stamped-late", Critical, "Use plain HTTP on Linux, where the kernel stamps arrivals, or free the machine of other work.";
        /// The client stood still, as a whole or for want of a core, so requests were sent late.
        ClientStalled {
            /// Times.
            stalls: u64,
            /// The longest, ms.
            longest_ms: f64,
            /// Of all of them, as a share of the cell.
            share: f64,
        } = "client-stalled", Critical, "Stop what else runs on this machine, then measure again.";
        /// The client's control group used up its CPU quota and was held.
        ClientThrottled {
            /// Time for which it was held, as a share of the cell.
            share: f64,
        } = "client-throttled", Critical, "Give the container or service more CPU, or no limit.";
        /// The machine slept while the cell was measured.
        MachineSlept {
            /// Seconds.
            slept_s: f64,
        } = "machine-slept", Critical, "Switch sleep off, then measure again.";
        /// The client read late, and output events shared a read whose stamp is that of its last bytes.
        ReadLate {
            /// Requests whose first output shared its read, as a share.
            first_outputs_share: f64,
            /// Output events that did, as a share.
            events_share: f64,
            /// Lateness of the client's reads or of its event loop, p99, ms: the larger one.
            late_ms_p99: f64,
        } = "read-late", Critical, "Give the client a core of its own, or measure at a lower level.";
        /// This machine had no file descriptor left for some requests.
        NoOpenFiles {
            /// Requests that had none.
            requests: u64,
        } = "no-open-files", Critical, "Raise the limit (ulimit -n), or lower the level.";
        /// This machine had no local port left for some requests.
        NoLocalPorts {
            /// Requests that had none.
            requests: u64,
        } = "no-local-ports", Critical, "Widen net.ipv4.ip_local_port_range, or lower the level.";
        /// The hypervisor took CPU from this machine, which slowed backend and client.
        CpuStolen {
            /// Share of the machine's CPU, percent.
            steal_percent: f64,
        } = "cpu-stolen", Critical, "Measure on a machine that nobody shares.";
        /// The wall clock jumped, so kernel stamps near it may be off.
        ClockJumped {
            /// Jumps.
            steps: u64,
            /// The largest, ms.
            largest_ms: f64,
        } = "clock-jumped", Critical, "Let time synchronisation settle, then measure again.";
        /// Output events came in one read with others and share its arrival time, so gaps of 0 are among itl_ms.
        SharedReads {
            /// Output events that shared a read, as a share.
            share: f64,
        } = "shared-reads", Warning, "Read decode_ms_per_token in place of itl_ms and tpot_ms.";

    } };
}
