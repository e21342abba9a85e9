//! Events: what is told about a pass to who listens.

use std::collections::BTreeMap;

/// The prefix of the annotations that an event takes along.
const PREFIX: &str = "event.toolkit.fluxcd.io/";

/// Something to tell about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// How grave it is, and who is told.
    pub severity: Severity,
    /// One of [`reason`](crate::reason).
    pub reason: String,
    /// The sentence, possibly of several lines.
    pub message: String,
}

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something came about.
    Info,
    /// Something failed.
    Error,
    /// Nothing happened, as it should.
    Trace,
}

impl Severity {
    /// The `type` of a core/v1 Event.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Info | Self::Trace => "Normal",
            Self::Error => "Warning",
        }
    }

    /// The `severity` that notification-controller gets; none if it gets nothing.
    #[must_use]
    pub const fn notified(self) -> Option<&'static str> {
        match self {
            Self::Info => Some("info"),
            Self::Error => Some("error"),
            Self::Trace => None,
        }
    }
}

/// Returns the annotations of an object that its events have, too: as annotations of a core/v1 Event, and as metadata of
/// what notification-controller gets.
pub fn metadata<'a>(annotations: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, &'a str> {
    annotations.into_iter().filter(|(key, _)| key.starts_with(PREFIX)).collect()
}
