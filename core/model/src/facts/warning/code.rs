//! The table of warnings: for each its code, the numbers that it carries, how
//! much it matters, what it means and what to do.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Severity;
use crate::facts::cache_audit::PrefixCacheState;

macro_rules! warnings {
    ($(
        $(#[doc = $meaning:literal])+
        $name:ident $({ $($(#[doc = $unit:literal])+ $field:ident: $type:ty),+ $(,)? })?
            = $code:literal, $severity:ident, $todo:literal;
    )+) => {
        /// What a warning is about, with its numbers.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "code", content = "values")]
        pub enum WarningKind {
            $(
                $(#[doc = $meaning])+
                #[serde(rename = $code)]
                $name $({ $($(#[doc = $unit])+ $field: $type),+ })?,
            )+
        }

        /// The code of a warning, which stays: other people's scripts rely on it.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema,
        )]
        pub enum WarningCode {
            $($(#[doc = $meaning])+ #[serde(rename = $code)] $name,)+
        }

        impl WarningKind {
            /// Its code.
            #[must_use]
            pub fn code(&self) -> WarningCode {
                match self {
                    $(Self::$name { .. } => WarningCode::$name,)+
                }
            }
        }

        impl WarningCode {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// As it stands in files.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// How much it matters.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)+
                }
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_ascii(),)+
                }
            }

            /// What to do about it.
            #[must_use]
            pub fn what_to_do(self) -> &'static str {
                match self {
                    $(Self::$name => $todo,)+
                }
            }
        }
    };
}

warnings! {
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
    /// Stream messages could not be read, more than a hundredth of all that may hold output: each may have been the first of its answer.
    ManyMessagesUnreadable {
        /// Messages that could not be read.
        messages: u64,
        /// Those and all output events.
        of_messages: u64,
        /// Beginning of the first one.
        example: String,
    } = "many-messages-unreadable", Critical, "Look at what the server sends; it is no JSON.";
    /// The server made output that was not among the events, so latencies are not those of its output.
    OutputNotSeen {
        /// Answers of which output was not seen.
        answers: u64,
        /// Successful requests.
        requests: u64,
        /// A field that is not known and held something; absent if none did.
        field: Option<String>,
    } = "output-not-seen", Critical, "Look at what the server sends: its output stands in a field that the plugin does not read.";
    /// The server did not stream: an answer of several tokens came in one piece, so no time between tokens was measured.
    NotStreamed {
        /// Such answers.
        answers: u64,
        /// Successful requests.
        requests: u64,
    } = "not-streamed", Critical, "Look whether the server streams at this endpoint, and how many tokens it puts into a message.";
    /// All output of an answer came at one instant: the server, or a proxy before it, held it back until it was whole.
    AnswersHeldBack {
        /// Such answers.
        answers: u64,
        /// Successful requests.
        requests: u64,
    } = "answers-held-back", Critical, "Let the proxy pass answers on at once (HAProxy: option http-no-delay; nginx: proxy_buffering off).";
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
    /// Stream messages could not be read and were skipped.
    MessagesUnreadable {
        /// Messages that could not be read.
        messages: u64,
        /// Those and all output events.
        of_messages: u64,
        /// Beginning of the first one.
        example: String,
    } = "messages-unreadable", Warning, "Look at what the server sends; it is no JSON.";
    /// Answers end with tokens that have no text, as special tokens after the end have none, so TPOT is absent for them.
    EndsWithoutOutput {
        /// Such answers.
        answers: u64,
        /// Successful requests.
        requests: u64,
    } = "ends-without-output", Warning, "Read decode_ms_per_token, or set force_output: false so that answers end where the model ends them.";
    /// Answers ended with a finish reason that is not known. They count as successful.
    FinishReasonUnknown {
        /// Such answers.
        answers: u64,
        /// Successful requests.
        requests: u64,
        /// Answers by reason, as the server names it.
        by_reason: BTreeMap<String, u64>,
    } = "finish-reason-unknown", Warning, "Look up what the server means by it.";
    /// More output events came than the server counts tokens, so its count is too small or something cut tokens into pieces.
    MoreEventsThanTokens {
        /// Output events.
        events: u64,
        /// Tokens that the server counts.
        tokens: u64,
    } = "more-events-than-tokens", Warning, "Compare itl_ms only with care; look how the server counts.";
    /// Far more output events came than the server counts tokens, so its count is too small: throughput and time per token are wrong.
    TokensUndercounted {
        /// Output events.
        events: u64,
        /// Tokens that the server counts.
        tokens: u64,
    } = "tokens-undercounted", Critical, "Let the server, or what stands before it, count all tokens; of this run compare only times of events.";
    /// The server closed kept connections without a word, at the moment when the next requests went out. Each was sent again, once, on a new connection, and timed from there; from then on each request had a connection of its own.
    RequestsResent {
        /// Sent again.
        resent: u64,
        /// Measured in all.
        requests: u64,
    } = "requests-resent", Warning, "Nothing: the figures hold. The server, or a proxy before it, should say `Connection: close` when it closes.";
    /// Some answers have another length than was asked for.
    AnswerLengthDiffers {
        /// Answers of another length.
        answers: u64,
        /// Successful requests.
        requests: u64,
    } = "answer-length-differs", Warning, "Look whether the server honours ignore_eos and min_tokens, or set force_output: false.";
    /// The server did not count the tokens of some answers.
    TokensNotCounted {
        /// Answers without a count.
        answers: u64,
        /// Successful requests.
        requests: u64,
    } = "tokens-not-counted", Warning, "Let the server report usage in its stream, or set model.tokenizer.";
    /// Many requests ended while the load was falling, since there were no more to send.
    FallingLoad {
        /// Requests that ended after the window.
        requests: u64,
        /// Successful requests.
        of_requests: u64,
        /// Requests that keep the load up.
        enough: u64,
    } = "falling-load", Warning, "Raise load.requests.";
    /// The prefix cache held part of the prompts, so the prefill was shorter than the prompt.
    WarmPrefixCache {
        /// Prompt tokens that came from it, as a share.
        share: f64,
    } = "warm-prefix-cache", Warning, "Let the plugin reset the cache between levels, or switch prefix caching off.";
    /// The server counted another number of prompt tokens than was sent.
    PromptLengthDiffers {
        /// Sent.
        sent_tokens: u64,
        /// Counted by the server.
        counted_tokens: u64,
    } = "prompt-length-differs", Warning, "Use endpoint: completions, or name the model's own tokenizer.";
    /// Output events came in one read with others and share its arrival time, so gaps of 0 are among itl_ms.
    SharedReads {
        /// Output events that shared a read, as a share.
        share: f64,
    } = "shared-reads", Warning, "Read decode_ms_per_token in place of itl_ms and tpot_ms.";
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
    /// The run was interrupted: levels are missing.
    RunInterrupted = "run-interrupted", Critical, "Go on with `run CONFIG --resume FOLDER`.";
    /// The run has not ended, or its end was not written.
    RunNotEnded = "run-not-ended", Critical, "Wait for it, or go on with `run CONFIG --resume FOLDER`.";
    /// A cell did not come to the end of its plan: its figures are those of a part of it.
    CellCutShort {
        /// Repeat, from 0.
        block: u32,
        /// What is missing.
        lacks: String,
    } = "cell-cut-short", Critical, "Measure it again with `run CONFIG --resume FOLDER`.";
    /// Shards of the run are missing: less load was made than was asked for, and there is no verdict.
    ShardsMissing {
        /// Shards that were merged.
        merged: u32,
        /// Shards that the load was shared out among.
        count: u32,
        /// Places of the missing ones, from 0.
        missing: Vec<u32>,
    } = "shards-missing", Critical, "Run all shards again: the load was not what was asked for.";
    /// The clocks of the shards' machines may be apart by more than a hundredth of the measured window, so rates and the window itself are uncertain by as much; latencies are not.
    ShardClocksApart {
        /// How far they may be apart, ms.
        apart_ms: f64,
        /// That as a share of the window.
        share: f64,
    } = "shard-clocks-apart", Critical, "Synchronise the clocks of all machines (chrony), or measure longer.";
    /// How far the clocks of the shards' machines may be apart is not known, so rates and the measured window are uncertain; latencies are not.
    ShardClocksUnknown = "shard-clocks-unknown", Critical, "Let the kernel of every machine keep its clock's error: run chrony or another NTP client.";
    /// One repeat gives figures and no verdict.
    OneRepeat = "one-repeat", Note, "Set repeats to 3 or more.";
    /// A backend could not be started, or did not last.
    BackendFailed {
        /// What happened.
        cause: String,
        /// Name of the known cause, if it is one.
        known_cause: Option<String>,
    } = "backend-failed", Critical, "Read the log that stands beside it; known causes are in the book.";
    /// A condition is not the same for all backends, and breaks the comparison.
    ConditionDiffers {
        /// Code of the condition.
        condition: String,
        /// Its heading.
        heading: String,
        /// The condition of each backend.
        by_backend: String,
    } = "condition-differs", Critical, "Give all backends the same and run again.";
    /// A count cannot be compared, since some backend does not report it.
    ConditionUnknown {
        /// Code of the condition.
        condition: String,
        /// Its heading.
        heading: String,
        /// The condition of each backend.
        by_backend: String,
    } = "condition-unknown", Warning, "Let the server report usage.";
    /// Most answers of two backends differ from their first tokens on, which is more than rounding does.
    AnswersPartEarly {
        /// Tokens that count as the start.
        start_tokens: u64,
        /// For each pair of backends: their labels, answers that part at the start, answers looked at.
        pairs: Vec<(String, String, u64, u64)>,
    } = "answers-part-early", Warning, "Look whether both got the same prompt and serve the same weights.";
    /// A prompt that was asked before is answered faster, and the prefix cache cannot be why.
    AnswersCached {
        /// Latency of the repeated prompt over that of new ones.
        ratio: f64,
        /// Lower end of the 95 % interval.
        low: f64,
        /// Upper end.
        high: f64,
        /// What stood in the way of a gain from the prefix cache.
        prefix_cache: PrefixCacheState,
    } = "answers-cached", Critical, "Switch the server's cache of answers off.";
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
    /// Output events of different backends carry different numbers of tokens, so figures per gap and TPOT do not compare.
    EventsDiffer {
        /// Tokens per event on average, by backend in the order of the config.
        tokens_per_event: IndexMap<String, f64>,
    } = "events-differ", Warning, "Compare decode_ms_per_token in place of tpot_ms, per_user_token_rate and itl_ms.";
    /// Output events carry more than one token each.
    SeveralTokensPerEvent {
        /// Tokens per event on average, at most.
        tokens_per_event: f64,
    } = "several-tokens-per-event", Note, "Read decode_ms_per_token in place of itl_ms.";
    /// The server does not count tokens per event, so decode time per token takes them for evenly spread.
    DecodeEstimated = "decode-estimated", Note, "Read decode_ms_per_token as an estimate.";
    /// Stream messages were not JSON and were mended: what a strict reader would have thrown away was read.
    MessagesMended {
        /// Such messages.
        messages: u64,
        /// Beginning of the first one.
        example: String,
    } = "messages-mended", Note, "Nothing for these figures; other clients may drop such messages.";
    /// The server sent ids of tokens in place of text, so answers cannot be compared with those of another backend.
    TokenIdsOnly = "token-ids-only", Note, "Start the server with its tokenizer to compare answers.";
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
    /// The runs did other work, and were compared by force.
    OtherWork {
        /// What differs, with both values.
        what: String,
    } = "other-work", Critical, "Compare runs of the same model and workload.";
    /// A compared run was interrupted: levels are missing.
    ComparedRunInterrupted {
        /// Label of the run.
        run: String,
    } = "compared-run-interrupted", Critical, "Finish that run with `--resume`.";
    /// A compared run has not ended, or its end was not written.
    ComparedRunNotEnded {
        /// Label of the run.
        run: String,
    } = "compared-run-not-ended", Critical, "Finish that run with `--resume`.";
    /// Not every run has these levels.
    LevelsOfSomeRuns {
        /// The levels, as a reader sees them.
        what: Vec<String>,
    } = "levels-of-some-runs", Note, "Measure the same levels in every run.";
    /// The runs come from different machines or settings of them.
    MachinesDiffer {
        /// What differs.
        what: Vec<String>,
    } = "machines-differ", Warning, "Compare runs of one machine, or read the figures as those of both.";
    /// The runs have different limits for goodput.
    SloDiffers {
        /// Label of the run whose limits were taken.
        baseline: String,
    } = "slo-differs", Warning, "Nothing: goodput was counted again with the limits of the baseline.";
    /// The prices of the runs are in different currencies, so what they cost is left out.
    CurrenciesDiffer {
        /// The currencies, as the configs name them.
        currencies: Vec<String>,
    } = "currencies-differ", Warning, "Give all prices in one currency, then measure or compare again.";
    /// Repeats of different runs are not paired.
    RepeatsNotPaired = "repeats-not-paired", Note, "Measure both in one run for a paired comparison.";
    /// The certificate of an attached server is not checked.
    CertificateNotChecked = "certificate-not-checked", Warning, "Name the server's certificate in tls.ca_file.";
    /// The server answers to the model's name, but does not list it: a gateway that lists patterns or other names, or a server that answers to any name.
    ModelNotListed {
        /// Name that is asked for.
        model: String,
        /// The first ones that it lists.
        listed: Vec<String>,
        /// How many more it lists.
        more: u64,
    } = "model-not-listed", Warning, "Make sure that it serves the model that you mean.";
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
    /// The prefix cache was not emptied before a level.
    CacheNotReset {
        /// What the plugin or the server said.
        detail: String,
    } = "cache-not-reset", Warning, "Start the server so that it allows a reset (vLLM: with VLLM_SERVER_DEV_MODE=1), or switch prefix caching off.";
    /// A server, or what launched it, did not stop as it should.
    StopFailed {
        /// What happened.
        detail: String,
    } = "stop-failed", Warning, "Look for processes that are left, and stop them.";
    /// Samples of a GPU are missing or incomplete.
    GpuSamplesMissing {
        /// What is missing and why.
        detail: String,
    } = "gpu-samples-missing", Warning, "Look at the driver; figures of that device are null where samples are missing.";
    /// A plugin is another file than at the start of a resumed run.
    PluginChanged {
        /// Name of the plugin.
        plugin: String,
        /// Its version at the start of the run.
        was_version: String,
        /// Its version now.
        version: String,
    } = "plugin-changed", Warning, "Run everything again with one plugin.";
    /// Some levels have more slots than there are requests, so they will never be full.
    LevelsNeverFull {
        /// Requests of the highest such level.
        requests: u64,
        /// The lowest such level.
        least: u32,
        /// The highest.
        most: u32,
        /// Requests that keep the highest busy.
        enough: u64,
    } = "levels-never-full", Warning, "Raise load.requests.";
    /// At some levels more than a quarter of the requests will end while the load is falling.
    LevelsPartlyFull {
        /// Requests of the highest such level.
        requests: u64,
        /// The lowest such level.
        least: u32,
        /// The highest.
        most: u32,
        /// Requests that keep the highest busy.
        enough: u64,
    } = "levels-partly-full", Warning, "Raise load.requests.";
    /// So few repeats decide little or nothing.
    FewRepeats {
        /// Repeats of the config.
        repeats: u32,
        /// Fewest repeats that can show a difference.
        needed: u32,
    } = "few-repeats", Note, "Raise repeats.";
    /// So few requests per level carry no median.
    FewRequests {
        /// Requests of the level that has the fewest.
        requests: u64,
        /// Requests that a median needs.
        needed: u64,
    } = "few-requests", Note, "Raise load.requests.";
    /// A backend works on one request at a time, and was asked for several at once.
    OneRequestAtATime {
        /// Levels that have more than one in flight.
        levels: u64,
    } = "one-request-at-a-time", Warning, "Compare it at concurrency 1, or set its max_concurrency.";
    /// Speculative decoding was measured with random prompts and forced answer lengths, where its guesses are seldom right.
    SpeculationOnRandomPrompts
        = "speculation-on-random-prompts", Warning, "Measure it with real prompts: workload.prompts: jsonl.";
    /// How many of the drafted tokens of speculative decoding were accepted.
    SpeculationAcceptance {
        /// Share of the drafted tokens, 0 to 1.
        accepted_ratio: f64,
    } = "speculation-acceptance", Note, "Compare it with the acceptance on your own prompts.";
    /// A warning of a run folder of schema version 1, which kept sentences.
    OlderVersion {
        /// The sentence.
        sentence: String,
    } = "older-version", Warning, "Read it as it stands.";
}

impl WarningCode {
    /// Whether a cell with it is not to be trusted: a threshold of the self-check
    /// was broken, or what came was not what was made.
    #[must_use]
    pub fn breaks_trust(self) -> bool {
        matches!(
            self,
            Self::ClientBusy
                | Self::ClientWaited
                | Self::StampedLate
                | Self::ClientStalled
                | Self::ClientThrottled
                | Self::MachineSlept
                | Self::ReadLate
                | Self::ManyMessagesUnreadable
                | Self::OutputNotSeen
                | Self::TokensUndercounted
                | Self::FewerInFlight
                | Self::FewerSent
                | Self::NoOpenFiles
                | Self::NoLocalPorts
                | Self::CpuStolen
                | Self::ClockJumped
                | Self::ShardClocksApart
                | Self::ShardClocksUnknown
        )
    }

    /// Whether the client, and not the backend, may have set the throughput.
    #[must_use]
    pub fn means_client_limit(self) -> bool {
        matches!(
            self,
            Self::ClientBusy | Self::FewerSent | Self::NoOpenFiles | Self::NoLocalPorts
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_say_what_to_do() {
        for (at, code) in WarningCode::ALL.iter().enumerate() {
            let earlier = &WarningCode::ALL[..at];
            assert!(earlier.iter().all(|other| other.as_str() != code.as_str()));
            assert!(code.meaning().ends_with('.') && code.what_to_do().ends_with('.'));
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(code.as_str().chars().all(kebab), "{}", code.as_str());
        }
    }

    #[test]
    fn what_breaks_trust_is_critical_and_so_is_what_limits_the_client() {
        for code in WarningCode::ALL {
            assert!(!code.breaks_trust() || code.severity() == Severity::Critical);
            assert!(!code.means_client_limit() || code.breaks_trust());
        }
    }
}
