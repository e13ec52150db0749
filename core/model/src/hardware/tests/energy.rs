//! Power and energy: the counter, the integral, what is drawn when idle.

use super::*;

#[test]
fn a_step_of_power_is_integrated_by_trapezoids() {
    // 100 W until 2 s, 200 W from then on: 100 W * 1 s + 200 W * 1 s
    let step = [(0.0, 100.0), (2.0, 100.0), (2.0, 200.0), (4.0, 200.0)];
    let step = step.map(|(t, w)| watts(0, t, w));
    let energy = energy_of(span(1, 3), &step);
    assert_eq!(energy.power_joules, Some(300.0));
    assert_eq!(energy.joules, Some(300.0));
    assert_eq!(energy.source, Some(EnergySource::Power));
    // the same seen by a reading a second: 100 to 2 s, then a ramp from 100 to
    // 200 over the second second: 100 + 150
    let ramp = [100.0, 100.0, 100.0, 200.0, 200.0];
    let ramp = [0, 1, 2, 3, 4].map(|t| watts(0, f64::from(t), ramp[t as usize]));
    let energy = energy_of(span(1, 3), &ramp);
    assert_eq!(energy.power_joules, Some(250.0));
}

#[test]
fn edges_of_the_window_are_interpolated() {
    // from 100 W at 0 s to 200 W at 4 s: 125 W at 1 s, 175 W at 3 s
    let line = [watts(0, 0.0, 100.0), watts(0, 4.0, 200.0)];
    let cell = cell_of(frame(Some(span(1, 3)), 1), &line);
    let power = cell.gpus[0].series["power_watts"];
    assert_eq!(power.mean, Some(150.0));
    assert_eq!(power.max, Some(175.0));
    assert_eq!(power.covered_s, 2.0);
    assert_eq!(power.n, 0);
    assert_eq!(cell.gpus[0].energy.power_joules, Some(300.0));
}

#[test]
fn the_counter_is_interpolated_and_set_against_the_power() {
    // 1000 J at 0 s, 1100 J at 2 s, 1500 J at 4 s: 1050 at 1 s, 1300 at 3 s
    let mut samples = [
        joules(0.0, 1000.0),
        joules(2.0, 1100.0),
        joules(4.0, 1500.0),
    ];
    for sample in &mut samples {
        sample.power_watts = Some(150.0);
    }
    let energy = energy_of(span(1, 3), &samples);
    assert_eq!(energy.counter_joules, Some(250.0));
    assert_eq!(energy.power_joules, Some(300.0));
    assert_eq!(energy.joules, Some(250.0));
    assert_eq!(energy.source, Some(EnergySource::Counter));
    // (300 - 250) / 250
    assert_eq!(energy.difference_percent, Some(20.0));
    let cell = cell_of(frame(Some(span(1, 3)), 1), &samples);
    assert_eq!(
        cell.warnings(),
        [WarningKind::EnergyDisagrees {
            gpu: 0,
            difference_percent: 20.0,
        }]
    );
}

/// Counter and instant power of GPU 0, once a second from 0 to `end_s`.
fn metered(end_s: u32, counter_watts: f64, power_watts: f64) -> Vec<GpuSample> {
    let at = |t: u32| GpuSample {
        power_watts: Some(power_watts),
        power_average_watts: Some(power_watts),
        ..joules(f64::from(t), 1000.0 + counter_watts * f64::from(t))
    };
    (0..=end_s).map(at).collect()
}

#[test]
fn the_counter_of_a_module_is_named_and_the_power_taken() {
    // A counter of 500 W beside 300 W over 10 s: 5,000 J and 3,000 J, -40 %, where
    // both may err 10 % and 2 x 0.1 s of 10 s: 12 %.
    let cell = cell_of(frame(Some(span(1, 11)), 1), &metered(12, 500.0, 300.0));
    let energy = &cell.gpus[0].energy;
    assert_eq!(energy.counter_joules, Some(5000.0));
    assert_eq!(energy.joules, Some(3000.0));
    assert_eq!(energy.source, Some(EnergySource::Power));
    assert_eq!(energy.counter_scope, Some(CounterScope::Module));
    let unused = "it counts more than the GPU's own power adds up to (40.0 % off, more than the 12.0 % that both may err), as that of a whole module does";
    assert_eq!(energy.counter_unused.as_deref(), Some(unused));
    assert_eq!(cell.gpu_energy.as_ref().unwrap().joules, Some(3000.0));
    assert_eq!(
        cell.warnings(),
        [WarningKind::EnergyCounterUnused {
            gpu: 0,
            difference_percent: -40.0,
        }]
    );
}

