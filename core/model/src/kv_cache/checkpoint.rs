//! The data type that a checkpoint asks for its cache to be kept in, which servers
//! take where nothing else is said (`auto`).
//!
//! Sources: vLLM `vllm/utils/torch_utils.py` (ModelOpt's forms) and
//! `vllm/model_executor/layers/attention/attention.py` (compressed-tensors);
//! SGLang `configure_kv_cache_dtype`, which takes ModelOpt's forms alone
//! (sgl-project/sglang#4743).

use serde_json::{Map, Value};

use super::error::{Bad, KvError};
use super::estimate::DtypeSource;
use super::fields;

/// What a checkpoint asks for, and where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// A name that [`CacheDtype`](super::CacheDtype) knows.
    pub(super) dtype: &'static str,
    pub(super) source: DtypeSource,
}

/// Objects in which a config says how it is quantized.
const QUANTIZATION: [&str; 2] = ["quantization_config", "compression_config"];

/// What `config` asks for, or `hf_quant`, the `hf_quant_config.json` beside it; `None`
/// if that is nothing, or a type that servers know nothing of and pass over.
///
/// `takes_scheme`: whether the server takes a `kv_cache_scheme` of
/// compressed-tensors.
///
/// # Errors
/// `Wrong` for a scheme with which no server starts.
pub(super) fn asked(
    config: &Value,
    hf_quant: Option<&Value>,
    takes_scheme: bool,
) -> Bad<Option<Asked>> {
    // SGLang takes no other algorithm than FP8.
    let is_taken = |found: &Asked| takes_scheme || found.dtype == "fp8_e4m3";
    for config in [Some(config), fields::text_part(config)]
        .into_iter()
        .flatten()
    {
        let named = QUANTIZATION.into_iter();
        let objects = named.filter_map(|name| Some((name, config.get(name)?.as_object()?)));
        for (name, quantization) in objects {
            let is_modelopt = text(quantization, "quant_method")
                .is_some_and(|method| method.to_ascii_lowercase().starts_with("modelopt"));
            let found = modelopt(quantization, DtypeSource::QuantizationConfig);
            if let Some(found) = found.filter(is_taken) {
                return Ok(Some(found));
            }
            let scheme = quantization
                .get("kv_cache_scheme")
                .and_then(Value::as_object);
            if let Some(scheme) = scheme.filter(|_| takes_scheme && !is_modelopt) {
                return of_scheme(name, scheme).map(Some);
            }
        }
    }
    let found = hf_quant.and_then(Value::as_object);
    let found = found.and_then(|quantization| modelopt(quantization, DtypeSource::HfQuantConfig));
    Ok(found.filter(is_taken))
}

/// ModelOpt: `kv_cache_quant_algo` or `kv_cache_scheme`, under `quantization` or not.
/// An algorithm that vLLM and SGLang do not know leaves the cache in the model's type.
fn modelopt(quantization: &Map<String, Value>, source: DtypeSource) -> Option<Asked> {
    let inner = quantization.get("quantization").and_then(Value::as_object);
    let method = text(quantization, "quant_method").unwrap_or_default();
    let is_modelopt = method.to_ascii_lowercase().starts_with("modelopt");
    let places = [inner, Some(quantization)].into_iter().flatten();
    let dtype = places.into_iter().find_map(|place| {
        let algorithm = text(place, "kv_cache_quant_algo").and_then(of_algorithm);
        let scheme = place.get("kv_cache_scheme").and_then(Value::as_object);
        let takes = is_modelopt || source == DtypeSource::HfQuantConfig;
        algorithm.or_else(|| scheme.filter(|_| takes).and_then(width))
    });
    dtype.map(|dtype| Asked { dtype, source })
}

fn of_algorithm(name: &str) -> Option<&'static str> {
    match name.to_ascii_uppercase().as_str() {
        "FP8" => Some("fp8_e4m3"),
        "NVFP4" => Some("nvfp4"),
        _ => None,
    }
}

/// The type of a scheme by its bits: 8-bit and 4-bit floats are kept as such.
fn width(scheme: &Map<String, Value>) -> Option<&'static str> {
    let bits = scheme.get("num_bits").and_then(Value::as_u64);
    match (bits, text(scheme, "type").unwrap_or("float")) {
        (Some(8), "float") => Some("fp8_e4m3"),
        (Some(4), "float") => Some("nvfp4"),
        _ => None,
    }
}

