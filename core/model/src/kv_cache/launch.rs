//! What a launch command sets about the cache, by the flags that servers have in
//! common, so that no plugin needs to be asked.
//!
//! Sources: vLLM `vllm/engine/arg_utils.py`, SGLang `srt/server_args.py`, and
//! TensorRT-LLM's `trtllm-serve`; `-` and `_` are the same in flags.

use super::options::KvOptions;

/// Flags of a launch command that matter to the cache.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaunchFacts {
    /// `--kv-cache-dtype`.
    pub kv_dtype: Option<String>,
    /// `--dtype`.
    pub dtype: Option<String>,
    /// `--tensor-parallel-size`, `--tp-size`, `--tp`, `-tp`.
    pub tensor_parallel: Option<u32>,
    /// `--pipeline-parallel-size`, `--pp-size`, `--pp`, `-pp`.
    pub pipeline_parallel: Option<u32>,
    /// `--decode-context-parallel-size`, `--dcp-size`, `-dcp`.
    pub decode_context_parallel: Option<u32>,
    /// `--prefill-context-parallel-size`, `-pcp`.
    pub prefill_context_parallel: Option<u32>,
    /// `--attention-context-parallel-size`, `--attn-cp-size`.
    pub attention_context_parallel: Option<u32>,
    /// `--data-parallel-size`, `--dp-size`, `--dp`, `-dp`.
    pub data_parallel: Option<u32>,
    /// `--data-parallel-size-local`, `-dpl`.
    pub data_parallel_local: Option<u32>,
    /// A balancer outside divides the requests, so that this server has only those of
    /// its own rank, or of its own machine: `--data-parallel-rank`, `-dpn`,
    /// `--data-parallel-external-lb`, `-dpe`, and `--data-parallel-hybrid-lb`, `-dph`.
    pub balanced_outside: Option<Balanced>,
    /// `--enable-dp-attention`, `--enable-attention-dp`: ranks of attention are parts
    /// of the tensor-parallel group.
    pub attention_data_parallel: bool,
    /// The command starts SGLang, which takes less of a checkpoint's cache type.
    pub is_sglang: bool,
    /// llama.cpp's types of keys and of values: `--cache-type-k`, `-ctk`, and
    /// `--cache-type-v`, `-ctv`. Absent for other servers.
    pub cache_types: Option<[String; 2]>,
    /// `--block-size`, `--page-size`.
    pub block_size: Option<u32>,
    /// `--max-num-batched-tokens`.
    pub batched_tokens: Option<u64>,
    /// `--gpu-memory-utilization`, `--mem-fraction-static`.
    pub utilization: Option<f64>,
    /// `--kv-cache-memory-bytes`, or `VLLM_CPU_KVCACHE_SPACE` in the environment.
    pub cache_bytes: Option<u64>,
    /// `--max-total-tokens`, and llama.cpp's `--ctx-size`, `-c`.
    pub cache_tokens: Option<u64>,
    /// `--mamba-ssm-cache-dtype`, `--mamba-ssm-dtype`.
    pub state_dtype: Option<String>,
    /// `--device`.
    pub device: Option<String>,
}

/// What of the ranks a balancer outside leaves to one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balanced {
    /// One rank.
    Rank,
    /// Those on its machine.
    Machine,
}

const GIB: f64 = 1_073_741_824.0;

