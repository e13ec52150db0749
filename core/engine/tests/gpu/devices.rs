//! Which devices are sampled, and those that give little or nothing.

use super::*;

#[test]
fn a_card_without_the_two_powers_gives_the_one_that_it_has() {
    let (samples, _) = play(json!([{"power_milliwatts": 1500}]), 1);
    assert_eq!(samples[0].power_watts, Some(1.5));
    assert_eq!(samples[0].power_average_watts, None);
}

#[test]
fn g04_a_figure_that_is_not_supported_is_absent_and_not_zero() {
    let mig = json!({"uuid": "MIG-1"});
    let (samples, notes) = play(
        json!([{
            "mig": [mig], "utilization_percent": "NOT_SUPPORTED",
            "memory": {"total_bytes": 81_920 * MIB, "used_bytes": 36_537 * MIB},
        }]),
        2,
    );
    for sample in samples {
        assert_eq!(sample.utilization_percent, None);
        assert_eq!(sample.memory_used_bytes, Some(36_537 * MIB));
    }
    assert_eq!(notes, [NO_POWER]);
}

#[test]
fn g05_a_mig_instance_is_sampled_beside_its_parent() {
    let uuid = "MIG-00000000-1111-2222-3333-444444444444";
    let stand_in = StandIn::new(&json!({"devices": [{"uuid": "GPU-0"}, {
        "uuid": "GPU-1", "power_milliwatts": 90_000,
        "memory": {"total_bytes": 1000, "used_bytes": 700},
        "mig": [{"uuid": "MIG-x"}, {
            "uuid": uuid, "memory": {"total_bytes": 500, "used_bytes": 300},
        }],
    }]}));
    let visible_to = VisibleTo {
        backend: "vllm".to_owned(),
        devices: Some(uuid.to_owned()),
        order: None,
    };
    for (devices, visible_to) in [
        (Devices::Listed(vec![uuid.to_owned()]), Vec::new()),
        (Devices::Visible, vec![visible_to]),
    ] {
        let wanted = Wanted {
            devices,
            visible_to,
            ..stand_in.wanted()
        };
        let (status, samples) = start(wanted, &WatchedBackend::default());
        let uuids: Vec<_> = status
            .facts
            .iter()
            .map(|facts| facts.uuid.as_deref())
            .collect();
        assert_eq!(uuids, [Some("GPU-1"), Some(uuid)]);
        let taken: Vec<_> = samples.iter().take(2).collect();
        let brief = |s: &GpuSample| (s.index, s.mig, s.memory_used_bytes, s.power_watts);
        assert_eq!(brief(&taken[0]), (1, None, Some(700), Some(90.0)));
        assert_eq!(brief(&taken[1]), (1, Some(1), Some(300), None));
    }
}

#[test]
fn g09_an_index_in_cudas_order_samples_every_gpu_and_says_so() {
    let stand_in = StandIn::new(&json!({"devices": [{"name": "small"}, {"name": "big"}]}));
    let wanted = |order: Option<&str>| Wanted {
        devices: Devices::Visible,
        visible_to: vec![VisibleTo {
            backend: "vllm".to_owned(),
            devices: Some("0".to_owned()),
            order: order.map(str::to_owned),
        }],
        ..stand_in.wanted()
    };
    let (status, _samples) = start(wanted(None), &WatchedBackend::default());
    assert_eq!(status.facts.len(), 2);
    let notes = status.sampler.unwrap().stop();
    assert!(
        notes
            .iter()
            .any(|line| line.starts_with("`CUDA_VISIBLE_DEVICES` of vllm is \"0\""))
    );
    let (status, _samples) = start(wanted(Some("PCI_BUS_ID")), &WatchedBackend::default());
    let names: Vec<_> = status
        .facts
        .iter()
        .map(|facts| facts.name.as_deref())
        .collect();
    assert_eq!(names, [Some("Stand-in GPU (no real device) small")]);
}

#[test]
fn g10_one_device_without_power_does_not_stop_another() {
    let devices = json!([{"name": "A"}, {"name": "B", "power_milliwatts": 212_345}]);
    let (samples, _) = play(devices, 2);
    let powers: Vec<_> = samples.iter().map(|s| (s.index, s.power_watts)).collect();
    assert_eq!(powers, [(0, None), (1, Some(212.345))]);
}

