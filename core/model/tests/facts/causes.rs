//! Causes against lines that real engines wrote, as people posted them.

use inferbench_model::facts::crash_cause::{CAUSES, Ended, find};

/// Cause, where the line was posted, the line.
const SEEN: &[(&str, &str, &str)] = &[
    (
        "gated model",
        "private-gpt issue 1985",
        "OSError: You are trying to access a gated repo.",
    ),
    (
        "gated model",
        "PuLID issue 97",
        "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-66f4b037-1bf3d7d219afbc904ee05694;5601d2c9)",
    ),
    (
        "gated model",
        "transformers pull request 28894",
        "Repo model nvidia/nemotron-3-8b-base-4k is gated. You must be authenticated to access it.",
    ),
    (
        "model not fetched and hub not reachable",
        "localGPT issue 822",
        "OSError: We couldn't connect to 'https://huggingface.co' to load this file, couldn't find it in the cached files and it looks like meta-llama/Meta-Llama-3-8B-Instruct is not the path to a directory containing a file named config.json.",
    ),
    (
        "model not fetched and hub not reachable",
        "vllm issue 3719",
        "huggingface_hub.utils._http.OfflineModeIsEnabled: Cannot reach https://huggingface.co/api/models/bigcode/starcoder: offline mode is enabled. To disable it, please unset the `HF_HUB_OFFLINE` environment variable.",
    ),
    (
        "no such model",
        "swarms issue 228",
        "OSError: gpt2-small is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
    ),
    (
        "no such model",
        "vllm-omni issue 541",
        "(APIServer pid=48263) ValueError: Invalid repository ID or local directory specified: 'Qwen/Qwen-Image-Edit-2509'.",
    ),
    (
        "no such model",
        "vast-ai/base-image issue 128",
        "(APIServer pid=3122) Repository Not Found for url: https://huggingface.co/Qwen/Qwen3.5-27B-AWQ/resolve/main/config.json.",
    ),
    (
        "no such model",
        "vllm issue 5727",
        "(RayWorkerWrapper pid=164587, ip=128.1.219.180) ERROR 06-21 03:49:38 worker_base.py:148] huggingface_hub.errors.HFValidationError: Repo id must use alphanumeric chars or '-', '_', '.', '--' and '..' are forbidden, '-' and '.' cannot start or end the name, max length is 96: '/model'.",
    ),
    (
        "unsupported architecture",
        "vllm issue 9515",
        "ValueError: Model architectures ['LlamaForCausalLM'] are not supported for now. Supported architectures: ['AquilaModel', 'AquilaForCausalLM']",
    ),
    (
        "unsupported architecture",
        "sglang issue 1331",
        "ValueError: Unsupported architectures: ChatGLMForConditionalGeneration. Supported list: ['ChatGLMForCausalLM', 'ChatGLMModel']",
    ),
    (
        "unsupported architecture",
        "ComfyUI_ExtraModels issue 114",
        "ValueError: The checkpoint you are trying to load has model type `gemma2` but Transformers does not recognize this architecture. This could be because of an issue with the checkpoint, or because your version of Transformers is out of date.",
    ),
    (
        "unsupported dtype",
        "vllm issue 1157",
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute capability 7.5.",
    ),
    (
        "unsupported dtype",
        "vllm issue 1823",
        "ValueError: torch.bfloat16 is not supported for quantization method awq. Supported dtypes: [torch.float16]",
    ),
    (
        "max_model_len above what the model takes",
        "vllm issue 3676",
        "ValueError: User-specified max_model_len (131072) is greater than the derived max_model_len (None=8192 in model's config.json). This may lead to incorrect model",
    ),
    (
        "max_model_len above what the model takes",
        "sglang pull request 1778, as its source has it now",
        "ValueError: Warning: User-specified context_length (65536) is greater than the derived context_length (32768). This may lead to incorrect model outputs or CUDA errors.",
    ),
    (
        "max_model_len above what fits",
        "vllm issue 2418",
        "ValueError: The model's max seq len (4096) is larger than the maximum number of tokens that can be stored in KV cache (3664). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.",
    ),
    (
        "max_model_len above what fits",
        "vllm issue 16118",
        "ERROR 04-05 01:12:55 [core.py:390] ValueError: To serve at least one request with the models's max seq len (1048576), (24.00 GiB KV cache is needed, which is larger than the available KV cache memory (9.97 GiB). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.",
    ),
    (
        "max_model_len above what fits",
        "vllm issue 10439",
        "vllm-1  | ERROR 11-18 18:07:28 engine.py:366] ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
    ),
    (
        "max_model_len above what fits",
        "sglang issue 4330",
        "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
    ),
    (
        "GPU memory held by others",
        "vllm issue 23192",
        "(EngineCore_0 pid=1810465) ERROR 09-03 11:03:37 [core.py:712] ValueError: Free memory on device (7.34/139.72 GiB) on startup is less than desired GPU memory utilization (0.9, 125.75 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
    ),
    (
        "GPU memory held by others",
        "pytorch issue 175666",
        "ValueError: Free memory on device cuda:0 (19.77/22.05 GiB) on startup is less than desired GPU memory utilization (0.9, 19.84 GiB).",
    ),
    (
        "driver too old",
        "Fooocus issue 1313",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx",
    ),
    (
        "driver too old",
        "nunif issue 702",
        "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version",
    ),
    (
        "CUDA out of memory",
        "vllm issue 2140",
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.50 GiB. GPU 0 has a total capacty of 23.69 GiB of which 3.09 GiB is free.",
    ),
    (
        "CUDA out of memory",
        "vllm issue 12030",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB. GPU 0 has a total capacity of 11.53 GiB of which 187.75 MiB is free.",
    ),
    (
        "CUDA out of memory",
        "sglang issue 5285",
        "Exception: Capture cuda graph failed: CUDA out of memory. Tried to allocate 448.00 MiB. GPU 7 has a total capacity of 95.00",
    ),
    (
        "out of memory",
        "languagemodels issue 31",
        "[300974.215769] Out of memory: Killed process 336943 (python) total-vm:20061840kB, anon-rss:13408616kB, file-rss:128kB, shmem-rss:0kB, UID:1000 pgtables:27924kB oom_score_adj:0",
    ),
    (
        "out of memory",
        "ert issue 7797",
        "2024-04-29T14:55:41,679685+02:00 oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice",
    ),
    (
        "out of memory",
        "vllm issue 2391",
        "RuntimeError: unable to mmap 18329065000 bytes from file </home/.cache/model.safetensors>: Cannot allocate memory (12)",
    ),
    (
        "out of memory",
        "Fooocus issue 237",
        "RuntimeError: [enforce fail at ..\\c10\\core\\impl\\alloc_cpu.cpp:72] data. DefaultCPUAllocator: not enough memory: you tried to allocate 26214400 bytes.",
    ),
    (
        "disk full",
        "vllm issue 7025",
        "Could not install packages due to an OSError: [Errno 28] No space left on device",
    ),
    (
        "disk full",
        "OpenLLM issue 754",
        "Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: \"No space left on device\" })",
    ),
    (
        "port in use",
        "vllm issue 11617",
        "OSError: [Errno 98] Address already in use",
    ),
    (
        "port in use",
        "vllm issue 7514",
        "error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
    ),
    (
        "port in use",
        "vllm issue 11617",
        "RuntimeError: The server socket has failed to listen on any local network address. useIpv6: 0, code: -98, name: EADDRINUSE, message: address already in use",
    ),
    (
        "unknown or wrong argument",
        "vllm issue 8273",
        "vllm: error: unrecognized arguments: --config",
    ),
    (
        "unknown or wrong argument",
        "sglang issue 4116",
        "launch_server.py: error: unrecognized arguments: --enable-reasoning",
    ),
    (
        "unknown or wrong argument",
        "opengpts issue 42",
        "langchain: error: argument {plus,env}: invalid choice: 'serve' (choose from 'plus', 'env')",
    ),
    (
        "unknown or wrong argument",
        "vllm issue 13150",
        "vllm serve: error: the following arguments are required: model_tag",
    ),
    (
        "no such version",
        "vllm issue 28201",
        "  × No solution found when resolving dependencies:",
    ),
    (
        "no such image",
        "vllm issue 17114",
        "Error response from daemon: manifest for vllm/vllm-tpu:latest not found: manifest unknown: manifest unknown",
    ),
    (
        "container engine without GPUs",
        "XAgent issue 273",
        "docker: Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]].",
    ),
    (
        "container engine without GPUs",
        "ChatTTS-ui issue 212",
        "Error response from daemon: could not select device driver \"nvidia\" with capabilities: [[gpu]]",
    ),
    (
        "container engine not reachable",
        "moby issue 32658",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    ),
    (
        "missing shared library",
        "vllm issue 1738",
        "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
    ),
    (
        "missing shared library",
        "llama-cpp-docker issue 8",
        "llama-1  | llama-server: error while loading shared libraries: libgomp.so.1: cannot open shared object file: No such file or directory",
    ),
    (
        "missing Python module",
        "sglang issue 362",
        "ModuleNotFoundError: No module named 'vllm.model_executor.input_metadata'",
    ),
    (
        "missing Python module",
        "vllm issue 2344",
        "/home/ubuntu/myenv/bin/python: Error while finding module specification for 'vllm.entrypoints.openai_server' (ModuleNotFoundError: No module named 'vllm.entrypoints')",
    ),
    (
        "Python packages that do not fit together",
        "sglang issue 391",
        "ImportError: cannot import name '_set_default_torch_dtype' from 'vllm.model_executor.model_loader'",
    ),
    (
        "Python packages that do not fit together",
        "vllm issue 9377",
        "ERROR 10-16 05:20:48 registry.py:264] ImportError: /usr/local/lib/python3.10/dist-packages/flash_attn_2_cuda.cpython-310-x86_64-linux-gnu.so: undefined symbol: _ZN3c105ErrorC2ENS_14SourceLocation",
    ),
    (
        "no such program",
        "uv issue 12098",
        "command not found: vllm",
    ),
    (
        "no usable GPU",
        "vllm issue 14413",
        "RuntimeError: No CUDA GPUs are available",
    ),
    (
        "no usable GPU",
        "vllm issue 12847",
        "RuntimeError: Failed to infer device type",
    ),
];

