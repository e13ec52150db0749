//! CPU and memory of the host.

use super::*;

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
