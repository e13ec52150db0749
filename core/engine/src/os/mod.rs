//! What the kernel reports and allows: clocks, processes, limits, ports, folders,
//! programs. What they are used for is for the rooms above.

pub(crate) mod cgroup;
pub mod clock;
pub mod clock_state;
pub mod files;
pub mod folders;
pub mod limits;
pub(crate) mod loopback;
pub mod port;
pub(crate) mod priority;
pub(crate) mod private;
pub(crate) mod processes;
pub(crate) mod programs;
pub mod signals;
pub(crate) mod tail;
pub(crate) mod ticker;
