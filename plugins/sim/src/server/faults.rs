//! Faults on demand: what `--fault` says and which request it hits. Acting a
//! fault out is left to `generation`.

use serde::Serialize;

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum FaultKind {
    /// Answers 503 at once, with `retry-after` if given.
    #[serde(rename = "http-503")]
    Http503 {
        /// Seconds in the `retry-after` header.
        retry_after_s: Option<u64>,
    },
    /// Sends nothing more after `after` tokens; the socket stays open.
    Stall {
        /// Tokens sent before it.
        after: u32,
        /// How long, ms; forever if absent.
        for_ms: Option<u64>,
    },
    /// Closes cleanly after `after` tokens, without an end marker.
    Cut {
        /// Tokens sent before it.
        after: u32,
    },
    /// Resets the connection (TCP RST) after `after` tokens.
    Reset {
        /// Tokens sent before it.
        after: u32,
    },
    /// Sends an error object and `[DONE]` after `after` tokens.
    ErrorInStream {
        /// Tokens sent before it.
        after: u32,
    },
}

impl FaultKind {
    /// The name used on the command line and in the truth.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http503 { .. } => "http-503",
            Self::Stall { .. } => "stall",
            Self::Cut { .. } => "cut",
            Self::Reset { .. } => "reset",
            Self::ErrorInStream { .. } => "error-in-stream",
        }
    }

    /// Tokens sent before it strikes; `None` if it strikes before the answer.
    pub(crate) fn after(self) -> Option<u32> {
        match self {
            Self::Http503 { .. } => None,
            Self::Stall { after, .. }
            | Self::Cut { after }
            | Self::Reset { after }
            | Self::ErrorInStream { after } => Some(after),
        }
    }
}

/// Which requests a fault hits, counted from 0 over well-formed generation requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// Each N-th request: the N-th, the 2N-th, ...
    Every(u64),
    /// Only the K-th request, from 0.
    Request(u64),
}

/// One `--fault` option.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Fault {
    /// What happens.
    #[serde(flatten)]
    pub(crate) kind: FaultKind,
    /// To which requests.
    pub(crate) target: Target,
}

impl Fault {
    /// Whether it hits the request with this index (from 0).
    pub(crate) fn hits(&self, index: u64) -> bool {
        match self.target {
            Target::Every(n) => (index + 1).is_multiple_of(n),
            Target::Request(k) => index == k,
        }
    }
}

/// The first of `faults` that hits the request with this index.
pub(crate) fn choose(faults: &[Fault], index: u64) -> Option<FaultKind> {
    faults.iter().find(|f| f.hits(index)).map(|f| f.kind)
}

/// Why a `--fault` value was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FaultError {
    /// No such kind.
    #[error("fault kind `{0}` is unknown; known: http-503, stall, cut, reset, error-in-stream")]
    UnknownKind(String),
    /// No such key for this kind.
    #[error("fault `{kind}` has no key `{key}`; known: {known}")]
    UnknownKey {
        /// The fault kind.
        kind: String,
        /// The key given.
        key: String,
        /// Its keys.
        known: &'static str,
    },
    /// A part without `=`, or a value that is no whole number.
    #[error("fault `{kind}`: `{part}` is not key=NUMBER")]
    NotANumber {
        /// The fault kind.
        kind: String,
        /// The part given.
        part: String,
    },
    /// `after` is missing.
    #[error("fault `{0}` needs after=TOKENS")]
    NeedsAfter(String),
    /// `every=0`, or both `every` and `request`.
    #[error("fault `{0}`: give every=N (N at least 1) or request=K (from 0), not both")]
    Target(String),
}

#[derive(Default)]
struct Keys {
    after: Option<u64>,
    for_ms: Option<u64>,
    retry_after_s: Option<u64>,
    every: Option<u64>,
    request: Option<u64>,
}

