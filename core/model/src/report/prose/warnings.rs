//! The one place where a warning becomes a sentence. It names neither the
//! backend nor the levels: [`line`] puts those in front.

use std::collections::BTreeMap;

use super::wording::{at_levels, listed};
use crate::config::Level;
use crate::facts::warning::{Warning, WarningKind};
use crate::report::figures::columns::lower_label;
use crate::report::provenance::backend::failure_words;
use crate::report::provenance::cache_audit::asked_again;
use crate::text::number::{bytes, counted, grouped, percent, three_digits, with_unit};

/// The warning as one line: `vllm, at concurrency 8: text`.
#[must_use]
pub fn line(warning: &Warning, all_levels: &[Level]) -> String {
    let mut place: Vec<String> = warning.backend.iter().cloned().collect();
    if !warning.levels.is_empty() && all_levels.len() > 1 {
        place.push(at_levels(all_levels, &warning.levels));
    }
    let text = match warning.text.is_empty() {
        true => words(&warning.kind),
        false => warning.text.clone(),
    };
    if place.is_empty() {
        text
    } else {
        format!("{}: {text}", place.join(", "))
    }
}

/// The sentence of a warning in a report: the words of the worst, and in how many
/// more measurements it was found.
pub(super) fn sentence(warning: &Warning) -> String {
    let mut text = words(&warning.kind);
    let has_numbers = text.chars().any(|c| c.is_ascii_digit());
    if warning.more > 0 && has_numbers {
        text.push_str(&format!("; and {} more like it", warning.more));
    }
    if warning.more > 0 && warning.backend.is_none() {
        text.push_str(", over all backends");
    }
    text
}

/// A warning in words.
#[must_use]
pub fn words(kind: &WarningKind) -> String {
    of_client(kind)
        .or_else(|| of_stalls(kind))
        .or_else(|| of_streams(kind))
        .or_else(|| of_machine(kind))
        .or_else(|| of_work(kind))
        .or_else(|| of_backends(kind))
        .or_else(|| of_hardware(kind))
        .or_else(|| of_start_and_stop(kind))
        .or_else(|| of_config(kind))
        .unwrap_or_else(|| of_runs(kind))
}

/// What the client did.
fn of_client(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ClientBusy {
            cpu_percent,
            core_wait_percent,
        } => format!(
            "the client was the limit: its load thread worked {cpu_percent:.0} % and waited for a core {core_wait_percent:.0} % of the time, throughput is a lower bound"
        ),
        WarningKind::ClientWaited { core_wait_percent } => format!(
            "the client's load thread stood ready without a core {core_wait_percent:.0} % of the time: throughput may be too low by as much"
        ),
        WarningKind::StampedLate { loop_lag_ms_p99 } => format!(
            "arrivals bear no kernel stamp and the client's event loop was late by {loop_lag_ms_p99:.1} ms (p99): latencies are too long by as much"
        ),
        WarningKind::FewerInFlight { in_flight, asked } => {
            format!("{in_flight:.1} requests were in flight on average, {asked} were asked")
        }
        WarningKind::FewerSent {
            planned_per_s,
            sent_per_s,
        } => format!(
            "{planned_per_s:.1} requests/s were planned, {sent_per_s:.1} were sent: latencies from sending are a lower bound"
        ),
        WarningKind::SendsHeldBack {
            sends,
            requests,
            mean_ms,
            longest_ms,
        } => format!(
            "{} of {} sends waited for a free place under max_in_flight, for {} on average and up to {}: the load was lower than its rate says",
            grouped(*sends),
            grouped(*requests),
            with_unit(*mean_ms, "ms"),
            with_unit(*longest_ms, "ms")
        ),
        WarningKind::SharedReads { share } => format!(
            "{:.1} % of the output events came in one read with another and share its arrival time: itl_ms holds their gaps as 0 and tpot_ms may be too small, see decode_ms_per_token",
            share * 100.0
        ),
        _ => return None,
    })
}

/// How the client stood still, and what that did.
fn of_stalls(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ClientStalled {
            stalls,
            longest_ms,
            share,
        } => format!(
            "the client stood still {}, for up to {longest_ms:.0} ms and {} of the time: requests were sent late, latencies and throughput hold its pauses",
            times(*stalls),
            percent(*share)
        ),
        WarningKind::ClientThrottled { share } => format!(
            "the client's control group used up its CPU quota and was held for {} of the time",
            percent(*share)
        ),
        WarningKind::MachineSlept { slept_s } => {
            format!("this machine slept for {slept_s:.1} s while the cell was measured")
        }
        WarningKind::ReadLate {
            first_outputs_share,
            events_share,
            late_ms_p99,
        } => format!(
            "the client read late, by {late_ms_p99:.1} ms (p99): {} of the first outputs and {} of all output events share a read with later bytes, have their time, and may have come earlier",
            percent(*first_outputs_share),
            percent(*events_share)
        ),
        _ => return None,
    })
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        n => format!("{} times", grouped(n)),
    }
}

