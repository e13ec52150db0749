//! Holds what `run.json` says of its backends and prompts against what plugins and seed
//! give today.

use inferbench_model::config::{self, Config, PromptSource};
use inferbench_model::facts::manifest::{Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::verify::{ORIGIN, PROMPTS, Verification};

use super::FINGERPRINT_PROMPTS;
use crate::load::model_files::ModelFiles;
use crate::load::tokenizer;
use crate::plugins::host::PluginHost;
use crate::prepare::{PreparedRun, prepare};

/// Checks which backends are simulated, and the hash of the prompts.
pub fn verify_origin(manifest: &Manifest, host: &PluginHost, found: &mut Verification) {
    for backend in &manifest.backends {
        let same = host.get(&backend.plugin).map(|plugin| &plugin.description);
        let same = same.filter(|known| known.version == backend.plugin_version);
        match same {
            Some(known) if known.simulated != backend.simulated => {
                let says = |simulated| if simulated { "is" } else { "is not" };
                let words = format!(
                    "run.json says that it {} simulated, its plugin says that it {}",
                    says(backend.simulated),
                    says(known.simulated)
                );
                found.find(ORIGIN, &backend.label, words);
            }
            Some(_) => {}
            None => found.cannot(
                ORIGIN,
                format!(
                    "no plugin {} {} is loaded here",
                    backend.plugin, backend.plugin_version
                ),
            ),
        }
    }
    if let Err(why) = prompts(manifest, host, found) {
        found.cannot(PROMPTS, why);
    }
}

/// Makes the prompts again, if they can be made here.
fn prompts(manifest: &Manifest, host: &PluginHost, found: &mut Verification) -> Result<(), String> {
    if manifest.schema_version < RUN_SCHEMA_VERSION {
        return Err("an older version made them".to_owned());
    }
    let recorded = manifest.workload_sha256.as_ref();
    let recorded = recorded.ok_or("run.json has no hash of them")?;
    let first = |errors: Vec<_>| match errors.first() {
        Some(error) => format!("they cannot be made here: {error}"),
        None => "they cannot be made here".to_owned(),
    };
    let text = manifest.config.to_string();
    let loaded = config::load("run.json", &text, &|_| None).map_err(first)?;
    let prepared = prepare(&loaded, host).map_err(first)?;
    let is = prepared.prompts.fingerprint(FINGERPRINT_PROMPTS);
    let is = is.map_err(|error| format!("they cannot be made here: {error}"))?;
    if is == *recorded {
        return Ok(());
    }
    if !follow_from_seed(&prepared) {
        return Err("they come from files, which are others now or were then".to_owned());
    }
    let words = format!("they have SHA-256 {is}, it says {recorded}");
    found.find(PROMPTS, "run.json", words);
    Ok(())
}

/// Whether no file, not even a tokenizer, has a part in the prompts. A server that is not
/// simulated has one, though it may not be here.
fn follow_from_seed(prepared: &PreparedRun) -> bool {
    let Config {
        model, workload, ..
    } = &prepared.config;
    let mut backends = prepared.backends.iter();
    let all_simulated = backends.all(|backend| backend.plugin.description.simulated);
    let files = ModelFiles::find(&model.id);
    let found = tokenizer::vocabulary(model.tokenizer.as_deref(), &files);
    let no_tokenizer = found.is_ok_and(|found| found.is_none());
    let no_rows = workload.prompts == PromptSource::Synthetic && workload.lengths.is_none();
    all_simulated && no_tokenizer && no_rows && workload.images.is_none()
}
