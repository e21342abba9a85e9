//! What was given out, kept until shortly before it ends and renewed early, one request each.
//!
//! Many may want the same at once: one of them asks, the others wait for it, and if it fails all of them get its failure.
//! In the last fifth of a life (at most ten minutes) whoever comes first asks anew while all others go on with what there is; and
//! so does he where the server cannot be reached. A failure that somebody has to mend is remembered for a moment, so that a
//! thousand repositories do not each find out that a machine is in no cloud.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use access::Fingerprint;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::{Error, Kind};

/// How many are kept before those that have ended are dropped.
const MAX_KEPT: usize = 1_000;
/// The longest that anything is kept, whatever its server says: ECR's tokens live for half a day.
const MAX_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end something is not used any more; a twentieth of its life where that is less.
const MARGIN: Duration = Duration::from_secs(30);
/// How long before its end it is renewed; a fifth of its life where that is less.
const EARLY: Duration = Duration::from_secs(600);
/// How long a failure to renew counts while there is still something to use.
const RENEWAL_WAIT: Duration = Duration::from_secs(30);
/// How long a failure that will not go away by itself counts.
const FAILURE_LIFE: Duration = Duration::from_secs(10);

/// Something that was given out just now, and how long it is good.
#[derive(Debug, Clone)]
pub(crate) struct Fresh<T> {
    pub(crate) value: T,
    pub(crate) life: Duration,
}

/// Something that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    /// What tells it from any other.
    pub(crate) serial: u64,
    /// Whether it was there before it was asked for.
    pub(crate) is_old: bool,
}

/// What was given out, by what it is for.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    cells: SyncMutex<HashMap<Fingerprint, Arc<Cell<T>>>>,
}

#[derive(Debug)]
struct Cell<T> {
    state: SyncMutex<State<T>>,
    /// Held by the one who asks.
    flight: Mutex<()>,
}

#[derive(Debug)]
struct State<T> {
    item: Option<Item<T>>,
    failure: Option<(Instant, Error)>,
}

#[derive(Debug, Clone)]
struct Item<T> {
    value: T,
    serial: u64,
    renew: Instant,
    end: Instant,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { cells: SyncMutex::default() }
    }
}

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self { state: SyncMutex::new(State { item: None, failure: None }), flight: Mutex::default() }
    }
}

impl<T: Clone> Cache<T> {
    /// Returns what is kept for a key, or asks for it.
    pub(crate) async fn get(
        &self,
        key: Fingerprint,
        fetch: impl Future<Output = Result<Fresh<T>, Error>>,
    ) -> Result<Kept<T>, Error> {
        let asked = Instant::now();
        let cell = self.cell(key);
        let _flight = match cell.usable(asked) {
            Some(item) if asked < item.renew => return Ok(item.kept(true)),
            // Somebody else asks already, or did in vain.
            Some(item) => match cell.flight.try_lock() {
                Ok(flight) if !cell.failed_lately(asked) => flight,
                _ => return Ok(item.kept(true)),
            },
            None => cell.flight.lock().await,
        };
        let now = Instant::now();
        if let Some(item) = cell.usable(now).filter(|item| now < item.renew) {
            return Ok(item.kept(true));
        }
        if let Some(failure) = cell.failure(asked, now).filter(|_| cell.usable(now).is_none()) {
            return Err(failure);
        }
        match fetch.await {
            Ok(fresh) => Ok(cell.keep(fresh)),
            Err(error) => cell.fail(error),
        }
    }

    /// Drops what was rejected; what is there by now in its place stays.
    pub(crate) fn forget(&self, key: Fingerprint, serial: u64) {
        let known = self.cells.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let Some(cell) = known else { return };
        let mut state = cell.lock();
        if state.item.as_ref().is_some_and(|item| item.serial == serial) {
            state.item = None;
        }
    }

    fn cell(&self, key: Fingerprint) -> Arc<Cell<T>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= MAX_KEPT {
            let now = Instant::now();
            cells.retain(|_, cell| Arc::strong_count(cell) > 1 || cell.usable(now).is_some());
        }
        Arc::clone(cells.entry(key).or_default())
    }
}

