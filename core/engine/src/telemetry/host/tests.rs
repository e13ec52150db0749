#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::*;

/// A process that is gone when the test ends.
struct Burning(Child);

impl Burning {
    /// A shell whose child burns CPU, in a process group of its own.
    fn start() -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'while :; do :; done' & wait"]);
        command.stdin(Stdio::null()).process_group(0);
        Self(command.spawn().unwrap())
    }

    fn end(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.0.id() as i32);
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Drop for Burning {
    fn drop(&mut self) {
        self.end();
    }
}

fn sampler(watched: &WatchedBackend) -> (HostSampler, Receiver<HostSample>) {
    let (sender, samples) = channel();
    let sink = move |sample| {
        let _ = sender.send(sample);
    };
    let every = Duration::from_millis(50);
    let sampler = HostSampler::start(every, watched.clone(), sink).unwrap();
    (sampler, samples)
}

#[test]
fn a_tree_that_burns_cpu_is_seen_and_its_end_too() {
    let mut burning = Burning::start();
    let watched = WatchedBackend::default();
    watched.set("sim", Some(burning.0.id()));
    let (sampler, samples) = sampler(&watched);

    let busy = |s: &HostSample| s.backend_cpu_percent.is_some_and(|cpu| cpu > 1.0);
    let seen = samples.iter().find(busy).unwrap();
    assert_eq!(seen.backend.as_deref(), Some("sim"));
    assert!(seen.backend_rss_bytes.unwrap() > 0);
    // one thread burns; ticks of 10 ms in 50 ms are coarse
    assert!(seen.backend_cpu_percent.unwrap() < 400.0, "{seen:?}");
    assert!(seen.host_cpu_percent.is_some());

    burning.end();
    let gone = samples
        .iter()
        .find(|s| s.backend_rss_bytes.is_none())
        .unwrap();
    assert_eq!(gone.backend.as_deref(), Some("sim"));
    assert_eq!(gone.backend_cpu_percent, None);

    watched.clear();
    assert!(samples.iter().any(|s| s.backend.is_none()));
    sampler.stop();
    assert!(samples.try_iter().count() < 1000, "the sampler went on");
}

#[test]
fn a_first_sample_has_levels_and_no_shares() {
    let sample = Meter::open().sample(None);
    assert_eq!(sample.backend, None);
    assert_eq!(sample.backend_rss_bytes, None);
    assert_eq!(sample.client_cpu_percent, None);
    assert_eq!(sample.host_cpu_percent, None);
    assert!(sample.client_rss_bytes.unwrap() > 0);
    assert!(sample.memory_available_bytes.unwrap() > 0);
    assert!(sample.load_1m.unwrap() >= 0.0);
}

#[test]
fn the_clients_own_cpu_is_seen() {
    let mut meter = Meter::open();
    let before = process_cpu_ns().unwrap();
    meter.sample(None);
    while process_cpu_ns().unwrap() < before + 20_000_000 {
        std::hint::black_box(now_ns());
    }
    assert!(meter.sample(None).client_cpu_percent.unwrap() > 0.0);
}

#[test]
fn an_attached_server_has_a_label_and_no_figures() {
    let target = Target {
        label: "prod".to_owned(),
        pid: None,
    };
    let sample = Meter::open().sample(Some(target));
    assert_eq!(sample.backend.as_deref(), Some("prod"));
    assert_eq!(sample.backend_rss_bytes, None);
}

#[test]
fn shares_are_a_hundred_per_core() {
    assert_eq!(share_percent(0.5, 0.25), Some(200.0));
    assert_eq!(share_percent(0.5, 0.0), None);
    assert_eq!(rise(Some(5), Some(3)), None);
    assert_eq!(rise(None, Some(3)), None);
}

#[test]
fn the_name_of_the_system_has_distribution_and_kernel() {
    let release = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
    assert_eq!(
        os_text(Some(release), Some("6.8.0-40-generic")).as_deref(),
        Some("Debian GNU/Linux 12 (bookworm), Linux 6.8.0-40-generic")
    );
    assert_eq!(os_text(None, Some("6.8.0")).as_deref(), Some("Linux 6.8.0"));
    assert_eq!(os_text(None, None), None);
}

#[test]
fn this_host_reports_its_hardware() {
    let facts = host_facts();
    assert!(facts.cores.unwrap() >= 1);
    assert!(facts.memory_bytes.unwrap() > 1 << 20);
    assert!(facts.os.unwrap().contains("Linux"));
    assert!(facts.hostname.is_some());
}

#[test]
fn what_is_shared_is_read_at_a_rate_of_its_own() {
    let target = Target {
        label: "sim".to_owned(),
        pid: Some(std::process::id()),
    };
    let mut meter = Meter::open();
    let first = meter.sample(Some(target.clone()));
    assert!(first.backend_pss_bytes.unwrap() > 0);
    assert!(first.client_pss_bytes.unwrap() > 0);
    assert!(first.pss_every_ms.unwrap() >= 5000);
    let second = meter.sample(Some(target));
    assert_eq!(second.backend_pss_bytes, None);
    assert_eq!(second.pss_every_ms, None);
    assert!(second.backend_rss_bytes.is_some());
    // a reading of 200 ms comes every 20 s
    assert_eq!(pss_every(Duration::from_millis(200)).as_secs(), 20);
    assert_eq!(pss_every(Duration::ZERO).as_secs(), 5);
}