fn name_in(lines: &[&str], ended: Option<Ended>) -> Option<String> {
    find(lines.iter().copied(), ended).map(|cause| cause.name)
}

#[test]
fn lines_of_real_engines_name_their_cause() {
    for (cause, source, line) in SEEN {
        let found = find([*line].into_iter(), Some(Ended::Status(1)));
        let found = found.unwrap_or_else(|| panic!("{source}: {line}"));
        assert_eq!(found.name, *cause, "{source}");
        let quoted = found.line.unwrap();
        assert!(line.trim().starts_with(&quoted), "{source}");
    }
}

#[test]
fn every_cause_was_seen_somewhere() {
    for cause in CAUSES {
        assert!(
            SEEN.iter().any(|(name, ..)| *name == cause.name),
            "{}",
            cause.name
        );
    }
}

/// The order of lines in vllm issue 20305: the cause in the engine's process,
/// then the trace of the server that waited for it.
#[test]
fn a_cause_far_above_the_last_line_is_found() {
    let mut lines = vec![
        "ERROR 06-30 13:53:19 [core.py:515] ValueError: Free memory on device (31.44/47.38 GiB) on startup is less than desired GPU memory utilization (0.95, 45.01 GiB).",
    ];
    lines.extend(std::iter::repeat_n(
        "  File \"/usr/lib/python3.12/asyncio/runners.py\", line 118, in run",
        60,
    ));
    lines.push("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}");
    assert_eq!(name_in(&lines, None).unwrap(), "GPU memory held by others");
}

