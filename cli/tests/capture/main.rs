//! `verify --capture`: a run and the packets beside it, and captures with faults.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod packets;
mod real;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use common::{Said, inferbench, said};
use flate2::read::GzDecoder;
use inferbench_model::verify::Verification;
use inferbench_model::verify::wire::WireComparison;
use packets::{
    Link, Packet, stored, with_numbers_beginning_anew, write_pcap, write_pcap_cut, write_pcapng,
};

/// Requests that the stored run sent.
const SENT: u64 = 55;

/// The stored run in a folder of its own.
struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        let run = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(run.file("run.json"), include_bytes!("run/run.json")).unwrap();
        let packed = include_bytes!("run/requests.jsonl.gz");
        let mut lines = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut lines).unwrap();
        fs::write(run.file("requests.jsonl"), lines).unwrap();
        run
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the packets beside the run.
    fn capture(&self, link: Link, packets: &[Packet]) -> PathBuf {
        let file = self.file("x.pcap");
        write_pcap(&file, link, packets);
        file
    }

    fn change(&self, name: &str, change: impl Fn(&str) -> String) {
        let before = fs::read_to_string(self.file(name)).unwrap();
        let after = change(&before);
        assert_ne!(before, after);
        fs::write(self.file(name), after).unwrap();
    }

    fn held_against(&self, capture: &Path) -> Said {
        let mut command = inferbench();
        command.args(["--json", "verify"]).arg(self.folder.path());
        said(command.arg("--capture").arg(capture))
    }

    /// What a capture shows, and what is found against the rule.
    fn shown_by(&self, capture: &Path) -> (WireComparison, Vec<String>) {
        shown(&self.held_against(capture))
    }

    /// The one line that refuses a capture.
    fn refused(&self, capture: &Path) -> String {
        let said = self.held_against(capture);
        assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
        let line = said.err.lines().next().unwrap();
        line.strip_prefix("error: ").unwrap().to_owned()
    }
}

fn shown(said: &Said) -> (WireComparison, Vec<String>) {
    let found: Verification =
        serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
    let rules = found.rules.iter();
    let rules = rules.filter(|rule| ["V18", "V19"].contains(&rule.id.as_str()));
    let findings = rules.flat_map(|rule| &rule.findings);
    let words = findings.map(|finding| finding.words.clone());
    (found.wire.unwrap(), words.collect())
}

/// Every request is found, and no gap between output events differs by 0.1 ms.
fn assert_agrees((wire, findings): &(WireComparison, Vec<String>)) {
    assert_eq!(findings, &Vec::<String>::new());
    assert_eq!((wire.requests.found, wire.requests.compared), (SENT, SENT));
    let rows = &wire.differences;
    let metrics: Vec<&str> = rows.iter().map(|row| row.metric.as_str()).collect();
    assert_eq!(metrics, ["ttft_ms", "itl_ms", "e2e_latency_ms"]);
    assert_eq!([rows[0].values, rows[1].values], [SENT, 7 * SENT]);
    assert!(rows[1].largest_ms < 0.1, "{rows:?}");
    assert!(
        rows[0].median_ms < 0.1 && rows[0].largest_ms < 0.3,
        "{rows:?}"
    );
}

#[test]
fn a_run_agrees_with_its_packets_whatever_the_form_of_the_file() {
    let run = Run::new();
    let plain = run.shown_by(&run.capture(Link::Sll2, &stored()));
    assert_agrees(&plain);
    for link in [Link::Ethernet, Link::Ip, Link::Ip6, Link::Sll] {
        let other = run.shown_by(&run.capture(link, &stored()));
        assert_eq!(other.0.differences, plain.0.differences, "{link:?}");
        let file = run.file("x.pcapng");
        write_pcapng(&file, link, &stored());
        let next_generation = run.shown_by(&file);
        assert_eq!(
            next_generation.0.differences, plain.0.differences,
            "{link:?}"
        );
    }
}

#[test]
fn a_run_without_a_capture_leaves_the_rule_open() {
    let run = Run::new();
    let said = said(
        inferbench()
            .args(["--json", "verify"])
            .arg(run.folder.path()),
    );
    let found: Verification = serde_json::from_str(&said.out).unwrap();
    let rule = found.rules.iter().find(|rule| rule.id == "V18").unwrap();
    assert_eq!(
        rule.unchecked.as_deref(),
        Some("no capture was given: --capture FILE")
    );
    assert_eq!(found.wire, None);
}

