//! Checks of a config beyond each key's own type. Each error names the key, its
//! value and the limit; line and column are added by `load`.

mod classes;
mod found;
mod launch;
mod limits;
mod load_section;
mod replicas;
mod search;
mod shape;
mod tune;
mod workload;

use std::collections::BTreeSet;

pub use found::CheckError;
use found::Found;

use super::{BackendConfig, Config, Length, SecretsConfig, SloConfig, TlsConfig};

/// Everything wrong with a config, in the order of its keys; empty if nothing is.
#[must_use]
pub fn check(config: &Config) -> Vec<CheckError> {
    let mut found = Found::default();
    check_names(config, &mut found);
    for (index, backend) in config.backends.iter().enumerate() {
        check_backend(index, backend, &mut found);
    }
    check_labels(config, &mut found);
    workload::check(&config.workload, &mut found);
    classes::check(&config.workload, &mut found);
    check_fit(config, &mut found);
    load_section::check(&config.load, &config.workload, &mut found);
    search::check_backends(config, &mut found);
    replicas::check_load(config, &mut found);
    check_conversations(config, &mut found);
    tune::check(config, &mut found);
    check_limits(config, &mut found);
    limits::check(config, &mut found);
    found.0
}

/// What of a config is beyond the limits of any config; empty if nothing is.
#[must_use]
pub fn beyond_limits(config: &Config) -> Vec<CheckError> {
    let mut found = Found::default();
    limits::check(config, &mut found);
    found.0
}

fn check_names(config: &Config, found: &mut Found) {
    if config.name.trim().is_empty() {
        found.add("name", "is empty, must name the run");
    } else if config.name.contains('/') || config.name.contains('\0') {
        found.add(
            "name",
            format!(
                "is {:?}, must not contain `/`: it becomes a folder name",
                config.name
            ),
        );
    }
    if config.model.id.trim().is_empty() {
        found.add("model.id", "is empty, must be a hub id or a local folder");
    }
    if config.model.max_model_len == Some(0) {
        found.add("model.max_model_len", "is 0, must be 1 token or more");
    }
    if config.backends.is_empty() {
        found.add("backends", "is empty, must list at least one backend");
    }
}

fn check_backend(index: usize, backend: &BackendConfig, found: &mut Found) {
    let path = |key: &str| format!("backends.{index}.{key}");
    if let Some(attach) = &backend.attach {
        replicas::check_urls(&path("attach"), attach, found);
        if !backend.env.is_empty() {
            found.add(
                &path("env"),
                "is set beside `attach`: the environment of a running server cannot be changed",
            );
        }
    }
    check_connection(&path, backend, found);
    launch::check(&path, backend, found);
    if backend.ready_timeout.is_some_and(|limit| limit.0.is_zero()) {
        found.add(&path("ready_timeout"), "is 0, must be above 0");
    }
    if backend.max_concurrency == Some(0) {
        found.add(&path("max_concurrency"), "is 0, must be 1 or more");
    }
    let label = backend.label();
    let file_safe = |c: char| c.is_alphanumeric() || "-_.+ ".contains(c);
    if label.is_empty() || label.starts_with('.') || !label.chars().all(file_safe) {
        found.add(
            &path("label"),
            format!(
                "is {label:?}, must be of letters, digits and `-_.+`: it becomes a folder name"
            ),
        );
    }
}

/// Settings of the connection to an attached server.
fn check_connection(path: &dyn Fn(&str) -> String, backend: &BackendConfig, found: &mut Found) {
    let urls = backend.attached_urls();
    let all_begin = |scheme| !urls.is_empty() && urls.iter().all(|url| url.starts_with(scheme));
    if backend.tls != TlsConfig::default() && !all_begin("https://") {
        found.add(
            &path("tls"),
            "is set, but `attach` is not an https URL: only https servers have a certificate",
        );
    }
    if backend.tls.ca_file.is_some() && !backend.tls.verify {
        found.add(
            &path("tls"),
            "has both `ca_file` and `verify: false`: the file would not be used",
        );
    }
    if backend.proxy.is_some() && !all_begin("http") {
        found.add(
            &path("proxy"),
            "is set, but `attach` is not an http or https URL: only those can go through a proxy",
        );
    }
}