impl LaunchFacts {
    /// Reads a command and the variables set for it. The last of several wins, as
    /// in servers; what cannot be read is ignored.
    pub fn from_command<'a>(
        command: &[String],
        env: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut facts = Self {
            is_sglang: command.iter().any(|argument| names_sglang(argument)),
            cache_types: command.first().and_then(|program| llama_types(program)),
            ..Self::default()
        };
        for (name, value) in env {
            if name == "VLLM_CPU_KVCACHE_SPACE" {
                facts.cache_bytes = positive(value).map(|gib| (gib * GIB) as u64);
            }
        }
        for (at, argument) in command.iter().enumerate() {
            let (flag, value) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (argument.as_str(), command.get(at + 1).map(String::as_str)),
            };
            if flag.starts_with('-') {
                let flag = flag.replace('_', "-");
                facts.take_switch(&flag);
                if let Some(value) = value {
                    facts.take(&flag, value);
                }
            }
        }
        facts
    }

    /// Takes a flag that may stand alone.
    fn take_switch(&mut self, flag: &str) {
        match flag {
            "--enable-dp-attention" | "--enable-attention-dp" => {
                self.attention_data_parallel = true;
            }
            "--no-enable-dp-attention" | "--no-enable-attention-dp" => {
                self.attention_data_parallel = false;
            }
            "--data-parallel-external-lb" | "-dpe" | "--data-parallel-rank" | "-dpn" => {
                self.balanced_outside = Some(Balanced::Rank);
            }
            "--data-parallel-hybrid-lb" | "-dph" => {
                self.balanced_outside = Some(Balanced::Machine);
            }
            _ => {}
        }
    }

    fn take(&mut self, flag: &str, value: &str) {
        let text = || Some(value.to_owned());
        match flag {
            "--kv-cache-dtype" => self.kv_dtype = text(),
            "--dtype" => self.dtype = text(),
            "--device" => self.device = text(),
            "--mamba-ssm-cache-dtype" | "--mamba-ssm-dtype" => self.state_dtype = text(),
            "--block-size" | "--page-size" => self.block_size = value.parse().ok(),
            "--max-num-batched-tokens" => self.batched_tokens = whole(value),
            "--gpu-memory-utilization" | "--mem-fraction-static" => {
                self.utilization = positive(value).filter(|share| *share <= 1.0);
            }
            "--kv-cache-memory-bytes" | "--kv-cache-memory" => self.cache_bytes = whole(value),
            "--max-total-tokens" => self.cache_tokens = value.parse().ok(),
            "--enable-attention-dp" if value.eq_ignore_ascii_case("false") => {
                self.attention_data_parallel = false;
            }
            _ if self.cache_types.is_some() => self.take_of_llama(flag, value),
            _ => {
                if let Some(size) = self.parallel_size(flag) {
                    *size = value.parse().ok();
                }
            }
        }
    }

    /// Takes a flag of llama.cpp's server, whose short ones mean something else.
    fn take_of_llama(&mut self, flag: &str, value: &str) {
        let types = self.cache_types.get_or_insert_default();
        match flag {
            "--cache-type-k" | "-ctk" => types[0] = value.to_owned(),
            "--cache-type-v" | "-ctv" => types[1] = value.to_owned(),
            "--ctx-size" | "-c" => self.cache_tokens = value.parse().ok().filter(|n| *n > 0),
            _ => {}
        }
    }

    /// The type of the cache: what the command sets, and llama.cpp's own, if keys and
    /// values have the same; both their names if not.
    fn cache_dtype(&self) -> Option<String> {
        match &self.cache_types {
            Some([key, value]) if key == value => Some(key.clone()),
            Some([key, value]) => Some(format!("{key} and {value}")),
            None => self.kv_dtype.clone(),
        }
    }

    /// The parallel size that a flag sets.
    fn parallel_size(&mut self, flag: &str) -> Option<&mut Option<u32>> {
        Some(match flag {
            "--tensor-parallel-size" | "--tensor-parallel" | "--tp-size" | "--tp" | "-tp" => {
                &mut self.tensor_parallel
            }
            "--pipeline-parallel-size" | "--pipeline-parallel" | "--pp-size" | "--pp" | "-pp" => {
                &mut self.pipeline_parallel
            }
            "--decode-context-parallel-size"
            | "--decode-context-parallel"
            | "--dcp-size"
            | "--dcp"
            | "-dcp" => &mut self.decode_context_parallel,
            "--prefill-context-parallel-size" | "--prefill-context-parallel" | "-pcp" => {
                &mut self.prefill_context_parallel
            }
            "--attention-context-parallel-size" | "--attn-cp-size" => {
                &mut self.attention_context_parallel
            }
            "--data-parallel-size" | "--dp-size" | "--dp" | "-dp" => &mut self.data_parallel,
            "--data-parallel-size-local" | "-dpl" => &mut self.data_parallel_local,
            _ => return None,
        })
    }

    /// Options of an estimate that follow from them.
    #[must_use]
    pub fn options(&self) -> KvOptions {
        let usual = KvOptions::default();
        let tensor_parallel = self.tensor_parallel.unwrap_or(usual.tensor_parallel);
        let (data_parallel, attention_data_parallel) = self.ranks(tensor_parallel);
        KvOptions {
            dtype: self.cache_dtype(),
            takes_scheme: !self.is_sglang,
            model_dtype: self.dtype.clone(),
            state_dtype: self.state_dtype.clone(),
            tensor_parallel,
            pipeline_parallel: self.pipeline_parallel.unwrap_or(usual.pipeline_parallel),
            decode_context_parallel: self.decode_context_parallel.unwrap_or(1),
            prefill_context_parallel: self.prefill_context_parallel.unwrap_or(1),
            attention_context_parallel: self.attention_context_parallel.unwrap_or(1),
            data_parallel,
            attention_data_parallel,
            block_size: self.block_size.unwrap_or(usual.block_size),
            batched_tokens: self.batched_tokens,
        }
    }

    /// Ranks that this server divides requests among, and whether they are parts of
    /// its tensor-parallel group. TensorRT-LLM has as many of these as GPUs in it;
    /// SGLang has none with `--dp-size` 1.
    fn ranks(&self, tensor_parallel: u32) -> (u32, bool) {
        let all = self.data_parallel.unwrap_or(1);
        match (self.attention_data_parallel, self.balanced_outside) {
            (true, _) if self.data_parallel.is_none() && !self.is_sglang => (tensor_parallel, true),
            (true, _) => (all, all > 1),
            (false, Some(Balanced::Rank)) => (1, false),
            (false, Some(Balanced::Machine)) => (self.data_parallel_local.unwrap_or(all), false),
            (false, None) => (all, false),
        }
    }
}

