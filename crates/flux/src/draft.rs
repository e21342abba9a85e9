//! A status in the making: what every kind has in common.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::condition::{self, Condition, READY, RECONCILING, STALLED};
use crate::remarks::{HELD, Remark, Remarks};
use crate::shape::{Field, Shape};
use crate::{Ending, Event, Seen, Severity, Verdict, reason, remarks};

/// The fields of every kind.
const COMMON: [Field; 3] =
    [("conditions", Shape::List), ("observedGeneration", Shape::Whole), ("lastHandledReconcileAt", Shape::Text)];

/// What a pass came to, in terms of conditions.
pub(crate) enum End {
    /// All is well.
    Success {
        /// The message of `Ready`.
        message: String,
        /// What is told.
        told: Told,
        /// What is told instead where that is nothing.
        trace: String,
    },
    /// It failed, and is tried again.
    Failure {
        /// The reason of `Ready`.
        reason: &'static str,
        /// The message of `Ready`.
        message: String,
        /// How far it got, where that is further than the beginning.
        progress: Option<String>,
        /// When it is tried again, where that is a fixed time.
        later: Option<Duration>,
    },
    /// It failed for good.
    Stalled {
        /// The reason of `Stalled` and `Ready`.
        reason: &'static str,
        /// Their message.
        message: String,
    },
}

/// What is told of a success. Whatever it is, that an object became ready is told.
pub(crate) enum Told {
    /// The message of `Ready`, when it is another than before.
    Change,
    /// Nothing but that.
    Nothing,
    /// This.
    News(String),
}

impl End {
    /// A failure at the beginning that is tried again after a back-off.
    pub(crate) fn failure(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Failure { reason, message: message.into(), progress: None, later: None }
    }

    /// A failure for good.
    pub(crate) fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Stalled { reason, message: message.into() }
    }
}

/// A status in the making.
pub(crate) struct Draft<'a> {
    seen: Seen<'a>,
    fields: Map<String, Value>,
    stored: Vec<Value>,
}

impl<'a> Draft<'a> {
    /// Begins with the stored status, without what cannot be in it.
    pub(crate) fn new(seen: &Seen<'a>, known: &[Field]) -> Self {
        let mut fields = seen.status.as_object().cloned().unwrap_or_default();
        let unobserved = !seen.status.is_object() || fields.get("observedGeneration").is_some_and(|it| !it.is_i64());
        for (name, shape) in COMMON.iter().chain(known) {
            if fields.get(*name).is_some_and(|value| !shape.fits(value)) {
                fields.shift_remove(*name);
            }
        }
        if unobserved {
            fields.insert("observedGeneration".to_owned(), (-1).into());
        }
        let stored = match fields.shift_remove("conditions") {
            Some(Value::Array(conditions)) => conditions,
            _ => Vec::new(),
        };
        Self { seen: *seen, fields, stored }
    }

