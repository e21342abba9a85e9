//! Whether a person took back what is selected.

use super::Hold;

/// How much of a commit's hash is shown.
pub(super) const SHORT_HASH: usize = 7;

/// A commit that gave a field another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writing {
    /// The value before; none if the field was not there.
    pub before: Option<String>,
    /// The value after; none if the field was not there any more.
    pub after: Option<String>,
    /// The commit's hash, in full.
    pub commit: String,
    /// The author's name, as the commit says it; it may be anything.
    pub author: String,
    /// When, in seconds since 1970.
    pub time: i64,
    /// Whose commit it is.
    pub by: Writer,
    /// Whether somebody released the policy since: by a trailer in this commit or a newer one, or by telling the bot.
    pub released: bool,
}

/// Whose commit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A bot's, this one or another.
    Bot,
    /// Somebody else's.
    Person,
}

/// The answer that a history gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The selection was taken back.
    Hold(Hold),
    /// It was not.
    Free,
    /// It may have been, in commits older than these.
    Open,
}

/// Whether a person took back the value that is wanted for a field.
///
/// `writings` are the newest ones, newest first, none left out; `current` is the value that the field has. Persons' writings
/// come first, down to the newest of a bot, and those of bots below it are what persons took away. The search ends, with
/// nothing taken back, where the field had its current value before, where the next person's writing comes, or where the
/// field begins.
///
/// A digest does not make another selection: a tag that was taken back stays so when what is behind it changes. Where only
/// the digest differs from the one in the file, the digests are what is compared.
#[must_use]
pub fn reverted(policy: &str, writings: &[Writing], current: &str, wanted: &str) -> Verdict {
    let persons = writings.iter().take_while(|writing| writing.by == Writer::Person).count();
    let (by_persons, older) = writings.split_at(persons);
    let Some(oldest) = by_persons.last() else {
        return if older.is_empty() { Verdict::Open } else { Verdict::Free };
    };
    if by_persons.iter().any(begins) {
        return Verdict::Free;
    }
    for writing in older {
        let value = writing.after.as_deref();
        if writing.by == Writer::Person || value == Some(current) {
            return Verdict::Free;
        }
        if value.is_some_and(|value| is_same(value, wanted, current)) {
            let took =
                |writing: &&Writing| writing.before.as_deref().is_some_and(|before| is_same(before, wanted, current));
            let taker = by_persons.iter().find(took).unwrap_or(oldest);
            return if taker.released { Verdict::Free } else { Verdict::Hold(hold(policy, taker, wanted)) };
        }
        if begins(writing) || writing.before.as_deref() == Some(current) {
            return Verdict::Free;
        }
    }
    Verdict::Open
}

fn begins(writing: &Writing) -> bool {
    writing.before.is_none()
}

fn hold(policy: &str, taker: &Writing, wanted: &str) -> Hold {
    Hold::Reverted {
        policy: policy.to_owned(),
        wanted: wanted.to_owned(),
        commit: taker.commit.chars().take(SHORT_HASH).collect(),
        author: taker.author.clone(),
        time: taker.time,
    }
}

/// Whether a value is the selection that is wanted.
pub(super) fn is_same(value: &str, wanted: &str, current: &str) -> bool {
    if without_digest(current) == without_digest(wanted) {
        value == wanted
    } else {
        without_digest(value) == without_digest(wanted)
    }
}

fn without_digest(value: &str) -> &str {
    value.split_once('@').map_or(value, |(value, _)| value)
}
