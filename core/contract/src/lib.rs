//! The few types that the facts of a run and the plugin API have in common. A
//! crate of its own, so that a plugin does not compile the whole model.

mod events;
mod evidence;

pub use events::{OutputKind, Usage};
pub use evidence::Evidence;