    /// A field as it is now.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Sets a field, or removes it where there is nothing to be in it.
    pub(crate) fn set_or_remove(&mut self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => self.set(name, value),
            None => drop(self.fields.shift_remove(name)),
        }
    }

    /// Ends the pass with what `end` makes of it.
    pub(crate) fn pass(mut self, end: impl FnOnce(&mut Self) -> End, remarks: &Remarks<'_>) -> Verdict {
        let end = &end(&mut self);
        self.answer();
        let mut new = self.conditions(end);
        let mut events = vec![self.event(end, &new)];
        let mut owned = vec![STALLED, RECONCILING, READY];
        for (kind, otherwise, remark) in remarks.each() {
            self.remark(kind, otherwise, remark, &mut new, &mut events);
            if remark != Remark::Unknown {
                owned.push(kind);
            }
        }
        let ending = match end {
            End::Success { .. } => Ending::Ready,
            End::Stalled { .. } => Ending::Stalled,
            End::Failure { later, .. } => later.map_or(Ending::Retry, Ending::Later),
        };
        if matches!(ending, Ending::Ready | Ending::Stalled) {
            self.set("observedGeneration", self.seen.generation);
        }
        let conditions = condition::merged(&self.stored, &owned, &new, self.seen.generation, self.seen.now);
        Verdict { status: self.with(conditions), events, ending }
    }

    fn answer(&mut self) {
        if let Some(requested) = self.seen.requested {
            self.set("lastHandledReconcileAt", requested);
        }
    }

    fn with(mut self, conditions: Vec<Value>) -> Value {
        if !conditions.is_empty() {
            self.set("conditions", conditions);
        }
        self.fields.into()
    }

    /// The three conditions of Flux; `Ready` is the last.
    fn conditions(&self, end: &End) -> Vec<Condition> {
        match end {
            End::Success { message, .. } => vec![Condition::yes(READY, reason::SUCCEEDED, message)],
            End::Failure { reason, message, progress, .. } => {
                let progress = progress.clone().unwrap_or_else(|| self.progress());
                let reconciling = Condition::yes(RECONCILING, reason::PROGRESSING_WITH_RETRY, &progress);
                vec![reconciling, Condition::no(READY, *reason, message)]
            }
            End::Stalled { reason, message } => {
                vec![Condition::yes(STALLED, *reason, message), Condition::no(READY, *reason, message)]
            }
        }
    }

    /// The progress that every pass begins with.
    fn progress(&self) -> String {
        let observed = self.get("observedGeneration").and_then(Value::as_i64).unwrap_or(0);
        if observed == self.seen.generation {
            return "reconciliation in progress".to_owned();
        }
        format!("processing object: new generation {observed} -> {}", self.seen.generation)
    }

    fn event(&self, end: &End, new: &[Condition]) -> Event {
        let ready = new.last();
        let message = ready.map(Condition::message).unwrap_or_default();
        let End::Success { told, trace, .. } = end else {
            let reason = ready.map(Condition::reason).unwrap_or(reason::FAILED);
            return event(Severity::Error, reason, message);
        };
        let before = condition::find(&self.stored, READY).and_then(condition::message);
        match told {
            Told::News(news) => event(Severity::Info, reason::SUCCEEDED, news),
            _ if !self.was_ready() => event(Severity::Info, reason::SUCCEEDED, message),
            Told::Change if before != Some(message) => event(Severity::Info, reason::SUCCEEDED, message),
            Told::Change | Told::Nothing => event(Severity::Trace, reason::SUCCEEDED, trace),
        }
    }

    fn remark(
        &self,
        kind: &'static str,
        otherwise: &str,
        remark: Remark<'_>,
        new: &mut Vec<Condition>,
        events: &mut Vec<Event>,
    ) {
        let stored = condition::find(&self.stored, kind);
        match remark {
            Remark::Unknown => {}
            Remark::Say { code, message } => {
                let condition = Condition::yes(kind, remarks::reason(code, otherwise), message);
                if stored.is_none_or(|stored| !condition.says(stored)) {
                    events.push(event(Severity::Info, condition.reason(), condition.message()));
                }
                new.push(condition);
            }
            Remark::Nothing => {
                if kind == HELD && stored.is_some() {
                    let was = stored.and_then(condition::message).unwrap_or_default();
                    events.push(event(Severity::Info, reason::RELEASED, &format!("held no longer: {was}")));
                }
            }
        }
    }

    fn was_ready(&self) -> bool {
        let is = |kind| condition::is_true(&self.stored, kind);
        is(READY) && !is(RECONCILING) && !is(STALLED)
    }

    fn was_stalled(&self) -> bool {
        condition::is_true(&self.stored, STALLED)
    }
}

/// Returns the status of a suspended object, which is not worked on. Nothing is done, so all of it stays; but a new generation is
/// taken note of where the object is ready or stalled, and what was asked for is answered.
#[must_use]
pub fn suspended(seen: &Seen<'_>) -> Value {
    let draft = Draft::new(seen, &[]);
    let mut fields = seen.status.as_object().cloned().unwrap_or_default();
    if let Some(requested) = seen.requested {
        fields.insert("lastHandledReconcileAt".to_owned(), requested.into());
    }
    if draft.was_ready() || draft.was_stalled() {
        fields.insert("observedGeneration".to_owned(), seen.generation.into());
    }
    if fields.is_empty() { seen.status.clone() } else { fields.into() }
}

fn event(severity: Severity, reason: &str, message: &str) -> Event {
    Event { severity, reason: reason.to_owned(), message: message.to_owned() }
}
