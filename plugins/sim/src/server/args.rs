//! The command line: every option with its unit and default. It starts nothing.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use serde::Serialize;

use super::faults::{self, Fault};
use super::model::EngineConfig;
use super::openai::Limits;

/// How sequences share the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scheduler {
    /// Sequences join and leave the batch at every step
    Continuous,
    /// One request at a time to completion, first come first served
    Sequential,
}

/// How the server waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Spin {
    /// Sleep until something is due
    None,
    /// Never sleep: wakes sooner, keeps one core busy
    Busy,
}

/// A simulated LLM serving engine with an OpenAI-compatible API, real sockets and a
/// record of what it did when. It runs no model: every figure it shows is simulated.
///
/// Text is counted as one token per whitespace-separated word, at least 1; a chat
/// prompt has the words of all messages plus 4 tokens per message. An answer depends on
/// seed and prompt only. GET /truth returns one JSON line per request, times in
/// CLOCK_MONOTONIC ns; memory grows by 8 bytes per token until POST /truth/reset.
#[derive(Debug, Clone, Parser, Serialize)]
#[command(name = "inferbench-sim", version)]
pub(crate) struct Args {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// TCP port; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Served model name; a request for another is answered 404
    #[arg(long, default_value = "simulated")]
    pub(crate) model: String,
    /// Seed of all answers
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Token of each answer, from 1, from which on it differs from the one without this
    #[arg(long, value_name = "TOKEN", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) parts_at_token: Option<u32>,
    /// Token ids lie in 0..N
    #[arg(long, default_value_t = 32_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) vocab_size: u32,
    /// Longest prompt plus output, tokens
    #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) max_model_len: u32,
    /// Mean answer length without ignore_eos, tokens (geometric); 0 = only max_tokens ends it
    #[arg(long, default_value_t = 256)]
    pub(crate) mean_output_tokens: u32,
    /// How sequences share the engine
    #[arg(long, value_enum, default_value_t = Scheduler::Continuous)]
    pub(crate) scheduler: Scheduler,
    /// Sequences that run at once (continuous only)
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_num_seqs: u32,
    /// Prefill tokens per step; a longer prompt takes several steps
    #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_batched_tokens: u32,
    /// Cost of any step, microseconds
    #[arg(long, default_value_t = 5000.0, value_parser = non_negative)]
    pub(crate) step_base_us: f64,
    /// Cost of each running sequence per step, microseconds
    #[arg(long, default_value_t = 50.0, value_parser = non_negative)]
    pub(crate) step_per_seq_us: f64,
    /// Cost of each prefilled token, microseconds
    #[arg(long, default_value_t = 20.0, value_parser = non_negative)]
    pub(crate) prefill_us_per_token: f64,
    /// Fixed pacing: token i is due at received + TTFT + i * ITL, whatever the load, ms; 0 =
    /// at once
    #[arg(long, requires = "fixed_itl_ms", value_parser = non_negative)]
    pub(crate) fixed_ttft_ms: Option<f64>,
    /// Fixed pacing: gap between tokens, ms; 0 = as fast as the socket takes them, one write
    /// per token
    #[arg(long, requires = "fixed_ttft_ms", value_parser = non_negative)]
    pub(crate) fixed_itl_ms: Option<f64>,
    /// Fixed pacing: tokens that are due together, with the first of them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) fixed_burst: u32,
    /// KV-cache blocks (no role in fixed pacing)
    #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub(crate) kv_blocks: u32,
    /// Tokens per KV block
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) block_size: u32,
    /// Reuse the KV blocks of equal prompt prefixes
    #[arg(long, conflicts_with = "fixed_ttft_ms")]
    pub(crate) prefix_caching: bool,
    /// Tokens in one stream event
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tokens_per_event: u32,
    /// Slow start: every request is answered 503 for this long, seconds
    #[arg(long, default_value_t = 0.0, value_parser = non_negative)]
    pub(crate) load_seconds: f64,
    /// Write the truth (JSON lines) here when stopped by SIGTERM or SIGINT
    #[arg(long, value_name = "PATH")]
    pub(crate) truth_file: Option<PathBuf>,
    /// KIND[:key=value,...], repeatable; kinds: http-503 (retry_after_s), stall (after,
    /// for_ms), cut (after), reset (after), error-in-stream (after), `after` in tokens; each
    /// with every=N (each N-th request, default 1) or request=K (the K-th, from 0); the
    /// first that hits a request counts. An answer that is not streamed has nothing sent
    /// before `after`: it is held, cut off unanswered, or answered 500
    #[arg(long = "fault", value_name = "FAULT", value_parser = faults::parse)]
    pub(crate) faults: Vec<Fault>,
    /// Crash (exit status 1) right after answering N generation requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) exit_after_requests: Option<u64>,
    /// Go on after SIGTERM
    #[arg(long)]
    pub(crate) ignore_sigterm: bool,
    /// Pause the whole server once in this many ms
    #[arg(long, requires = "pause_ms", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) pause_every_ms: Option<u64>,
    /// Length of each pause, ms; below --pause-every-ms
    #[arg(long, requires = "pause_every_ms")]
    pub(crate) pause_ms: Option<u64>,
    /// How the server waits
    #[arg(long, value_enum, default_value_t = Spin::None)]
    pub(crate) spin: Spin,
}

