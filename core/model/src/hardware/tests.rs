//! Every expected value is worked out by hand in the comment beside it.

mod energy;
mod host;

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