fn known_keys(kind: &str) -> Option<&'static str> {
    match kind {
        "http-503" => Some("retry_after_s, every, request"),
        "stall" => Some("after, for_ms, every, request"),
        "cut" | "reset" | "error-in-stream" => Some("after, every, request"),
        _ => None,
    }
}

fn parse_keys(kind: &str, known: &'static str, text: &str) -> Result<Keys, FaultError> {
    let mut keys = Keys::default();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        if !known.split(", ").any(|k| k == key) {
            return Err(FaultError::UnknownKey {
                kind: kind.into(),
                key: key.into(),
                known,
            });
        }
        let number: u64 = value.parse().map_err(|_| FaultError::NotANumber {
            kind: kind.into(),
            part: part.into(),
        })?;
        let slot = match key {
            "after" => &mut keys.after,
            "for_ms" => &mut keys.for_ms,
            "retry_after_s" => &mut keys.retry_after_s,
            "every" => &mut keys.every,
            _ => &mut keys.request,
        };
        *slot = Some(number);
    }
    Ok(keys)
}

/// Parses `KIND[:key=value,...]`.
///
/// # Errors
/// `FaultError` with the allowed names.
pub(crate) fn parse(text: &str) -> Result<Fault, FaultError> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let known = known_keys(kind).ok_or_else(|| FaultError::UnknownKind(kind.into()))?;
    let keys = parse_keys(kind, known, rest)?;
    let target = match (keys.every, keys.request) {
        (None, None) => Target::Every(1),
        (Some(n), None) if n >= 1 => Target::Every(n),
        (None, Some(k)) => Target::Request(k),
        _ => return Err(FaultError::Target(kind.into())),
    };
    let after = || {
        let tokens = keys
            .after
            .ok_or_else(|| FaultError::NeedsAfter(kind.into()))?;
        Ok(u32::try_from(tokens).unwrap_or(u32::MAX))
    };
    let kind = match kind {
        "http-503" => FaultKind::Http503 {
            retry_after_s: keys.retry_after_s,
        },
        "stall" => FaultKind::Stall {
            after: after()?,
            for_ms: keys.for_ms,
        },
        "cut" => FaultKind::Cut { after: after()? },
        "reset" => FaultKind::Reset { after: after()? },
        _ => FaultKind::ErrorInStream { after: after()? },
    };
    Ok(Fault { kind, target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_third_hits_the_third_and_sixth_request() {
        let fault = parse("cut:after=5,every=3").unwrap();
        assert_eq!(fault.kind, FaultKind::Cut { after: 5 });
        let hit: Vec<u64> = (0..7).filter(|i| fault.hits(*i)).collect();
        assert_eq!(hit, [2, 5]);
    }

    #[test]
    fn request_zero_hits_only_the_first() {
        let fault = parse("http-503:retry_after_s=2,request=0").unwrap();
        assert_eq!(
            fault.kind,
            FaultKind::Http503 {
                retry_after_s: Some(2)
            }
        );
        assert!(fault.hits(0) && !fault.hits(1));
    }

    #[test]
    fn unknown_kind_names_the_known_ones() {
        let text = parse("explode").unwrap_err().to_string();
        assert!(text.contains("`explode`") && text.contains("error-in-stream"));
    }

    #[test]
    fn unknown_key_names_the_known_ones() {
        let text = parse("stall:afer=3").unwrap_err().to_string();
        assert!(text.contains("`afer`") && text.contains("for_ms"));
    }

    #[test]
    fn missing_after_zero_every_and_words_are_refused() {
        assert_eq!(parse("cut"), Err(FaultError::NeedsAfter("cut".into())));
        assert_eq!(
            parse("cut:after=1,every=0"),
            Err(FaultError::Target("cut".into()))
        );
        assert!(matches!(
            parse("cut:after=x"),
            Err(FaultError::NotANumber { .. })
        ));
        assert!(matches!(
            parse("cut:after"),
            Err(FaultError::NotANumber { .. })
        ));
    }
}
