use super::*;
use crate::config::{Level, Rate};
use crate::facts::warning::{WarningCode, WarningKind};

const CLOSED: Offered = Offered {
    level: Level::Concurrency(64),
    concurrency: Some(63.9),
    sent_rate: None,
    planned_rate: None,
    out_of_files: 0,
    out_of_ports: 0,
    first_outputs_shared: 0.0,
    events_shared: 0.0,
};

fn quiet() -> SelfCheck {
    SelfCheck {
        client_cpu_percent: Some(40.0),
        core_wait_percent: Some(2.0),
        loop_lag_ms_p99: Some(0.3),
        arrival_clock: Some("kernel".to_owned()),
        steal_percent: Some(0.1),
        clock_steps: Some(0),
        ..SelfCheck::default()
    }
}

fn broken(check: &SelfCheck, offered: &Offered) -> Vec<WarningCode> {
    judge(check, offered)
        .iter()
        .map(WarningKind::code)
        .collect()
}

#[test]
fn a_quiet_cell_breaks_nothing_and_neither_does_one_without_readings() {
    assert_eq!(judge(&quiet(), &CLOSED), []);
    assert_eq!(judge(&SelfCheck::default(), &CLOSED), []);
}

#[test]
fn a_full_load_thread_is_the_limit() {
    let check = SelfCheck {
        client_cpu_percent: Some(97.4),
        ..quiet()
    };
    let breaches = judge(&check, &CLOSED);
    assert_eq!(
        breaches,
        [WarningKind::ClientBusy {
            cpu_percent: 97.4,
            core_wait_percent: 2.0,
        }]
    );
    assert!(breaches[0].code().means_client_limit());
}

#[test]
fn a_load_thread_beside_a_busy_loop_is_full_at_half_a_core() {
    let check = SelfCheck {
        client_cpu_percent: Some(49.0),
        core_wait_percent: Some(48.0),
        ..quiet()
    };
    // 62.5 of 64: 2.3 % of the load are missing; 63.9: 0.2 %.
    let less = Offered {
        concurrency: Some(62.5),
        ..CLOSED
    };
    let both = [WarningCode::ClientBusy, WarningCode::ClientWaited];
    assert_eq!(broken(&check, &less), both);
    assert_eq!(broken(&check, &CLOSED), [WarningCode::ClientBusy]);
}

#[test]
fn an_open_loop_that_waits_awake_is_not_busy() {
    let check = SelfCheck {
        client_cpu_percent: Some(99.0),
        ..quiet()
    };
    let open = |rate| Offered {
        level: Level::RequestRate(Rate(rate)),
        concurrency: Some(3.0),
        ..CLOSED
    };
    assert_eq!(broken(&check, &open(900.0)), []);
    assert_eq!(
        broken(&check, &open(f64::INFINITY)),
        [WarningCode::ClientBusy]
    );
}

#[test]
fn a_late_loop_falsifies_only_arrivals_without_kernel_stamps() {
    let mut check = SelfCheck {
        loop_lag_ms_p99: Some(8.2),
        ..quiet()
    };
    assert_eq!(broken(&check, &CLOSED), []);
    for clock in ["user", "mixed"] {
        check.arrival_clock = Some(clock.to_owned());
        assert_eq!(broken(&check, &CLOSED), [WarningCode::StampedLate]);
    }
}

#[test]
fn events_that_share_reads_falsify_only_where_the_client_was_late() {
    let offered = |first_outputs_shared, events_shared| Offered {
        first_outputs_shared,
        events_shared,
        ..CLOSED
    };
    let late = SelfCheck {
        loop_lag_ms_p99: Some(4.0),
        read_delay_ms_p99: Some(0.2),
        ..quiet()
    };
    for (check, first, events, broken_by) in [
        (&late, 0.003, 0.0, vec![WarningCode::ReadLate]),
        (&late, 0.0, 0.003, vec![WarningCode::ReadLate]),
        (&late, 0.0025, 0.0025, vec![]),
        (&quiet(), 1.0, 1.0, vec![]),
    ] {
        assert_eq!(broken(check, &offered(first, events)), broken_by);
    }
}

