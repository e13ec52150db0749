//! Shards that meet, and those that do not.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

fn go() -> CancellationToken {
    CancellationToken::new()
}

fn enter_of(folder: &Path, (index, count): (u32, u32), limit_ms: u64) -> Rendezvous {
    let shard = Shard::new(index, count).unwrap();
    let limit = Duration::from_millis(limit_ms);
    Rendezvous::enter(folder, shard, "one run", limit, &go()).unwrap()
}

fn enter(folder: &Path, index: u32, limit_ms: u64) -> Rendezvous {
    enter_of(folder, (index, 2), limit_ms)
}

#[test]
fn all_get_the_start_that_the_first_publishes() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [0, 1].map(|index| enter(folder.path(), index, 20_000));
    let cancel = CancellationToken::new();
    let before_ns = clock::realtime_ns();
    let starts = std::thread::scope(|scope| {
        let each = [&one, &two].map(|own| scope.spawn(|| own.start(0, &cancel).unwrap()));
        each.map(|thread| thread.join().unwrap())
    });
    assert_eq!(starts[0], starts[1]);
    assert!(starts[0] >= before_ns + MARGIN_NS);
}

#[test]
fn who_waits_in_vain_names_the_missing_and_the_others_give_up() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let error = enter(folder.path(), 0, 50).start(0, &cancel).unwrap_err();
    assert!(matches!(&error, NotStarted::Missing { missing, .. } if *missing == [1]));
    // It left, so the other one does not wait for its own limit.
    let error = enter(folder.path(), 1, 600_000)
        .start(0, &cancel)
        .unwrap_err();
    assert!(matches!(error, NotStarted::GivenUp { shard: 0, .. }));
}

#[test]
fn where_the_first_says_nothing_the_file_that_is_waited_for_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let alone = enter(folder.path(), 1, 50);
    let cancel = CancellationToken::new();
    let error = alone.start(0, &cancel).unwrap_err();
    assert!(matches!(&error, NotStarted::Missing { missing, .. } if *missing == [0]));
    // The first was ready, and then it was killed.
    fs::write(folder.path().join("cell-1-ready-0"), "").unwrap();
    fs::remove_file(alone.folder.said("left-1")).unwrap();
    let words = alone.start(1, &cancel).unwrap_err().to_string();
    assert!(words.contains("said/cell-1-start: did not come"), "{words}");
}

#[test]
fn a_second_start_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    enter(folder.path(), 1, 50);
    let shard = Shard::new(1, 2).unwrap();
    let again =
        Rendezvous::enter(folder.path(), shard, "one run", Duration::ZERO, &go()).unwrap_err();
    assert!(matches!(again, NotStarted::Stale { shard: 1, .. }));
}

#[test]
fn shards_of_two_runs_in_one_folder_do_not_begin() {
    // Another config, and another number of shards.
    for (run, count) in [("another run", 2), ("one run", 3)] {
        let folder = tempfile::tempdir().unwrap();
        let first = enter(folder.path(), 0, 20_000);
        let shard = Shard::new(1, count).unwrap();
        let limit = Duration::from_secs(20);
        let other = Rendezvous::enter(folder.path(), shard, run, limit, &go()).unwrap();
        let cancel = CancellationToken::new();
        let errors = std::thread::scope(|scope| {
            let each = [&first, &other].map(|own| scope.spawn(|| own.start(0, &cancel)));
            each.map(|thread| thread.join().unwrap().unwrap_err())
        });
        assert!(matches!(errors[0], NotStarted::OtherRun { shard: 1, .. }));
        assert!(matches!(errors[1], NotStarted::GivenUp { shard: 0, .. }));
    }
}

#[test]
fn a_cell_has_ended_when_it_has_in_all() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [0, 1].map(|index| enter(folder.path(), index, 50));
    let cancel = CancellationToken::new();
    one.ended(3, &cancel).unwrap();
    two.ended(3, &cancel).unwrap();
    one.all_ended(3, &cancel).unwrap();
    two.all_ended(3, &cancel).unwrap();
    two.ended(4, &cancel).unwrap();
    assert!(two.all_ended(4, &cancel).is_err());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let shard = Shard::new(0, 2).unwrap();
    let error = Rendezvous::enter(&file, shard, "one run", Duration::ZERO, &go()).unwrap_err();
    assert!(matches!(error, NotStarted::Folder { .. }), "{error}");
}

