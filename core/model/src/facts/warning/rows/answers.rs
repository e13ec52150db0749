//! Warnings about the answers: what came in the streams, and what the server counted.

macro_rules! answers_rows {
    ([$next:ident! $($later:tt)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

        /// Stream messages could not be read, more than a hundredth of all that may hold output: each may have been the first of its answer.
        ManyMessagesUnreadable {
            /// Messages that could not be read.
            messages: u64,
            /// Those and all output events.
            of_messages: u64,
            /// Beginning of the first one.
            example: String,
        } = "many-messages-unreadable", Critical, "Look at what the server sends; it is no JSON.";
        /// The server made output that was not among the events, so latencies are not those of its output.
        OutputNotSeen {
            /// Answers of which output was not seen.
            answers: u64,
            /// Successful requests.
            requests: u64,
            /// A field that is not known and held something; absent if none did.
            field: Option<String>,
        } = "output-not-seen", Critical, "Look at what the server sends: its output stands in a field that the plugin does not read.";
        /// The server did not stream: an answer of several tokens came in one piece, so no time between tokens was measured.
        NotStreamed {
            /// Such answers.
            answers: u64,
            /// Successful requests.
            requests: u64,
        } = "not-streamed", Critical, "Look whether the server streams at this endpoint, and how many tokens it puts into a message.";
        /// All output of an answer came at one instant: the server, or a proxy before it, held it back until it was whole, or the client read it so late.
        AnswersHeldBack {
            /// Such answers.
            answers: u64,
            /// Successful requests.
            requests: u64,
            /// By how much the client itself read late (p99), ms; absent if it did not.
            client_late_ms: Option<f64>,
        } = "answers-held-back", Critical, "Let the proxy pass answers on at once (HAProxy: option http-no-delay; nginx: proxy_buffering off).";
        /// Stream messages could not be read and were skipped.
        MessagesUnreadable {
            /// Messages that could not be read.
            messages: u64,
            /// Those and all output events.
            of_messages: u64,
            /// Beginning of the first one.
            example: String,
        } = "messages-unreadable", Warning, "Look at what the server sends; it is no JSON.";
        /// Stream messages were not JSON and were mended: what a strict reader would have thrown away was read.
        MessagesMended {
            /// Such messages.
            messages: u64,
            /// Beginning of the first one.
            example: String,
        } = "messages-mended", Note, "Nothing for these figures; other clients may drop such messages.";
        /// Answers end with tokens that have no text, as special tokens after the end have none, so TPOT is absent for them.
        EndsWithoutOutput {
            /// Such answers.
            answers: u64,
            /// Successful requests.
            requests: u64,
        } = "ends-without-output", Warning, "Read decode_ms_per_token, or set force_output: false so that answers end where the model ends them.";
        /// Answers ended with a finish reason that is not known. They count as successful.
        FinishReasonUnknown {
            /// Such answers.
            answers: u64,
            /// Successful requests.
            requests: u64,
            /// Answers by reason, as the server names it.
            by_reason: BTreeMap<String, u64>,
        } = "finish-reason-unknown", Warning, "Look up what the server means by it.";
        /// More output events came than the server counts tokens, so its count is too small or something cut tokens into pieces.
        MoreEventsThanTokens {
            /// Output events.
            events: u64,
            /// Tokens that the server counts.
            tokens: u64,
        } = "more-events-than-tokens", Warning, "Compare itl_ms only with care; look how the server counts.";
        /// Far more output events came than the server counts tokens, so its count is too small: throughput and time per token are wrong.
        TokensUndercounted {
            /// Output events.
            events: u64,
            /// Tokens that the server counts.
            tokens: u64,
        } = "tokens-undercounted", Critical, "Let the server, or what stands before it, count all tokens; of this run compare only times of events.";
        /// The server did not count the tokens of some answers.
        TokensNotCounted {
            /// Answers without a count.
            answers: u64,
            /// Successful requests.
            requests: u64,
        } = "tokens-not-counted", Warning, "Let the server report usage in its stream, or set model.tokenizer.";
        /// The server sent ids of tokens in place of text, so answers cannot be compared with those of another backend.
        TokenIdsOnly = "token-ids-only", Note, "Start the server with its tokenizer to compare answers.";
        /// The server does not count tokens per event, so decode time per token takes them for evenly spread.
        DecodeEstimated = "decode-estimated", Note, "Read decode_ms_per_token as an estimate.";
        /// Output events carry more than one token each.
        SeveralTokensPerEvent {
            /// Tokens per event on average, at most.
            tokens_per_event: f64,
        } = "several-tokens-per-event", Note, "Read decode_ms_per_token in place of itl_ms.";
        /// Some answers have another length than was asked for.
        AnswerLengthDiffers {
            /// Answers of another length.
            answers: u64,
            /// Successful requests.
            requests: u64,
        } = "answer-length-differs", Warning, "Look whether the server honours ignore_eos and min_tokens, or set force_output: false.";
        /// The server counted another number of prompt tokens than was sent.
        PromptLengthDiffers {
            /// Sent.
            sent_tokens: u64,
            /// Counted by the server.
            counted_tokens: u64,
        } = "prompt-length-differs", Warning, "Use endpoint: completions, or name the model's own tokenizer.";
        /// The prefix cache held part of the prompts, so the prefill was shorter than the prompt.
        WarmPrefixCache {
            /// Prompt tokens that came from it, as a share.
            share: f64,
        } = "warm-prefix-cache", Warning, "Let the plugin reset the cache between levels, or switch prefix caching off.";

    } };
}
