//! Devices and calls that fail, lie or hang while they are sampled.

use super::*;

#[test]
fn g15_a_device_that_falls_off_the_bus_gives_nulls_from_then_on_and_is_noted() {
    let (samples, notes) = play(
        json!([
            {"power_milliwatts": {"by_call": [1500, 1500, "GPU_IS_LOST"]}, "sm_clock_mhz": 5},
            {"power_milliwatts": 7000},
        ]),
        8,
    );
    let of = |index| samples.iter().filter(move |sample| sample.index == index);
    let lost: Vec<_> = of(0).map(|sample| sample.power_watts).collect();
    assert_eq!(lost, [Some(1.5), Some(1.5), None, None]);
    assert!(of(0).all(|sample| sample.sm_clock_mhz == Some(5)));
    assert!(of(1).all(|sample| sample.power_watts == Some(7.0)));
    assert_eq!(
        notes,
        [
            "GPU 0 gave no power at times: device fell off the bus or has otherwise become inacessible"
        ]
    );
}

#[test]
fn a_device_that_is_lost_whole_is_one_line() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "power_milliwatts": 1500, "sm_clock_mhz": 5, "lost_from_s": 0.2,
    }]}));
    let (status, samples) = stand_in.start();
    assert_eq!(samples.recv().unwrap().power_watts, Some(1.5));
    let lost = samples
        .iter()
        .find(|sample| sample.power_watts.is_none())
        .unwrap();
    assert_eq!(lost.sm_clock_mhz, None);
    let notes = status.sampler.unwrap().stop();
    let lines = notes
        .iter()
        .filter(|line| line.contains("fell off the bus"));
    assert_eq!(lines.count(), 1, "{notes:?}");
}

#[test]
fn a_counter_that_runs_backwards_is_kept_as_it_is_and_noted() {
    let (samples, notes) = play(
        json!([{"energy_millijoules": {"by_call": [5000, 7000, 3000, 4000]}}]),
        4,
    );
    let joules: Vec<_> = samples.iter().map(|sample| sample.energy_joules).collect();
    assert_eq!(joules, [Some(5.0), Some(7.0), Some(3.0), Some(4.0)]);
    assert_eq!(
        notes,
        ["GPU 0: its energy counter ran backwards, from 7 to 3 J"]
    );
}

#[test]
fn figures_that_cannot_be_are_left_out_and_noted() {
    let (samples, notes) = play(
        json!([{
            "memory": {"total_bytes": 1000, "used_bytes": u64::MAX},
            "utilization_percent": 4_294_967_295_u32, "power_milliwatts": 4_294_967_295_u32,
            "temperature_celsius": 4_294_967_295_u32, "sm_clock_mhz": 4_294_967_295_u32,
            "energy_millijoules": u64::MAX, "performance_state": 32, "memory_clock_mhz": 9,
            "processes": [], "process_count": 4_294_967_295_u32,
        }]),
        1,
    );
    let expected = GpuSample {
        t_ns: samples[0].t_ns,
        read_us: samples[0].read_us,
        memory_clock_mhz: Some(9),
        memory_controller_percent: Some(0.0),
        ..GpuSample::default()
    };
    assert_eq!(samples[0], expected);
    for figure in [
        "memory in use",
        "utilization",
        "power",
        "temperature",
        "SM clock",
        "energy",
    ] {
        let line = format!("GPU 0 gave {figure} that cannot be, at times: left out");
        assert!(
            notes.iter().any(|note| note.starts_with(&line)),
            "{figure}: {notes:?}"
        );
    }
}

#[test]
fn a_call_that_hangs_ends_the_samples_and_delays_no_stop() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "power_milliwatts": 1000, "hangs_from_s": 0.2,
    }]}));
    let (status, samples) = stand_in.start();
    assert!(samples.recv().is_ok());
    while samples.recv_timeout(Duration::from_millis(1500)).is_ok() {}
    let stopping = Instant::now();
    let notes = status.sampler.unwrap().stop();
    assert!(stopping.elapsed() < LONG);
    // What was behind the sink is free, though the thread still hangs.
    assert_eq!(
        samples.recv_timeout(LONG),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
    assert!(
        notes
            .iter()
            .any(|line| line.ends_with("NVML did not return from a call")),
        "{notes:?}"
    );
}

#[test]
fn a_call_that_hangs_for_a_while_leaves_a_gap() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "power_milliwatts": 1000, "hangs_from_s": 0.2, "hangs_until_s": 1.5,
    }]}));
    let (status, samples) = stand_in.start();
    let mut last_ns = samples.recv().unwrap().t_ns;
    let slow = samples
        .iter()
        .find(|sample| sample.read_us >= Some(1_000_000))
        .unwrap();
    assert_eq!(slow.power_watts, Some(1.0));
    let after = samples.recv().unwrap();
    assert!(after.t_ns - slow.t_ns >= 1_000_000_000, "no gap");
    for sample in samples.try_iter() {
        assert!(sample.t_ns > last_ns);
        last_ns = sample.t_ns;
    }
    let notes = status.sampler.unwrap().stop();
    assert!(
        notes
            .iter()
            .any(|line| line.starts_with("the GPU samples have gaps")),
        "{notes:?}"
    );
}
