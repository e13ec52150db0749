//! Checks of how a server is launched: by version, in a container, or neither.

use std::str::FromStr;

use pep440_rs::Version;

use super::found::Found;
use crate::config::BackendConfig;

/// Checks `version` and `container`, each alone and with the other.
pub(super) fn check(path: &dyn Fn(&str) -> String, backend: &BackendConfig, found: &mut Found) {
    let keys = [
        ("version", backend.version.is_some()),
        ("container", backend.container.is_some()),
    ];
    let set = keys.into_iter().filter(|(_, set)| *set);
    if backend.attach.is_some() {
        for (key, _) in set {
            found.add_hint(
                &path(key),
                "is set beside `attach`, but an attached server is not launched",
                Some("remove one of the two"),
            );
        }
    } else if set.count() == 2 {
        found.add_hint(
            &path("version"),
            "is set beside `container`, whose image has its own version",
            Some("remove one of the two, and name the version in the image's tag"),
        );
    }
    check_version(path, backend, found);
    check_container(path, backend, found);
}

fn check_version(path: &dyn Fn(&str) -> String, backend: &BackendConfig, found: &mut Found) {
    let Some(version) = &backend.version else {
        return;
    };
    if Version::from_str(version).is_err() {
        found.add_hint(
            &path("version"),
            format!("is {version:?}, must be one version of a Python package, such as 0.32.0"),
            Some(
                "neither a range nor a name such as `latest`: a comparison needs to be repeatable",
            ),
        );
    }
}

fn check_container(path: &dyn Fn(&str) -> String, backend: &BackendConfig, found: &mut Found) {
    let Some(container) = &backend.container else {
        return;
    };
    let image = &container.image;
    if image.is_empty() || image.starts_with('-') || image.contains(char::is_whitespace) {
        found.add(
            &path("container.image"),
            format!("is {image:?}, must name an image, such as vllm/vllm-openai:v0.32.0"),
        );
    }
}
