//! What was tried: what `doctor --output json` prints.

use serde::Serialize;

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Examination<'c> {
    pub(crate) checks: &'c [Check],
}

/// One thing that a bot needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) state: State,
    /// `configuration`, `registry`, `remote`, `notification`, `clock` or `data folder`.
    pub(crate) check: &'static str,
    /// Which of them: a path, a host, a URL.
    pub(crate) subject: String,
    /// In one sentence, what it came to.
    pub(crate) message: String,
}

/// Whether it will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    /// It will, but somebody should know.
    Warning,
    Failed,
}

impl Check {
    pub(crate) fn new(
        state: State,
        check: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { state, check, subject: subject.into(), message: message.into() }
    }
}
