//! Checks of `load.shape`: each rate, each time, and that the load goes on after it.

use super::found::Found;
use crate::config::{LoadConfig, LoadShape, Step};
use crate::text::units::DurationText;

/// Checks the shape, if there is one.
pub(super) fn check(load: &LoadConfig, found: &mut Found) {
    let Some(shape) = &load.shape else { return };
    check_rest(load, found);
    match shape {
        LoadShape::Steps(steps) => check_steps(steps, found),
        LoadShape::Ramp(ramp) => {
            check_rate("load.shape.ramp.from", ramp.from, true, found);
            check_rate("load.shape.ramp.to", ramp.to, false, found);
            check_time("load.shape.ramp.over", ramp.over, found);
        }
        LoadShape::Spike(spike) => {
            check_time("load.shape.spike.at", spike.at, found);
            check_time("load.shape.spike.for", spike.lasts, found);
            check_rate("load.shape.spike.rate", spike.rate, true, found);
        }
        LoadShape::OnOff(times) => {
            check_time("load.shape.on_off.on", times.on, found);
            check_time("load.shape.on_off.off", times.off, found);
        }
    }
}

/// Whether the load has a rate that can go over time.
fn check_rest(load: &LoadConfig, found: &mut Found) {
    if load.is_closed() {
        found.add(
            "load.shape",
            "is set, but a closed loop has no rate: it sends when an answer has ended",
        );
    } else if load.replays_trace() {
        found.add(
            "load.shape",
            "is set, but a trace has the shape of its own times",
        );
    }
    let rates = load.request_rate.iter().flatten().enumerate();
    for (index, _) in rates.filter(|(_, rate)| rate.0.is_infinite()) {
        found.add(
            &format!("load.request_rate.{index}"),
            "is inf, but `load.shape` needs a rate that it is a factor of",
        );
    }
}

fn check_steps(steps: &[Step], found: &mut Found) {
    if steps.is_empty() {
        found.add("load.shape.steps", "is empty, must list at least one step");
    }
    for (index, step) in steps.iter().enumerate() {
        let path = format!("load.shape.steps.{index}");
        check_time(&format!("{path}.for"), step.lasts, found);
        let is_between = index > 0 && index + 1 < steps.len();
        let path = format!("{path}.rate");
        if step.rate == 0.0 && !is_between {
            found.add_hint(
                &path,
                "is 0, must be above 0",
                Some("only a step between two others can be a pause"),
            );
        } else {
            check_rate(&path, step.rate, true, found);
        }
    }
}

fn check_rate(path: &str, rate: f64, may_be_zero: bool, found: &mut Found) {
    let is_allowed = rate.is_finite() && (rate > 0.0 || (may_be_zero && rate == 0.0));
    if !is_allowed {
        let limit = match may_be_zero {
            true => "0 or more",
            false => "above 0",
        };
        found.add(
            path,
            format!("is {rate}, must be {limit}, a factor of the level's rate"),
        );
    }
}

fn check_time(path: &str, time: DurationText, found: &mut Found) {
    if time.0.is_zero() {
        found.add(path, "is 0, must be above 0");
    }
}