/// What came in the streams, and what did not.
fn of_streams(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ManyMessagesUnreadable {
            messages,
            of_messages,
            example,
        }
        | WarningKind::MessagesUnreadable {
            messages,
            of_messages,
            example,
        } => format!(
            "{messages} of {of_messages} messages could not be read and were skipped; the first begins with `{example}`"
        ),
        WarningKind::OutputNotSeen {
            answers,
            requests,
            field,
        } => {
            let place = field.as_ref().map_or_else(String::new, |field| {
                format!("; `{field}` holds something and is not known")
            });
            format!(
                "output was not seen in {answers} of {requests} answers: what the server made is not among the events that came{place}. No time per output token, no verdict"
            )
        }
        WarningKind::NotStreamed { answers, requests } => format!(
            "the server did not stream: {answers} of {requests} answers of several tokens came in one event, so no time between tokens was measured"
        ),
        WarningKind::AnswersHeldBack { answers, requests } => format!(
            "{answers} of {requests} answers came whole, all events at once: the server, or a proxy before it, holds them back, so no time between tokens was measured"
        ),
        WarningKind::EndsWithoutOutput { answers, requests } => format!(
            "{answers} of {requests} answers end with tokens that have no text: no time per output token for them, decode time per token is right"
        ),
        WarningKind::FinishReasonUnknown {
            answers,
            requests,
            by_reason,
        } => {
            let each = by_reason.iter().map(|(why, n)| format!("{n} `{why}`"));
            let each: Vec<String> = each.collect();
            format!(
                "{answers} of {requests} answers ended with a finish reason that is not known ({})",
                each.join(", ")
            )
        }
        WarningKind::TokensUndercounted { events, tokens } => format!(
            "{} output events came and the server counts {} tokens: its count is too small, and throughput and time per token with it",
            grouped(*events),
            grouped(*tokens)
        ),
        WarningKind::MoreEventsThanTokens { events, tokens } => format!(
            "{} output events came and the server counts {} tokens: its count is too small, or something cuts tokens into pieces",
            grouped(*events),
            grouped(*tokens)
        ),
        WarningKind::MessagesMended { messages, example } => format!(
            "{messages} messages are not JSON, as with a number or a character that it does not have, and were mended; the first begins with `{example}`"
        ),
        WarningKind::TokenIdsOnly => {
            "the server sent ids of tokens and no text (output_ids): its answers cannot be compared with others".to_owned()
        }
        WarningKind::DecodeEstimated => {
            "the server does not count tokens per event: decode time per token is estimated, its tokens taken for evenly spread over the events".to_owned()
        }
        _ => return None,
    })
}

/// What the machine did to the client.
fn of_machine(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::NoOpenFiles { requests } => ran_out(*requests, "file descriptor"),
        WarningKind::NoLocalPorts { requests } => ran_out(*requests, "local port"),
        WarningKind::CpuStolen { steal_percent } => format!(
            "the hypervisor took {steal_percent:.0} % of this machine's CPU: backend and client were slowed by it"
        ),
        WarningKind::ClockJumped { steps, largest_ms } => format!(
            "the wall clock jumped, {steps} times, by up to {largest_ms:.1} ms: kernel stamps near it may be off"
        ),
        WarningKind::MachineDrifted {
            run,
            metric,
            ratio,
            low,
            high,
            pairs: _,
            starts,
        } => {
            let run = run.as_ref().map_or_else(String::new, |run| format!("{run}: "));
            let drift = drift(metric, [*ratio, *low, *high], *starts);
            format!("{run}the machine drifted: {drift}")
        }
        WarningKind::CertificateNotChecked => "`tls.verify` is false: the server's certificate is not checked, and whoever answers is measured".to_owned(),
        _ => return None,
    })
}

fn ran_out(requests: u64, what: &str) -> String {
    format!("this machine had no {what} left for {requests} requests")
}