fn check_labels(config: &Config, found: &mut Found) {
    let mut seen = BTreeSet::new();
    for (index, backend) in config.backends.iter().enumerate() {
        if !seen.insert(backend.label()) {
            found.add_hint(
                &format!("backends.{index}"),
                format!(
                    "has the label {:?}, like an earlier backend",
                    backend.label()
                ),
                Some("give each backend of one plugin its own `label`"),
            );
        }
    }
}

fn check_fit(config: &Config, found: &mut Found) {
    let Some(limit) = config.model.max_model_len else {
        return;
    };
    let Some((prompt, answer)) = config.workload.longest_request() else {
        return;
    };
    if prompt + answer > u64::from(limit) {
        let hint = match u64::from(limit).saturating_sub(prompt) {
            0 => "raise model.max_model_len, or lower workload.input_tokens".to_owned(),
            room => format!(
                "raise model.max_model_len, or lower workload.output_tokens to {room} at most"
            ),
        };
        found.add_hint(
            "model.max_model_len",
            format!(
                "is {limit} tokens, but the longest prompt has {prompt} and the longest answer {answer}: {} do not fit",
                prompt + answer
            ),
            Some(&hint),
        );
    }
}

/// Only a closed loop has slots that conversations can be held in.
fn check_conversations(config: &Config, found: &mut Found) {
    if config.load.is_closed() {
        return;
    }
    let parts = config.workload.parts().into_iter();
    for (path, _) in parts.filter(|(_, part)| part.turns != Length::Fixed(1)) {
        found.add_hint(
            &format!("{path}.turns"),
            "is set, but an open loop sends requests by a schedule and holds no conversations",
            Some("set load.concurrency: it then counts the conversations that are held at once"),
        );
    }
}

fn check_limits(config: &Config, found: &mut Found) {
    if config.repeats == 0 {
        found.add("repeats", "is 0, must be 1 or more");
    }
    check_slo("slo", config.slo, found);
    check_prices(config, found);
    check_secrets(config, found);
    if config.gpu.sample_every.0 < std::time::Duration::from_millis(10) {
        found.add(
            "gpu.sample_every",
            format!("is {}, must be 10ms or more", config.gpu.sample_every),
        );
    }
}

fn check_slo(path: &str, slo: SloConfig, found: &mut Found) {
    for (key, limit) in [
        ("ttft_ms", slo.ttft_ms),
        ("tpot_ms", slo.tpot_ms),
        ("e2e_latency_ms", slo.e2e_latency_ms),
    ] {
        if let Some(ms) = limit
            && !(ms > 0.0 && ms.is_finite())
        {
            let fact = format!("is {ms}, must be above 0 ms");
            found.add(&format!("{path}.{key}"), fact);
        }
    }
}

fn check_secrets(config: &Config, found: &mut Found) {
    let least = SecretsConfig::MIN_CHARS;
    for (index, value) in config.secrets.values.iter().enumerate() {
        let chars = value.chars().count();
        if chars < least {
            found.add(
                &format!("secrets.values.{index}"),
                format!("has {chars} characters, must have {least} or more"),
            );
        }
    }
}

fn check_prices(config: &Config, found: &mut Found) {
    let backends = config.backends.iter().enumerate();
    let own = backends.map(|(index, backend)| {
        let key = format!("backends.{index}.price_per_hour");
        (key, backend.price_per_hour)
    });
    let of_run = ("price_per_hour".to_owned(), config.price_per_hour);
    for (key, price) in own.chain([of_run]) {
        if let Some(price) = price.filter(|price| !(*price > 0.0 && price.is_finite())) {
            found.add(&key, format!("is {price}, must be above 0"));
        }
    }
    if config
        .currency
        .as_deref()
        .is_some_and(|name| name.trim().is_empty())
    {
        found.add("currency", "is empty, must name the currency of the prices");
    }
}
