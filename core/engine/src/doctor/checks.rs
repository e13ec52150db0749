//! Every check of `doctor`, a row each: its group, its name, and the function
//! that looks. It gives facts, and their `verdict` judges them: see the file of
//! the group in [`inferbench_model::doctor`].
//!
//! A new check is a row here, a function that looks, and a type of facts.

use std::path::Path;

use inferbench_model::doctor::Group::{
    Clocks, Config, Gpu, Leftovers, Limits, Machine, Plugins, Tools,
};
use inferbench_model::doctor::Status;
use inferbench_model::doctor::machine::Host;

use super::check::{Check, alone, check};
use super::{clocks, gpu, leftovers, limits, plugins, system, tools};
use crate::telemetry;

/// In the order in which their lines are shown, within each group.
pub(super) static CHECKS: [Check; 25] = [
    check(Config, "backends", |ground, lines| {
        for (label, need) in &ground.needs {
            lines.add_named(label, need);
        }
    }),
    check(Gpu, "NVML", |_, lines| {
        gpu::driver_and_devices(telemetry::gpu::nvml(), lines);
    }),
    check(Gpu, "CUDA_VISIBLE_DEVICES", |_, lines| {
        if let Some(facts) = gpu::visible_devices() {
            lines.add(&facts);
        }
    }),
    check(Gpu, "nvcc", |_, lines| lines.add(&gpu::toolkit())),
    check(Tools, "uv", |_, lines| {
        let purpose = "backends with a `version`: https://docs.astral.sh/uv";
        lines.add(&tools::tool("uv", purpose, Status::Warning));
    }),
    check(Tools, "docker, podman", |_, lines| {
        lines.add(&tools::containers());
    }),
    check(Tools, "nvidia-ctk", |_, lines| {
        if tools::may_need_container_gpus() {
            let purpose = "GPUs in containers";
            lines.add(&tools::tool("nvidia-ctk", purpose, Status::Warning));
        }
    }),
    check(Tools, "python3", |_, lines| {
        let purpose = "engines that are Python packages";
        lines.add(&tools::tool("python3", purpose, Status::Warning));
    }),
    check(Plugins, "folders", |ground, lines| {
        lines.add(&plugins::folders(&ground.plugins));
    }),
    check(Plugins, "plugins", plugins::backends),
    check(Limits, "open files", |_, lines| lines.add(&limits::files())),
    check(Limits, "processes", |_, lines| {
        lines.add(&limits::processes())
    }),
    check(Limits, "local ports", |_, lines| {
        lines.add(&limits::ports())
    }),
    check(Limits, "shared memory", |_, lines| {
        lines.add(&limits::shared_memory());
    }),
    check(Machine, "host", |_, lines| {
        lines.add(&Host(telemetry::host::host_facts()));
    }),
    check(Machine, "cores", |_, lines| lines.add(&system::cores())),
    check(Machine, "CPU governor", |_, lines| {
        lines.add(&system::governors(Path::new(system::CPUS)));
    }),
    alone(Machine, "load average", |_, lines| {
        lines.add(&system::load_average());
    }),
    alone(Machine, "CPU time", |_, lines| {
        lines.add(&system::cpu_time())
    }),
    check(Machine, "memory", |_, lines| lines.add(&system::memory())),
    check(Machine, "disk", |ground, lines| {
        lines.add(&system::disk(&ground.output));
    }),
    alone(Clocks, "clock source", |_, lines| {
        lines.add(&clocks::source())
    }),
    alone(Clocks, "receive stamps", |_, lines| {
        lines.add(&clocks::receive_stamps());
    }),
    check(Clocks, "calibration", |ground, lines| {
        lines.add(&clocks::calibration(&ground.version));
    }),
    check(Leftovers, "servers", |_, lines| {
        lines.add(&leftovers::servers());
    }),
];
