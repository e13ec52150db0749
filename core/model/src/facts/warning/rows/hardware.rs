//! Warnings about GPUs and memory.

macro_rules! hardware_rows {
    ([$next:ident! $($later:tt)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

        /// Some GPUs have no energy figure and are left out of the sum.
        EnergyPartial {
            /// Indices of the GPUs that have none.
            gpus: Vec<u32>,
        } = "energy-partial", Warning, "Compare energy only between runs that name the same GPUs.";
        /// The integral of a GPU's power differs from its energy counter.
        EnergyDisagrees {
            /// Index of the GPU.
            gpu: u32,
            /// Integral against counter, percent.
            difference_percent: f64,
        } = "energy-disagrees", Warning, "Trust the counter; sample more often.";
        /// A GPU's energy counter does not fit its own power, so its energy is the integral of its power.
        EnergyCounterUnused {
            /// Index of the GPU.
            gpu: u32,
            /// Integral against counter, percent.
            difference_percent: f64,
        } = "energy-counter-unused", Warning, "Below 0 % the counter is that of a whole module, as on Grace Hopper: compare only energies that come from the power.";
        /// A GPU was throttled for another reason than its power limit.
        GpuThrottled {
            /// Index of the GPU.
            gpu: u32,
            /// Seconds by reason, as NVML names it.
            seconds_by_reason: BTreeMap<String, f64>,
        } = "gpu-throttled", Warning, "Look at cooling and clocks, then measure again.";
        /// Samples of a GPU are missing or incomplete.
        GpuSamplesMissing {
            /// What is missing and why.
            detail: String,
        } = "gpu-samples-missing", Warning, "Look at the driver; figures of that device are null where samples are missing.";
        /// Memory is still in use after a server has stopped.
        MemoryLeft {
            /// Index of the GPU; absent for the shared memory of the host.
            gpu: Option<u32>,
            /// Bytes above the level before the start.
            bytes: u64,
            /// Seconds waited.
            waited_s: f64,
        } = "memory-left", Warning, "Look for processes that hold it (nvidia-smi), and stop them.";
        /// The KV cache is predicted to be too small for a level, so requests will queue.
        KvCacheTooSmall {
            /// What is predicted.
            detail: String,
        } = "kv-cache-too-small", Warning, "Lower the level or the lengths, or give the cache more memory.";
        /// The KV cache was full, or requests were preempted.
        KvCacheFull {
            /// Highest use, as a share; absent if the server does not report it.
            peak_usage_ratio: Option<f64>,
            /// Preemptions.
            preemptions: Option<f64>,
        } = "kv-cache-full", Warning, "Give the cache more memory, or read these levels as limited by it.";
        /// Counters in a server's metrics went back, so what it counted there is no evidence.
        CountersWentBack {
            /// Names of the counters, as in `server_metrics.jsonl`.
            counters: Vec<String>,
        } = "counters-went-back", Warning, "Read each server's own metrics: behind a router that answers for one server now and for another then, or after a restart, they do not add up.";

    } };
}
