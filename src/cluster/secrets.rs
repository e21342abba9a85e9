//! Secrets and service accounts that objects refer to, as they were when they were last asked for.
//!
//! They are asked for by name, and never watched: nobody may list them for our sake. One that was found is asked for again
//! every [`AGAIN`], and at once when a login was refused; one that is missing every [`MISSING`], and so are those of a namespace
//! for a while after a refusal, since the one who changes a login often changes the secret last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kubernetes::{Cluster, Key, secret};
use tagwright_core::automation::ObjectName;
use tokio::time::Instant;

use crate::config::{self, Referred};

/// How often a secret that was found is asked for again.
pub(super) const AGAIN: Duration = Duration::from_secs(300);

/// How often a secret that is missing, or could not be had, is asked for again.
const MISSING: Duration = Duration::from_secs(15);

/// How many are asked for at once.
const CONCURRENT: usize = 8;

/// Secrets and service accounts, as far as they are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {
    known: BTreeMap<Referred, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    /// As JSON; none where there is none.
    document: Option<Arc<str>>,
    /// Why the API server did not say; what was known before stays.
    failure: Option<String>,
    asked: Instant,
}

impl Secrets {
    /// The documents, in the order of their names.
    pub(super) fn documents(&self) -> Vec<config::Object> {
        let found = self.known.iter().filter_map(|(referred, known)| Some((referred, known.document.as_ref()?)));
        found.map(|(referred, text)| config::Object { name: noun(referred), text: Arc::clone(text) }).collect()
    }

    /// Those among these that were never asked for.
    pub(super) fn unknown<'r>(&self, referred: impl IntoIterator<Item = &'r Referred>) -> Vec<Referred> {
        referred.into_iter().filter(|it| !self.known.contains_key(it)).cloned().collect()
    }

    /// Those that it is time to ask for again.
    pub(super) fn due(&self, now: Instant) -> Vec<Referred> {
        let is_due = |known: &Known| {
            let pause = if known.document.is_some() && known.failure.is_none() { AGAIN } else { MISSING };
            now.duration_since(known.asked) >= pause
        };
        self.known.iter().filter(|(_, known)| is_due(known)).map(|(referred, _)| referred.clone()).collect()
    }

    /// Those of a namespace, where they have not been asked for just now.
    pub(super) fn of_namespace(&self, namespace: &str, now: Instant) -> Vec<Referred> {
        let is_old = |known: &Known| now.duration_since(known.asked) >= MISSING;
        let ours = self.known.iter().filter(|(it, known)| id(it).namespace == namespace && is_old(known));
        ours.map(|(referred, _)| referred.clone()).collect()
    }

    /// Those that the API server did not give and that nothing is known of, and why.
    pub(super) fn failures(&self) -> BTreeMap<Referred, String> {
        let failed = self.known.iter().filter(|(_, known)| known.document.is_none());
        failed.filter_map(|(referred, known)| Some((referred.clone(), known.failure.clone()?))).collect()
    }

    /// Forgets those that nothing refers to.
    pub(super) fn retain(&mut self, is_referred: impl Fn(&Referred) -> bool) {
        self.known.retain(|referred, _| is_referred(referred));
    }

    /// Asks for some of them; returns those that are not as they were.
    pub(super) async fn ask(&mut self, cluster: &Cluster, wanted: Vec<Referred>) -> Vec<Referred> {
        let asked = futures_util::stream::iter(wanted)
            .map(|referred| async move {
                let ObjectName { namespace, name } = id(&referred).clone();
                let key = Key { namespace, name };
                let answer = match &referred {
                    Referred::Secret(_) => secret::secret(&cluster.client, &key).await,
                    Referred::ServiceAccount(_) => secret::service_account(&cluster.client, &key).await,
                };
                (referred, answer)
            })
            .buffer_unordered(CONCURRENT)
            .collect::<Vec<_>>()
            .await;
        let mut changed = Vec::new();
        for (referred, answer) in asked {
            let before = self.known.get(&referred);
            let (document, failure) = match answer {
                Ok(document) => (document.map(Arc::from), None),
                Err(error) => {
                    tracing::warn!(secret = noun(&referred), %error, "cannot be read");
                    (before.and_then(|before| before.document.clone()), Some(error.to_string()))
                }
            };
            if before.is_none_or(|before| before.document != document || before.failure != failure) {
                changed.push(referred.clone());
            }
            self.known.insert(referred, Known { document, failure, asked: Instant::now() });
        }
        changed
    }
}

/// Its namespace and name.
pub(super) fn id(referred: &Referred) -> &ObjectName {
    match referred {
        Referred::Secret(id) | Referred::ServiceAccount(id) => id,
    }
}

fn noun(referred: &Referred) -> String {
    match referred {
        Referred::Secret(id) => format!("Secret {id}"),
        Referred::ServiceAccount(id) => format!("ServiceAccount {id}"),
    }
}
