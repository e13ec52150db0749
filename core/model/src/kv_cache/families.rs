//! Which model types are known, and by which rules each one's layers cache. The
//! sources are the configuration classes of Hugging Face's transformers and,
//! for the cache itself, vLLM's models of the same names.

/// Where the number of key and value heads comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadRule {
    /// `num_key_value_heads` must be there.
    Grouped,
    /// `num_key_value_heads`; as many as query heads where it is absent.
    GroupedOrAll,
    /// As many as query heads.
    All,
    /// Falcon: `num_kv_heads`, or one with `multi_query`.
    Falcon,
    /// One with `multi_query` (GPT BigCode).
    BigCode,
    /// `multi_query_group_num` with `multi_query_attention` (ChatGLM).
    ChatGlm,
    /// `attn_config.kv_n_heads` (MPT, DBRX).
    Attn,
    /// Compressed: `kv_lora_rank` and `qk_rope_head_dim`.
    Latent,
    /// `num_attention_groups` (Step 3), or `num_key_value_heads`.
    Groups,
    /// Each layer has a number of its own.
    PerLayer,
}

/// Which layers look how far back, where there is no `layer_types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// All look at everything.
    Full,
    /// All look at `sliding_window` tokens, if it is set.
    Sliding,
    /// With `use_sliding_window`, those from `max_window_layers` on do.
    SlidingFrom,
    /// Every n-th looks at everything, n being `sliding_window_pattern`.
    EveryNth,
    /// The first of each two looks at a window.
    Alternating,
    /// `layer_types` is needed if `sliding_window` is set.
    Listed,
    /// Llama 4: chunks, but for layers without positions.
    Chunked,
    /// Gemma 4: `layer_types` is needed, and both kinds have heads of their own.
    Gemma4,
    /// Every n-th has attention, n being `full_attention_interval`, the others
    /// gated delta nets.
    DeltaNet,
    /// `linear_attn_config` lists both kinds (Kimi).
    Kimi,
    /// `mamba` blocks alone.
    Mamba1,
    /// `mamba2` blocks alone.
    Mamba2,
    /// `attn_layer_period` and `attn_layer_offset`, the others Mamba 1 (Jamba).
    Jamba,
    /// `attn_layer_indices`, the others Mamba 2 (Bamba).
    Bamba,
    /// `layer_types` of `mamba` and `attention` (Granite 4).
    Granite,
    /// Every layer has both (Falcon H1).
    FalconH1,
    /// `hybrid_override_pattern`, a letter per layer, or `layers_block_type`
    /// (Nemotron H).
    NemotronH,
    /// `layer_types` or `full_attn_idxs`, the others short convolutions (LFM2).
    Lfm2,
    /// `layer_types` or `attn_type_list`, the others linear attention (MiniMax).
    MiniMax,
    /// `layers_block_type` or `hybrid_layer_ids`: Mamba 2 everywhere, attention in
    /// some layers (Zamba 2).
    Zamba2,
    /// `hybrid_layer_pattern`: windows with heads of their own (MiMo V2).
    MiMoV2,
    /// `layer_types`: windows with heads of their own (Step 3.5).
    Step3p5,
    /// `block_configs`: each layer has its own attention, or none (Nemotron NAS).
    NemotronNas,
    /// `num_kv_heads` is a list (OpenELM).
    OpenElm,
    /// `cross_attention_layers` look at images alone (Llama 3.2 Vision).
    Mllama,
    /// Windows beside compressed and indexed caches (DeepSeek V4).
    DeepSeekV4,
}

/// What is known of a model type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) heads: HeadRule,
    pub(super) pattern: Pattern,
    /// Defaults of the configuration class, which published configs leave out.
    pub(super) defaults: &'static [(&'static str, u64)],
}