#[test]
fn g11_memory_of_a_unified_device_is_the_sum_over_its_processes() {
    let (samples, notes) = play(
        json!([{"processes": [
            {"pid": 10, "used_bytes": 43 * MIB}, {"pid": 11, "used_bytes": 18 * MIB},
        ]}]),
        2,
    );
    assert_eq!(samples[0].memory_used_bytes, Some(61 * MIB));
    assert_eq!(samples[1].memory_used_bytes, Some(61 * MIB));
    assert_eq!(
        notes,
        [
            "GPU 0 reports no memory of its own: its memory in use is the sum over its processes",
            NOTHING
        ]
    );
}

#[test]
fn g12_a_device_that_reports_nothing_has_empty_samples() {
    let (samples, notes) = play(
        json!([{
            "name": "Orin (nvgpu)",
            "utilization_percent": "NOT_SUPPORTED", "power_milliwatts": "NOT_SUPPORTED",
        }]),
        2,
    );
    let expected = GpuSample {
        t_ns: samples[1].t_ns,
        read_us: samples[1].read_us,
        ..GpuSample::default()
    };
    assert_eq!(samples[1], expected);
    assert_eq!(notes, [NOTHING]);
}

#[test]
fn g13_memory_is_split_between_the_backend_and_a_stranger() {
    let stranger = std::process::id();
    let mut server = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let stand_in = StandIn::new(&json!({"devices": [{
        "memory": {"total_bytes": 81_920 * MIB, "used_bytes": 39_000 * MIB},
        "processes": [
            {"pid": server.id(), "used_bytes": 29_500 * MIB},
            {"pid": stranger, "used_bytes": 9000 * MIB},
        ],
    }]}));
    let backend = WatchedBackend::default();
    backend.set("vllm", Some(server.id()));
    let (status, samples) = start(stand_in.wanted(), &backend);
    let sample = samples.recv().unwrap();
    assert_eq!(sample.memory_used_bytes, Some(39_000 * MIB));
    assert_eq!(sample.backend_memory_bytes, Some(29_500 * MIB));
    assert_eq!(sample.others_memory_bytes, Some(9500 * MIB));
    let notes = status.sampler.unwrap().stop();
    let about = format!("(pid {stranger}) was on it with 8.79 GiB while vllm ran");
    assert!(notes.iter().any(|line| line.contains(&about)), "{notes:?}");
    let about = format!("(pid {})", server.id());
    assert!(!notes.iter().any(|line| line.contains(&about)), "{notes:?}");
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_name_that_is_no_text_is_absent_and_noted() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "name_is_no_text": true, "power_milliwatts": 1000,
    }]}));
    let (status, samples) = stand_in.start();
    assert_eq!(status.facts[0].name, None);
    assert_eq!(samples.recv().unwrap().power_watts, Some(1.0));
    let notes = status.sampler.unwrap().stop();
    assert_eq!(notes, ["GPU 0 has a name that is no UTF-8"]);
}

#[test]
fn more_than_sixteen_devices_are_all_sampled() {
    let devices: Vec<_> = (0..20)
        .map(|n| json!({"power_milliwatts": n * 1000}))
        .collect();
    let (samples, _) = play(devices.into(), 20);
    for (n, sample) in (0_u32..).zip(&samples) {
        assert_eq!((sample.index, sample.power_watts), (n, Some(f64::from(n))));
    }
}

#[test]
fn no_device_and_a_number_that_cannot_be_are_stated_absences() {
    assert_eq!(absence(&json!({})), "NVML lists no GPU");
    assert_eq!(
        absence(&json!({"device_count": 4_294_967_295_u32})),
        "NVML lists 4294967295 GPUs, more than 1024: none is sampled"
    );
}

#[test]
fn g03_a_version_mismatch_is_a_stated_absence_that_says_what_to_do() {
    assert_eq!(
        absence(&json!({"init": "LIB_RM_VERSION_MISMATCH"})),
        "the NVIDIA library and the loaded driver have different versions: reboot, or reload the driver"
    );
    assert_eq!(
        absence(&json!({"init": "DRIVER_NOT_LOADED"})),
        "the NVIDIA driver is not loaded"
    );
}
