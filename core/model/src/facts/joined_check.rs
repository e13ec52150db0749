//! What the clients of several machines did during one cell, as one: the worst that any
//! of them has seen, and the sum of what they had.

use super::self_check::SelfCheck;

/// The self-checks of two machines that made the load of a cell together.
#[must_use]
pub fn joined(one: SelfCheck, other: SelfCheck) -> SelfCheck {
    let (ones, others) = (one.clone(), other.clone());
    SelfCheck {
        load_threads: sum(one.load_threads, other.load_threads),
        process_cpu_percent: most(one.process_cpu_percent, other.process_cpu_percent),
        steal_percent: most(one.steal_percent, other.steal_percent),
        cpu_pressure_percent: most(one.cpu_pressure_percent, other.cpu_pressure_percent),
        open_files: one.open_files.max(other.open_files),
        open_files_limit: fewest(one.open_files_limit, other.open_files_limit),
        local_ports_left: fewest(one.local_ports_left, other.local_ports_left),
        throttled_percent: most(one.throttled_percent, other.throttled_percent),
        slept_s: most(one.slept_s, other.slept_s),
        connections_open_max: sum(one.connections_open_max, other.connections_open_max),
        clock_steps: sum(one.clock_steps, other.clock_steps),
        clock_step_ms_max: most(one.clock_step_ms_max, other.clock_step_ms_max),
        client_was_limit: one.client_was_limit || other.client_was_limit,
        ..ones.worse_of(others)
    }
}

fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

fn fewest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// The sum of two figures; what one machine does not know is no zero.
fn sum<N: std::ops::Add<Output = N>>(one: Option<N>, other: Option<N>) -> Option<N> {
    one.into_iter().chain(other).reduce(|sum, next| sum + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_machine_marks_all_and_what_they_had_adds_up() {
        let one = SelfCheck {
            load_threads: Some(2),
            steal_percent: Some(1.0),
            loop_lag_ms_p99: Some(0.5),
            local_ports_left: Some(20_000),
            connections_open_max: Some(8),
            ..SelfCheck::default()
        };
        let other = SelfCheck {
            load_threads: Some(1),
            steal_percent: Some(9.0),
            loop_lag_ms_p99: Some(0.25),
            local_ports_left: Some(10),
            client_was_limit: true,
            ..SelfCheck::default()
        };
        let joined = joined(one, other);
        assert_eq!(joined.load_threads, Some(3));
        assert_eq!(joined.steal_percent, Some(9.0));
        assert_eq!(joined.loop_lag_ms_p99, Some(0.5));
        assert_eq!(joined.local_ports_left, Some(10));
        assert_eq!(joined.connections_open_max, Some(8));
        assert!(joined.client_was_limit);
        assert_eq!(joined.clock_steps, None);
    }
}