/// A scheme of compressed-tensors: 8-bit floats, or vLLM does not start.
fn of_scheme(name: &str, scheme: &Map<String, Value>) -> Bad<Asked> {
    if let Some(dtype @ "fp8_e4m3") = width(scheme) {
        let source = DtypeSource::KvCacheScheme;
        return Ok(Asked { dtype, source });
    }
    let shown = |field: &str| {
        let value = scheme
            .get(field)
            .map_or_else(|| "none".to_owned(), Value::to_string);
        value.chars().take(20).collect::<String>()
    };
    Err(KvError::Wrong {
        field: format!("{name}.kv_cache_scheme"),
        value: format!("num_bits {} of type {}", shown("num_bits"), shown("type")),
        must: "8 bits of type float".to_owned(),
    })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(config: &Value, hf_quant: Option<&Value>) -> Option<(&'static str, DtypeSource)> {
        let found = asked(config, hf_quant, true).unwrap();
        found.map(|asked| (asked.dtype, asked.source))
    }

    #[test]
    fn each_public_form_is_read() {
        let scheme = json!({"num_bits": 8, "type": "float", "dynamic": false});
        let compressed = json!({"quantization_config": {"quant_method": "compressed-tensors",
            "kv_cache_scheme": scheme}});
        let fp8 = Some(("fp8_e4m3", DtypeSource::KvCacheScheme));
        assert_eq!(found(&compressed, None), fp8);
        let nested = json!({"text_config": compressed});
        assert_eq!(found(&nested, None), fp8);
        let modelopt = json!({"quantization_config": {"quant_method": "modelopt",
            "quant_algo": "FP8", "kv_cache_scheme": scheme}});
        let inside = Some(("fp8_e4m3", DtypeSource::QuantizationConfig));
        assert_eq!(found(&modelopt, None), inside);
        let algorithm = json!({"quantization_config": {"quant_method": "modelopt_fp4",
            "quantization": {"kv_cache_quant_algo": "nvfp4"}}});
        let nvfp4 = Some(("nvfp4", DtypeSource::QuantizationConfig));
        assert_eq!(found(&algorithm, None), nvfp4);
        let beside = json!({"producer": {"name": "modelopt"},
            "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}});
        let file = Some(("fp8_e4m3", DtypeSource::HfQuantConfig));
        assert_eq!(found(&json!({}), Some(&beside)), file);
    }

    #[test]
    fn sglang_takes_modelopts_fp8_alone() {
        let found = |algorithm: &str| {
            let beside = json!({"quantization": {"kv_cache_quant_algo": algorithm}});
            asked(&json!({}), Some(&beside), false)
                .unwrap()
                .map(|asked| asked.dtype)
        };
        assert_eq!((found("fp8"), found("NVFP4")), (Some("fp8_e4m3"), None));
    }

    #[test]
    fn what_asks_for_nothing_gives_nothing() {
        for quantization in [
            json!(null),
            json!("fp8"),
            json!({"quant_method": "fp8", "kv_cache_scheme": "static"}),
            json!({"quant_method": "compressed-tensors", "kv_cache_scheme": null}),
            json!({"quant_method": "modelopt", "kv_cache_quant_algo": "mixed_precision"}),
            json!({"quant_method": "modelopt", "kv_cache_quant_algo": 8}),
        ] {
            let config = json!({"quantization_config": quantization});
            assert_eq!(found(&config, None), None, "{config}");
        }
        assert_eq!(found(&json!([]), Some(&json!("x"))), None);
    }

    #[test]
    fn a_scheme_with_which_no_server_starts_is_named() {
        let config = json!({"quantization_config": {"quant_method": "compressed-tensors",
            "kv_cache_scheme": {"num_bits": 4, "type": "int"}}});
        assert_eq!(
            asked(&config, None, true).unwrap_err().to_string(),
            "`quantization_config.kv_cache_scheme` is num_bits 4 of type \"int\", must be 8 bits of type float"
        );
        // SGLang does not look at it.
        assert_eq!(asked(&config, None, false), Ok(None));
    }
}
