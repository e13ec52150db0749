//! What a launch command sets about the cache, by the flags that servers have in
//! common, so that no plugin needs to be asked.

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
    /// `--block-size`, `--page-size`.
    pub block_size: Option<u32>,
    /// `--max-num-batched-tokens`.
    pub batched_tokens: Option<u64>,
    /// `--gpu-memory-utilization`, `--mem-fraction-static`.
    pub utilization: Option<f64>,
    /// `--kv-cache-memory-bytes`, or `VLLM_CPU_KVCACHE_SPACE` in the environment.
    pub cache_bytes: Option<u64>,
    /// `--max-total-tokens`.
    pub cache_tokens: Option<u64>,
    /// `--mamba-ssm-cache-dtype`, `--mamba-ssm-dtype`.
    pub state_dtype: Option<String>,
    /// `--device`.
    pub device: Option<String>,
}

const GIB: f64 = 1_073_741_824.0;

impl LaunchFacts {
    /// Reads a command and the variables set for it. The last of several wins, as
    /// in servers; what cannot be read is ignored.
    pub fn from_command<'a>(
        command: &[String],
        env: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut facts = Self::default();
        for (name, value) in env {
            if name == "VLLM_CPU_KVCACHE_SPACE" {
                facts.cache_bytes = positive(value).map(|gib| (gib * GIB) as u64);
            }
        }
        for (at, argument) in command.iter().enumerate() {
            let Some((flag, value)) = argument
                .split_once('=')
                .or_else(|| Some((argument.as_str(), command.get(at + 1)?.as_str())))
            else {
                continue;
            };
            facts.take(flag, value);
        }
        facts
    }

    fn take(&mut self, flag: &str, value: &str) {
        let text = || Some(value.to_owned());
        match flag.replace('_', "-").as_str() {
            "--kv-cache-dtype" => self.kv_dtype = text(),
            "--dtype" => self.dtype = text(),
            "--device" => self.device = text(),
            "--mamba-ssm-cache-dtype" | "--mamba-ssm-dtype" => self.state_dtype = text(),
            "--tensor-parallel-size" | "--tp-size" | "--tp" | "-tp" => {
                self.tensor_parallel = value.parse().ok();
            }
            "--pipeline-parallel-size" | "--pp-size" | "--pp" | "-pp" => {
                self.pipeline_parallel = value.parse().ok();
            }
            "--block-size" | "--page-size" => self.block_size = value.parse().ok(),
            "--max-num-batched-tokens" => self.batched_tokens = value.parse().ok(),
            "--gpu-memory-utilization" | "--mem-fraction-static" => {
                self.utilization = positive(value).filter(|share| *share <= 1.0);
            }
            "--kv-cache-memory-bytes" | "--kv-cache-memory" => {
                self.cache_bytes = value.parse().ok()
            }
            "--max-total-tokens" => self.cache_tokens = value.parse().ok(),
            _ => {}
        }
    }

    /// Options of an estimate that follow from them.
    #[must_use]
    pub fn options(&self) -> KvOptions {
        let usual = KvOptions::default();
        KvOptions {
            dtype: self.kv_dtype.clone(),
            model_dtype: self.dtype.clone(),
            state_dtype: self.state_dtype.clone(),
            tensor_parallel: self.tensor_parallel.unwrap_or(usual.tensor_parallel),
            pipeline_parallel: self.pipeline_parallel.unwrap_or(usual.pipeline_parallel),
            block_size: self.block_size.unwrap_or(usual.block_size),
            batched_tokens: self.batched_tokens,
        }
    }
}

fn positive(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
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
    }

    #[test]
    fn the_last_of_several_wins_and_nonsense_is_ignored() {
        let facts =
            LaunchFacts::from_command(&command("x --tp 2 --tp 4 --block-size many --dtype"), []);
        assert_eq!(
            (facts.tensor_parallel, facts.block_size, facts.dtype),
            (Some(4), None, None)
        );
    }
}