#[test]
fn a_client_that_stood_still_is_found_and_an_open_loop_sooner() {
    let check = |stalled_percent| SelfCheck {
        stalls: Some(1),
        stall_ms_max: Some(700.0),
        stalled_percent: Some(stalled_percent),
        ..quiet()
    };
    let open = Offered {
        level: Level::RequestRate(Rate(40.0)),
        ..CLOSED
    };
    assert_eq!(broken(&check(0.7), &CLOSED), []);
    assert_eq!(broken(&check(0.7), &open), [WarningCode::ClientStalled]);
    assert_eq!(broken(&check(1.1), &CLOSED), [WarningCode::ClientStalled]);
}

#[test]
fn a_held_control_group_and_a_sleeping_machine_are_found() {
    let check = SelfCheck {
        throttled_percent: Some(2.0),
        slept_s: Some(30.0),
        ..quiet()
    };
    assert_eq!(
        broken(&check, &CLOSED),
        [WarningCode::ClientThrottled, WarningCode::MachineSlept]
    );
    let neither = SelfCheck {
        throttled_percent: Some(0.9),
        slept_s: Some(0.0),
        ..quiet()
    };
    assert_eq!(broken(&neither, &CLOSED), []);
}

#[test]
fn a_load_below_what_was_asked_is_another_level() {
    let fewer = Offered {
        concurrency: Some(60.7),
        ..CLOSED
    };
    assert_eq!(broken(&quiet(), &fewer), [WarningCode::FewerInFlight]);
    // 95 % of 64 is 60.8.
    let enough = Offered {
        concurrency: Some(60.9),
        ..CLOSED
    };
    assert_eq!(broken(&quiet(), &enough), []);
    let open = |sent| Offered {
        level: Level::RequestRate(Rate(40.0)),
        sent_rate: Some(sent),
        planned_rate: Some(40.0),
        ..CLOSED
    };
    assert_eq!(broken(&quiet(), &open(38.1)), []);
    assert_eq!(broken(&quiet(), &open(31.2)), [WarningCode::FewerSent]);
    // The same, held back by the config's own limit, is no fault of the client's.
    let held = SelfCheck {
        held_back_sends: Some(7),
        held_back_ms_mean: Some(20.0),
        held_back_ms_max: Some(90.0),
        ..quiet()
    };
    assert_eq!(broken(&held, &open(31.2)), []);
    assert_eq!(
        held.held_back(100),
        Some(WarningKind::SendsHeldBack {
            sends: 7,
            requests: 100,
            mean_ms: 20.0,
            longest_ms: 90.0,
        })
    );
    // A limit that was never reached excuses nothing.
    let unused = SelfCheck {
        held_back_sends: Some(0),
        ..quiet()
    };
    assert_eq!(broken(&unused, &open(31.2)), [WarningCode::FewerSent]);
    assert_eq!(unused.held_back(100), None);
}

#[test]
fn requests_without_a_descriptor_or_a_port_make_the_client_the_limit() {
    let offered = Offered {
        out_of_files: 3,
        out_of_ports: 1,
        ..CLOSED
    };
    let breaches = judge(&quiet(), &offered);
    assert_eq!(
        breaches,
        [
            WarningKind::NoOpenFiles { requests: 3 },
            WarningKind::NoLocalPorts { requests: 1 },
        ]
    );
    assert!(breaches.iter().all(|b| b.code().means_client_limit()));
}

#[test]
fn stolen_cpu_and_a_jump_of_the_clock_are_reported() {
    let check = SelfCheck {
        steal_percent: Some(7.2),
        clock_steps: Some(1),
        clock_step_ms_max: Some(250.0),
        ..quiet()
    };
    assert_eq!(
        broken(&check, &CLOSED),
        [WarningCode::CpuStolen, WarningCode::ClockJumped]
    );
    let user = SelfCheck {
        arrival_clock: Some("user".to_owned()),
        ..check
    };
    assert_eq!(broken(&user, &CLOSED), [WarningCode::CpuStolen]);
}