/// What llama.cpp's server caches in by itself, if that is the program.
fn llama_types(program: &str) -> Option<[String; 2]> {
    let name = program.rsplit('/').next().unwrap_or(program);
    (name == "llama-server").then(|| ["f16", "f16"].map(str::to_owned))
}

/// Whether an argument is SGLang's module or program.
fn names_sglang(argument: &str) -> bool {
    let name = argument.rsplit('/').next().unwrap_or(argument);
    name == "sglang" || name.starts_with("sglang.") || name.starts_with("sglang_router.")
}

fn positive(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number)
}

/// A whole number as vLLM reads it: `16k` and `16K` are 16,000 and 16,384, and so on.
fn whole(text: &str) -> Option<u64> {
    let Some(unit) = text.chars().last().filter(char::is_ascii_alphabetic) else {
        return text.parse().ok();
    };
    let factor = match unit {
        'k' => 1e3,
        'm' => 1e6,
        'g' => 1e9,
        't' => 1e12,
        'K' => 1024.0,
        'M' => 1_048_576.0,
        'G' => GIB,
        'T' => 1024.0 * GIB,
        _ => return None,
    };
    let number = positive(&text[..text.len() - 1])? * factor;
    (number < 9e18).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn options(text: &str) -> KvOptions {
        LaunchFacts::from_command(&command(text), []).options()
    }

    #[test]
    fn llama_cpp_caches_in_half_precision_unless_it_is_told_otherwise() {
        let facts = |line: &str| LaunchFacts::from_command(&command(line), []);
        let usual = facts("/opt/llama-server --model m.gguf -dp x -c 16384");
        assert_eq!(usual.options().dtype.as_deref(), Some("f16"));
        assert_eq!(usual.cache_tokens, Some(16384));
        assert_eq!(usual.data_parallel, None);
        let packed = facts("llama-server -ctk q8_0 --cache-type-v q8_0");
        assert_eq!(packed.options().dtype.as_deref(), Some("q8_0"));
        let mixed = facts("llama-server --cache-type-k q8_0").options();
        assert_eq!(mixed.dtype.as_deref(), Some("q8_0 and f16"));
        let other = facts("vllm serve -c 5");
        assert_eq!((other.cache_tokens, other.cache_types), (None, None));
    }

    #[test]
    fn flags_of_two_servers_are_read() {
        let vllm = "vllm serve m --tensor-parallel-size 2 --kv-cache-dtype=fp8 --gpu-memory-utilization 0.5 --max-num-batched-tokens 2048";
        let facts = LaunchFacts::from_command(&command(vllm), [("VLLM_CPU_KVCACHE_SPACE", "1")]);
        assert_eq!(
            (facts.tensor_parallel, facts.utilization),
            (Some(2), Some(0.5))
        );
        assert_eq!(facts.cache_bytes, Some(1_073_741_824));
        assert_eq!(facts.options().dtype.as_deref(), Some("fp8"));
        let sglang =
            "python3 -m sglang.launch_server --tp-size 4 --page-size 1 --max-total-tokens 9000";
        let facts = LaunchFacts::from_command(&command(sglang), []);
        assert_eq!(
            (facts.tensor_parallel, facts.block_size),
            (Some(4), Some(1))
        );
        assert_eq!(facts.cache_tokens, Some(9000));
        assert!(facts.is_sglang && !facts.options().takes_scheme);
    }

    #[test]
    fn the_last_of_several_wins_and_nonsense_is_ignored() {
        let facts =
            LaunchFacts::from_command(&command("x --tp 2 --tp 4 --block-size many --dtype"), []);
        assert_eq!(
            (facts.tensor_parallel, facts.block_size, facts.dtype),
            (Some(4), None, None)
        );
        assert_eq!(options("x --data-parallel-size=many -dp").data_parallel, 1);
    }

    #[test]
    fn each_spelling_of_a_parallel_size_is_read() {
        for flags in [
            "-tp 8 -dcp 4 -dp 2 -pp 3",
            "-tp=8 -dcp=4 -dp=2 -pp=3",
            "--tensor-parallel-size=8 --decode-context-parallel-size=4 --data-parallel-size=2 --pipeline-parallel-size=3",
            "--tensor_parallel_size 8 --decode_context_parallel_size 4 --data_parallel_size 2 --pipeline_parallel_size 3",
            "--tp 8 --dcp-size 4 --dp 2 --pp 3",
            // vLLM takes a beginning that no other flag has.
            "--tensor_parallel 8 --decode-context-parallel=4 -dp 2 --pipeline-parallel 3",
        ] {
            let options = options(&format!("vllm serve m {flags}"));
            let sizes = (
                options.tensor_parallel,
                options.decode_context_parallel,
                options.data_parallel,
                options.pipeline_parallel,
            );
            assert_eq!(sizes, (8, 4, 2, 3), "{flags}");
        }
    }

    #[test]
    fn ranks_of_attention_are_parts_of_the_group() {
        let ranks = |text: &str| {
            let options = options(text);
            (options.data_parallel, options.attention_data_parallel)
        };
        let sglang = "python -m sglang.launch_server --tp 8";
        let dp = format!("{sglang} --dp-size 4 --enable-dp-attention");
        assert_eq!(ranks(&dp), (4, true));
        assert_eq!(
            ranks(&format!("{sglang} --enable-dp-attention")),
            (1, false)
        );
        assert_eq!(ranks(&format!("{sglang} --dp-size 4")), (4, false));
        let trt = "trtllm-serve m --tp_size 8 --enable_attention_dp";
        assert_eq!(ranks(trt), (8, true));
        assert_eq!(ranks(&format!("{trt} false")), (1, false));
    }

    #[test]
    fn ranks_that_others_serve_are_not_counted() {
        let data_parallel =
            |more: &str| options(&format!("vllm serve m -dp 8 {more}")).data_parallel;
        assert_eq!(data_parallel(""), 8);
        assert_eq!(data_parallel("--data-parallel-rank 3"), 1);
        assert_eq!(data_parallel("--data-parallel-hybrid-lb -dpl 2"), 2);
        // Others of the 8 run elsewhere, but this server divides among all.
        assert_eq!(data_parallel("--data-parallel-size-local 4"), 8);
    }

    #[test]
    fn sizes_have_vllms_units() {
        for (text, bytes) in [
            ("17179869184", 17_179_869_184),
            ("16G", 17_179_869_184),
            ("16g", 16_000_000_000),
            ("1.5M", 1_572_864),
            ("8k", 8000),
        ] {
            assert_eq!(whole(text), Some(bytes), "{text}");
        }
        for text in ["", "G", "-1G", "1e30T", "16GiB", "16 G", "é"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }
}
