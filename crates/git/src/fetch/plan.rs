//! Which request comes next.

use std::collections::BTreeSet;

use super::{Deepen, Depth, Purpose, Step, Target, boundary};
use crate::Inner;
use crate::advertisement::Advertisement;
use crate::error::Error;
use crate::id::{CommitId, ObjectId};
use crate::object;
use crate::pack::Excess;
use crate::problem::Problem;
use crate::store::{Store, Tips};

/// How far clocks may be apart: ten minutes. A commit that someone else makes after ours can carry an earlier time.
const CLOCK_SLACK: i64 = 600;

/// How many generations are fetched where commits since the old tip do not lead back to it.
const CLOSING_GENERATIONS: u32 = 32;

/// What a remote understands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notion {
    Generations,
    Time,
}

/// What the requests so far have brought.
#[derive(Default, Clone)]
pub(super) struct State {
    /// Objects that came, by any way.
    arrived: BTreeSet<ObjectId>,
    /// Those that came with their whole history.
    whole: BTreeSet<ObjectId>,
    /// The tips for which the remote gave nothing since the old one.
    refused: BTreeSet<String>,
    /// What came with everything since an old tip, and that tip.
    grown: Vec<(Target, ObjectId)>,
    /// A difference from what the mirror has was too large, so that objects have to come whole.
    whole_objects: bool,
}

impl State {
    /// What is in the mirror and has no name yet.
    pub(super) const fn arrived(&self) -> &BTreeSet<ObjectId> {
        &self.arrived
    }

    /// Returns the next request; None when nothing is missing.
    pub(super) async fn next(
        &self,
        inner: &Inner,
        advertisement: &Advertisement,
        targets: &[Target],
    ) -> Result<Option<Step>, Error> {
        let capabilities = advertisement.capabilities();
        let notion = match capabilities.has("shallow") && capabilities.has("deepen-since") {
            true => Notion::Time,
            false => Notion::Generations,
        };
        let (state, targets) = (self.clone(), targets.to_vec());
        inner.with_store(move |store| state.plan(store, &targets, notion)).await
    }

    fn plan(&self, store: &Store, targets: &[Target], notion: Notion) -> Result<Option<Step>, Error> {
        let tips = store.tips()?;
        let thin = !self.whole_objects;
        let mut first = Vec::new();
        let mut whole = Vec::new();
        let mut known = None;
        for target in targets.iter().filter(|target| self.is_missing(target, &tips)) {
            let old = match notion == Notion::Generations || self.refused.contains(&target.tip) {
                true => None,
                false => old_tip(store, &tips, target),
            };
            match (target.depth, old) {
                (Depth::All, _) => whole.push(target.clone()),
                (Depth::One, None) => first.push(target.clone()),
                (Depth::One, Some(old)) => known = Some((target.clone(), old)),
            }
        }
        if !first.is_empty() {
            return Ok(Some(Step { targets: first, deepen: Deepen::Generations(1), purpose: Purpose::Need, thin }));
        }
        // One by one: the time of one would be wrong for another, and a remote that finds nothing younger refuses all.
        if let Some((target, (old, seconds))) = known {
            let deepen = Deepen::Since(seconds.saturating_sub(CLOCK_SLACK).max(1));
            return Ok(Some(Step { targets: vec![target], deepen, purpose: Purpose::Growth(old), thin }));
        }
        if !whole.is_empty() {
            return Ok(Some(Step { targets: whole, deepen: Deepen::All, purpose: Purpose::Need, thin }));
        }
        for (target, old) in &self.grown {
            if !boundary::continues(store, target.object, *old)? {
                let deepen = Deepen::Generations(CLOSING_GENERATIONS);
                return Ok(Some(Step { targets: vec![target.clone()], deepen, purpose: Purpose::Closing, thin }));
            }
        }
        Ok(None)
    }

    fn is_missing(&self, target: &Target, tips: &Tips) -> bool {
        // A tip was only set once everything beneath it had been stored. A commit within a history is there when it was
        // found once.
        match target.within {
            None => !self.arrived.contains(&target.object) && !tips.values().any(|id| *id == target.object),
            Some(_) => !self.whole.contains(&target.object) && !tips.contains_key(&target.tip),
        }
    }

    /// Takes down what became of a request. What is not needed may fail.
    pub(super) fn note(&mut self, step: Step, done: Result<(), Error>) -> Result<(), Error> {
        let objects = step.targets.iter().map(|target| target.object);
        match (done, step.purpose) {
            (Ok(()), Purpose::Need) => {
                self.arrived.extend(objects.clone());
                if step.deepen == Deepen::All {
                    self.whole.extend(objects);
                }
            }
            (Ok(()), Purpose::Growth(old)) => {
                self.arrived.extend(objects);
                self.grown.extend(step.targets.into_iter().map(|target| (target, old)));
            }
            (Ok(()), Purpose::Closing) => self.closed(&step),
            // Once more, with objects that come whole: those are not in memory.
            (Err(Error::Costly { excess: Excess::Difference { .. }, .. }), _) if step.thin => self.whole_objects = true,
            (Err(error), Purpose::Need) => return Err(error),
            (Err(error), _) if !is_refusal(&error) => return Err(error),
            (Err(_), Purpose::Growth(_)) => self.refused.extend(step.targets.into_iter().map(|target| target.tip)),
            (Err(_), Purpose::Closing) => self.closed(&step),
        }
        Ok(())
    }

    fn closed(&mut self, step: &Step) {
        self.grown.retain(|(grown, _)| step.targets.iter().all(|target| target.tip != grown.tip));
    }
}

/// Returns what the mirror has under the target's name, and the time of that commit. Tags do not grow.
fn old_tip(store: &Store, tips: &Tips, target: &Target) -> Option<(ObjectId, i64)> {
    let (name, id) = tips.get_key_value(&target.tip)?;
    let grows = !["refs/tags/", "refs/tagwright/"].iter().any(|prefix| name.starts_with(prefix));
    let odb = store.odb().ok().filter(|_| grows)?;
    let commit = object::commit(store, &odb, CommitId(*id)).ok()?;
    Some((*id, commit.time))
}

/// Whether the remote may give less where it does not give all this. Git ends the connection when no commit is young enough.
const fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Protocol { problem, .. } => !matches!(problem, Problem::Pack),
        Error::Remote { .. }
        | Error::Broken { .. }
        | Error::Http { .. }
        | Error::Network { .. }
        | Error::AnswerTooLarge { .. }
        | Error::Costly { .. } => true,
        _ => false,
    }
}