/// In vllm issue 7514 the log of a machine without a GPU warns of libcuda in
/// each start, and the start fails by its port.
#[test]
fn a_warning_is_no_cause() {
    let lines = [
        "OSError: [Errno 98] Address already in use",
        "Starting vLLM...",
        "WARNING 10-10 10:22:58 _custom_ops.py:18] Failed to import from vllm._C with ImportError('libcuda.so.1: cannot open shared object file: No such file or directory')",
        "INFO 10-10 10:23:00 api_server.py:526] vLLM API server version 0.6.1.dev238+ge2c6e0a82",
    ];
    assert_eq!(name_in(&lines, None).unwrap(), "port in use");
    assert_eq!(name_in(&lines[1..], None), None);
}

/// The torch warning is that of Yuan-2.0 issue 65; without a driver that it can
/// use, vLLM then finds no device (vllm issue 8885).
#[test]
fn what_a_cause_brings_along_does_not_hide_it() {
    let lines = [
        "/usr/local/lib/python3.10/dist-packages/torch/cuda/__init__.py:124: UserWarning: CUDA initialization: The NVIDIA driver on your system is too old (found version 11000).",
        "RuntimeError: Failed to infer device type",
    ];
    assert_eq!(name_in(&lines, None).unwrap(), "driver too old");
    assert_eq!(name_in(&lines[1..], None).unwrap(), "no usable GPU");
}

#[test]
fn the_last_cause_counts_and_a_logged_one_beats_the_signal() {
    let lines = [
        "OSError: [Errno 98] Address already in use",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB.",
    ];
    let killed = Some(Ended::Signal(9));
    assert_eq!(name_in(&lines, killed).unwrap(), "CUDA out of memory");
}

#[test]
fn a_private_or_missing_repository_is_not_called_gated() {
    // vast-ai/base-image issue 128, without its line breaks lost.
    let lines = [
        "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-69aa2f29)",
        "Repository Not Found for url: https://huggingface.co/Qwen/Qwen3.5-27B-AWQ/resolve/main/config.json.",
        "Please make sure you specified the correct `repo_id` and `repo_type`.",
        "If you are trying to access a private or gated repo, make sure you are authenticated.",
    ];
    assert_eq!(name_in(&lines, None).unwrap(), "no such model");
}