#[test]
fn a_counter_within_its_error_is_used() {
    // 330 W beside 300 W: -9.1 %, within 12 %.
    let energy = energy_of(span(1, 11), &metered(12, 330.0, 300.0));
    assert_eq!(energy.source, Some(EnergySource::Counter));
    assert_eq!(energy.counter_scope, Some(CounterScope::Gpu));
    assert_eq!(energy.counter_unused, None);
    // 250 W beside 300 W: +20 %: it counts too little, which no scope explains.
    let energy = energy_of(span(1, 11), &metered(12, 250.0, 300.0));
    assert_eq!(energy.source, Some(EnergySource::Power));
    assert_eq!(energy.counter_scope, None);
}

#[test]
fn a_counter_that_misfits_in_one_cell_is_used_in_none() {
    // 300 W all the time; the counter runs at 300 W until 12 s, at 500 W after.
    let mut samples = metered(24, 300.0, 300.0);
    for sample in samples.iter_mut().skip(13) {
        let past_s = sample.t_ns as f64 / S as f64 - 12.0;
        sample.energy_joules = Some(1000.0 + 3600.0 + 500.0 * past_s);
    }
    let mut frame = frame(Some(span(1, 11)), 1);
    let mut second = frame.cells[0].clone();
    second.window = Some(span(13, 23));
    second.key.level = Level::Concurrency(2);
    frame.cells.push(second);
    let mut fold = HardwareFold::new(frame);
    samples.iter().for_each(|sample| fold.add_gpu(sample));
    for cell in fold.finish().cells {
        let cell = cell.unwrap();
        assert_eq!(cell.gpus[0].energy.source, Some(EnergySource::Power));
        assert_eq!(cell.gpu_energy.unwrap().joules, Some(3000.0));
    }
}

#[test]
fn a_counter_that_stands_still_gives_a_reason_and_no_zero() {
    let still = [joules(0.0, 9.0), joules(2.0, 9.0), joules(4.0, 9.0)];
    let energy = energy_of(span(1, 3), &still);
    assert_eq!(energy.counter_joules, None);
    assert_eq!(
        energy.counter_absence.as_deref(),
        Some("the device's energy counter stood still over the window")
    );
}

#[test]
fn a_counter_that_runs_backwards_gives_a_reason_and_no_negative() {
    let back = [joules(0.0, 9.0), joules(2.0, 4.0), joules(4.0, 90.0)];
    let energy = energy_of(span(1, 3), &back);
    assert_eq!(energy.counter_joules, None);
    assert_eq!(
        energy.counter_absence.as_deref(),
        Some("the device's energy counter ran backwards in the window")
    );
    // before the window it does no harm: 4 at 2 s, 90 at 4 s
    let energy = energy_of(span(2, 4), &back[1..]);
    assert_eq!(energy.counter_joules, Some(86.0));
}

#[test]
fn a_window_outside_the_samples_has_no_figure() {
    let samples = [watts(0, 0.0, 100.0), watts(0, 1.0, 100.0)];
    let cell = cell_of(frame(Some(span(5, 6)), 1), &samples);
    let gpu = &cell.gpus[0];
    assert_eq!(gpu.series["power_watts"], SeriesFigure::default());
    assert_eq!(gpu.energy.joules, None);
    assert_eq!(
        gpu.energy.power_absence.as_deref(),
        Some("no two readings of power in the window")
    );
    let counters = [joules(0.0, 1.0), joules(1.0, 2.0)];
    let energy = energy_of(span(5, 6), &counters);
    assert_eq!(
        energy.counter_absence.as_deref(),
        Some("no reading of the device's energy counter around the window's start")
    );
    let energy = energy_of(
        Window {
            start_ns: S / 2,
            end_ns: 5 * S,
        },
        &counters,
    );
    assert_eq!(
        energy.counter_absence.as_deref(),
        Some("no reading of the device's energy counter around the window's end")
    );
}

#[test]
fn one_reading_is_a_maximum_and_no_mean() {
    let cell = cell_of(frame(Some(span(1, 3)), 1), &[watts(0, 2.0, 70.0)]);
    let power = cell.gpus[0].series["power_watts"];
    assert_eq!((power.mean, power.max, power.n), (None, Some(70.0), 1));
    assert_eq!(power.covered_s, 0.0);
}

#[test]
fn a_gap_is_not_bridged() {
    // readings a second apart, none between 2 s and 9 s, which is more than five
    let at = [0.0, 1.0, 2.0, 9.0, 10.0];
    let samples = at.map(|t| watts(0, t, if t < 5.0 { 100.0 } else { 400.0 }));
    let cell = cell_of(frame(Some(span(0, 10)), 1), &samples);
    let power = cell.gpus[0].series["power_watts"];
    // 2 s at 100 W and 1 s at 400 W: 600 / 3
    assert_eq!(power.mean, Some(200.0));
    assert_eq!(power.covered_s, 3.0);
    let energy = &cell.gpus[0].energy;
    assert_eq!(energy.power_joules, None);
    assert_eq!(
        energy.power_absence.as_deref(),
        Some("power is known for 3.0 of 10.0 s, needs 99 %")
    );
    // a counter needs no readings in the middle
    let counters = at.map(|t| joules(t, t * 10.0));
    let energy = energy_of(span(0, 10), &counters);
    assert_eq!(energy.counter_joules, Some(100.0));
}

