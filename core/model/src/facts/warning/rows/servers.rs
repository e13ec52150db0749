//! Warnings about one backend: how it started, stopped and can be asked.

macro_rules! servers_rows {
    ([$next:ident! $($later:tt)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

        /// A backend could not be started, or did not last.
        BackendFailed {
            /// What happened.
            cause: String,
            /// Name of the known cause, if it is one.
            known_cause: Option<String>,
        } = "backend-failed", Critical, "Read the log that stands beside it; known causes are in the book.";
        /// A server, or what launched it, did not stop as it should.
        StopFailed {
            /// What happened.
            detail: String,
        } = "stop-failed", Warning, "Look for processes that are left, and stop them.";
        /// A plugin is another file than at the start of a resumed run.
        PluginChanged {
            /// Name of the plugin.
            plugin: String,
            /// Its version at the start of the run.
            was_version: String,
            /// Its version now.
            version: String,
        } = "plugin-changed", Warning, "Run everything again with one plugin.";
        /// The certificate of an attached server is not checked.
        CertificateNotChecked = "certificate-not-checked", Warning, "Name the server's certificate in tls.ca_file.";
        /// The server answers to the model's name, but does not list it: a gateway that lists patterns or other names, or a server that answers to any name.
        ModelNotListed {
            /// Name that is asked for.
            model: String,
            /// The first ones that it lists.
            listed: Vec<String>,
            /// How many more it lists.
            more: u64,
        } = "model-not-listed", Warning, "Make sure that it serves the model that you mean.";
        /// The prefix cache was not emptied before a level.
        CacheNotReset {
            /// What the plugin or the server said.
            detail: String,
        } = "cache-not-reset", Warning, "Start the server so that it allows a reset (vLLM: with VLLM_SERVER_DEV_MODE=1), or switch prefix caching off.";
        /// A backend works on one request at a time, and was asked for several at once.
        OneRequestAtATime {
            /// Levels that have more than one in flight.
            levels: u64,
        } = "one-request-at-a-time", Warning, "Compare it at concurrency 1, or set its max_concurrency.";
        /// Speculative decoding was measured with random prompts and forced answer lengths, where its guesses are seldom right.
        SpeculationOnRandomPrompts
            = "speculation-on-random-prompts", Warning, "Measure it with real prompts: workload.prompts: jsonl.";
        /// How many of the drafted tokens of speculative decoding were accepted.
        SpeculationAcceptance {
            /// Share of the drafted tokens, 0 to 1.
            accepted_ratio: f64,
        } = "speculation-acceptance", Note, "Compare it with the acceptance on your own prompts.";

    } };
}
