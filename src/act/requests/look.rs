//! What became of requests that were open, as the forge has it: one question for each automation, a list where its changes have groups.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use forge::{Forge, Listed, State};
use tagwright_core::automation::{Automation, Grouping};
use tagwright_core::group::Group;
use tagwright_core::guard::Declined;
use tagwright_core::proposal::Mark;

use super::case::{Case, name};
use super::site::Site;
use super::{Known, Of};
use crate::act::job::Part;
use crate::run::{Asking, Context, Error};
use crate::store::{OpenRequest, RequestState};

impl Known {
    /// Looks at the requests of all groups of an automation at once. Returns why the forge could not be asked, and all that is known.
    pub(super) async fn look_at_groups(
        &self,
        context: Context<'_>,
        automation: &Automation,
        kept: BTreeMap<String, RequestState>,
    ) -> (BTreeMap<String, Of>, Option<Error>) {
        let url = &automation.remote.url;
        // A request for all changes has the push branch; those of groups keep the one that they have.
        let branch = automation.push.branch.as_ref();
        let is_known = |(group, state): &(String, RequestState)| {
            state.url == *url && (!group.is_empty() || branch.is_none_or(|branch| *branch == state.branch))
        };
        let (known, gone): (Vec<_>, Vec<_>) = kept.into_iter().partition(is_known);
        let known = known.into_iter();
        let mut of: BTreeMap<String, Of> =
            known.map(|(group, state)| (group, Of::kept(state.clone(), Some(state)))).collect();
        let is_new = of.is_empty() && !context.memory.has_looked(&automation.id);
        // What is of another remote is forgotten.
        for (group, state) in gone.into_iter().filter(|(group, _)| !group.is_empty()) {
            of.insert(group, Of::kept(RequestState::new(url, ""), Some(state)));
        }
        let Some(case) = Case::whole(context, automation) else { return (of, None) };
        if !(is_new || of.values().any(|of| of.state.open.is_some())) {
            return (of, None);
        }
        if let Some(error) = self.is_down(&case) {
            return (of, Some(error));
        }
        let looked = Box::pin(case.look_at_all(&mut of, is_new)).await;
        match looked {
            Ok(()) => context.memory.looked(&automation.id),
            // What is known of some would be taken for all that there is, and what people turned down of the others be lost.
            Err(_) if is_new => of.clear(),
            Err(_) => {}
        }
        if is_new && looked.is_ok() && automation.is_grouped() {
            // The next process need not look again.
            of.entry(String::new()).or_insert_with(|| Of::kept(RequestState::looked(url), None));
        }
        (of, looked.err())
    }
}

