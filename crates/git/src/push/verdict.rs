//! What a refusal means: the references tell, and not the words for it, which are each server's own.

use std::time::Duration;

use super::report::Reported;
use super::{Command, Outcome};
use crate::Inner;
use crate::advertisement::Advertisement;
use crate::error::Error;
use crate::id::ObjectId;
use crate::transport::Ask;

/// When the references are read again, each time after so long: once at once, and on while it looks as if somebody else were
/// writing them.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// Words after which it is worth looking again: a lock that another push holds, a comparison that has failed, a server that
/// stumbled. They decide for nothing but patience, so that none of them has to be known.
const PASSING: &[&str] = &[
    "lock",
    "failed to update ref",
    "fetch first",
    "stale info",
    "old id",
    "but expected",
    "already been updated",
    "commit_refs",
];

/// Why nobody knows why.
const NO_REASON: &str = "it does not say why";

/// Finds out what became of the updates. What the remote reports to be done is; of the rest the references tell whether somebody
/// else was faster. Where they cannot be read, the report stands.
pub(super) async fn find_out(
    inner: &Inner,
    commands: &[Command<'_>],
    reported: &[Reported],
    is_atomic: bool,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = reported.iter().map(Outcome::unless_known_better).collect();
    if outcomes.iter().all(Outcome::is_done) {
        return outcomes;
    }
    for wait in LOOKS {
        tokio::time::sleep(wait).await;
        match look(inner, commands, reported).await {
            Ok(seen) => outcomes = seen,
            Err(error) => {
                tracing::debug!(git.remote = inner.remote(), %error, "the references could not be read after a push");
                break;
            }
        }
        if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Busy { .. })) {
            break;
        }
    }
    match is_atomic {
        true => together(outcomes),
        false => outcomes,
    }
}

/// Reads the references once.
async fn look(inner: &Inner, commands: &[Command<'_>], reported: &[Reported]) -> Result<Vec<Outcome>, Error> {
    let updates = || commands.iter().map(|command| command.update);
    let names = super::names(updates());
    let (_, now) = inner.connect(Ask::Push(&names)).await?;
    let hidden = super::hidden(inner, &names, &now, updates()).await?;
    let unreadable = super::unreadable(inner, &names, &now, updates()).await?;
    let outcome = |(command, reported): (&Command<'_>, &Reported)| {
        let (update, name) = (command.update, command.update.reference.as_str());
        match judge(command, reported, &now) {
            _ if hidden.contains(&name) => Outcome::hidden(update),
            Outcome::Moved { .. } if unreadable.contains(&name) => Outcome::unreadable(update),
            outcome => outcome,
        }
    };
    Ok(commands.iter().zip(reported).map(outcome).collect())
}

/// What became of one update, now that the references are these.
fn judge(command: &Command<'_>, reported: &Reported, now: &Advertisement) -> Outcome {
    let reason = match reported {
        Reported::Done => return Outcome::Updated,
        Reported::Refused(reason) => reason.clone(),
        Reported::Nothing => NO_REASON.to_owned(),
    };
    if let Some(outcome) = Outcome::in_the_way(command.update, now) {
        return outcome;
    }
    let new = command.update.new.object();
    let there = now.find(&command.update.reference).map_or(ObjectId::zero(new.format()), |reference| reference.object);
    if there == new {
        // Somebody else was faster with the very same commit, as two runs in one second are. Whoever says no for another reason
        // and has done it all the same is believed; the next run sees what is there.
        return match reported {
            Reported::Refused(_) if is_passing(&reason) => Outcome::UpToDate,
            Reported::Refused(_) => Outcome::Declined { reason },
            Reported::Nothing | Reported::Done => Outcome::Updated,
        };
    }
    match there == command.old {
        false => Outcome::Moved { reason },
        true if is_passing(&reason) => Outcome::Busy { reason },
        true => Outcome::Declined { reason },
    }
}

impl Outcome {
    /// What the remote's report says, as long as nothing else is known.
    fn unless_known_better(reported: &Reported) -> Self {
        match reported {
            Reported::Done => Self::Updated,
            Reported::Refused(reason) => Self::Declined { reason: reason.clone() },
            Reported::Nothing => Self::Declined { reason: NO_REASON.to_owned() },
        }
    }
}

fn is_passing(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    PASSING.iter().any(|words| reason.contains(words))
}

/// In an atomic push the innocent are refused with the guilty. Where one reference has moved, that is reason enough: whoever is
/// refused for another reason as well is told so the next time.
fn together(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let moved = |outcome: &Outcome| matches!(outcome, Outcome::Moved { .. });
    if !outcomes.iter().any(moved) {
        return outcomes;
    }
    let outcome = |outcome| match outcome {
        Outcome::Declined { reason } | Outcome::Busy { reason } => Outcome::Moved { reason },
        other => other,
    };
    outcomes.into_iter().map(outcome).collect()
}
