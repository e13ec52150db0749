//! Whether the types of host and plugin are the same, and in which field they differ.

use abi_stable::abi_stability::abi_checking::{
    AbiInstability, AbiInstabilityErrors, check_layout_compatibility,
};
use abi_stable::type_layout::{TLFieldOrFunction, TypeLayout};
use thiserror::Error;

use super::header::API_MAJOR;

/// Why a root module was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RootRefusal {
    /// The types differ; `difference` is the one line that says where.
    #[error("was built against another layout of plugin API {API_MAJOR}: {difference}")]
    Layout {
        /// The field that differs, expected and found.
        difference: String,
        /// Everything the layout check said.
        details: String,
    },
    /// The module's constructor did not succeed.
    #[error("did not initialise: {reason}")]
    Constructor {
        /// The reason.
        reason: String,
    },
    /// The library speaks another version of the layout checker.
    #[error("was built with another abi_stable: {reason}")]
    Checker {
        /// The reason.
        reason: String,
    },
}

/// Checks layouts: forwards for a plugin as new as the host, in reverse for an
/// older one.
pub(crate) fn check_either_way(
    host: &'static TypeLayout,
    plugin: &'static TypeLayout,
    forwards: bool,
) -> Result<(), RootRefusal> {
    let checked = if forwards {
        check_layout_compatibility(host, plugin)
    } else {
        check_layout_compatibility(plugin, host)
    };
    checked.map_err(|errors| {
        let details = errors.to_string();
        RootRefusal::Layout {
            difference: telling_difference(&errors),
            details,
        }
    })
}

pub(super) fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.next().unwrap_or("no reason given").to_owned()
}

/// The one difference that a person needs: the path of fields to it, what was
/// expected and what was found.
fn telling_difference(errors: &AbiInstabilityErrors) -> String {
    let deepest = errors
        .errors
        .iter()
        .filter(|error| !error.errs.is_empty())
        .max_by_key(|error| error.stack_trace.len());
    let Some(error) = deepest else {
        return "types differ".to_owned();
    };
    let path: Vec<String> = error
        .stack_trace
        .iter()
        .map(|step| match &step.expected {
            TLFieldOrFunction::Field(field) => field.name().to_owned(),
            TLFieldOrFunction::Function(function) => function.name.as_str().to_owned(),
        })
        .filter(|name| name.parse::<u32>().is_err())
        .collect();
    let what = error.errs.first().map(difference).unwrap_or_default();
    format!("{}: {what}", path.join("."))
}

fn difference(error: &AbiInstability) -> String {
    use AbiInstability as A;
    let pair = match error {
        A::Name(v) => v.display_str(),
        A::Package(v) => v.display_str(),
        A::PackageVersion(v) => v.display_str(),
        A::Size(v) => v.display_str(),
        A::Alignment(v) => v.display_str(),
        A::MismatchedPrefixSize(v) => v.display_str(),
        A::FieldCountMismatch(v) => v.display_str(),
        A::MismatchedPrimitive(v) => v.debug_str(),
        A::TLDataDiscriminant(v) => v.debug_str(),
        other => return first_line(&format!("{other:?}")),
    };
    match pair {
        Some(pair) => format!(
            "expected {}, found {}",
            first_line(&pair.expected),
            first_line(&pair.found)
        ),
        None => "types differ".to_owned(),
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "layouts that are only compared")]
mod tests {
    use abi_stable::StableAbi;
    use abi_stable::std_types::RVec;

    use super::super::{AbiResult, HostServices};
    use super::*;

    /// A root module whose `describe` gives a list of `$element`; `$added` came later.
    macro_rules! root_module {
        ($name:ident, $element:ident $(, $added:ident)?) => {
            mod $name {
                use super::*;

                #[repr(C)]
                #[derive(StableAbi)]
                #[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
                #[sabi(missing_field(option))]
                pub struct PluginModule {
                    pub init: extern "C" fn(HostServices) -> AbiResult<()>,
                    #[sabi(last_prefix_field)]
                    pub describe: extern "C" fn() -> AbiResult<RVec<$element>>,
                    $(pub $added: extern "C" fn() -> u32,)?
                }
            }
        };
    }

    root_module!(older, u8);
    root_module!(newer, u8, added);
    root_module!(changed, u32);

    fn layout<T: StableAbi>() -> &'static TypeLayout {
        T::LAYOUT
    }

    #[test]
    fn an_older_plugin_fits_a_newer_host_only_in_reverse() {
        let host = layout::<newer::PluginModuleRef>();
        let plugin = layout::<older::PluginModuleRef>();
        assert!(check_either_way(host, plugin, true).is_err());
        assert!(check_either_way(host, plugin, false).is_ok());
    }

    #[test]
    fn a_newer_plugin_fits_an_older_host() {
        let host = layout::<older::PluginModuleRef>();
        let plugin = layout::<newer::PluginModuleRef>();
        assert!(check_either_way(host, plugin, true).is_ok());
    }

    #[test]
    fn a_changed_type_is_refused_with_the_field_that_differs() {
        let host = layout::<older::PluginModuleRef>();
        let plugin = layout::<changed::PluginModuleRef>();
        for forwards in [true, false] {
            let Err(RootRefusal::Layout {
                difference,
                details,
            }) = check_either_way(host, plugin, forwards)
            else {
                panic!("accepted");
            };
            assert!(difference.contains("describe"), "{difference}");
            assert!(difference.contains("u32"), "{difference}");
            assert!(details.len() > difference.len());
            assert!(!difference.contains('\n'));
        }
    }
}
