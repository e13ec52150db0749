//! The table of known causes. The wording is that of the engines; the tests
//! name where each was seen.

/// Whether a cause explains a failure by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It explains the end.
    Own,
    /// Other causes bring it along; it counts where none of them is found.
    Symptom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    pub name: &'static str,
    /// Regular expressions, one of which a line that names it matches.
    pub patterns: &'static [&'static str],
    /// One thing to do.
    pub hint: &'static str,
    /// Whether it explains a failure by itself.
    pub weight: Weight,
}

const fn own(name: &'static str, patterns: &'static [&'static str], hint: &'static str) -> Cause {
    Cause {
        name,
        patterns,
        hint,
        weight: Weight::Own,
    }
}

const fn symptom(
    name: &'static str,
    patterns: &'static [&'static str],
    hint: &'static str,
) -> Cause {
    Cause {
        name,
        patterns,
        hint,
        weight: Weight::Symptom,
    }
}

/// A process that was killed and wrote nothing about it.
pub(super) const KILLED: Cause = own(
    "killed (SIGKILL)",
    &[],
    "see whether the kernel did it for lack of memory: journalctl -k -g 'Out of memory'",
);

/// Every known cause, the more specific before the less.
pub const CAUSES: &[Cause] = &[
    own(
        "gated model",
        &[
            r"access (?:a )?gated repo\b",
            r"GatedRepoError",
            r"is gated\. You must",
            r"403 (?:Client Error|Forbidden).*huggingface\.co",
        ],
        "accept the model's terms on its page, then set HF_TOKEN to a token that may read it",
    ),
    own(
        "model not fetched and hub not reachable",
        &[
            r"[Cc]ould(?:n't| not) connect to '?\s*https://(?:hf|huggingface)\.co",
            r"offline mode is enabled",
            r"LocalEntryNotFoundError",
            r"outgoing traffic has been disabled",
        ],
        "fetch it where there is a network (hf download MODEL), or set model.id to its folder",
    ),
    own(
        "no such model",
        &[
            r"is not a valid model identifier",
            r"Invalid repository ID or local directory",
            r"Repository Not Found for url",
            r"RepositoryNotFoundError",
            r"Repo id must (?:be in the form|use alphanumeric)",
            r"does not appear to have a file named config\.json",
        ],
        "check model.id: a hub id or a folder with a config.json; a private model needs HF_TOKEN",
    ),
    own(
        "unsupported architecture",
        &[
            r"Model architectures \[.*\] (?:are not supported|failed to be inspected)",
            r"Unsupported architectures?:",
            r"does not recognize this architecture",
            r"has no (?:vLLM|SG[Ll]ang) implementation",
            r"unknown model architecture",
        ],
        "take a newer version of the engine, or another engine for this model",
    ),
    own(
        "unsupported dtype",
        &[
            r"[Bb]float16 is only supported on GPUs with compute capability",
            r"is not supported for quantization method",
        ],
        "set model.dtype to float16",
    ),
    own(
        "max_model_len above what the model takes",
        &[r"greater than the derived (?:max_model_len|context_length)"],
        "lower model.max_model_len to the length in the model's config.json, or leave it out",
    ),
    own(
        "max_model_len above what fits",
        &[
            r"larger than the maximum number of tokens that can be stored in KV cache",
            r"larger than the available KV cache memory",
            r"No available memory for the cache blocks",
            r"Not enough memory\. Please try to increase --mem-fraction-static",
        ],
        "lower model.max_model_len, or give the KV cache more: gpu_memory_utilization (vllm), mem_fraction_static (sglang)",
    ),
    own(
        "GPU memory held by others",
        &[r"Free memory on device.* is less than desired GPU memory utilization"],
        "see who holds it with nvidia-smi, or lower options.gpu_memory_utilization",
    ),
    own(
        "driver too old",
        &[
            r"NVIDIA driver on your system is too old",
            r"CUDA driver version is insufficient",
            r"unsatisfied condition: cuda>=",
        ],
        "update the NVIDIA driver, or take a build of the engine for an older CUDA",
    ),
    own(
        "CUDA out of memory",
        &[
            r"(?:CUDA|HIP) out of memory",
            r"CUDA error: out of memory",
            r"torch(?:\.cuda)?\.OutOfMemoryError",
            r"cudaErrorMemoryAllocation",
        ],
        "lower model.max_model_len or the largest concurrency, or take a smaller or quantized model",
    ),
    own(
        "out of memory",
        &[
            r"Out of memory: Killed process",
            r"oom-kill:",
            r"OOMKilled",
            r"node running low on memory",
            r"DefaultCPUAllocator: (?:can't allocate|not enough) memory",
            r"Cannot allocate memory",
            r"\bMemoryError\b",
            r"std::bad_alloc",
        ],
        "free memory of the host, or take a smaller model",
    ),
    own(
        "disk full",
        &[
            r"No space left on device",
            r"StorageFull",
            r"Disk quota exceeded",
        ],
        "free space where the model cache (HF_HOME), the temporary folder and /dev/shm are",
    ),
    own(
        "port in use",
        &[
            r"[Aa]ddress already in use",
            r"EADDRINUSE",
            r"port is already allocated",
        ],
        "take fixed ports out of the options, or stop what listens there: ss -ltnp",
    ),
    own(
        "unknown or wrong argument",
        &[
            r"unrecognized arguments?:",
            r"\binvalid choice: ",
            r"the following arguments are required",
            r"error: unexpected argument '",
            r"error: invalid argument: ",
            r"[Nn]o such option:? ",
            r"unknown (?:shorthand )?(?:flag|option)\b",
        ],
        "check options and extra_args against the --help of that version of the server",
    ),
    own(
        "no such version",
        &[
            r"No solution found when resolving",
            r"No matching distribution found",
            r"Could not find a version that satisfies",
        ],
        "check `version` against the versions that the package index has",
    ),
    own(
        "no such image",
        &[
            r"manifest (?:for .* not found|unknown)",
            r"pull access denied",
            r"repository does not exist",
            r"image not known",
        ],
        "check container.image and its tag, and pull it by hand once",
    ),
    own(
        "container engine without GPUs",
        &[
            r#"could not select device driver .* with capabilities: \[\[gpu\]\]"#,
            r"unresolvable CDI devices",
        ],
        "install and configure the NVIDIA Container Toolkit",
    ),
    own(
        "container engine not reachable",
        &[
            r"Cannot connect to the Docker daemon",
            r"permission denied while trying to connect to the Docker",
        ],
        "start it, or set container.runtime to podman",
    ),
    own(
        "missing shared library",
        &[
            r"error while loading shared libraries:",
            r"\.so[.\d]*: cannot open shared object file",
        ],
        "install the package that has it, or add its folder to LD_LIBRARY_PATH under `env`",
    ),
    own(
        "missing Python module",
        &[r"No module named '?[\w.]+"],
        "point options.command or options.python at the environment that the engine is installed in",
    ),
    own(
        "Python packages that do not fit together",
        &[r"ImportError: cannot import name", r"undefined symbol: "],
        "install the engine alone in a fresh environment, or set `version`",
    ),
    own(
        "no such program",
        &[
            r"no such program",
            r"command not found",
            r"executable file not found",
            r"[Ff]ailed to spawn: ",
        ],
        "install it, or set options.command to its path",
    ),
    symptom(
        "no usable GPU",
        &[
            r"No CUDA GPUs are available",
            r"Failed to infer device type",
            r"Found no NVIDIA driver on your system",
            r"Torch not compiled with CUDA enabled",
        ],
        "see what inferbench doctor says of GPUs, and check CUDA_VISIBLE_DEVICES",
    ),
];
