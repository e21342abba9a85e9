//! What is asked about the requests of one automation, or of a group of its changes: where, as whom, and what is kept of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use forge::{Branches, Forge, Place};
use tagwright_core::automation::{Automation, Requests};

use super::Of;
use super::site::{self, Site};
use crate::act::job::Part;
use crate::run::{Asking, Context, Error, Subject, apart};
use crate::store::RequestState;

/// How much is shown of the address of a request, in characters.
pub(super) const MAX_ADDRESS: usize = 200;

/// What is asked about one automation, or a group of its changes.
pub(super) struct Case<'c> {
    pub(super) context: Context<'c>,
    pub(super) automation: &'c Automation,
    pub(super) requests: &'c Requests,
    pub(super) part: Arc<Part>,
}

/// What the store has of an automation, by group.
pub(super) async fn kept(context: Context<'_>, automation: &Automation) -> BTreeMap<String, RequestState> {
    let (store, id) = (context.edges.store.clone(), automation.id.to_string());
    let Ok(read) = apart("read requests", move || store.requests(&id)).await else { return BTreeMap::new() };
    read.inspect_err(|error| context.memory.store_fails("pull requests", error)).unwrap_or_default()
}

impl<'c> Case<'c> {
    /// None for an automation that proposes nothing.
    pub(super) fn of(context: Context<'c>, automation: &'c Automation, part: Arc<Part>) -> Option<Self> {
        Some(Self { context, automation, requests: automation.requests.as_ref()?, part })
    }

    /// That of all its changes, on its push branch.
    pub(super) fn whole(context: Context<'c>, automation: &'c Automation) -> Option<Self> {
        Self::of(context, automation, Part::whole(automation))
    }

    pub(super) fn branches(&self) -> Branches<'_> {
        Branches { head: &self.part.branch, base: &self.requests.base }
    }

    /// Whether the work is still ours.
    pub(super) fn is_ours(&self) -> bool {
        self.context.gate.is_none_or(|gate| gate(&Subject::Remote(&self.automation.remote.url)))
    }

    /// Writes down what is known, if that is not what the store has.
    pub(super) async fn keep(&self, of: &mut Of) {
        if of.kept.as_ref() == Some(&of.state) || of.kept.is_none() && of.state.is_empty() {
            return;
        }
        let (store, id, state) = (self.context.edges.store.clone(), self.automation.id.to_string(), of.state.clone());
        let group = self.part.group.key();
        match apart("write requests", move || store.keep_requests(&id, &group, &state)).await {
            Ok(Ok(())) => {
                self.context.memory.store_works("pull requests");
                of.kept = Some(of.state.clone());
            }
            Ok(Err(error)) => self.context.memory.store_fails("pull requests", &error),
            Err(error) => tracing::error!(%error, "writing down a pull request was stopped"),
        }
    }

    pub(super) fn place(&self) -> Result<Place, Error> {
        site::place(self.automation, Asking::Look)
    }

    /// Finds the forge, and what proves to it who asks.
    pub(super) async fn site(&self) -> Result<Site, Error> {
        site::find(self.context, self.automation, Asking::Look).await
    }

    pub(super) fn failed(&self, asking: Asking) -> impl Fn(forge::Error) -> Error + use<'c> {
        let url = self.automation.remote.url.clone();
        move |source| Error::Forge { asking, url: url.clone(), source: Box::new(source) }
    }

    pub(super) fn at<'s>(&'s self, site: &'s Site) -> Forge<'s> {
        site.asked(self.context, self.automation)
    }

    /// Says what was done, or noticed.
    pub(super) fn say(&self, site: &Site, of: &mut Of, number: u64, address: &str, what: &str) {
        let name = name(&site.place, number);
        tracing::info!(
            automation = self.automation.id.to_string(),
            git.remote = self.automation.remote.url,
            request = address,
            "the {name} {what}"
        );
        of.said = Some(format!("{name} {what}, {}", words::one_line(address, MAX_ADDRESS)));
    }
}

/// `pull request #12`
pub(super) fn name(place: &Place, number: u64) -> String {
    let product = place.product();
    format!("{} {}{number}", product.noun(), product.sigil())
}