/// `output throughput of the last repeat is 6 % lower than that of the first
/// (95 %: 8 % lower to 4 % lower, over 10 starts)`.
pub(super) fn drift(metric: &str, [ratio, low, high]: [f64; 3], starts: u64) -> String {
    let change = |ratio: f64| {
        let percent = (ratio - 1.0) * 100.0;
        let way = if percent < 0.0 { "lower" } else { "higher" };
        format!("{:.1} % {way}", percent.abs())
    };
    format!(
        "{} of the last repeat is {} than that of the first (95 %: {} to {}, over {starts} starts)",
        lower_label(metric),
        change(ratio),
        change(low),
        change(high),
    )
}

/// What was asked and done.
fn of_work(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::NoWindow => {
            "no measured window: nothing was measured under steady load".to_owned()
        }
        WarningKind::RequestsFailed {
            failed,
            requests,
            by_reason,
        } => failed_requests(*failed, *requests, by_reason),
        WarningKind::RequestsResent { resent, requests } => format!(
            "{resent} of {requests} requests went out on a kept connection that the server had closed without a word: each was sent again, once, on a new one, and timed from there"
        ),
        WarningKind::AnswerLengthDiffers { answers, requests } => {
            format!("{answers} of {requests} answers had another length than was asked")
        }
        WarningKind::TokensNotCounted { answers, requests } => {
            format!("the server did not count the tokens of {answers} of {requests} answers")
        }
        WarningKind::FallingLoad {
            requests,
            of_requests,
            enough,
        } => format!(
            "{requests} of {of_requests} requests ended while the load was falling, for want of more: {enough} or more a level keep it up"
        ),
        WarningKind::WarmPrefixCache { share } => format!(
            "warm prefix cache: {:.1} % of the prompt tokens came from it",
            share * 100.0
        ),
        WarningKind::PromptLengthDiffers {
            sent_tokens,
            counted_tokens,
        } => format!(
            "the server counted {counted_tokens} prompt tokens where {sent_tokens} were sent (a chat template or another tokenizer)"
        ),
        WarningKind::ClassStarves {
            class,
            share,
            other,
            other_share,
        } => format!(
            "class {class} starves: {:.0} % of its requests were served as they should be, of {other} {:.0} %",
            share * 100.0,
            other_share * 100.0
        ),
        WarningKind::NotSteady {
            series,
            change,
            repeats,
            of_repeats,
        } => {
            let moves = moves(series, *change, (*repeats, *of_repeats));
            format!("not steady: {moves}; warm up longer (load.warmup_requests) and measure longer")
        }
        WarningKind::MayNotBeSteady {
            series,
            change,
            repeats,
            of_repeats,
        } => {
            let moves = moves(series, *change, (*repeats, *of_repeats));
            format!(
                "steady or not cannot be told: {moves}, and requests that depend on each other as much as these give that by chance; measure longer"
            )
        }
        _ => return None,
    })
}

/// `3 of 40 requests failed (2 timeout, 1 server_error)`.
fn failed_requests(failed: u64, requests: u64, by_reason: &BTreeMap<String, u64>) -> String {
    let reasons = by_reason.iter();
    let reasons: Vec<String> = reasons.map(|(why, n)| format!("{n} {why}")).collect();
    format!(
        "{failed} of {requests} requests failed ({})",
        reasons.join(", ")
    )
}

/// `time to first token rises by 14 % over the measured time in 2 of 3 repeats`.
fn moves(series: &str, change: f64, (repeats, of_repeats): (u64, u64)) -> String {
    let what = match series {
        "ttft_ms" => "time to first token",
        "tpot_ms" => "time per output token",
        _ => "output tokens per second",
    };
    let way = if change > 0.0 { "rises" } else { "falls" };
    let repeats = match of_repeats {
        1 => String::new(),
        all => format!(" in {repeats} of {all} repeats"),
    };
    let change = percent(change.abs());
    format!("{what} {way} by {change} over the measured time{repeats}")
}