impl<T: Clone> Cell<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self, now: Instant) -> Option<Item<T>> {
        self.lock().item.clone().filter(|item| now < item.end)
    }

    fn failed_lately(&self, now: Instant) -> bool {
        self.lock().failure.as_ref().is_some_and(|(when, _)| now < *when + RENEWAL_WAIT)
    }

    /// Returns the failure that came since somebody asked, or one that will not have gone away.
    fn failure(&self, asked: Instant, now: Instant) -> Option<Error> {
        let state = self.lock();
        let (when, error) = state.failure.as_ref()?;
        let is_lasting = error.kind() != Kind::Transient && now < *when + FAILURE_LIFE;
        (*when >= asked || is_lasting).then(|| error.clone())
    }

    fn keep(&self, fresh: Fresh<T>) -> Kept<T> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let life = fresh.life.min(MAX_LIFE);
        let now = Instant::now();
        let item = Item {
            value: fresh.value,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            renew: now + (life - EARLY.min(life / 5)),
            end: now + (life - MARGIN.min(life / 20)),
        };
        *self.lock() = State { item: Some(item.clone()), failure: None };
        item.kept(false)
    }

    /// Notes a failure. What is still good serves until it is not.
    fn fail(&self, error: Error) -> Result<Kept<T>, Error> {
        let now = Instant::now();
        self.lock().failure = Some((now, error.clone()));
        match self.usable(now) {
            Some(item) => {
                tracing::debug!(%error, "a login cannot be renewed yet");
                Ok(item.kept(true))
            }
            None => Err(error),
        }
    }
}

impl<T: Clone> Item<T> {
    fn kept(&self, is_old: bool) -> Kept<T> {
        Kept { value: self.value.clone(), serial: self.serial, is_old }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::AtomicUsize;

    use access::Distinct as _;

    use super::*;

    /// Gives out numbers, each good for 100 minutes, and counts; a negative answer fails.
    struct Server(AtomicUsize);

    impl Server {
        async fn give(&self) -> Result<Fresh<usize>, Error> {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Fresh { value: self.0.fetch_add(1, Ordering::Relaxed), life: Duration::from_secs(6000) })
        }

        async fn fail(&self, error: Error) -> Result<Fresh<usize>, Error> {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(error)
        }

        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn transient() -> Error {
        Error::Status { url: "u".to_owned(), status: 503, message: None }
    }

    fn lasting() -> Error {
        Error::Nothing { cloud: "AWS", tried: Vec::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_all() {
        let (cache, server, key) = (Cache::default(), Server(AtomicUsize::new(0)), "key".fingerprint());
        let (a, b, c) =
            tokio::join!(cache.get(key, server.give()), cache.get(key, server.give()), cache.get(key, server.give()));
        assert_eq!([a.unwrap().value, b.unwrap().value, c.unwrap().value], [0, 0, 0]);
        let (a, b) = tokio::join!(
            cache.get("other".fingerprint(), server.fail(transient())),
            cache.get("other".fingerprint(), server.fail(transient()))
        );
        assert_eq!((a.unwrap_err(), b.unwrap_err(), server.count()), (transient(), transient(), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn renewed_early_by_one_while_others_go_on() {
        let (cache, server, key) = (Cache::default(), Server(AtomicUsize::new(0)), "key".fingerprint());
        assert!(!cache.get(key, server.give()).await.unwrap().is_old);
        tokio::time::advance(Duration::from_secs(5300)).await;
        assert_eq!(cache.get(key, server.give()).await.unwrap().value, 0, "700 s before its end");
        tokio::time::advance(Duration::from_secs(200)).await;
        let renewal = async { cache.get(key, server.give()).await.unwrap().value };
        let meanwhile = async {
            let asked = Instant::now();
            let value = cache.get(key, server.give()).await.unwrap().value;
            (value, asked.elapsed())
        };
        let (renewed, meanwhile) = tokio::join!(renewal, meanwhile);
        assert_eq!((renewed, meanwhile, server.count()), (1, (0, Duration::ZERO), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_good_serves_while_its_server_is_away() {
        let (cache, server, key) = (Cache::default(), Server(AtomicUsize::new(0)), "key".fingerprint());
        cache.get(key, server.give()).await.unwrap();
        tokio::time::advance(Duration::from_secs(5500)).await;
        assert_eq!(cache.get(key, server.fail(transient())).await.unwrap().value, 0);
        cache.get(key, server.fail(transient())).await.unwrap();
        assert_eq!(server.count(), 2, "and is not asked again at once");
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(cache.get(key, server.give()).await.unwrap().value, 2);
        tokio::time::advance(Duration::from_secs(5971)).await;
        assert_eq!(cache.get(key, server.fail(transient())).await.unwrap_err(), transient(), "29 s before its end");
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_found_out_once() {
        let (cache, server, key) = (Cache::default(), Server(AtomicUsize::new(0)), "key".fingerprint());
        for _ in 0..5 {
            assert_eq!(cache.get(key, server.fail(lasting())).await.unwrap_err(), lasting());
        }
        assert_eq!(server.count(), 1);
        tokio::time::advance(FAILURE_LIFE).await;
        assert_eq!(cache.get(key, server.give()).await.unwrap().value, 1);
        cache.forget(key, u64::MAX);
        assert!(cache.get(key, server.give()).await.unwrap().is_old, "another one was rejected");
        let kept = cache.get(key, server.give()).await.unwrap();
        cache.forget(key, kept.serial);
        assert_eq!(cache.get(key, server.give()).await.unwrap().value, 2);
    }
}