impl Case<'_> {
    /// Looks at all requests of an automation by one list of those that are open, and at those by themselves that are not any more.
    async fn look_at_all(&self, all: &mut BTreeMap<String, Of>, is_new: bool) -> Result<(), Error> {
        let site = &self.site().await?;
        let forge = self.at(site);
        let failed = self.failed(Asking::Look);
        let listed = forge.list(&self.requests.base, Listed::Open).await.map_err(&failed)?;
        let mut listed: HashMap<u64, forge::Request> =
            listed.into_iter().map(|request| (request.number, request)).collect();
        for (group, of) in &mut *all {
            let Some(open) = of.state.open.clone() else { continue };
            let Some(case) = self.of_group(group, &of.state.branch) else { continue };
            let request = match listed.remove(&open.number) {
                Some(request) => Some(request),
                None => forge.get(open.number).await.map_err(&failed)?,
            };
            case.take_in(site, of, (open, request)).await?;
        }
        for request in listed.into_values() {
            if let Some((group, _)) = self.own(&request) {
                let new = || Of::kept(RequestState::new(&self.automation.remote.url, &request.head), None);
                let of = all.entry(group.key()).or_insert_with(new);
                if of.state.open.is_none() {
                    of.state.branch.clone_from(&request.head);
                    of.adopt(request);
                }
            }
        }
        if is_new {
            self.look_at_ended(site, all).await?;
        }
        Ok(())
    }

    /// Finds what people turned down before anything was known. The newest request of a group counts.
    async fn look_at_ended(&self, site: &Site, all: &mut BTreeMap<String, Of>) -> Result<(), Error> {
        let forge = self.at(site);
        let failed = self.failed(Asking::Look);
        let mut ended = forge.list(&self.requests.base, Listed::Ended).await.map_err(&failed)?;
        ended.sort_by_key(|request| std::cmp::Reverse(request.number));
        let mut newest: BTreeMap<String, (forge::Request, Mark)> = BTreeMap::new();
        for request in ended {
            if let Some((group, mark)) = self.own(&request) {
                newest.entry(group.key()).or_insert((request, mark));
            }
        }
        for (group, (request, mark)) in newest {
            let is_open = all.get(&group).is_some_and(|of| of.state.open.is_some());
            if is_open || mark.closed || !matches!(request.state, State::Closed { .. }) {
                continue;
            }
            // The list does not say by whom it was closed.
            let Some(request) = forge.get(request.number).await.map_err(&failed)? else { continue };
            let Some(case) = self.of_group(&group, &request.head) else { continue };
            let new = || Of::kept(RequestState::new(&self.automation.remote.url, &request.head), None);
            case.turned_down(site, all.entry(group).or_insert_with(new), &request, &mark.proposes);
        }
        Ok(())
    }

    /// The group of a request that is this automation's: its mark says so, and it has the branch of that group, in this very repository.
    pub(super) fn own(&self, request: &forge::Request) -> Option<(Group, Mark)> {
        let mark = Mark::read(&request.body).filter(|mark| mark.automation == self.automation.id.to_string())?;
        let group = Group::parse(&mark.group)?;
        let is_its_branch = match group.grouping {
            Grouping::Automation => self.automation.push.branch.as_ref() == Some(&request.head),
            _ => group.branch(self.automation).is_ok_and(|branch| branch == request.head),
        };
        (request.is_own && is_its_branch).then_some((group, mark))
    }

    fn of_group(&self, group: &str, branch: &str) -> Option<Self> {
        let part = Part { group: Group::parse(group)?, branch: branch.to_owned() };
        Self::of(self.context, self.automation, Arc::new(part))
    }

    /// Looks at the request that is known to be open, or for one where nothing is known.
    pub(super) async fn look(&self, of: &mut Of, known: &Known) -> Result<(), Error> {
        let site = &self.site().await?;
        let forge = self.at(site);
        let failed = self.failed(Asking::Look);
        let Some(open) = of.state.open.clone() else {
            if let Some(request) = forge.find(self.branches()).await.map_err(&failed)? {
                return self.adopt(of, request, known);
            }
            let closed = forge.find_closed(self.branches()).await.map_err(&failed)?;
            if let Some(request) = closed
                && let Some(mark) = Mark::read(&request.body).filter(|mark| !mark.closed)
                && mark.automation == self.automation.id.to_string()
                && mark.group.is_empty()
            {
                self.turned_down(site, of, &request, &mark.proposes);
            }
            return Ok(());
        };
        let request = forge.get(open.number).await.map_err(&failed)?;
        self.take_in(site, of, (open, request)).await
    }

    /// Takes a request that is open on the branch, unless that is another automation's.
    pub(super) fn adopt(&self, of: &mut Of, request: forge::Request, known: &Known) -> Result<(), Error> {
        match known.whose(&self.automation.id, &request) {
            Some(other) => {
                let (url, other) = (self.automation.remote.url.clone(), other.clone());
                Err(Error::SharedBranch { url, branch: request.head, other })
            }
            None => {
                of.adopt(request);
                Ok(())
            }
        }
    }

    /// Takes in what became of the request that was open.
    pub(super) async fn take_in(
        &self,
        site: &Site,
        of: &mut Of,
        (open, request): (OpenRequest, Option<forge::Request>),
    ) -> Result<(), Error> {
        // What is of a fork is none of ours, whatever was taken for it.
        let Some(request) = request.filter(|request| request.is_own) else {
            of.state.open = None;
            return Ok(());
        };
        match &request.state {
            State::Open => of.seen = Some(request),
            State::Merged => {
                of.state.open = None;
                self.say(site, of, request.number, &request.address, "was merged");
                self.drop_branch(&self.at(site), &request, &open.tip).await?;
            }
            State::Closed { .. } => {
                of.state.open = None;
                // Closed by us, or by another replica.
                let is_ours = open.closing || Mark::read(&request.body).is_some_and(|mark| mark.closed);
                if !is_ours {
                    self.turned_down(site, of, &request, &open.proposes);
                }
            }
        }
        Ok(())
    }

    /// Takes in that somebody closed a request without merging it.
    pub(super) fn turned_down(
        &self,
        site: &Site,
        of: &mut Of,
        request: &forge::Request,
        proposes: &BTreeMap<String, String>,
    ) {
        let State::Closed { by } = &request.state else { return };
        let name = name(&site.place, request.number);
        for (policy, wanted) in proposes {
            of.state.decline(Declined {
                policy: policy.clone(),
                wanted: wanted.clone(),
                request: name.clone(),
                address: request.address.clone(),
                by: by.clone(),
                at: self.context.now,
            });
        }
        self.say(site, of, request.number, &request.address, "was closed without a merge");
    }

    /// Deletes the branch where that is asked for, and it is where we have left it.
    pub(super) async fn drop_branch(
        &self,
        forge: &Forge<'_>,
        request: &forge::Request,
        tip: &str,
    ) -> Result<(), Error> {
        if !self.requests.delete_branch
            || tip.is_empty()
            || request.tip.as_deref().is_some_and(|seen| !tip.starts_with(seen))
        {
            return Ok(());
        }
        forge.delete_branch(&self.part.branch, tip).await.map_err(self.failed(Asking::DeleteBranch))
    }
}
