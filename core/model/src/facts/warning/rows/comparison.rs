//! Warnings about backends, or runs, beside each other.

macro_rules! comparison_rows {
    ([$next:ident! $($later:tt)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

        /// A condition is not the same for all backends, and breaks the comparison.
        ConditionDiffers {
            /// Code of the condition.
            condition: String,
            /// Its heading.
            heading: String,
            /// The condition of each backend.
            by_backend: String,
        } = "condition-differs", Critical, "Give all backends the same and run again.";
        /// A count cannot be compared, since some backend does not report it.
        ConditionUnknown {
            /// Code of the condition.
            condition: String,
            /// Its heading.
            heading: String,
            /// The condition of each backend.
            by_backend: String,
        } = "condition-unknown", Warning, "Let the server report usage.";
        /// Most answers of two backends differ from their first tokens on, which is more than rounding does.
        AnswersPartEarly {
            /// Tokens that count as the start.
            start_tokens: u64,
            /// For each pair of backends: their labels, answers that part at the start, answers looked at.
            pairs: Vec<(String, String, u64, u64)>,
        } = "answers-part-early", Warning, "Look whether both got the same prompt and serve the same weights.";
        /// A prompt that was asked before is answered faster, and the prefix cache cannot be why.
        AnswersCached {
            /// Latency of the repeated prompt over that of new ones.
            ratio: f64,
            /// Lower end of the 95 % interval.
            low: f64,
            /// Upper end.
            high: f64,
            /// What stood in the way of a gain from the prefix cache.
            prefix_cache: PrefixCacheState,
        } = "answers-cached", Critical, "Switch the server's cache of answers off.";
        /// Output events of different backends carry different numbers of tokens, so figures per gap and TPOT do not compare.
        EventsDiffer {
            /// Tokens per event on average, by backend in the order of the config.
            tokens_per_event: IndexMap<String, f64>,
        } = "events-differ", Warning, "Compare decode_ms_per_token in place of tpot_ms, per_user_token_rate and itl_ms.";
        /// The runs did other work, or one of them is a part of a run or was changed, and were compared by force.
        OtherWork {
            /// What differs, with both values, or what a run lacks.
            what: String,
        } = "other-work", Critical, "Compare whole runs of the same model and workload.";
        /// A compared run was interrupted: levels are missing.
        ComparedRunInterrupted {
            /// Label of the run.
            run: String,
        } = "compared-run-interrupted", Critical, "Finish that run with `--resume`.";
        /// A compared run has not ended, or its end was not written.
        ComparedRunNotEnded {
            /// Label of the run.
            run: String,
        } = "compared-run-not-ended", Critical, "Finish that run with `--resume`.";
        /// Not every run has these levels.
        LevelsOfSomeRuns {
            /// The levels, as a reader sees them.
            what: Vec<String>,
        } = "levels-of-some-runs", Note, "Measure the same levels in every run.";
        /// The runs come from different machines or settings of them.
        MachinesDiffer {
            /// What differs.
            what: Vec<String>,
        } = "machines-differ", Warning, "Compare runs of one machine, or read the figures as those of both.";
        /// The runs have different limits for goodput.
        SloDiffers {
            /// Label of the run whose limits were taken.
            baseline: String,
        } = "slo-differs", Warning, "Nothing: goodput was counted again with the limits of the baseline.";
        /// The prices of the runs are in different currencies, so what they cost is left out.
        CurrenciesDiffer {
            /// The currencies, as the configs name them.
            currencies: Vec<String>,
        } = "currencies-differ", Warning, "Give all prices in one currency, then measure or compare again.";
        /// Repeats of different runs are not paired.
        RepeatsNotPaired = "repeats-not-paired", Note, "Measure both in one run for a paired comparison.";

    } };
}