#[test]
fn a_clock_that_is_seconds_behind_is_told_by_the_start() {
    let shard = Shard::new(1, 2).unwrap();
    let margin_ns = margin_ns(shard);
    assert!(must_not_be_too_far(margin_ns + MOST_BEHIND_NS, shard).is_ok());
    let error = must_not_be_too_far(margin_ns + 2_500_000_000, shard).unwrap_err();
    assert!(matches!(
        error,
        NotStarted::ClockBehind {
            behind_ns: 2_500_000_000
        }
    ));
}

#[test]
fn five_hundred_shards_meet_for_two_cells() {
    let folder = tempfile::tempdir().unwrap();
    let count = 500;
    let cancel = CancellationToken::new();
    let starts = std::thread::scope(|scope| {
        let each = (0..count).map(|index| {
            let (folder, cancel) = (folder.path(), &cancel);
            scope.spawn(move || {
                let own = enter_of(folder, (index, count), 300_000);
                let first = own.start(0, cancel).unwrap();
                // The start lies ahead for all, although each looks twice a second.
                let is_ahead = clock::realtime_ns() < first;
                own.ended(0, cancel).unwrap();
                own.all_ended(0, cancel).unwrap();
                (first, is_ahead, own.start(1, cancel).unwrap())
            })
        });
        let threads: Vec<_> = each.collect();
        let starts = threads.into_iter().map(|thread| thread.join().unwrap());
        starts.collect::<Vec<_>>()
    });
    let (first, _, second) = starts[0];
    assert!(second > first);
    assert!(starts.iter().all(|start| *start == (first, true, second)));
}

#[test]
fn a_start_of_another_run_is_no_start_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    // Two shards have met here, and of the four of another run two come later.
    let late = enter_of(folder.path(), (2, 4), 20_000);
    let soon = clock::realtime_ns() + 1_000_000_000;
    let text = format!("{soon} 0/2 one run\n");
    late.folder.say("cell-0-start", text, &go()).unwrap();
    let error = late.start(0, &go()).unwrap_err();
    assert!(
        matches!(error, NotStarted::OtherRun { shard: 0, .. }),
        "{error}"
    );
    // One that says no time is refused at once, too.
    let own = format!("soon {}", late.card(0));
    late.folder.say("cell-1-start", own, &go()).unwrap();
    let error = late.start(1, &go()).unwrap_err();
    assert!(matches!(error, NotStarted::Folder { .. }), "{error}");
}

#[test]
fn a_start_that_is_no_text_of_a_line_is_refused_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let own = enter(folder.path(), 1, 20_000);
    let start = own.folder.said("cell-0-start");
    let refused = |words: &str| {
        let error = own.start(0, &go()).unwrap_err();
        let NotStarted::Folder { path, source } = &error else {
            panic!("{error}");
        };
        assert_eq!(*path, start);
        assert!(source.to_string().contains(words), "{source}");
    };
    std::os::unix::fs::symlink("/dev/zero", &start).unwrap();
    refused("is larger than 65536 bytes");
    fs::remove_file(&start).unwrap();
    fs::write(&start, [0xff]).unwrap();
    refused("is not UTF-8");
}

#[test]
fn a_folder_that_goes_away_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let meet = folder.path().join("meet");
    let own = enter(&meet, 1, 600_000);
    let error = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| own.start(0, &go()).unwrap_err());
        while !meet.join("cell-0-ready-1").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        fs::rename(&meet, folder.path().join("elsewhere")).unwrap();
        waiting.join().unwrap()
    });
    let NotStarted::Folder { path, .. } = &error else {
        panic!("{error}");
    };
    assert!(path.starts_with(&meet), "{error}");
}

#[test]
fn a_file_system_that_hangs_holds_up_nothing_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let own = enter(folder.path(), 1, 50);
    // Whoever opens it for writing waits until somebody reads, and nobody does.
    let pipe = folder.path().join(".cell-0-ready-1.part");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let words = own.start(0, &go()).unwrap_err().to_string();
    assert!(words.contains("did not answer within 2 s"), "{words}");
    let stopped = CancellationToken::new();
    stopped.cancel();
    let error = own.start(0, &stopped).unwrap_err();
    assert!(matches!(error, NotStarted::Stopped), "{error}");
}
