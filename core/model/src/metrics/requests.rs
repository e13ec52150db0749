//! Metrics of the requests of a cell. A new one is a row of [`REQUESTS`].

use super::metric::{Better, Load, Metric, OfMetric, Over, PerCell, Pooled, Values};
use crate::config::SloConfig;
use crate::facts::record::RequestRecord;
use crate::stats::packed::Packed;
use crate::text::units::{NS_PER_MS, ms_between, signed_ns_of_ms};

/// In the order of tables and pages.
pub(super) static REQUESTS: &[Metric] = &[
    Metric {
        name: "output_token_throughput",
        label: "Output throughput",
        unit: "tokens/s",
        better: Better::Higher,
        what: "Output tokens per second under steady load.",
        formula: "output tokens of successful requests that arrived inside the measured window / length of the window",
        source: "Steady-state figure; ramp-up and ramp-down are outside it. Where the server does not count per event, a request's tokens are spread evenly over its events.",
        values: Values::PerCell(PerCell {
            of: tokens_in_window,
            over: Over::Window,
        }),
    },
    Metric {
        name: "overall_token_throughput",
        label: "Overall throughput",
        unit: "tokens/s",
        better: Better::Higher,
        what: "Output tokens per second over the whole cell, ramp-up and ramp-down included.",
        formula: "output tokens of all successful requests / (last end - first send)",
        source: "What most tools call output throughput; one long last request can halve it.",
        values: Values::PerCell(PerCell {
            of: all_tokens,
            over: Over::Cell,
        }),
    },
    Metric {
        name: "request_throughput",
        label: "Request throughput",
        unit: "requests/s",
        better: Better::Higher,
        what: "Requests completed per second under steady load.",
        formula: "successful requests that ended inside the measured window / length of the window",
        source: "Failed requests are not throughput.",
        values: Values::PerCell(PerCell {
            of: completed,
            over: Over::Window,
        }),
    },
    Metric {
        name: "goodput",
        label: "Goodput",
        unit: "requests/s",
        better: Better::Higher,
        what: "Completed requests per second that met every SLO.",
        formula: "successful requests that ended inside the measured window and met every limit of slo / length of the window; absent if no limit is set",
        source: "DistServe, arXiv:2401.09670. A request that lacks a value which a limit asks for does not meet it; in an open loop the end-to-end latency counts from the planned time; tpot_ms of a one-token answer is met. Absent under a limit of tpot_ms if more than a tenth of the answers came at once.",
        values: Values::PerCell(PerCell {
            of: met_slo,
            over: Over::Window,
        }),
    },
    Metric {
        name: "slo_attainment",
        label: "SLO attainment",
        unit: "share",
        better: Better::Neither,
        what: "Share of the requests that met every SLO.",
        formula: "successful measured requests that met every limit of slo / measured requests, failed ones included; absent if no limit is set",
        source: "SLO attainment of DistServe, arXiv:2401.09670. Limits and exceptions as for goodput; requests after the measured window count, too.",
        values: Values::PerCell(PerCell {
            of: attained,
            over: Over::Measured,
        }),
    },
    Metric {
        name: "achieved_concurrency",
        label: "Achieved concurrency",
        unit: "requests",
        better: Better::Neither,
        what: "Requests in flight, on average over the measured window.",
        formula: "sum over requests of the time between sent and end that lies in the window / length of the window",
        source: "Little's law; below the asked concurrency, something else held the load back.",
        values: Values::PerCell(PerCell {
            of: s_in_flight,
            over: Over::Window,
        }),
    },
    Metric {
        name: "ttft_ms",
        label: "Time to first token",
        unit: "ms",
        better: Better::Lower,
        what: "Time to first token: how long a reader waits until the answer begins.",
        formula: "first output event - sent",
        source: "The field's common TTFT. Role-only, empty and usage-only events are no output; connecting is not in it.",
        values: Values::PerRequest(|record| record.ttft_ms),
    },
    Metric {
        name: "ttft_answer_ms",
        label: "Time to first answer token",
        unit: "ms",
        better: Better::Lower,
        what: "Time to first answer token: how long a reader waits for the answer itself where the model reasons first.",
        formula: "first output event with text of the answer - sent; reasoning and tool calls are no text of the answer, and without any it is absent",
        source: "AIPerf's time to first output token. Equal to ttft_ms where no reasoning comes first; the page shows it only where some does.",
        values: Values::PerRequest(|record| {
            Some(ms_between(record.sent_ns?, record.first_content_ns?))
        }),
    },
    Metric {
        name: "tpot_ms",
        label: "Time per output token",
        unit: "ms",
        better: Better::Lower,
        what: "Time per output token after the first, one value per request.",
        formula: "(last output event - first output event) / (output_tokens - 1); absent below 2 tokens, and where all output came at once or some of it was not seen",
        source: "vLLM's TPOT; AIPerf calls it inter-token latency. GuideLLM's time per output token includes the first token and differs.",
        values: Values::PerRequest(|record| record.tpot_ms),
    },
    Metric {
        name: "itl_ms",
        label: "Inter-token latency",
        unit: "ms",
        better: Better::Lower,
        what: "Inter-token latency: every gap between neighbouring output events.",
        formula: "gaps between neighbouring output events, pooled over requests; none of answers that came at once",
        source: "vLLM's ITL. A gap is a gap between events, which carry several tokens with some servers: see tokens_per_event and decode_ms_per_token.",
        values: Values::Pooled(Pooled {
            each: gaps_ns,
            per_unit: NS_PER_MS,
        }),
    },
    Metric {
        name: "decode_ms_per_token",
        label: "Decode time per token",
        unit: "ms",
        better: Better::Lower,
        what: "Decode time per token after the first event, right also where events carry several tokens.",
        formula: "(last output event - first output event) / (tokens that came after the first arrival; events that share a read share one). Estimated where the server does not count per event: the first arrival then holds output_tokens / arrivals of them. Absent like tpot_ms",
        source: "Divides by the tokens that arrived after the first ones, where TPOT divides by output_tokens - 1. The warning decode-estimated names backends whose values are estimates.",
        values: Values::PerRequest(|record| record.decode_ms_per_token),
    },
    Metric {
        name: "e2e_latency_ms",
        label: "End-to-end latency",
        unit: "ms",
        better: Better::Lower,
        what: "End-to-end latency of a request.",
        formula: "last output event - sent",
        source: "The last output event ends it, not usage, end marker or close.",
        values: Values::PerRequest(|record| record.e2e_latency_ms),
    },
    Metric {
        name: "e2e_from_schedule_ms",
        label: "End-to-end from schedule",
        unit: "ms",
        better: Better::Lower,
        what: "End-to-end latency from the planned send time of an open loop.",
        formula: "last output event - scheduled",
        source: "Holds the wait that a late send hides (coordinated omission).",
        values: Values::PerRequest(|record| record.e2e_from_schedule_ms),
    },
    Metric {
        name: "send_lag_ms",
        label: "Send lag",
        unit: "ms",
        better: Better::Lower,
        what: "How late the client sent: its own delay.",
        formula: "sent - scheduled",
        source: "Open loop only.",
        values: Values::PerRequest(|record| record.send_lag_ms),
    },
    Metric {
        name: "connect_ms",
        label: "Connect time",
        unit: "ms",
        better: Better::Neither,
        what: "Time to open a connection: TCP and TLS, and for the first one the look-up of the name.",
        formula: "connected - connecting began, for the first request over each connection",
        source: "Never part of any latency.",
        values: Values::PerRequest(|record| record.connect_ms),
    },
    Metric {
        name: "per_user_token_rate",
        label: "Speed per user",
        unit: "tokens/s",
        better: Better::Higher,
        what: "Speed at which one reader sees tokens.",
        formula: "1000 / tpot_ms",
        source: "Interactivity in InferenceMAX; output speed in Artificial Analysis's terms.",
        values: Values::OfMetric(OfMetric {
            name: "tpot_ms",
            of: |tpot_ms| (tpot_ms > 0.0).then(|| 1000.0 / tpot_ms),
        }),
    },
    Metric {
        name: "input_tokens",
        label: "Prompt tokens",
        unit: "tokens",
        better: Better::Neither,
        what: "Prompt length as the server counts it.",
        formula: "the server's usage; absent if it reports none",
        source: "Never the length that was asked for.",
        values: Values::PerRequest(|record| record.input_tokens.map(f64::from)),
    },
    Metric {
        name: "output_tokens",
        label: "Output tokens",
        unit: "tokens",
        better: Better::Neither,
        what: "Answer length as the server counts it.",
        formula: "the server's usage: the largest count where every event has one, else the last total; absent if it reports none",
        source: "Never the length that was asked for.",
        values: Values::PerRequest(|record| record.output_tokens.map(f64::from)),
    },
    Metric {
        name: "cached_tokens",
        label: "Cached prompt tokens",
        unit: "tokens",
        better: Better::Neither,
        what: "Prompt tokens that came from the prefix cache.",
        formula: "the server's usage; absent if it reports none",
        source: "prompt_tokens_details.cached_tokens of OpenAI's usage object.",
        values: Values::PerRequest(|record| record.cached_tokens.map(f64::from)),
    },
    Metric {
        name: "tokens_per_event",
        label: "Tokens per event",
        unit: "tokens",
        better: Better::Neither,
        what: "Tokens that one output event carries.",
        formula: "difference of the server's cumulative counts between neighbouring output events; absent if it does not count per event",
        source: "1 on a server that streams token by token; more with speculative decoding, stream intervals or coalescing.",
        values: Values::Pooled(Pooled {
            each: tokens_per_event,
            per_unit: 1.0,
        }),
    },
];