/// Backends beside each other.
fn of_backends(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ConditionDiffers {
            heading,
            by_backend,
            ..
        } => format!("{heading}, not the same for all: {by_backend}"),
        WarningKind::ConditionUnknown {
            heading,
            by_backend,
            ..
        } => format!("{heading} cannot be compared: {by_backend}"),
        WarningKind::AnswersPartEarly {
            start_tokens,
            pairs,
        } => {
            let pairs = pairs.iter().map(|(a, b, at_start, looked_at)| {
                let (at_start, looked_at) = (grouped(*at_start), grouped(*looked_at));
                format!("{a} and {b} ({at_start} of {looked_at})")
            });
            let pairs: Vec<String> = pairs.collect();
            format!(
                "most answers part within about the first {start_tokens} tokens, which is more than \
                 rounding does: {}; look whether they got the same prompt (chat template, \
                 beginning-of-text token) and serve the same weights",
                pairs.join(", ")
            )
        }
        WarningKind::AnswersCached {
            ratio,
            low,
            high,
            prefix_cache,
        } => format!(
            "answers may come from a cache: a prompt that was asked before {}",
            asked_again([*ratio, *low, *high], *prefix_cache)
        ),
        WarningKind::EventsDiffer { tokens_per_event } => {
            let means = tokens_per_event.iter();
            let means = means.map(|(label, mean)| format!("{} in {label}", three_digits(*mean)));
            format!(
                "different numbers of tokens come at once ({} on average): inter-token latency, time per output token and speed per user are not compared, decode time per token is",
                listed(&means.collect::<Vec<_>>())
            )
        }
        WarningKind::SeveralTokensPerEvent { tokens_per_event } => format!(
            "an event carries up to {} tokens on average: inter-token latency is between events; decode time per token is right",
            three_digits(*tokens_per_event)
        ),
        _ => return None,
    })
}

/// GPUs and memory.
fn of_hardware(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::EnergyPartial { gpus } => {
            let gpus: Vec<String> = gpus.iter().map(|gpu| format!("GPU {gpu}")).collect();
            format!(
                "energy is partial: without {}, which gives none",
                gpus.join(", ")
            )
        }
        WarningKind::EnergyDisagrees {
            gpu,
            difference_percent,
        } => format!(
            "GPU {gpu}: the integral of its power is {difference_percent:+.1} % off its energy counter"
        ),
        WarningKind::EnergyCounterUnused {
            gpu,
            difference_percent,
        } => {
            let counts = match *difference_percent < 0.0 {
                true => "counts more than the GPU, as that of a whole module does",
                false => "counts less than the GPU draws",
            };
            format!(
                "GPU {gpu}: its energy counter {counts}: the integral of its power is {difference_percent:+.1} % off it, and is what is shown"
            )
        }
        WarningKind::GpuThrottled {
            gpu,
            seconds_by_reason,
        } => {
            let reasons = seconds_by_reason.iter();
            let each: Vec<String> = reasons.map(|(r, s)| format!("{r} for {s:.1} s")).collect();
            format!("GPU {gpu} was throttled: {}", each.join(", "))
        }
        WarningKind::CountersWentBack { counters } => format!(
            "the server's counters went back ({}): a restart, or several servers that answer in turn; nothing is concluded from them",
            counters.join(", ")
        ),
        WarningKind::KvCacheFull {
            peak_usage_ratio,
            preemptions,
        } => kv_cache_full(*peak_usage_ratio, *preemptions),
        WarningKind::MemoryLeft {
            gpu,
            bytes: more,
            waited_s,
        } => {
            let what = match gpu {
                Some(gpu) => format!("memory of GPU {gpu} is"),
                None => "shared memory of the host is".to_owned(),
            };
            format!(
                "{} more {what} in use than before the first start, {waited_s:.0} s after it was stopped",
                bytes(*more)
            )
        }
        WarningKind::GpuSamplesMissing { detail } | WarningKind::KvCacheTooSmall { detail } => {
            detail.clone()
        }
        _ => return None,
    })
}

fn kv_cache_full(peak_usage_ratio: Option<f64>, preemptions: Option<f64>) -> String {
    let peak = peak_usage_ratio.map(|peak| format!("up to {} in use", percent(peak)));
    let preempted = preemptions.map(|n| {
        let times = if n > 1.0 { "times" } else { "time" };
        format!("requests preempted {} {times}", grouped(n.round() as u64))
    });
    let found: Vec<String> = peak.into_iter().chain(preempted).collect();
    format!("the KV cache was the limit here: {}", found.join(", "))
}

/// How backends started and stopped.
fn of_start_and_stop(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::BackendFailed { cause, known_cause } => {
            failure_words(cause, known_cause.as_deref())
        }
        WarningKind::CacheNotReset { detail } => {
            format!(
                "the prefix cache was not reset between levels: {detail}; let the server allow a reset (vLLM: VLLM_SERVER_DEV_MODE=1), or switch prefix caching off"
            )
        }
        WarningKind::StopFailed { detail } => detail.clone(),
        WarningKind::ModelNotListed {
            model,
            listed,
            more,
        } => {
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "the server lists {}{more}, not `{model}`, and answers to that name all the same",
                listed.join(", ")
            )
        }
        WarningKind::PluginChanged {
            plugin,
            was_version,
            version,
        } => format!(
            "the run was resumed with another build of plugin {plugin} ({version}, was {was_version})"
        ),
        _ => return None,
    })
}

