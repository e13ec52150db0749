//! Carries out a launch plan on this machine: writes its files, finds its program,
//! sets its environment, and shows its command line.

use std::path::{Path, PathBuf};

use inferbench_plugin_api::{EnvVar, LaunchPlan};

use super::error::LaunchError;
use crate::os::private;
use crate::os::programs::beside_own;
use crate::secrets::{MASK, Secrets};

pub(super) fn write_files(plan: &LaunchPlan, folder: &Path) -> Result<(), LaunchError> {
    for file in &plan.files {
        if !file.is_inside() {
            return Err(LaunchError::FileOutside {
                path: file.path.clone(),
            });
        }
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            private::make_folders(parent).map_err(|source| LaunchError::File {
                path: parent.to_owned(),
                source,
            })?;
        }
        write(&path, &file.contents)?;
    }
    Ok(())
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), LaunchError> {
    private::write(path, text).map_err(|source| LaunchError::File {
        path: path.to_owned(),
        source,
    })
}

/// A bare name is looked for beside this program first, then on the PATH.
pub(super) fn resolve(program: &str) -> PathBuf {
    beside_own(program).unwrap_or_else(|| PathBuf::from(program))
}

/// The plan's variables and the config's, which win over those of the same name.
pub(super) fn environment<'a>(
    plan: &'a LaunchPlan,
    extra_env: &'a [EnvVar],
) -> impl Iterator<Item = &'a EnvVar> {
    let overridden = |var: &&EnvVar| !extra_env.iter().any(|extra| extra.name == var.name);
    plan.env.iter().filter(overridden).chain(extra_env)
}

/// The command line as a shell would take it, secrets masked: those that are
/// marked, and those that are known.
#[must_use]
pub fn command_text(plan: &LaunchPlan, extra_env: &[EnvVar], secrets: &Secrets) -> String {
    let mut words: Vec<String> = environment(plan, extra_env)
        .map(|var| {
            if var.secret {
                return format!("{}={}", var.name, quoted(MASK));
            }
            format!("{}={}", var.name, quoted(&secrets.masked(&var.value)))
        })
        .collect();
    let command = secrets.masked_words(&plan.command);
    words.extend(command.iter().map(|word| quoted(word)));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_words_quoted() {
        let mut plan = LaunchPlan {
            command: ["serve", "--name", "it's"].map(str::to_owned).to_vec(),
            ..LaunchPlan::default()
        };
        plan.env.push(EnvVar {
            name: "KEY".into(),
            value: "hunter2".into(),
            secret: true,
        });
        assert_eq!(
            command_text(&plan, &[], &Secrets::default()),
            r"KEY='***' serve --name 'it'\''s'"
        );
    }
}
