//! The API server's Leases.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::core::ObjectList;
use kube::{Api, Client, Error};
use tracing::{debug, info, warn};

use crate::lease::{Answer, Order, Request};

/// Who wrote a Lease, as its `managedFields` say.
pub(crate) const MANAGER: &str = "tagwright";
/// The most characters of the server's words that are logged.
const WORDS: usize = 300;

/// The most Leases that a group may have: shards, replicas, and those of replicas that have ended and are not collected yet.
const MOST: u32 = 5_000;

/// Carries out orders, each within its time.
pub(crate) struct Store {
    leases: Api<Lease>,
    namespace: String,
    /// Which Leases [`Request::List`] is about.
    selector: String,
    /// What had no useful answer the last time; said once.
    troubled: Mutex<BTreeSet<&'static str>>,
}

impl Store {
    pub(crate) fn new(client: Client, namespace: &str, selector: String) -> Store {
        let leases = Api::namespaced(client, namespace);
        Store { leases, namespace: namespace.to_owned(), selector, troubled: Mutex::default() }
    }

    pub(crate) async fn perform(&self, order: Order) -> Answer {
        let verb = order.request.verb();
        match tokio::time::timeout(order.patience, self.ask(order.request)).await {
            Ok(Ok(answer)) => {
                self.note(verb, None);
                answer
            }
            Ok(Err(error)) => {
                let (answer, trouble) = failure(&error);
                self.note(verb, trouble);
                answer
            }
            Err(_) => {
                self.note(verb, Some(format!("no answer within {:?}", order.patience)));
                Answer::Unknown { after: None }
            }
        }
    }

    async fn ask(&self, request: Request) -> Result<Answer, Error> {
        let post = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match request {
            Request::Get(name) => self.leases.get(&name).await.map(one),
            Request::List => self.leases.list(&ListParams::default().labels(&self.selector).limit(MOST)).await.map(all),
            Request::Create(lease) => self.leases.create(&post, &lease).await.map(one),
            Request::Replace(lease) => {
                let name = lease.metadata.name.as_deref().unwrap_or_default();
                self.leases.replace(name, &post, &lease).await.map(one)
            }
            Request::Delete { name, version } => {
                let of = Preconditions { resource_version: Some(version), uid: None };
                let params = DeleteParams { preconditions: Some(of), ..DeleteParams::default() };
                self.leases.delete(&name, &params).await.map(|_| Answer::Deleted)
            }
        }
    }

    /// Says that something goes wrong, or that it no longer does.
    fn note(&self, verb: &'static str, trouble: Option<String>) {
        let mut troubled = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = self.namespace.as_str();
        match trouble {
            None if troubled.remove(verb) => info!(lease.namespace = namespace, "can {verb} Leases again"),
            None => {}
            Some(what) if troubled.insert(verb) => warn!(lease.namespace = namespace, "cannot {verb} Leases: {what}"),
            Some(what) => debug!(lease.namespace = namespace, "still cannot {verb} Leases: {what}"),
        }
    }
}

fn one(lease: Lease) -> Answer {
    Answer::Lease(Box::new(lease))
}

/// Part of a list would show shards as missing that somebody has.
fn all(list: ObjectList<Lease>) -> Answer {
    match list.metadata.continue_.as_deref().unwrap_or_default() {
        "" => Answer::Leases(list.items),
        _ => Answer::Unknown { after: None },
    }
}

/// What a refusal means, and what is to be said of it.
fn failure(error: &Error) -> (Answer, Option<String>) {
    match error {
        Error::Api(status) if status.code == 409 => (Answer::Conflict, None),
        Error::Api(status) if status.code == 404 => (Answer::Missing, None),
        Error::Api(status) => {
            let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            let after = Some(Duration::from_secs(seconds.into()));
            (Answer::Unknown { after }, Some(format!("{} {}", status.code, words::one_line(&status.message, WORDS))))
        }
        error => (Answer::Unknown { after: None }, Some(words::one_line(&innermost(error).to_string(), WORDS))),
    }
}

/// What all went wrong for; the errors around it name types.
fn innermost(error: &Error) -> &dyn std::error::Error {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}