fn tokens_in_window(load: &Load, record: &RequestRecord) -> Option<f64> {
    if record.is_ok() {
        load.window?.tokens_of(record)
    } else {
        Some(0.0)
    }
}

fn all_tokens(_: &Load, record: &RequestRecord) -> Option<f64> {
    if record.is_ok() {
        record.output_tokens.map(f64::from)
    } else {
        Some(0.0)
    }
}

fn completed(load: &Load, record: &RequestRecord) -> Option<f64> {
    Some(f64::from(load.completed(record)))
}

fn met_slo(load: &Load, record: &RequestRecord) -> Option<f64> {
    Some(f64::from(load.meets(record)? && load.completed(record)))
}

fn attained(load: &Load, record: &RequestRecord) -> Option<f64> {
    Some(f64::from(load.meets(record)? && record.counts()))
}

impl Load {
    /// Whether a request met every limit of its class; `None` if no class has any.
    pub(crate) fn meets(&self, record: &RequestRecord) -> Option<bool> {
        let slos = Some(&self.slos).filter(|slos| slos.is_set())?;
        Some(meets(record, slos.for_class(record.class.as_deref())))
    }
}

fn meets(record: &RequestRecord, slo: &SloConfig) -> bool {
    let within = |value: Option<f64>, limit: Option<f64>| match limit {
        None => true,
        Some(limit) => value.is_some_and(|value| value <= limit),
    };
    let one_token = record.output_tokens.is_some_and(|tokens| tokens < 2);
    within(record.ttft_ms, slo.ttft_ms)
        && (one_token || within(record.tpot_ms, slo.tpot_ms))
        && within(whole_ms(record), slo.e2e_latency_ms)
}

/// What a user waits for a whole answer: from the planned time where there is one.
fn whole_ms(record: &RequestRecord) -> Option<f64> {
    record.e2e_from_schedule_ms.or(record.e2e_latency_ms)
}

fn s_in_flight(load: &Load, record: &RequestRecord) -> Option<f64> {
    let window = load.window?;
    Some(
        record
            .sent_ns
            .map_or(0.0, |sent_ns| window.overlap_s(sent_ns, record.end_ns)),
    )
}

fn gaps_ns(record: &RequestRecord, pool: &mut Packed) {
    if record.came_at_once() {
        return;
    }
    for gap in &record.itl_ms {
        pool.push(signed_ns_of_ms(*gap));
    }
}

fn tokens_per_event(record: &RequestRecord, pool: &mut Packed) {
    for n in record.tokens_per_event.iter().flatten() {
        pool.push(i64::from(*n));
    }
}