#[test]
fn packets_that_are_sent_again_or_stand_in_another_order_change_nothing() {
    let run = Run::new();
    let once = stored();
    let plain = run.shown_by(&run.capture(Link::Sll2, &once));
    let twice: Vec<Packet> = once
        .iter()
        .flat_map(|packet| {
            let mut again = packet.clone();
            again.wall_ns += 3_000_000;
            [packet.clone(), again]
        })
        .collect();
    let mut turned = once.clone();
    for some in turned.chunks_mut(7) {
        some.reverse();
    }
    let anew = with_numbers_beginning_anew(once);
    for packets in [twice, turned, anew] {
        let other = run.shown_by(&run.capture(Link::Sll2, &packets));
        assert_agrees(&other);
        assert_eq!(other.0.differences, plain.0.differences);
    }
}

#[test]
fn a_capture_that_lacks_packets_shows_the_other_requests() {
    let run = Run::new();
    let is_kept = |at: &usize| at % 60 != 59;
    let packets = stored().into_iter().enumerate();
    let packets: Vec<Packet> = packets
        .filter(|(at, packet)| is_kept(at) || packet.payload().is_empty())
        .map(|(_, packet)| packet)
        .collect();
    let (wire, findings) = run.shown_by(&run.capture(Link::Sll2, &packets));
    assert_eq!(findings, Vec::<String>::new());
    let requests = wire.requests;
    assert!((40..SENT).contains(&requests.found), "{requests:?}");
    assert_eq!(
        requests.found + requests.packets_missing,
        SENT,
        "{requests:?}"
    );
    assert!(
        wire.differences[1].largest_ms < 0.1,
        "{:?}",
        wire.differences
    );
}

#[test]
fn packets_that_the_snapshot_length_has_cut_count_as_missing() {
    let run = Run::new();
    let file = run.file("x.pcap");
    // Requests are longer, events are not.
    write_pcap_cut(&file, Link::Sll2, &stored(), 400);
    let (wire, findings) = run.shown_by(&file);
    assert!(wire.capture.cut_packets >= SENT, "{:?}", wire.capture);
    let requests = wire.requests;
    assert_eq!(
        (requests.found, requests.packets_missing),
        (0, SENT),
        "{requests:?}"
    );
    assert_eq!(
        findings,
        ["it shows 0 of 55 requests with their whole answer"]
    );
}

#[test]
fn a_capture_that_ends_early_shows_the_requests_before_its_end() {
    let run = Run::new();
    let file = run.capture(Link::Sll2, &stored());
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let (wire, findings) = run.shown_by(&file);
    assert_eq!(findings, Vec::<String>::new());
    assert!(wire.capture.is_cut_short);
    let requests = wire.requests;
    assert!(
        requests.found > 0 && requests.outside_capture > 0,
        "{requests:?}"
    );
    assert!(requests.packets_missing <= 4, "{requests:?}");
    assert_eq!(requests.not_on_wire, 0);
}

#[test]
fn a_capture_of_a_few_requests_is_no_witness() {
    let run = Run::new();
    let packets = stored();
    // Those of every fifth connection.
    let packets = packets.into_iter().filter(|packet| {
        let (from, to) = packet.ports();
        from.max(to).is_multiple_of(5)
    });
    let packets: Vec<Packet> = packets.collect();
    let (wire, findings) = run.shown_by(&run.capture(Link::Sll2, &packets));
    assert!(
        wire.requests.not_on_wire > wire.requests.found,
        "{:?}",
        wire.requests
    );
    assert!(findings[0].starts_with("it shows "), "{findings:?}");
}

#[test]
fn a_capture_of_another_run_is_refused() {
    let run = Run::new();
    let mut packets = stored();
    for packet in &mut packets {
        packet.wall_ns += 3_600_000_000_000;
    }
    let words = run.refused(&run.capture(Link::Sll2, &packets));
    assert!(
        words.contains("holds none of the 55 requests of this run"),
        "{words}"
    );
    assert!(
        words.contains("its packets are from 2026-11-29T09:10:0"),
        "{words}"
    );
}

/// The number behind the first `key` of each line, replaced by what `new` makes of it.
fn with_numbers(lines: &str, key: &str, new: impl Fn(u64) -> u64) -> String {
    let line = |line: &str| {
        let at = line.find(key).unwrap() + key.len();
        let end = at + line[at..].find([',', '}']).unwrap();
        let changed = new(line[at..end].parse().unwrap());
        format!("{}{changed}{}\n", &line[..at], &line[end..])
    };
    lines.lines().map(line).collect()
}

