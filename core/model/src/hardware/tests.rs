//! Every expected value is worked out by hand in the comment beside it.

use super::*;
use crate::config::Level;
use crate::facts::key::CellKey;
use crate::facts::samples::{GpuSample, HostSample};
use crate::facts::warning::WarningKind;
use crate::facts::window::Window;

const S: u64 = 1_000_000_000;

fn span(start_s: u64, end_s: u64) -> Window {
    Window {
        start_ns: start_s * S,
        end_ns: end_s * S,
    }
}

/// A run from 0 to 1,000 s with one cell, started at 10 s if it has one there.
fn frame(window: Option<Window>, gpus: u32) -> Frame {
    Frame {
        zero_ns: 0,
        end_ns: Some(1_000 * S),
        sample_every_ns: S,
        gpu_names: (0..gpus).map(|index| (index, None)).collect(),
        stages: Vec::new(),
        cells: vec![CellSpan {
            key: CellKey {
                backend: "a".to_owned(),
                block: 0,
                level: Level::Concurrency(1),
            },
            ends_ns: window.map(|window| (window.start_ns, window.end_ns)),
            window,
        }],
    }
}

fn watts(index: u32, t_s: f64, watts: f64) -> GpuSample {
    GpuSample {
        t_ns: (t_s * S as f64) as u64,
        index,
        power_watts: Some(watts),
        ..GpuSample::default()
    }
}

fn joules(t_s: f64, joules: f64) -> GpuSample {
    GpuSample {
        t_ns: (t_s * S as f64) as u64,
        energy_joules: Some(joules),
        ..GpuSample::default()
    }
}

fn cell_of(frame: Frame, samples: &[GpuSample]) -> CellHardware {
    let mut fold = HardwareFold::new(frame);
    samples.iter().for_each(|sample| fold.add_gpu(sample));
    fold.finish().cells.remove(0).unwrap()
}

fn energy_of(window: Window, samples: &[GpuSample]) -> GpuEnergy {
    cell_of(frame(Some(window), 1), samples)
        .gpus
        .remove(0)
        .energy
}

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

#[test]
fn throttling_lasts_from_its_reading_to_the_next() {
    let reasons = |t: u64, reasons: &[&str]| GpuSample {
        t_ns: t * S,
        throttle_reasons: Some(reasons.iter().map(|r| (*r).to_owned()).collect()),
        ..GpuSample::default()
    };
    let samples = [
        reasons(0, &["gpu_idle"]),
        reasons(2, &["sw_power_cap"]),
        reasons(4, &["sw_power_cap", "hw_thermal_slowdown"]),
        reasons(5, &[]),
        reasons(8, &[]),
    ];
    // from 3 s: 1 s of the cap alone, 1 s of both
    let cell = cell_of(frame(Some(span(3, 7)), 1), &samples);
    let gpu = &cell.gpus[0];
    assert_eq!(gpu.throttled_s, Some(2.0));
    assert_eq!(gpu.throttled_s_by_reason["sw_power_cap"], 2.0);
    assert_eq!(gpu.throttled_s_by_reason["hw_thermal_slowdown"], 1.0);
    assert_eq!(
        cell.warnings(),
        [WarningKind::GpuThrottled {
            gpu: 0,
            seconds_by_reason: [("hw_thermal_slowdown".to_owned(), 1.0)].into(),
        }]
    );
    let unreported = cell_of(frame(Some(span(3, 7)), 1), &[watts(0, 4.0, 1.0)]);
    assert_eq!(unreported.gpus[0].throttled_s, None);
}

#[test]
fn memory_has_its_peaks_before_while_starting_and_under_load() {
    let mut frame = frame(Some(span(10, 14)), 1);
    frame.cells[0].ends_ns = Some((8 * S, 16 * S));
    frame.stages = vec![StageSpan {
        backend: "a".to_owned(),
        block: 0,
        start_ns: Some(4 * S),
        ready_ns: Some(7 * S),
        end_ns: Some(17 * S),
    }];
    let bytes = [
        1, 3, 1, 1, 1, 50, 90, 40, 40, 70, 60, 60, 60, 60, 60, 80, 60, 5,
    ];
    let samples = bytes.iter().zip(0..).map(|(bytes, t)| GpuSample {
        t_ns: t * S,
        memory_used_bytes: Some(*bytes),
        ..GpuSample::default()
    });
    let samples: Vec<GpuSample> = samples.collect();
    let gpu = cell_of(frame, &samples).gpus.remove(0);
    assert_eq!(
        gpu.memory,
        MemoryPeaks {
            idle_bytes: Some(3),
            startup_bytes: Some(90),
            load_bytes: Some(80),
        }
    );
    assert_eq!(gpu.series["memory_used_bytes"].max, Some(60.0));
}

#[test]
fn samples_whose_time_runs_backwards_are_skipped_and_counted() {
    let mut fold = HardwareFold::new(frame(Some(span(1, 3)), 1));
    for (t, w) in [(0.0, 100.0), (2.0, 100.0), (1.5, 900.0), (4.0, 100.0)] {
        fold.add_gpu(&watts(0, t, w));
    }
    fold.add_gpu(&watts(0, 5_000.0, 900.0));
    fold.add_gpu(&watts(7, 2.0, 900.0));
    let hardware = fold.finish();
    let cell = hardware.cells[0].as_ref().unwrap();
    assert_eq!(cell.gpus[0].energy.power_joules, Some(200.0));
    assert_eq!(cell.gpus.len(), 1);
    assert_eq!(
        hardware.timeline.notes,
        [
            "samples skipped, of a GPU that `run.json` does not list: 1",
            "samples skipped, outside the run: 1",
            "samples skipped, with a time that runs backwards: 1",
        ]
    );
}

