//! Warnings about the run as a whole: its end, its shards, and what its config has too few of.

macro_rules! run_rows {
    ([$next:ident! $($later:tt)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

        /// The run was interrupted: levels are missing.
        RunInterrupted = "run-interrupted", Critical, "Go on with `run CONFIG --resume FOLDER`.";
        /// The run has not ended, or its end was not written.
        RunNotEnded = "run-not-ended", Critical, "Wait for it, or go on with `run CONFIG --resume FOLDER`.";
        /// A cell did not come to the end of its plan: its figures are those of a part of it.
        CellCutShort {
            /// Repeat, from 0.
            block: u32,
            /// What is missing.
            lacks: String,
        } = "cell-cut-short", Critical, "Measure it again with `run CONFIG --resume FOLDER`.";
        /// Shards of the run are missing: less load was made than was asked for, and there is no verdict.
        ShardsMissing {
            /// Shards that were merged.
            merged: u32,
            /// Shards that the load was shared out among.
            count: u32,
            /// Places of the missing ones, from 0.
            missing: Vec<u32>,
        } = "shards-missing", Critical, "Run all shards again: the load was not what was asked for.";
        /// Facts of shards were changed after their run: the figures are not of what was measured, and there is no verdict.
        ShardsChanged {
            /// The shards, each with the files that are not as its run left them.
            changed: Vec<ChangedShard>,
        } = "shards-changed", Critical, "Merge the shards as their runs left them, or run all of them again.";
        /// The clocks of the shards' machines may be apart by more than a hundredth of the measured window, so rates and the window itself are uncertain by as much; latencies are not.
        ShardClocksApart {
            /// How far they may be apart, ms.
            apart_ms: f64,
            /// That as a share of the window.
            share: f64,
        } = "shard-clocks-apart", Critical, "Synchronise the clocks of all machines (chrony), or measure longer.";
        /// The wall clock of a shard's machine was set while it ran. Its records are on the clock from before that; how far clocks may be apart holds the step too.
        ShardClockStepped {
            /// Place of the shard, from 0.
            shard: u32,
            /// By how much, ms.
            step_ms: f64,
        } = "shard-clock-stepped", Warning, "Let time synchronisation settle on every machine, then measure again.";
        /// How far the clocks of the shards' machines may be apart is not known, so rates and the measured window are uncertain; latencies are not.
        ShardClocksUnknown = "shard-clocks-unknown", Critical, "Let the kernel of every machine keep its clock's error: run chrony or another NTP client.";
        /// One repeat gives figures and no verdict.
        OneRepeat = "one-repeat", Note, "Set repeats to 3 or more.";
        /// Some levels have more slots than there are requests, so they will never be full.
        LevelsNeverFull {
            /// Requests of the highest such level.
            requests: u64,
            /// The lowest such level.
            least: u32,
            /// The highest.
            most: u32,
            /// Requests that keep the highest busy.
            enough: u64,
        } = "levels-never-full", Warning, "Raise load.requests.";
        /// At some levels more than a quarter of the requests will end while the load is falling.
        LevelsPartlyFull {
            /// Requests of the highest such level.
            requests: u64,
            /// The lowest such level.
            least: u32,
            /// The highest.
            most: u32,
            /// Requests that keep the highest busy.
            enough: u64,
        } = "levels-partly-full", Warning, "Raise load.requests.";
        /// So few repeats decide little or nothing.
        FewRepeats {
            /// Repeats of the config.
            repeats: u32,
            /// Fewest repeats that can show a difference.
            needed: u32,
        } = "few-repeats", Note, "Raise repeats.";
        /// So few requests per level carry no median.
        FewRequests {
            /// Requests of the level that has the fewest.
            requests: u64,
            /// Requests that a median needs.
            needed: u64,
        } = "few-requests", Note, "Raise load.requests.";
        /// A warning of a run folder of schema version 1, which kept sentences.
        OlderVersion {
            /// The sentence.
            sentence: String,
        } = "older-version", Warning, "Read it as it stands.";

    } };
}