#[test]
fn what_the_device_draws_when_idle_is_taken_off_beside_the_gross_figure() {
    let mut frame = frame(Some(span(10, 20)), 1);
    frame.stages = vec![StageSpan {
        backend: "a".to_owned(),
        block: 0,
        start_ns: Some(2 * S),
        ready_ns: None,
        end_ns: None,
    }];
    // 50 W until 2 s, 300 W from 4 s on
    let samples = (0..=30).map(|t| watts(0, f64::from(t), if t <= 2 { 50.0 } else { 300.0 }));
    let samples: Vec<GpuSample> = samples.collect();
    let energy = cell_of(frame, &samples).gpus.remove(0).energy;
    assert_eq!(energy.joules, Some(3000.0));
    assert_eq!(energy.idle_watts, Some(50.0));
    // 3000 J - 50 W * 10 s
    assert_eq!(energy.above_idle_joules, Some(2500.0));
}

#[test]
fn a_device_that_draws_less_than_when_idle_has_no_energy_above_that() {
    let energy = |load: f64| {
        let mut frame = frame(Some(span(10, 20)), 1);
        frame.stages = vec![StageSpan {
            backend: "a".to_owned(),
            block: 0,
            start_ns: Some(4 * S),
            ready_ns: None,
            end_ns: None,
        }];
        let samples = (0..=30).map(|t| watts(0, f64::from(t), if t <= 4 { 50.0 } else { load }));
        let samples: Vec<GpuSample> = samples.collect();
        cell_of(frame, &samples).gpus.remove(0).energy
    };
    assert_eq!(energy(30.0).joules, Some(300.0));
    assert_eq!(energy(30.0).above_idle_joules, None);
    assert_eq!(
        energy(30.0).above_idle_absence.as_deref(),
        Some("300.0 J in the window, 500.0 J at the power before the first start")
    );
    // However little it is below.
    assert_eq!(energy(49.9).above_idle_joules, None);
    assert_eq!(energy(50.0).above_idle_joules, Some(0.0));
}

#[test]
fn idle_power_needs_a_second_before_the_first_start() {
    let mut frame = frame(Some(span(10, 20)), 1);
    frame.stages = vec![StageSpan {
        backend: "a".to_owned(),
        block: 0,
        start_ns: Some(S / 2),
        ready_ns: None,
        end_ns: None,
    }];
    let samples: Vec<GpuSample> = (0..=30).map(|t| watts(0, f64::from(t), 50.0)).collect();
    let energy = cell_of(frame, &samples).gpus.remove(0).energy;
    assert_eq!(energy.idle_watts, None);
    assert_eq!(energy.above_idle_joules, None);
    assert_eq!(
        energy.idle_absence.as_deref(),
        Some("power is known for 0.5 s before the first start of a backend, needs 1 s")
    );
}

#[test]
fn energy_is_partial_where_one_of_two_devices_gives_none() {
    // the case g10: A gives no power, B gives 212.345 W, over 2 s
    let mut samples = Vec::new();
    for t in 0..=4 {
        samples.push(GpuSample {
            power_watts: None,
            ..watts(0, f64::from(t), 0.0)
        });
        samples.push(watts(1, f64::from(t), 212.345));
    }
    let cell = cell_of(frame(Some(span(1, 3)), 2), &samples);
    assert_eq!(cell.gpus[0].energy.joules, None);
    assert_eq!(cell.gpus[0].series["power_watts"].mean, None);
    let energy = cell.gpu_energy.unwrap();
    assert!((energy.joules.unwrap() - 424.69).abs() < 1e-9);
    assert_eq!(energy.without_gpus, [0]);
}

#[test]
fn a_device_lost_half_way_does_not_make_the_energy_of_a_cell_smaller() {
    let mut two = frame(Some(span(1, 3)), 2);
    two.cells.push(CellSpan {
        window: Some(span(11, 13)),
        ends_ns: Some((11 * S, 13 * S)),
        ..two.cells[0].clone()
    });
    let mut fold = HardwareFold::new(two);
    for t in 0..=14 {
        fold.add_gpu(&watts(0, f64::from(t), 100.0));
        if t < 5 {
            fold.add_gpu(&watts(1, f64::from(t), 100.0));
        }
    }
    let cells = fold.finish().cells;
    let pooled = |cell: usize| cells[cell].as_ref().unwrap().gpu_energy.clone().unwrap();
    // 2 s at 100 W on each of two
    assert_eq!(pooled(0).joules, Some(400.0));
    assert!(pooled(0).without_gpus.is_empty());
    assert_eq!(pooled(1).joules, None);
    assert_eq!(
        pooled(1).absence.as_deref(),
        Some("GPU 1 gives no energy over this window")
    );
}