fn non_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if (0.0..=1e9).contains(&n) => Ok(n),
        _ => Err("must be a number from 0 to 1000000000".into()),
    }
}

/// Nanoseconds in `value` units of `unit_ns`.
fn to_ns(value: f64, unit_ns: f64) -> u64 {
    (value * unit_ns).round() as u64
}

impl Args {
    /// Checks what no single option can.
    ///
    /// # Errors
    /// A usage error that names both values.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        let tokens = u64::from(self.kv_blocks) * u64::from(self.block_size);
        let fail = |text: String| Err(Self::command().error(ErrorKind::ValueValidation, text));
        if self.fixed_pacing().is_none() && tokens < u64::from(self.max_model_len) {
            return fail(format!(
                "--kv-blocks {} of --block-size {} hold {tokens} tokens, must be at least --max-model-len {}",
                self.kv_blocks, self.block_size, self.max_model_len
            ));
        }
        if let (Some(every), Some(pause)) = (self.pause_every_ms, self.pause_ms)
            && pause >= every
        {
            return fail(format!(
                "--pause-ms {pause} must be below --pause-every-ms {every}"
            ));
        }
        Ok(())
    }

    /// TTFT and ITL of fixed pacing, ns.
    pub(crate) fn fixed_pacing(&self) -> Option<(u64, u64)> {
        Some((
            to_ns(self.fixed_ttft_ms?, 1e6),
            to_ns(self.fixed_itl_ms?, 1e6),
        ))
    }

    /// Length of the slow start, ns.
    pub(crate) fn load_ns(&self) -> u64 {
        to_ns(self.load_seconds, 1e9)
    }

    /// Period and length of whole-server pauses, ns.
    pub(crate) fn pause_ns(&self) -> Option<(u64, u64)> {
        Some((self.pause_every_ms? * 1_000_000, self.pause_ms? * 1_000_000))
    }

    /// The engine's costs and limits.
    pub(crate) fn engine(&self) -> EngineConfig {
        EngineConfig {
            step_base_ns: to_ns(self.step_base_us, 1e3),
            step_per_seq_ns: to_ns(self.step_per_seq_us, 1e3),
            prefill_ns_per_token: to_ns(self.prefill_us_per_token, 1e3),
            max_num_seqs: match self.scheduler {
                Scheduler::Continuous => self.max_num_seqs as usize,
                Scheduler::Sequential => 1,
            },
            max_batched_tokens: self.max_batched_tokens as usize,
            kv_blocks: self.kv_blocks,
            block_size: self.block_size as usize,
            prefix_caching: self.prefix_caching,
        }
    }

    /// What the served model allows.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            model: self.model.clone(),
            max_model_len: self.max_model_len as usize,
            vocab_size: self.vocab_size,
            seed: self.seed,
            parts_at_token: self.parts_at_token,
            mean_output_tokens: self.mean_output_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        let args = Args::try_parse_from([&["inferbench-sim"], words].concat())?;
        args.check().map(|()| args)
    }

    #[test]
    fn defaults_are_a_small_gpu() {
        let engine = parse(&[]).unwrap().engine();
        assert_eq!(engine.step_base_ns, 5_000_000);
        assert_eq!(engine.step_per_seq_ns, 50_000);
        assert_eq!(engine.prefill_ns_per_token, 20_000);
    }

    #[test]
    fn half_of_a_pair_is_refused() {
        assert!(parse(&["--fixed-ttft-ms", "1"]).is_err());
        assert!(parse(&["--pause-ms", "1"]).is_err());
        assert_eq!(
            parse(&["--fixed-ttft-ms", "1.5", "--fixed-itl-ms", "0"])
                .unwrap()
                .fixed_pacing(),
            Some((1_500_000, 0))
        );
    }

    #[test]
    fn too_small_a_cache_names_both_numbers() {
        let text = parse(&["--kv-blocks", "20"]).unwrap_err().to_string();
        assert!(
            text.contains("hold 320 tokens") && text.contains("--max-model-len 8192"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_fault_names_the_allowed_ones() {
        let text = parse(&["--fault", "explode"]).unwrap_err().to_string();
        assert!(
            text.contains("`explode` is unknown; known: http-503, stall"),
            "{text}"
        );
    }
}
