//! Whether another bot, with another policy, moved a field away from what is selected.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::hold::{Contested, Hold};
use super::reverted::{MAX_WRITINGS, Proposed, Verdict, Writer, Writing, reverted};

/// When another bot's move counts.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The time.
    pub now: Timestamp,
    /// How long a move keeps the field as it is.
    pub length: Duration,
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
/// about bots' commits only where that matters. A bot's commit *moves the field away* when it replaces the value that is
/// wanted, or one that the policy could select by one that it could not. Such a commit holds the field
///
/// - for the patience's length after it, if it is known to be another bot's;
/// - until a person has a say, if it is not the only one since a person had.
///
/// A commit of the bot itself moves nothing away, and neither do those from before a release. Below them, a person may have
/// [taken back](reverted) what is wanted.
#[must_use]
pub fn contested(
    proposed: &Proposed<'_>,
    writings: &[Writing],
    whose: &dyn Fn(&Writing) -> Whose,
    patience: Patience,
) -> Verdict {
    let Some(newest) = writings.first() else { return Verdict::Open };
    let goes_forward = (proposed.could_select)(proposed.current) && (proposed.is_no_worse)(proposed.current);
    // The usual way: the field has what this policy selected before, or might have.
    let is_usual = goes_forward && !is_away(proposed, newest);
    let mut away: Option<&Writing> = None;
    for (count, writing) in writings.iter().enumerate() {
        if writing.by == Writer::Person {
            let left = writing.after.as_deref().unwrap_or_default();
            return match reverted(&Proposed { current: left, ..*proposed }, &writings[count..]) {
                Verdict::Open if is_usual => Verdict::Unlikely,
                verdict => verdict,
            };
        }
        if writing.released || count == MAX_WRITINGS {
            return Verdict::Free;
        }
        let mover = if !is_usual && is_away(proposed, writing) { whose(writing) } else { Whose::Own };
        let end = patience.end(writing).filter(|end| patience.now < *end);
        match (mover, away, end) {
            (Whose::Own, ..) => {}
            (Whose::Other, None, Some(_)) => return Verdict::Hold(hold(proposed, writing, end)),
            (_, Some(last), _) => return Verdict::Hold(hold(proposed, last, None)),
            (_, None, _) => away = Some(writing),
        }
        if writing.before.is_none() {
            return Verdict::Free;
        }
    }
    if is_usual { Verdict::Unlikely } else { Verdict::Open }
}

/// Whether a bot's commit moved the field away from what the policy selects.
fn is_away(proposed: &Proposed<'_>, writing: &Writing) -> bool {
    let (before, after) = (writing.before.as_deref(), writing.after.as_deref());
    let could_be = |value: Option<&str>| value.is_some_and(|value| (proposed.could_select)(value));
    writing.by == Writer::Bot
        && !proposed.is_wanted(after)
        && (proposed.is_wanted(before) || could_be(before) && !could_be(after))
}

fn hold(proposed: &Proposed<'_>, writing: &Writing, until: Option<Timestamp>) -> Hold {
    Hold::Contested(Box::new(Contested {
        policy: proposed.policy.to_owned(),
        before: writing.before.clone().unwrap_or_default(),
        after: writing.after.clone().unwrap_or_default(),
        commit: words::short(&writing.commit).to_owned(),
        author: writing.author.clone(),
        time: writing.time,
        until,
    }))
}

impl Patience {
    /// Until when a commit of another bot holds the field.
    fn end(self, writing: &Writing) -> Option<Timestamp> {
        let time = Timestamp::from_second(writing.time).ok()?;
        time.checked_add(SignedDuration::try_from(self.length).ok()?).ok()
    }
}