/// What a config has too few of.
fn of_config(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::LevelsNeverFull {
            requests,
            least,
            most,
            enough,
        } => format!(
            "load.requests: {} requests cannot fill {}: the level is never reached; give {} or more",
            grouped(*requests),
            slots(*least, *most),
            grouped(*enough)
        ),
        WarningKind::LevelsPartlyFull {
            requests,
            least,
            most,
            enough,
        } => format!(
            "load.requests: of {} requests at {} more than a quarter will end while the load is falling; give {} or more",
            grouped(*requests),
            slots(*least, *most),
            grouped(*enough)
        ),
        WarningKind::FewRepeats { repeats: 1, needed } => format!(
            "repeats is 1: there will be figures and no verdict; set {needed} or more (rule V13 of verify)"
        ),
        WarningKind::FewRepeats { repeats, needed } => format!(
            "repeats is {repeats}: most verdicts will be inconclusive; set {needed} or more (rule V13 of verify)"
        ),
        WarningKind::OneRequestAtATime { levels } => format!(
            "answers one request at a time: at {} more are in flight and wait, so that TTFT there is mostly waiting and throughput that of a single request",
            counted(*levels, "level")
        ),
        WarningKind::SpeculationOnRandomPrompts => {
            "speculative decoding was given random prompts and answers of forced length: its guesses are seldom right there, and its speed says little of real prompts".to_owned()
        }
        WarningKind::SpeculationAcceptance { accepted_ratio } => format!(
            "speculative decoding: {} of the drafted tokens were accepted",
            percent(*accepted_ratio)
        ),
        WarningKind::FewRequests { requests, needed } => format!(
            "load.requests: {requests} a level are too few for a steady median; set {needed} or more (rule V09 of verify)"
        ),
        _ => return None,
    })
}

/// `concurrency 16 to 128`.
fn slots(least: u32, most: u32) -> String {
    match least == most {
        true => format!("concurrency {least}"),
        false => format!("concurrency {least} to {most}"),
    }
}

/// The run as a whole, and several of them.
fn of_runs(kind: &WarningKind) -> String {
    match kind {
        WarningKind::RunInterrupted => "the run was interrupted: levels are missing".to_owned(),
        WarningKind::RunNotEnded => "the run has not ended, or its end was not written".to_owned(),
        WarningKind::CellCutShort { block, lacks } => format!(
            "repeat {}: not measured to its end: {lacks}",
            u64::from(*block) + 1
        ),
        WarningKind::ShardsMissing {
            merged,
            count,
            missing,
        } => {
            let missing: Vec<String> = missing.iter().map(u32::to_string).collect();
            let missing = listed(&missing);
            format!("partial {merged} of {count}: shards {missing} are missing, so less load was made than was asked for")
        }
        WarningKind::ShardClocksApart { apart_ms, share } => format!(
            "the clocks of the shards may be {apart_ms:.1} ms apart, {:.1} % of the measured window: rates are uncertain by as much, latencies are not",
            share * 100.0
        ),
        WarningKind::ShardClocksUnknown => "how far the clocks of the shards are apart is not known: rates are uncertain, latencies are not".to_owned(),
        WarningKind::OneRepeat => {
            "one repeat gives figures and no verdict; set repeats to 2 or more for one".to_owned()
        }
        WarningKind::OtherWork { what } => {
            format!("the runs did other work, and were compared by force: {what}")
        }
        WarningKind::ComparedRunInterrupted { run } => {
            format!("{run} was interrupted: levels are missing")
        }
        WarningKind::ComparedRunNotEnded { run } => {
            format!("{run} has not ended, or its end was not written")
        }
        WarningKind::LevelsOfSomeRuns { what } => format!(
            "not every run has {}: an answer over all runs leaves that out",
            listed(what)
        ),
        WarningKind::MachinesDiffer { what } => format!(
            "the runs come from different machines or settings of them ({}): the figures compare those too",
            listed(what)
        ),
        WarningKind::SloDiffers { baseline } => format!(
            "the runs have different limits for goodput: it was counted anew with those of {baseline}"
        ),
        WarningKind::CurrenciesDiffer { currencies } => format!(
            "the runs' prices are in {}: what they cost is left out",
            listed(currencies)
        ),
        WarningKind::RepeatsNotPaired => "repeats of different runs are not paired: an interval holds the scatter within each run, and not what changed on the machine from one to the other".to_owned(),
        WarningKind::OlderVersion { sentence } => sentence.clone(),
        other => format!("{}: {}", other.code().as_str(), other.code().meaning()),
    }
}
