//! The self-check in plain words: what is the worst, where it was, and whether it
//! holds.

use inferbench_model::config::Level;
use inferbench_model::facts::warning::WarningCode;
use inferbench_model::report::{CheckSummary, Report};
use inferbench_test_support::runs::two_backends;

fn summary_of(report: &Report, check: WarningCode) -> Option<&CheckSummary> {
    let mut found = report.self_check_summary.iter();
    found.find(|summary| summary.check == check)
}

#[test]
fn the_worst_measurement_is_shown_with_its_place() {
    let mut run = two_backends();
    for cell in &mut run.cells {
        cell.self_check.client_cpu_percent = Some(20.0);
    }
    let worst = &mut run.cells[1];
    worst.self_check.client_cpu_percent = Some(38.0);
    worst.self_check.core_wait_percent = Some(3.0);
    let key = (worst.backend.clone(), worst.block, worst.level);
    let report = run.report();
    let busy = summary_of(&report, WarningCode::ClientBusy).unwrap();
    // 38 % at work and 3 % without a core
    assert_eq!(busy.worst, "41.0 % of a core");
    assert_eq!(busy.broken, 0);
    assert_eq!(busy.limit, "below 90 % of a core, waiting for one included");
    let place = busy.place.clone().unwrap();
    assert_eq!((place.backend, place.block, place.level), key);
}

#[test]
fn a_check_fails_where_a_measurement_broke_it() {
    let mut run = two_backends();
    let cell = &mut run.cells[2];
    cell.self_check.steal_percent = Some(7.0);
    cell.breaches.push(WarningCode::CpuStolen);
    let report = run.report();
    let steal = summary_of(&report, WarningCode::CpuStolen).unwrap();
    assert_eq!((steal.broken, steal.worst.as_str()), (1, "7.00 % of it"));
    assert_eq!(steal.limit, "below 5 % of it");
}

#[test]
fn kernel_stamps_without_a_step_have_no_worst_place() {
    let mut run = two_backends();
    for cell in &mut run.cells {
        cell.self_check.arrival_clock = Some("kernel".to_owned());
        cell.self_check.loop_lag_ms_p99 = Some(5.0);
        cell.self_check.clock_steps = Some(0);
    }
    let report = run.report();
    let lag = summary_of(&report, WarningCode::StampedLate).unwrap();
    assert_eq!((lag.worst.as_str(), &lag.place), ("by the kernel", &None));
    let step = summary_of(&report, WarningCode::ClockJumped).unwrap();
    assert_eq!((step.worst.as_str(), &step.place), ("none", &None));
    run.cells[0].self_check.arrival_clock = Some("user".to_owned());
    let late = run.report();
    assert_eq!(
        summary_of(&late, WarningCode::StampedLate).unwrap().worst,
        "5.00 ms late (p99)"
    );
}

#[test]
fn what_applies_to_no_measurement_is_left_out() {
    let report = two_backends().report();
    assert!(
        report
            .levels
            .iter()
            .all(|l| matches!(l, Level::Concurrency(_)))
    );
    assert!(summary_of(&report, WarningCode::FewerSent).is_none());
    assert!(summary_of(&report, WarningCode::CpuStolen).is_none());
    assert!(summary_of(&report, WarningCode::FewerInFlight).is_some());
}
