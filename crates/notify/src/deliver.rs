//! The task of one target: what waits is sent, one after the other.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::exchange::{Exchange, Failure};
use super::ledger::{Ledger, Tidings};
use super::status::Marked;
use super::target::{Service, Target};
use super::text::Letter;
use super::voice::Count;
use super::{chat, http, mail, status};

/// How many messages wait for one target.
pub const WAITING: usize = 1024;

/// How long a message is tried to be sent. Who hears of something later is misled by it.
pub const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// The pause before a message is sent again, and the longest one; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is sent.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// For people.
    Letter(Letter),
    /// For a program.
    Event(Value),
    /// For a commit.
    Mark(Marked),
}

/// A target with its queue.
pub(crate) struct Post {
    queue: Sender<Waiting>,
    kind: &'static str,
    count: Count,
    task: JoinHandle<()>,
}

/// What waits, since when, and what whoever gets it knows then.
struct Waiting {
    parcel: Arc<Parcel>,
    since: Instant,
    tidings: Tidings,
}

/// One try, which ends with how long the target is to be left alone after it.
type Attempt = Pin<Box<dyn Future<Output = Result<Duration, Failure>> + Send>>;

impl Post {
    pub(crate) fn start(target: Arc<Target>, exchange: Arc<Exchange>, ledger: Arc<Ledger>, count: Count) -> Self {
        let kind = target.kind();
        let attempt = move |parcel: Arc<Parcel>| -> Attempt {
            let (target, exchange) = (Arc::clone(&target), Arc::clone(&exchange));
            Box::pin(async move { attempt(&target, &exchange, &parcel).await })
        };
        Self::start_with(kind, (ledger, count), attempt)
    }

    fn start_with(
        kind: &'static str,
        (ledger, count): (Arc<Ledger>, Count),
        attempt: impl Fn(Arc<Parcel>) -> Attempt + Send + Sync + 'static,
    ) -> Self {
        let (queue, waiting) = channel(WAITING);
        let task = tokio::spawn(send_all(kind, (ledger, Arc::clone(&count)), waiting, attempt));
        Self { queue, kind, count, task }
    }

    /// Puts something into the queue. Where there is no room it is lost.
    pub(crate) fn put(&self, parcel: Parcel, tidings: Tidings) {
        let waiting = Waiting { parcel: Arc::new(parcel), since: Instant::now(), tidings };
        let (full, lost) = match self.queue.try_send(waiting) {
            Ok(()) => return,
            Err(TrySendError::Full(lost)) => (true, lost),
            Err(TrySendError::Closed(lost)) => (false, lost),
        };
        (self.count)(self.kind, "dropped");
        let (notification, target_type) = (lost.tidings.who(), self.kind);
        match full {
            true => tracing::warn!(
                notification,
                target_type,
                waiting = WAITING,
                "a notification is lost, since too many wait"
            ),
            false => tracing::warn!(
                notification,
                target_type,
                "a notification is lost, since nothing is sent there any more"
            ),
        }
    }

    /// Lets what waits be sent, and nothing more come.
    pub(crate) fn close(self) -> JoinHandle<()> {
        self.task
    }
}

async fn send_all(
    kind: &'static str,
    (ledger, count): (Arc<Ledger>, Count),
    mut waiting: Receiver<Waiting>,
    attempt: impl Fn(Arc<Parcel>) -> Attempt + Send + Sync,
) {
    let (mut fails, mut loses) = (false, false);
    while let Some(Waiting { parcel, since, tidings }) = waiting.recv().await {
        let notification = tidings.who();
        match deliver((kind, &notification), &attempt, (parcel, since), &mut fails).await {
            Ok(rest) => {
                loses = false;
                if std::mem::take(&mut fails) {
                    tracing::info!(notification, target_type = kind, "notifications arrive again");
                }
                ledger.arrived(&tidings);
                count(kind, "sent");
                // Nobody is waited for after the last one.
                let is_last = waiting.is_closed() && waiting.is_empty();
                if !is_last && !rest.is_zero() {
                    sleep(rest).await;
                }
            }
            Err(error) => {
                fails = true;
                match std::mem::replace(&mut loses, true) {
                    true => tracing::debug!(notification, target_type = kind, error, "a notification did not arrive"),
                    false => tracing::warn!(notification, target_type = kind, error, "a notification did not arrive"),
                }
                count(kind, "failed");
            }
        }
    }
}