#[test]
fn a_share_of_cpu_counts_for_the_time_since_the_sample_before() {
    let host = |t: u64, cpu: Option<f64>| HostSample {
        t_ns: t * S,
        backend_cpu_percent: cpu,
        ..HostSample::default()
    };
    let mut fold = HardwareFold::new(frame(Some(span(1, 4)), 0));
    // 100 % from 0 s to 2 s, 400 % from 2 s to 4 s; a line would give another mean
    for sample in [host(0, None), host(2, Some(100.0)), host(4, Some(400.0))] {
        fold.add_host(&sample);
    }
    let cell = fold.finish().cells.remove(0).unwrap();
    let cpu = cell.host.series["backend_cpu_percent"];
    // (1 s * 100 + 2 s * 400) / 3 s
    assert_eq!(cpu.mean, Some(300.0));
    assert_eq!(cpu.max, Some(400.0));
}

#[test]
fn shared_memory_is_joined_at_its_own_rate() {
    let host = |t: u64, pss: Option<u64>| HostSample {
        t_ns: t * S,
        backend_pss_bytes: pss,
        pss_every_ms: pss.map(|_| 10_000),
        backend_rss_bytes: Some(1_000),
        ..HostSample::default()
    };
    let mut fold = HardwareFold::new(frame(Some(span(5, 15)), 0));
    for t in 0..=20 {
        fold.add_host(&host(t, (t % 10 == 0).then_some(100 + 10 * t)));
    }
    let cell = fold.finish().cells.remove(0).unwrap();
    let pss = cell.host.series["backend_pss_bytes"];
    // 100 at 0 s, 200 at 10 s, 300 at 20 s: 150 at 5 s, 250 at 15 s
    assert_eq!((pss.mean, pss.max), (Some(200.0), Some(250.0)));
    assert_eq!((pss.covered_s, pss.n), (10.0, 1));
    assert_eq!(cell.host.series["backend_rss_bytes"].n, 11);
}

#[test]
fn the_energy_of_the_cpu_follows_from_its_counter() {
    let mut fold = HardwareFold::new(frame(Some(span(1, 3)), 0));
    // 30 W, then 50 W
    for (t, joules) in [(0, 0.0), (2, 60.0), (4, 160.0)] {
        fold.add_host(&HostSample {
            t_ns: t * S,
            cpu_energy_joules: Some(joules),
            ..HostSample::default()
        });
    }
    let cell = fold.finish().cells.remove(0).unwrap();
    assert_eq!(cell.host.cpu_energy.joules, Some(80.0));
    assert_eq!(cell.host.series["cpu_package_watts"].mean, Some(40.0));
    let without = HardwareFold::new(frame(Some(span(1, 3)), 0));
    assert_eq!(without.finish().cells, [None]);
}

#[test]
fn a_run_without_samples_has_an_axis_and_no_series() {
    let timeline = HardwareFold::new(frame(Some(span(1, 3)), 1))
        .finish()
        .timeline;
    assert!(timeline.series.is_empty());
    assert_eq!(timeline.cells[0].window_start_s, Some(1.0));
    assert_eq!(timeline.end_s, 1000.0);
}

#[test]
fn eight_devices_over_a_day_are_thinned_out_to_what_a_page_can_draw() {
    let day = Frame {
        end_ns: None,
        sample_every_ns: 10 * S,
        ..frame(Some(span(100, 80_000)), 8)
    };
    let mut fold = HardwareFold::new(day);
    for t in (0..86_400).step_by(10) {
        for index in 0..8 {
            fold.add_gpu(&GpuSample {
                memory_used_bytes: Some(t),
                utilization_percent: Some(50.0),
                ..watts(index, t as f64, 300.0)
            });
        }
    }
    let hardware = fold.finish();
    assert_eq!(hardware.timeline.series.len(), 24);
    for series in &hardware.timeline.series {
        assert!((100..=720).contains(&series.t_s.len()));
        assert_eq!(series.t_s.len(), series.mean.len());
    }
    let energy = hardware.cells[0].as_ref().unwrap().gpu_energy.clone();
    // 79,900 s * 300 W * 8
    let joules = energy.unwrap().joules.unwrap();
    assert!((joules / 191_760_000.0 - 1.0).abs() < 1e-9, "{joules}");
}

#[test]
fn a_mig_instance_does_not_mix_with_its_device() {
    let samples: Vec<GpuSample> = (0..=30)
        .flat_map(|t| {
            let whole = watts(0, f64::from(t), 50.0);
            let instance = GpuSample {
                mig: Some(1),
                power_watts: Some(9.0),
                ..whole.clone()
            };
            [whole, instance]
        })
        .collect();
    let cell = cell_of(frame(Some(span(10, 20)), 1), &samples);
    // 10 s * 50 W
    assert_eq!(cell.gpus[0].energy.power_joules, Some(500.0));
}
