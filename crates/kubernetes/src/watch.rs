//! Watching all objects of a kind, for as long as the process lives.
//!
//! A watch is begun with a list and goes on where it ended when the server ended it at its time. Whenever else it ends, it is
//! begun anew with a list: it may be that the server has forgotten where that was (410), that the kind went away and came back,
//! or that etcd was put back to what it was. In the last case a server would let the watch go on, and say nothing until its
//! data are as new as what we have seen once. In between, what was last known stays.
//!
//! Needs the verbs `list` and `watch` on the kind.

use std::time::Duration;

use futures_util::StreamExt;
use kube::Client;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::core::ApiResource;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use crate::connect::within;
use crate::error::{Error, Reason};
use crate::kind::Kind;
use crate::object::{Key, Object, Wire};

/// How many objects are asked for at once. With annotations as large as they may be that is 25 MB, which is in memory as a whole.
const PAGE: u32 = 100;

/// When the server ends a watch, in seconds.
const ENDS_AFTER: u32 = 290;

/// How long a watch may be silent; the server says something about every minute, and ends it before.
const SILENT: Duration = Duration::from_secs(ENDS_AFTER as u64 + 5);

/// A watch that was as old as this has ended because it was its time.
const OLD: Duration = Duration::from_secs(ENDS_AFTER as u64 - 10);

/// The first pause after a failure; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often a kind that the cluster does not have is looked for.
const ABSENT_PAUSE: Duration = Duration::from_secs(15);

/// How many objects of one kind are taken in; more are a mistake, or an attack on our memory.
pub const MAX_OBJECTS: usize = 100_000;

/// Which objects of a kind are watched.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Those in one namespace; none for all.
    pub namespace: Option<String>,
    /// Those whose labels match, as the API server understands selectors; empty for all.
    pub labels: String,
}

/// What a watch tells.
#[derive(Debug)]
pub enum Change {
    /// All that there are, and when they were asked for: what was stored before is among them. Whatever was known and is not is gone.
    Listed(Vec<Object>, Instant),
    /// An object is new or has changed.
    Applied(Box<Object>),
    /// An object is gone, or its labels do not match any more.
    Gone(Key),
    /// The cluster does not have this kind.
    Absent,
    /// The server does not tell; what was last known stays. It is asked again.
    Failing(Error),
}

/// Watches a kind until nobody listens; each change is sent with the given name of the watch. Annotations are kept where `keeps` says so.
pub async fn watch<T: Copy>(
    client: Client,
    kind: Kind,
    scope: Scope,
    keeps: fn(&str) -> bool,
    name: T,
    changes: Sender<(T, Change)>,
) {
    let mut pause = Pause::default();
    while !changes.is_closed() {
        match kind.served(&client).await {
            Ok(Some(resource)) => {
                let follow = Follow { resource: &resource, keeps, name, changes: &changes };
                let Err(error) = follow.follow(&api(&client, &resource, &scope), &scope, &mut pause).await else {
                    return;
                };
                // Whether it is gone for good is asked at once, and a list that is too old is no failure.
                let is_failure = !matches!(error.reason, Reason::NotFound | Reason::Expired);
                if is_failure && changes.send((name, Change::Failing(error))).await.is_err() {
                    return;
                }
                pause.wait().await;
            }
            Ok(None) => {
                if changes.send((name, Change::Absent)).await.is_err() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(ABSENT_PAUSE) => {}
                    () = changes.closed() => return,
                }
            }
            Err(error) => {
                if changes.send((name, Change::Failing(error))).await.is_err() {
                    return;
                }
                pause.wait().await;
            }
        }
    }
}

/// The objects of a scope.
pub(crate) fn api(client: &Client, resource: &ApiResource, scope: &Scope) -> Api<Wire> {
    match &scope.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// One watch of a kind that is served.
struct Follow<'w, T> {
    resource: &'w ApiResource,
    keeps: fn(&str) -> bool,
    name: T,
    changes: &'w Sender<(T, Change)>,
}

impl<T: Copy> Follow<'_, T> {
    /// Tells what the server tells, until nobody listens, which is no error, or the watch has to begin anew.
    async fn follow(&self, api: &Api<Wire>, scope: &Scope, pause: &mut Pause) -> Result<(), Error> {
        let asked = Instant::now();
        let (listed, mut version) = self.list(api, scope).await?;
        if !self.tells(Change::Listed(listed, asked)).await {
            return Ok(());
        }
        let params = WatchParams::default().labels(&scope.labels).timeout(ENDS_AFTER);
        loop {
            let began = Instant::now();
            let mut events = within(api.watch(&params, &version)).await?.boxed();
            loop {
                let next = tokio::select! {
                    next = tokio::time::timeout(SILENT, events.next()) => next,
                    () = self.changes.closed() => return Ok(()),
                };
                let Some(event) = next.map_err(|_| Error::late(SILENT))? else { break };
                let (change, newest) = self.change(event.map_err(Error::from)?)?;
                pause.reset();
                version = newest;
                if let Some(change) = change
                    && !self.tells(change).await
                {
                    return Ok(());
                }
            }
            if began.elapsed() < OLD {
                let message = "the watch has ended before its time".to_owned();
                return Err(Error { reason: Reason::Expired, message, retry_after: None });
            }
        }
    }

    /// All objects, and the version from which a watch goes on.
    async fn list(&self, api: &Api<Wire>, scope: &Scope) -> Result<(Vec<Object>, String), Error> {
        let mut params = ListParams::default().labels(&scope.labels).limit(PAGE);
        let mut listed = Vec::new();
        loop {
            let page = within(api.list(&params)).await?;
            listed.extend(page.items.into_iter().map(|object| object.into_object(self.resource, self.keeps)));
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() || listed.len() >= MAX_OBJECTS {
                listed.truncate(MAX_OBJECTS);
                return Ok((listed, page.metadata.resource_version.unwrap_or_default()));
            }
        }
    }

    /// What an event says, if it is about an object, and the version from which a watch goes on after it.
    fn change(&self, event: WatchEvent<Wire>) -> Result<(Option<Change>, String), Error> {
        let object = |wire: Wire| wire.into_object(self.resource, self.keeps);
        Ok(match event {
            WatchEvent::Added(wire) | WatchEvent::Modified(wire) => {
                let object = object(wire);
                let version = object.resource_version.clone();
                (Some(Change::Applied(Box::new(object))), version)
            }
            WatchEvent::Deleted(wire) => {
                let object = object(wire);
                (Some(Change::Gone(object.key)), object.resource_version)
            }
            WatchEvent::Bookmark(bookmark) => (None, bookmark.metadata.resource_version),
            WatchEvent::Error(status) => return Err(Error::from(*status)),
        })
    }

    /// Whether somebody listens to a change.
    async fn tells(&self, change: Change) -> bool {
        self.changes.send((self.name, change)).await.is_ok()
    }
}

/// Pauses that grow while failures go on.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
}

impl Pause {
    fn reset(&mut self) {
        self.failures = 0;
    }

    async fn wait(&mut self) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause).await;
    }
}