/// Sends until it is taken, refused or too old. Returns how long the target is to be left alone then, or why it was not taken.
async fn deliver(
    (kind, notification): (&'static str, &str),
    attempt: &(impl Fn(Arc<Parcel>) -> Attempt + Send + Sync),
    (parcel, since): (Arc<Parcel>, Instant),
    fails: &mut bool,
) -> Result<Duration, String> {
    let mut pause = FIRST_PAUSE;
    // Behind others that took their time it may be too old already.
    let mut left = MAX_AGE.saturating_sub(since.elapsed());
    while !left.is_zero() {
        let (wait, why) = match attempt(Arc::clone(&parcel)).await {
            Ok(rest) => return Ok(rest),
            Err(Failure::Never(why)) => return Err(why),
            Err(Failure::Later { wait, why }) => (wait, why),
        };
        let wait = wait.unwrap_or_default().max(pause);
        left = MAX_AGE.saturating_sub(since.elapsed());
        if wait >= left {
            return Err(format!("{why}; it was given up {} s after it was written", since.elapsed().as_secs()));
        }
        let (target_type, error, wait_s) = (kind, why, wait.as_secs());
        match std::mem::replace(fails, true) {
            true => tracing::debug!(notification, target_type, error, wait_s, "a notification is sent again later"),
            false => tracing::warn!(notification, target_type, error, wait_s, "a notification is sent again later"),
        }
        sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Err(format!("it waited for {} s behind others", since.elapsed().as_secs()))
}

async fn attempt(target: &Target, exchange: &Exchange, parcel: &Parcel) -> Result<Duration, Failure> {
    let route = &target.route;
    if route.elsewhere {
        exchange.looks_elsewhere(target).await?;
    }
    match (&target.service, parcel) {
        (Service::Slack(chat), Parcel::Letter(letter)) => Box::pin(chat::slack(exchange, (chat, route), letter)).await,
        (Service::Teams(chat), Parcel::Letter(letter)) => Box::pin(chat::teams(exchange, (chat, route), letter)).await,
        (Service::Discord(chat), Parcel::Letter(letter)) => {
            Box::pin(chat::discord(exchange, (chat, route), letter)).await
        }
        (Service::Mail(mail), Parcel::Letter(letter)) => Box::pin(mail::send(exchange, (mail, route), letter)).await,
        (Service::Http(http), Parcel::Event(event)) => Box::pin(http::send(exchange, (http, route), event)).await,
        (Service::Status(status), Parcel::Mark(marked)) => {
            Box::pin(status::send(exchange, (status, route), marked)).await
        }
        // The router makes each for its own.
        _ => Err(Failure::Never("it is not of the target's form".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use super::*;

    /// What is counted, and at which seconds something was tried, when attempts end like this; the last one goes on to be.
    async fn check(parcels: usize, script: &[Result<u64, Option<u64>>], counted: &[(&str, usize)], tries: &[u64]) {
        let (start, seen, counts) =
            (Instant::now(), Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (script, times) = (script.to_vec(), Arc::clone(&seen));
        let attempt = move |_: Arc<Parcel>| -> Attempt {
            let mut times = times.lock().unwrap();
            let step = script.get(times.len()).or(script.last()).copied().unwrap();
            times.push(start.elapsed().as_secs());
            let result = match step {
                Ok(rest) => Ok(Duration::from_secs(rest)),
                Err(Some(0)) => Err(Failure::Never("no".to_owned())),
                Err(wait) => Err(Failure::Later { wait: wait.map(Duration::from_secs), why: "later".to_owned() }),
            };
            Box::pin(async move { result })
        };
        let results = Arc::clone(&counts);
        let count: Count = Arc::new(move |_, result| results.lock().unwrap().push(result));
        let post = Post::start_with("slack", (Arc::default(), count), attempt);
        for _ in 0..parcels {
            post.put(Parcel::Event(Value::Null), Tidings::default());
        }
        post.close().await.unwrap();
        let counts = counts.lock().unwrap().clone();
        for (word, wanted) in counted {
            assert_eq!(counts.iter().filter(|it| *it == word).count(), *wanted, "{word} of {counts:?}");
        }
        assert_eq!(seen.lock().unwrap()[..tries.len()], *tries);
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_is_left_alone_as_long_as_it_wants() {
        check(3, &[Ok(1)], &[("sent", 3)], &[0, 1, 2]).await;
        check(2, &[Err(Some(30)), Ok(0)], &[("sent", 2)], &[0, 30, 30]).await;
        check(1, &[Err(None), Err(None), Err(None), Err(Some(2)), Ok(0)], &[("sent", 1)], &[0, 1, 3, 7, 15]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_for_ever() {
        check(2, &[Err(Some(0)), Ok(0)], &[("failed", 1), ("sent", 1)], &[0, 0]).await;
        check(1, &[Err(Some(3600))], &[("failed", 1)], &[0]).await;
        // The first one takes all of its time, and so no other is tried.
        check(3, &[Err(None)], &[("failed", 3)], &[0, 1, 3, 7, 15, 31, 63, 123]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_no_more() {
        check(WAITING + 5, &[Ok(0)], &[("dropped", 5), ("sent", WAITING)], &[0]).await;
    }
}
