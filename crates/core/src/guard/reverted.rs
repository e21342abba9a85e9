//! Whether a person took back what is selected.

use super::Hold;

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
    /// As [`Verdict::Open`], though only if something was taken back that was not selected for a while since: older commits
    /// are worth being looked at, and not worth being fetched.
    Unlikely,
}

/// A value that is about to be written into a field.
pub struct Proposed<'p> {
    /// The policy, `namespace:name`.
    pub policy: &'p str,
    /// The value that the field has.
    pub current: &'p str,
    /// The value that it is to have.
    pub wanted: &'p str,
    /// Whether a value is one that the policy could select, listed or not. What has no rank, such as a name, is.
    pub could_select: &'p dyn Fn(&str) -> bool,
    /// Whether the wanted value ranks at least as high as one that the policy could select.
    pub is_no_worse: &'p dyn Fn(&str) -> bool,
}

/// How many of a field's newest writings are looked at.
pub(super) const MAX_WRITINGS: usize = 16;

/// Whether a person took back the value that is wanted for a field.
///
/// `writings` are the newest ones, newest first, none left out. They are looked at in turns: those of persons, then those of
/// bots below them, which are what persons took away, down to where the field had the value that the persons left it with.
/// The search ends, with nothing taken back, where a person wrote the wanted value, or where the field begins.
///
/// A digest does not make another selection: a tag that was taken back stays so when what is behind it changes. Where only
/// the digest differs from the one in the file, the digests are what is compared.
#[must_use]
pub fn reverted(proposed: &Proposed<'_>, writings: &[Writing]) -> Verdict {
    let mut rest = writings;
    let mut left = proposed.current;
    loop {
        let persons = rest.iter().take_while(|writing| writing.by == Writer::Person).count();
        let (by_persons, older) = rest.split_at(persons);
        let bots = older.iter().take_while(|writing| writing.by == Writer::Bot).count();
        let (by_bots, deeper) = older.split_at(bots);
        if let Some(verdict) = proposed.turn(by_persons, by_bots, left) {
            return verdict;
        }
        let has_left = |writing: &Writing| [&writing.before, &writing.after].contains(&&Some(left.to_owned()));
        let is_over = !deeper.is_empty() || by_bots.iter().any(has_left);
        let is_new = is_over && writings.iter().all(|writing| proposed.goes_forward(writing));
        match deeper.first() {
            _ if writings.len() > MAX_WRITINGS => return Verdict::Free,
            None if is_new => return Verdict::Unlikely,
            Some(next) => (rest, left) = (deeper, next.after.as_deref().unwrap_or_default()),
            None => return Verdict::Open,
        }
    }
}

impl Proposed<'_> {
    /// Whether a value is the wanted one.
    pub(super) fn is_wanted(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| is_same(value, self.wanted, self.current))
    }

    /// Whether the wanted value is at least as good as those before and after a writing.
    fn goes_forward(&self, writing: &Writing) -> bool {
        [&writing.before, &writing.after].into_iter().flatten().all(|value| (self.is_no_worse)(value))
    }

    /// What one turn says: persons' writings, and those of bots below them. The persons left the field with a value.
    fn turn(&self, by_persons: &[Writing], by_bots: &[Writing], left: &str) -> Option<Verdict> {
        let Some(oldest) = by_persons.last() else {
            return Some(if by_bots.is_empty() { Verdict::Open } else { Verdict::Free });
        };
        if by_persons.iter().any(begins) {
            return Some(Verdict::Free);
        }
        let until = |writing: &&Writing| writing.after.as_deref() != Some(left);
        for writing in by_bots.iter().take_while(until) {
            if self.is_wanted(writing.after.as_deref()) {
                let took = |writing: &&Writing| self.is_wanted(writing.before.as_deref());
                let taker = by_persons.iter().find(took).unwrap_or(oldest);
                let hold = || Verdict::Hold(hold(self.policy, taker, self.wanted));
                return Some(if taker.released { Verdict::Free } else { hold() });
            }
            if writing.before.as_deref() == Some(left) {
                break;
            }
        }
        let is_given_back = by_persons.iter().any(|writing| self.is_wanted(writing.after.as_deref()));
        (is_given_back || by_bots.iter().any(begins)).then_some(Verdict::Free)
    }
}

fn begins(writing: &Writing) -> bool {
    writing.before.is_none()
}

fn hold(policy: &str, taker: &Writing, wanted: &str) -> Hold {
    Hold::Reverted {
        policy: policy.to_owned(),
        wanted: wanted.to_owned(),
        commit: words::short(&taker.commit).to_owned(),
        author: taker.author.clone(),
        time: taker.time,
    }
}

/// Whether a value is the selection that is wanted.
fn is_same(value: &str, wanted: &str, current: &str) -> bool {
    if without_digest(current) == without_digest(wanted) {
        value == wanted
    } else {
        without_digest(value) == without_digest(wanted)
    }
}

pub(super) fn without_digest(value: &str) -> &str {
    value.split_once('@').map_or(value, |(value, _)| value)
}
