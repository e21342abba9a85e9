//! A pass at once, as `flux reconcile` asks for it: the annotation, and the wait for whoever answers it.

use std::time::Duration;

use flux::kstatus::{self, Progress};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Found, People};
use crate::failure::{Failure, Result};

/// The first pause between two looks at an object; each next one is half as long again.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// The longest one.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// How a pass ended that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The object is as its specification wants it.
    Current(String),
    /// It will not be before somebody changes it.
    Failed(String),
    /// It was worked on, and is tried again; what it last said of itself.
    Retrying(String),
    /// Nobody has taken the request.
    Nobody,
}

impl People {
    /// Asks for a pass; returns by what its answer is known.
    ///
    /// # Errors
    /// The object may not be written, or the server does not answer.
    pub(crate) async fn request(&self, found: &Found) -> Result<String> {
        let text = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
        self.patch(found, &json!({"metadata": {"annotations": {flux::REQUESTED_AT: text}}})).await?;
        Ok(text)
    }

    /// Waits until somebody has worked on an object since it was asked for, whatever that came to.
    ///
    /// # Errors
    /// The object may not be read, the server does not answer, or the object is gone.
    pub(crate) async fn handled(&self, found: &Found, request: &str, deadline: Instant) -> Result<()> {
        let mut looks = Looks::until(deadline);
        while self.look(found, request).await? == Answer::Nobody && looks.again().await {}
        Ok(())
    }

    /// Waits until a request was answered and the object is as it is to be, or will not be; `tell` is given what it says of
    /// itself while it is tried again.
    ///
    /// # Errors
    /// The object may not be read, the server does not answer, or the object is gone.
    pub(crate) async fn answer(
        &self,
        found: &Found,
        request: &str,
        deadline: Instant,
        mut tell: impl FnMut(&str),
    ) -> Result<Answer> {
        let mut looks = Looks::until(deadline);
        let mut last = Answer::Nobody;
        loop {
            match self.look(found, request).await? {
                Answer::Retrying(message) => {
                    let now = Answer::Retrying(message.clone());
                    if last != now {
                        tell(&message);
                    }
                    last = now;
                }
                Answer::Nobody => {}
                ended => return Ok(ended),
            }
            if !looks.again().await {
                return Ok(last);
            }
        }
    }

    /// What an object says now to a request.
    async fn look(&self, found: &Found, request: &str) -> Result<Answer> {
        match self.get(found.what, &found.name()).await? {
            Some(object) => Ok(look(request, object.generation, &object.status())),
            None => {
                let message = format!("{} {} is gone", found.what.kind().name, found.object.key);
                Err(Failure::missing(message, ""))
            }
        }
    }
}

/// Looks at something again and again, with longer and longer pauses.
struct Looks {
    deadline: Instant,
    pause: Duration,
}

impl Looks {
    fn until(deadline: Instant) -> Self {
        Self { deadline, pause: FIRST_LOOK }
    }

    /// Waits for the next look; returns whether there is one.
    async fn again(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        tokio::time::sleep_until((now + self.pause).min(self.deadline)).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST_LOOK);
        true
    }
}

/// What a status says to a request.
fn look(request: &str, generation: i64, status: &Value) -> Answer {
    if status.get("lastHandledReconcileAt").and_then(Value::as_str) != Some(request) {
        return Answer::Nobody;
    }
    let message = kstatus::message(status).unwrap_or_default().to_owned();
    match kstatus::progress(generation, status) {
        Progress::Current => Answer::Current(message),
        Progress::Failed => Answer::Failed(message),
        Progress::InProgress => Answer::Retrying(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: Value, expect: Answer) {
        assert_eq!(look("now", 2, &status), expect, "{status}");
    }

    #[test]
    fn an_answer_is_to_the_request_and_about_the_specification() {
        let ready = |handled: &str, observed: i64, conditions: Value| json!({"lastHandledReconcileAt": handled, "observedGeneration": observed, "conditions": conditions});
        let yes = |kind: &str, message: &str| json!({"type": kind, "status": "True", "message": message});
        let no = json!({"type": "Ready", "status": "False", "message": "no answer"});
        check(Value::Null, Answer::Nobody);
        check(ready("before", 2, json!([yes("Ready", "fetched 3 tags")])), Answer::Nobody);
        check(ready("now", 2, json!([yes("Ready", "fetched 3 tags")])), Answer::Current("fetched 3 tags".to_owned()));
        check(ready("now", 1, json!([yes("Ready", "an older one")])), Answer::Retrying("an older one".to_owned()));
        check(ready("now", 2, json!([yes("Reconciling", ""), no])), Answer::Retrying("no answer".to_owned()));
        check(ready("now", 2, json!([yes("Stalled", "bad range"), no])), Answer::Failed("no answer".to_owned()));
    }
}