const GEMMA: &[(&str, u64)] = &[("head_dim", 256)];
const GEMMA2: &[(&str, u64)] = &[("head_dim", 256), ("sliding_window", 4096)];
const GEMMA3: &[(&str, u64)] = &[
    ("num_attention_heads", 8),
    ("num_key_value_heads", 4),
    ("head_dim", 256),
    ("sliding_window", 4096),
    ("sliding_window_pattern", 6),
];
const QWEN3: &[(&str, u64)] = &[("head_dim", 128)];
const COHERE2: &[(&str, u64)] = &[("sliding_window", 4096), ("sliding_window_pattern", 4)];
const LLAMA4: &[(&str, u64)] = &[("no_rope_layer_interval", 4)];
const DEEPSEEK_V4: &[(&str, u64)] = &[
    ("head_dim", 512),
    ("qk_rope_head_dim", 64),
    ("sliding_window", 128),
    ("index_head_dim", 128),
];
const LFM2: &[(&str, u64)] = &[("num_key_value_heads", 8), ("conv_L_cache", 3)];
const STEP3P5: &[(&str, u64)] = &[("head_dim", 128)];
const ZAMBA2: &[(&str, u64)] = &[
    ("mamba_d_state", 64),
    ("mamba_d_conv", 4),
    ("mamba_expand", 2),
    ("mamba_ngroups", 1),
    ("n_mamba_heads", 8),
];
const DELTA: &[(&str, u64)] = &[("full_attention_interval", 4)];
const NONE: &[(&str, u64)] = &[];

type Row = (
    &'static [&'static str],
    HeadRule,
    Pattern,
    &'static [(&'static str, u64)],
);