#[test]
fn records_with_other_times_or_texts_are_found_out() {
    let run = Run::new();
    let capture = run.capture(Link::Sll2, &stored());
    let key = "\"first_output_ns\":";
    run.change("requests.jsonl", |lines| {
        with_numbers(lines, key, |ns| ns - 2_000_000)
    });
    let (wire, findings) = run.shown_by(&capture);
    assert_eq!(wire.requests.found, SENT);
    assert!(
        findings[0].starts_with("ttft_ms differs from the packets by 2."),
        "{findings:?}"
    );
    let run = Run::new();
    run.change("requests.jsonl", |lines| {
        lines.replacen("\"text_sha256\":\"", "\"text_sha256\":\"00", 1)
    });
    let (wire, findings) = run.shown_by(&capture_in(&run));
    assert_eq!(
        (wire.requests.found, wire.requests.other_answer),
        (SENT - 1, 1)
    );
    assert_eq!(findings, ["1 answers have another text than their records"]);
}

fn capture_in(run: &Run) -> PathBuf {
    run.capture(Link::Sll2, &stored())
}

#[test]
fn what_is_no_capture_is_refused_in_one_line() {
    let run = Run::new();
    let file = run.file("x.pcap");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let words = run.refused(&file);
        words
            .strip_prefix(file.to_str().unwrap())
            .unwrap()
            .to_owned()
    };
    assert_eq!(refused(b""), ": is empty, must be a pcap or pcapng file");
    let no_capture = ": is no capture, must be a pcap or pcapng file";
    assert_eq!(
        refused(b"GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n"),
        no_capture
    );
    assert_eq!(refused(&[0xd4, 0xc3, 0xb2]), no_capture);
    write_pcap(&file, Link::Sll2, &[]);
    let header = fs::read(&file).unwrap();
    assert_eq!(refused(&header), ": holds no packet");
    write_pcapng(&file, Link::Sll2, &stored()[..3]);
    let whole = fs::read(&file).unwrap();
    // A block of 1 byte in all.
    let damaged = [&whole[..], &[6, 0, 0, 0, 1, 0, 0, 0], &[0; 64]].concat();
    let at = format!(": cannot be read behind packet 3, at byte {}", whole.len());
    assert_eq!(refused(&damaged), at);
    let folder = run.refused(run.folder.path());
    assert!(folder.ends_with(": cannot be read"), "{folder}");
}

#[test]
fn a_run_without_plain_http_is_refused_with_the_reason() {
    for (attach, why) in [
        (
            "https://server:8000",
            "is asked over TLS, and what is inside cannot be read",
        ),
        (
            "unix:/run/server",
            "is asked over a Unix-domain socket, which has no packets",
        ),
    ] {
        let run = Run::new();
        run.change("run.json", |text| {
            let mut manifest: serde_json::Value = serde_json::from_str(text).unwrap();
            manifest["config"]["backends"][0]["attach"] = attach.into();
            manifest.to_string()
        });
        let words = run.refused(&capture_in(&run));
        let start = "the run sent nothing over plain HTTP: backend `batching` ";
        assert_eq!(words, format!("{start}{why}"));
    }
}

#[test]
fn packets_that_hold_no_plain_http_are_refused_with_the_reason() {
    let run = Run::new();
    let words = run.refused(&run.capture(Link::Wireless, &stored()));
    assert!(
        words.contains("link type 127, must be 1 (Ethernet)"),
        "{words}"
    );
    let with_payload = |change: &dyn Fn(&mut [u8])| -> Vec<Packet> {
        let mut packets = stored();
        for packet in &mut packets {
            let at = packet.ip.len() - packet.payload().len();
            change(&mut packet.ip[at..]);
        }
        packets
    };
    let tls = with_payload(&|payload| {
        if payload.len() > 3 {
            payload[..3].copy_from_slice(&[22, 3, 1]);
        }
    });
    let words = run.refused(&run.capture(Link::Sll2, &tls));
    assert!(words.contains("holds TLS only ("), "{words}");
    let other = with_payload(&|payload| payload.fill(b'x'));
    let words = run.refused(&run.capture(Link::Sll2, &other));
    assert!(words.contains("holds no HTTP request in its "), "{words}");
}
