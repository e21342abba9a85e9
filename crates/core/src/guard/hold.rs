//! What is held, and the sentence that says why and what lifts it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use words::one_line;

use super::admit::PassedOver;
use super::agree::Together;
use crate::automation::ObjectName;
use crate::change::policy_of;
use crate::message::RELEASE_TRAILER;

/// How much of a text that somebody wrote is repeated, in characters.
pub(super) const MAX_QUOTED: usize = 100;

/// Why something is not written. Printed, it is one sentence: what is held, why, what lifts it; safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Somebody told the bot to.
    Manual {
        /// The policy, `namespace:name`.
        policy: String,
        /// Since when.
        since: Timestamp,
        /// Why, in the words of who did.
        reason: Option<String>,
    },
    /// The registry lists much less than before, or not what is in use.
    Shrunk {
        /// How many tags were known.
        known: usize,
        /// How many of them are not listed any more.
        missing: usize,
        /// One of them that is in use.
        in_use: Option<String>,
    },
    /// The field has a tag that ranks above the selection.
    Downgrade {
        /// The policy, `namespace:name`.
        policy: String,
        /// The tag in the file.
        current: String,
        /// The tag that is selected.
        selected: String,
    },
    /// The field has a tag that is as good as the selection. That is no update, so it is told to nobody who did not ask.
    Equal {
        /// The policy, `namespace:name`.
        policy: String,
        /// The tag in the file.
        current: String,
        /// The tag that is selected.
        selected: String,
    },
    /// A person took the selection back.
    Reverted {
        /// The policy, `namespace:name`.
        policy: String,
        /// The value that was taken back.
        wanted: String,
        /// The commit, its hash shortened.
        commit: String,
        /// Who did it.
        author: String,
        /// When, in seconds since 1970.
        time: i64,
    },
    /// A person closed the pull request that proposed the selection.
    Declined(Box<Declined>),
    /// Another bot, with another policy, moved the field away from what is selected.
    Contested(Box<Contested>),
    /// A better tag has not been known for long enough.
    TooYoung {
        /// The tag that would be selected otherwise.
        tag: String,
        /// How long it has to be known.
        minimum: Duration,
        /// From when on it counts; none where nothing tells since when it exists.
        until: Option<Timestamp>,
    },
    /// A better image is passed over, since the policy requires something of it.
    PassedOver(Box<PassedOver>),
    /// Another policy that moves together with this one cannot select the tag yet.
    Together(Box<Together>),
    /// No window is open.
    Window {
        /// When the next one opens; none if none ever does.
        opens: Option<Timestamp>,
    },
    /// It is frozen.
    Frozen(Box<Frozen>),
}

/// How a person turned a selection down.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Declined {
    /// The policy, `namespace:name`.
    pub policy: String,
    /// The reference that was proposed.
    pub wanted: String,
    /// The request in words: `pull request #12`.
    pub request: String,
    /// Its page.
    pub address: String,
    /// Who closed it, where the forge tells.
    pub by: Option<String>,
    /// When that was noticed.
    pub at: Timestamp,
}

/// How something is frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// What was frozen by hand; none where the calendar says it.
    pub selector: Option<String>,
    /// The automation that writes nothing.
    pub automation: ObjectName,
    /// Since when.
    pub since: Timestamp,
    /// Until when; none until somebody lifts it.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

/// How another bot moved a field away from what is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contested {
    /// The policy, `namespace:name`.
    pub policy: String,
    /// The value that it replaced.
    pub before: String,
    /// The value that it wrote.
    pub after: String,
    /// Its last commit that did, the hash shortened.
    pub commit: String,
    /// Its author.
    pub author: String,
    /// When, in seconds since 1970.
    pub time: i64,
    /// Until when that holds the field; none if it was done before.
    pub until: Option<Timestamp>,
}

impl Hold {
    /// All words for kinds of holds.
    pub const CODES: [&'static str; 18] = [
        "manual",
        "shrunk",
        "downgrade",
        "equal",
        "reverted",
        "declined",
        "contested",
        "too-young",
        "denied-digest",
        "unverified",
        "only-added",
        "not-there",
        "lacks-platform",
        "not-pullable",
        "not-asked",
        "together",
        "window",
        "frozen",
    ];