const KNOWN: &[Row] = &[
    (
        &[
            "llama",
            "cohere",
            "granite",
            "granitemoe",
            "olmo",
            "olmo2",
            "olmoe",
            "stablelm",
            "internlm2",
            "internlm3",
            "persimmon",
            "phi",
            "deepseek",
            "arcee",
            "aquila",
            "nemotron",
            "exaone",
            "solar",
            "xverse",
            "minicpm",
            "orion",
            "smollm3",
            "ernie4_5",
            "ernie4_5_moe",
            "seed_oss",
            "hunyuan_v1_dense",
            "hunyuan_v1_moe",
            "hunyuan",
            "glm4_moe",
            "helium",
            "apertus",
            "grok-1",
            "arctic",
            "bitnet",
            "jais2",
            "flex_olmo",
        ],
        HeadRule::GroupedOrAll,
        Pattern::Full,
        NONE,
    ),
    (
        &["glm", "glm4", "glm4v_text", "glm4v_moe_text"],
        HeadRule::Grouped,
        Pattern::Full,
        NONE,
    ),
    (
        &["mistral", "mixtral", "ministral", "starcoder2", "phimoe"],
        HeadRule::Grouped,
        Pattern::Sliding,
        NONE,
    ),
    (&["phi3"], HeadRule::GroupedOrAll, Pattern::Sliding, NONE),
    (
        &[
            "qwen2",
            "qwen2_moe",
            "qwen2_vl",
            "qwen2_vl_text",
            "qwen2_5_vl",
            "qwen2_5_vl_text",
            "qwen2_5_omni_text",
            "qwen2_audio",
        ],
        HeadRule::Grouped,
        Pattern::SlidingFrom,
        NONE,
    ),
    (
        &["qwen3", "qwen3_vl_text", "qwen3_omni_moe_text"],
        HeadRule::Grouped,
        Pattern::SlidingFrom,
        QWEN3,
    ),
    (
        &["qwen3_moe", "qwen3_vl_moe_text"],
        HeadRule::Grouped,
        Pattern::SlidingFrom,
        NONE,
    ),
    (&["gemma"], HeadRule::Grouped, Pattern::Full, GEMMA),
    (&["gemma2"], HeadRule::Grouped, Pattern::Alternating, GEMMA2),
    (
        &["gemma3_text", "gemma3"],
        HeadRule::Grouped,
        Pattern::EveryNth,
        GEMMA3,
    ),
    (&["gemma3n_text"], HeadRule::Grouped, Pattern::Listed, NONE),
    (
        &["gemma4_text", "gemma4_unified_text"],
        HeadRule::Grouped,
        Pattern::Gemma4,
        NONE,
    ),
    (
        &["cohere2"],
        HeadRule::GroupedOrAll,
        Pattern::EveryNth,
        COHERE2,
    ),
    (&["gpt_oss"], HeadRule::Grouped, Pattern::Alternating, NONE),
    (
        &["olmo3", "exaone4", "minimax_m2"],
        HeadRule::GroupedOrAll,
        Pattern::Listed,
        NONE,
    ),
    (
        &["llama4_text"],
        HeadRule::Grouped,
        Pattern::Chunked,
        LLAMA4,
    ),
    (
        &[
            "gpt2",
            "gptj",
            "gpt_neox",
            "codegen",
            "opt",
            "bloom",
            "baichuan",
            "gpt_neox_japanese",
            "biogpt",
            "xglm",
            "qwen",
        ],
        HeadRule::All,
        Pattern::Full,
        NONE,
    ),
    (
        &["falcon", "RefinedWeb", "RefinedWebModel"],
        HeadRule::Falcon,
        Pattern::Full,
        NONE,
    ),
    (&["gpt_bigcode"], HeadRule::BigCode, Pattern::Full, NONE),
    (&["chatglm"], HeadRule::ChatGlm, Pattern::Full, NONE),
    (&["mpt", "dbrx"], HeadRule::Attn, Pattern::Full, NONE),
    (
        &[
            "deepseek_v2",
            "deepseek_v3",
            "deepseek_v32",
            "kimi_k2",
            "kimi_k25",
            "minicpm3",
            "glm4_moe_lite",
            "glm_moe_dsa",
        ],
        HeadRule::Latent,
        Pattern::Full,
        NONE,
    ),
    (&["kimi_linear"], HeadRule::Latent, Pattern::Kimi, NONE),
    (
        &[
            "qwen3_next",
            "qwen3_5",
            "qwen3_5_text",
            "qwen3_5_moe",
            "qwen3_5_moe_text",
        ],
        HeadRule::Grouped,
        Pattern::DeltaNet,
        DELTA,
    ),
    (
        &["mamba", "falcon_mamba"],
        HeadRule::All,
        Pattern::Mamba1,
        NONE,
    ),
    (&["mamba2"], HeadRule::All, Pattern::Mamba2, NONE),
    (&["jamba"], HeadRule::Grouped, Pattern::Jamba, NONE),
    (&["bamba"], HeadRule::Grouped, Pattern::Bamba, NONE),
    (
        &["granitemoehybrid"],
        HeadRule::Grouped,
        Pattern::Granite,
        NONE,
    ),
    (&["falcon_h1"], HeadRule::Grouped, Pattern::FalconH1, NONE),
    (&["nemotron_h"], HeadRule::Grouped, Pattern::NemotronH, NONE),
    (
        &["lfm2", "lfm2_moe"],
        HeadRule::GroupedOrAll,
        Pattern::Lfm2,
        LFM2,
    ),
    (
        &["minimax", "minimax_text_01", "minimax_m1"],
        HeadRule::Grouped,
        Pattern::MiniMax,
        NONE,
    ),
    (&["zamba2"], HeadRule::GroupedOrAll, Pattern::Zamba2, ZAMBA2),
    (
        &["mimo_v2_flash", "mimo_v2"],
        HeadRule::Grouped,
        Pattern::MiMoV2,
        NONE,
    ),
    (
        &["step3", "step3_text"],
        HeadRule::Groups,
        Pattern::Full,
        NONE,
    ),
    (&["step3p5"], HeadRule::Groups, Pattern::Step3p5, STEP3P5),
    (
        &["nemotron-nas"],
        HeadRule::PerLayer,
        Pattern::NemotronNas,
        NONE,
    ),
    (&["openelm"], HeadRule::PerLayer, Pattern::OpenElm, NONE),
    (
        &["mllama", "mllama_text_model"],
        HeadRule::Grouped,
        Pattern::Mllama,
        NONE,
    ),
    (
        &["deepseek_v4"],
        HeadRule::All,
        Pattern::DeepSeekV4,
        DEEPSEEK_V4,
    ),
];

/// What is known of `model_type`.
pub(super) fn family(model_type: &str) -> Option<Family> {
    let found = KNOWN
        .iter()
        .find(|(types, ..)| types.contains(&model_type))?;
    let (_, heads, pattern, defaults) = *found;
    Some(Family {
        heads,
        pattern,
        defaults,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_model_type_is_known_once() {
        let all: Vec<&str> = KNOWN.iter().flat_map(|row| row.0.iter().copied()).collect();
        let once: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), once.len());
    }
}
