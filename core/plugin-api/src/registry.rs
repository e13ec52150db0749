//! Backends that a library carries. One library may carry several; each
//! registers itself, and the library's root module lists them.

use crate::abi::{AbiError, BackendBox, EngineBox};
use crate::backend::OpenContext;
use crate::description::Description;
use crate::launch::LaunchContext;

/// One backend of this library.
pub struct Registration {
    /// Its own description.
    pub describe: fn() -> Description,
    pub(crate) open: fn(&OpenContext) -> Result<BackendBox, AbiError>,
    pub(crate) open_engine: fn(&OpenContext, &LaunchContext) -> Result<EngineBox, AbiError>,
}

inventory::collect!(Registration);

/// Every backend registered in this library, by name.
pub(crate) fn registered() -> Vec<&'static Registration> {
    let mut all: Vec<&Registration> = inventory::iter::<Registration>().collect();
    all.sort_by_cached_key(|registration| (registration.describe)().name);
    all
}

/// Registers one more backend in this library, beside the exported one.
#[macro_export]
macro_rules! register_backend {
    ($backend:ty) => {
        $crate::__private::inventory::submit! {
            $crate::registry::Registration::for_backend::<$backend>()
        }
    };
}

/// Registers a backend and exports this library as a plugin. Once per library.
#[macro_export]
macro_rules! export_backend {
    ($backend:ty) => {
        $crate::register_backend!($backend);
        $crate::export_plugin!();
    };
}
