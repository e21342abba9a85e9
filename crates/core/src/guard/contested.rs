//! Whether another bot, with another policy, moved a field away from what is selected.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::hold::{Contested, Hold};
use super::reverted::{SHORT_HASH, Verdict, Writer, Writing, is_same};

/// How many of a field's newest writings are looked at.
const MAX_WRITINGS: usize = 16;

/// A field that a bot wrote last, and what is about to be written there.
pub struct Contest<'c> {
    /// The policy, `namespace:name`.
    pub policy: &'c str,
    /// The value that the field has.
    pub current: &'c str,
    /// The value that it is to have.
    pub wanted: &'c str,
    /// Whether a value is one that the policy could select, listed or not.
    pub could_select: &'c dyn Fn(&str) -> bool,
    /// The time.
    pub now: Timestamp,
    /// How long another bot's move keeps the field as it is.
    pub patience: Duration,
}

/// Whose a bot's commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This bot's own: whatever its policy was then, it is another one now.
    Own,
    /// Another bot's.
    Other,
    /// Nothing tells: this bot may have forgotten it.
    Unknown,
}

/// Whether another bot moved a field away from what the policy selects, so that the two would write it in turn.
///
/// `writings` are the newest ones of the field, newest first, none left out; the newest of all is a bot's. `whose` is asked
/// about bots' commits only where that matters. A bot's commit *moves the
/// field away* when it replaces the value that is wanted, or one that the policy could select by one that it could not.
/// Such a commit holds the field
///
/// - for the [`patience`](Contest::patience) after it, if it is known to be another bot's;
/// - until a person has a say, if it is not the only one since a person had.
///
/// A commit of the bot itself moves nothing away, and neither do those from before a release.
#[must_use]
pub fn contested(contest: &Contest<'_>, writings: &[Writing], whose: &dyn Fn(&Writing) -> Whose) -> Verdict {
    let Some(newest) = writings.first() else { return Verdict::Open };
    if !contest.is_away(newest) && (contest.could_select)(contest.current) {
        // The usual way: the field has what this policy selected before, or might have.
        return Verdict::Free;
    }
    let mut away: Option<&Writing> = None;
    for (count, writing) in writings.iter().enumerate() {
        if writing.by == Writer::Person || writing.released || count == MAX_WRITINGS {
            return Verdict::Free;
        }
        let mover = if contest.is_away(writing) { whose(writing) } else { Whose::Own };
        match (mover, away, contest.ends(writing)) {
            (Whose::Own, ..) => {}
            (Whose::Other, None, Some(end)) if contest.now < end => {
                return Verdict::Hold(contest.hold(writing, Some(end)));
            }
            (_, Some(last), _) => return Verdict::Hold(contest.hold(last, None)),
            (_, None, _) => away = Some(writing),
        }
        if writing.before.is_none() {
            return Verdict::Free;
        }
    }
    Verdict::Open
}

impl Contest<'_> {
    /// Whether a bot's commit moved the field away from what the policy selects.
    fn is_away(&self, writing: &Writing) -> bool {
        let is_wanted = |value: &str| is_same(value, self.wanted, self.current);
        let (before, after) = (writing.before.as_deref(), writing.after.as_deref());
        let Some(before) = before.filter(|_| writing.by == Writer::Bot) else { return false };
        match is_wanted(before) {
            true => !after.is_some_and(is_wanted),
            false => {
                (self.could_select)(before)
                    && !after.is_some_and(|after| is_wanted(after) || (self.could_select)(after))
            }
        }
    }

    /// Until when a commit of another bot holds the field.
    fn ends(&self, writing: &Writing) -> Option<Timestamp> {
        let time = Timestamp::from_second(writing.time).ok()?;
        time.checked_add(SignedDuration::try_from(self.patience).ok()?).ok()
    }

    fn hold(&self, writing: &Writing, until: Option<Timestamp>) -> Hold {
        Hold::Contested(Box::new(Contested {
            policy: self.policy.to_owned(),
            before: writing.before.clone().unwrap_or_default(),
            after: writing.after.clone().unwrap_or_default(),
            commit: writing.commit.chars().take(SHORT_HASH).collect(),
            author: writing.author.clone(),
            time: writing.time,
            until,
        }))
    }
}
