//! When an image came, for policies that select the newest: by a clock that can be trusted, and only where there is none by what the image
//! says of itself.
//!
//! | clock | says | who could turn it |
//! |---|---|---|
//! | [`Clock::Signed`] | when a trusted log or timestamp authority signed for the signature that the policy requires | those |
//! | [`Clock::Pushed`] | when the registry took the image in, where its list says so | the registry |
//! | [`Clock::Seen`] | when this bot saw it come | nobody |
//! | [`Clock::Claimed`] | when the image says that it was created | whoever built it |
//!
//! The first of them that is known counts. An image that was there before the bot first looked came at a time that the bot did
//! not see; what it claims counts then, but never as later than when it was first seen: nobody gets ahead of what comes after.
//!
//! ```
//! use jiff::Timestamp;
//! use tagwright_core::guard::{Clock, Moment, Told};
//! let hour = |hour: i64| Timestamp::from_second(hour * 3600);
//! let (long_ago, seen, future) = (hour(1)?, hour(10)?, hour(99)?);
//! let came = Moment::of(&Told { seen: Some(seen), arrived: true, claimed: Some(long_ago), ..Told::default() });
//! assert_eq!(came, Some(Moment { time: seen, clock: Clock::Seen }));
//! let was_there = Moment::of(&Told { seen: Some(seen), claimed: Some(future), ..Told::default() });
//! assert_eq!(was_there, Some(Moment { time: seen, clock: Clock::Claimed }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use super::hold::moment;

/// Tags that came after the selected one, of policies that select the newest, by `namespace:name`.
pub type Newer = BTreeMap<String, Vec<String>>;

/// What a time was read off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clock {
    /// A log or a timestamp authority.
    Signed,
    /// The registry.
    Pushed,
    /// Our own.
    Seen,
    /// The image's word.
    Claimed,
}

/// When an image came, and who says so. Printed, it is the second half of a sentence about the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub time: Timestamp,
    /// What says so.
    pub clock: Clock,
}

/// What is known of when an image came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// The time of a verified signature.
    pub signed: Option<Timestamp>,
    /// When the registry took it in.
    pub pushed: Option<Timestamp>,
    /// When the bot first saw it.
    pub seen: Option<Timestamp>,
    /// Whether the bot saw it come: it had looked before, and it was not there.
    pub arrived: bool,
    /// When it says that it was created.
    pub claimed: Option<Timestamp>,
}

impl Moment {
    /// When an image came, by the best clock; none where there is no clock at all.
    #[must_use]
    pub fn of(told: &Told) -> Option<Self> {
        let at = |time: Option<Timestamp>, clock| time.map(|time| Self { time, clock });
        let claimed = || told.claimed.map(|claimed| told.seen.map_or(claimed, |seen| claimed.min(seen)));
        at(told.signed, Clock::Signed)
            .or_else(|| at(told.pushed, Clock::Pushed))
            .or_else(|| at(told.seen.filter(|_| told.arrived), Clock::Seen))
            .or_else(|| at(claimed(), Clock::Claimed))
    }
}

impl Clock {
    /// The word for it in JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Pushed => "pushed",
            Self::Seen => "seen",
            Self::Claimed => "claimed",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = moment(self.time);
        match self.clock {
            Clock::Signed => write!(f, "it was signed at {time}, as the log or the timestamp of its signature says"),
            Clock::Pushed => write!(f, "it was pushed at {time}, as the registry says"),
            Clock::Seen => write!(f, "it came at {time}, when it was first seen"),
            Clock::Claimed => {
                write!(f, "it was created at {time}, as it says itself, and nothing else tells when it came")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(told: Told, expect: &str) {
        let text = Moment::of(&told).map_or_else(|| "none".to_owned(), |it| format!("{} {}", it.clock.code(), it.time));
        assert_eq!(text, expect);
    }

    #[test]
    fn the_best_clock_counts() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let all = Told { signed: at(1), pushed: at(2), seen: at(3), arrived: true, claimed: at(4) };
        check(all, "signed 1970-01-01T00:00:01Z");
        check(Told { signed: None, ..all }, "pushed 1970-01-01T00:00:02Z");
        check(Told { signed: None, pushed: None, ..all }, "seen 1970-01-01T00:00:03Z");
        // What was there before anybody looked is as old as it says, and no younger than it can be.
        let there = Told { signed: None, pushed: None, arrived: false, ..all };
        check(there, "claimed 1970-01-01T00:00:03Z");
        check(Told { claimed: at(0), ..there }, "claimed 1970-01-01T00:00:00Z");
        check(Told { claimed: None, ..there }, "none");
        check(Told { seen: None, ..there }, "claimed 1970-01-01T00:00:04Z");
    }
}