    /// The word for this kind of hold, in JSON and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Manual { .. } => "manual",
            Self::Shrunk { .. } => "shrunk",
            Self::Downgrade { .. } => "downgrade",
            Self::Equal { .. } => "equal",
            Self::Reverted { .. } => "reverted",
            Self::Declined(_) => "declined",
            Self::Contested(_) => "contested",
            Self::TooYoung { .. } => "too-young",
            Self::PassedOver(passed) => passed.refusal.code(),
            Self::Together(_) => "together",
            Self::Window { .. } => "window",
            Self::Frozen(_) => "frozen",
        }
    }

    /// When it ends by itself, where that is known.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::TooYoung { until, .. } => *until,
            Self::Contested(contested) => contested.until,
            Self::PassedOver(passed) => passed.refusal.until(),
            Self::Window { opens } => *opens,
            Self::Frozen(frozen) => frozen.until,
            Self::Manual { .. }
            | Self::Shrunk { .. }
            | Self::Downgrade { .. }
            | Self::Equal { .. }
            | Self::Reverted { .. }
            | Self::Declined(_)
            | Self::Together(_) => None,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manual { policy, since, reason } => {
                write!(f, "held by hand since {}", moment(*since))?;
                if let Some(reason) = reason.as_ref().filter(|reason| !reason.is_empty()) {
                    write!(f, " ({})", one_line(reason, MAX_QUOTED))?;
                }
                write!(f, "; `tagwright release {policy}` lifts it")
            }
            Self::Shrunk { known, missing, in_use } => {
                match in_use {
                    _ if *known == 1 => f.write_str("the registry does not list the only known tag any more")?,
                    _ if missing == known => {
                        write!(f, "the registry does not list any of {known} known tags any more")?
                    }
                    Some(tag) => {
                        write!(f, "the registry does not list {} any more, which is in use", one_line(tag, MAX_QUOTED))?
                    }
                    None => write!(f, "the registry does not list {missing} of {known} known tags any more")?,
                }
                f.write_str(
                    "; that may be a fault of the registry, so the selection stays until the next poll says so, too",
                )
            }
            Self::Downgrade { policy, current, selected } => write!(
                f,
                "{current} ranks above {selected}, the best tag that {policy} can select now, and nothing goes backwards; \
                 the field stays until {current} or a better tag is listed, a person changes it, {current} is excluded, or \
                 `allowDowngrade: true` is set"
            ),
            Self::Equal { policy, current, selected } => write!(
                f,
                "{current} and {selected} rank equal for {policy}, and the one in use stays until a better tag is listed, a person \
                 changes it, or {current} is excluded"
            ),
            Self::Reverted { policy, wanted, commit, author, time } => {
                write!(
                    f,
                    "{} undid {} in commit {commit} at {}, so that it is not written again; the field stays until \
                     {policy} selects something else, `tagwright release {policy}` is called, or a commit has the trailer \
                     `{RELEASE_TRAILER}: {policy}`",
                    one_line(author, MAX_QUOTED),
                    one_line(wanted, MAX_QUOTED),
                    seconds(*time),
                )
            }
            Self::Declined(declined) => declined.fmt(f),
            Self::Contested(contested) => contested.fmt(f),
            Self::Frozen(frozen) => frozen.fmt(f),
            Self::TooYoung { tag, minimum, until: Some(until) } => write!(
                f,
                "{tag} is better, and has not been known for {} yet; it counts from {} on",
                length(*minimum),
                moment(*until)
            ),
            Self::TooYoung { tag, minimum, until: None } => write!(
                f,
                "{tag} is better, and has to be known for {}, but nothing tells since when it exists; a bot that keeps its \
                 data directory remembers when it first saw a tag",
                length(*minimum)
            ),
            Self::PassedOver(passed) => passed.fmt(f),
            Self::Together(together) => together.fmt(f),
            Self::Window { opens: Some(opens) } => {
                write!(
                    f,
                    "no window for commits is open, so the change waits; the next one opens at {}",
                    moment(*opens)
                )
            }
            Self::Window { opens: None } => {
                f.write_str("no window for commits is open, so the change waits; none opens any more")
            }
        }
    }
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, wanted, request, address, by, at } = self;
        write!(
            f,
            "{} closed {request} ({}) without merging it, as was seen at {}, so that {} is not proposed again; the field stays until \
             {policy} selects something else, or `tagwright release {policy}` is called",
            one_line(by.as_deref().unwrap_or("somebody"), MAX_QUOTED),
            one_line(address, MAX_QUOTED),
            moment(*at),
            one_line(wanted, MAX_QUOTED),
        )
    }
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { selector, automation, since, until, reason } = self;
        match selector {
            Some(_) => write!(f, "frozen by hand since {}", moment(*since))?,
            None => f.write_str("frozen by the calendar")?,
        }
        if let Some(until) = until {
            write!(f, " until {}", moment(*until))?;
        }
        if let Some(reason) = reason.as_ref().filter(|reason| !reason.is_empty()) {
            write!(f, " ({})", one_line(reason, MAX_QUOTED))?;
        }
        match selector.as_deref() {
            Some("*") => f.write_str("; `tagwright unfreeze` lifts it"),
            Some(selector) => write!(f, "; `tagwright unfreeze {selector}` lifts it"),
            None => write!(f, "; `tagwright unfreeze {automation} --break-glass --reason TEXT` writes all the same"),
        }
    }
}

impl fmt::Display for Contested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, before, after, commit, author, time, until } = self;
        write!(
            f,
            "a bot with another policy{} moved it from {} to {} in commit {commit} by {} at {}, and the two would write it in \
             turn; the field stays until {}, `tagwright release {policy}` is called, or a commit has the trailer \
             `{RELEASE_TRAILER}: {policy}`",
            if until.is_none() { " repeatedly" } else { "" },
            one_line(before, MAX_QUOTED),
            one_line(after, MAX_QUOTED),
            one_line(author, MAX_QUOTED),
            seconds(*time),
            until.map_or_else(|| "a person changes it".to_owned(), moment),
        )
    }
}

/// A field that keeps its value, though another one is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The file, with `/` between folders.
    pub file: String,
    /// The line of the value, from 1.
    pub line: usize,
    /// The marker's whole value.
    pub setter: String,
    /// The value that it has.
    pub current: String,
    /// The value that it would have.
    pub wanted: String,
    /// The guard that holds it, and what lifts that.
    pub hold: Hold,
}

impl Held {
    /// The policy of the marker, `namespace:name`.
    #[must_use]
    pub fn policy(&self) -> &str {
        policy_of(&self.setter)
    }
}

/// A moment in seconds since 1970.
fn seconds(time: i64) -> String {
    Timestamp::from_second(time).map_or_else(|_| "an unknown time".to_owned(), moment)
}

/// A moment to the second.
pub(super) fn moment(moment: Timestamp) -> String {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment).to_string()
}

/// A duration as it is configured: `72h`, `1h30m`.
#[must_use]
pub fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { format!("{}ms", duration.as_millis()) } else { text }
}
