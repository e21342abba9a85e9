//! A request for what was pushed: opened, or found, and given its title, text and labels; closed where nothing is left to propose.

use std::collections::BTreeMap;

use forge::{Adornments, Forge, Merge, Merged, Method, Opened, Wanted, When};
use git::CommitId;
use sha2::{Digest as _, Sha256};
use tagwright_core::automation::{AutoMerge, MergeMethod, Requests};
use tagwright_core::proposal::{self, Mark, Proposal};

use super::case::{Case, MAX_ADDRESS, name};
use super::site::Site;
use super::{Known, Of, Proposes};
use crate::act::job::Ended;
use crate::run::{Asking, Error, Outcome};
use crate::store::OpenRequest;

impl Case<'_> {
    pub(super) async fn settle(&self, of: &mut Of, ended: &mut Ended<'_>, known: &Known) -> Result<(), Error> {
        let tip = match &ended.report.outcome {
            Outcome::Pushed { commit, .. } => Some(commit.clone()),
            Outcome::Failed(_) => None,
            _ => ended.there.as_ref().map(CommitId::to_string),
        };
        match (std::mem::take(&mut ended.proposes), tip) {
            (Proposes::Changes(proposal), Some(tip)) => {
                let site = self.site().await?;
                self.propose(&site, of, (&proposal, &tip), known).await
            }
            (Proposes::Nothing, _) if of.state.open.is_some() => {
                let site = self.site().await?;
                self.close(&site, of).await
            }
            (Proposes::Stays(reason), _) => self.leave(of, &reason),
            _ => Ok(()),
        }
    }

    /// Says why the request that is open is not touched.
    fn leave(&self, of: &mut Of, reason: &str) -> Result<(), Error> {
        let Some(open) = &of.state.open else { return Ok(()) };
        let (name, address) = (name(&self.place()?, open.number), words::one_line(&open.address, MAX_ADDRESS));
        of.said = Some(format!("{name} stays as it is ({reason}), {address}"));
        Ok(())
    }

    /// Opens the request, or brings the open one up to what is proposed now.
    async fn propose(
        &self,
        site: &Site,
        of: &mut Of,
        (proposal, tip): (&Proposal, &str),
        known: &Known,
    ) -> Result<(), Error> {
        let (forge, requests) = (self.at(site), self.requests);
        let hash = written(proposal);
        if of.seen.is_none() {
            let wanted = Wanted {
                branches: self.branches(),
                title: &proposal.title,
                body: &proposal.body,
                draft: requests.draft,
                delete_branch: requests.delete_branch,
            };
            // Where there are groups, a list has told which are open.
            let opened = match self.part.is_whole() {
                true => forge.open(wanted).await,
                false => forge.open_unlisted(wanted).await,
            };
            match opened.map_err(self.failed(Asking::Open))? {
                Opened::New(request) => {
                    let (number, address) = (request.number, request.address.clone());
                    of.state.open = Some(OpenRequest {
                        number,
                        address: address.clone(),
                        written: hash.clone(),
                        ..OpenRequest::default()
                    });
                    of.seen = Some(request);
                    self.say(site, of, number, &address, "was opened");
                }
                Opened::Found(request) => self.adopt(of, request, known)?,
            }
        }
        let Some((request, open)) = of.seen.clone().zip(of.state.open.as_mut()) else { return Ok(()) };
        (open.proposes, open.tip) = (proposal.proposes.clone(), tip.to_owned());
        self.keep(of).await;
        let Some(open) = &mut of.state.open else { return Ok(()) };
        if open.written != hash {
            forge.update(&request, &proposal.title, &proposal.body).await.map_err(self.failed(Asking::Update))?;
            open.written = hash;
            self.say(site, of, request.number, &request.address, "was updated");
        }
        let adorned = self.adorn(&forge, of, &request).await;
        self.merge(site, of, request, tip).await?;
        adorned
    }

    async fn adorn(&self, forge: &Forge<'_>, of: &mut Of, request: &forge::Request) -> Result<(), Error> {
        let Requests { labels, reviewers, assignees, .. } = self.requests;
        let Some(open) = of.state.open.as_mut().filter(|open| !open.adorned) else { return Ok(()) };
        forge.adorn(request, Adornments { labels, reviewers, assignees }).await.map_err(self.failed(Asking::Adorn))?;
        open.adorned = true;
        Ok(())
    }

    /// Merges the request, or has the forge do it, where that is asked for.
    async fn merge(&self, site: &Site, of: &mut Of, mut request: forge::Request, tip: &str) -> Result<(), Error> {
        let (forge, requests) = (self.at(site), self.requests);
        let when = match requests.auto_merge {
            AutoMerge::Off => return Ok(()),
            _ if requests.draft => return Ok(()),
            AutoMerge::WhenChecksPass => When::ChecksPass,
            AutoMerge::Now => When::Now,
        };
        let Some(open) = of.state.open.as_mut().filter(|open| open.merging != tip) else { return Ok(()) };
        let method = requests.method.map(|method| match method {
            MergeMethod::Merge => Method::Merge,
            MergeMethod::Squash => Method::Squash,
            MergeMethod::Rebase => Method::Rebase,
        });
        request.tip = Some(tip.to_owned());
        let how = Merge { when, method, tip, delete_branch: requests.delete_branch };
        match forge.merge(&request, how).await.map_err(self.failed(Asking::Merge))? {
            Merged::Now => {
                of.state.open = None;
                self.say(site, of, request.number, &request.address, "was merged");
                self.drop_branch(&forge, &request, tip).await
            }
            Merged::Later => {
                open.merging = tip.to_owned();
                Ok(())
            }
            Merged::NotYet(reason) => {
                let automation = self.automation.id.to_string();
                tracing::debug!(automation, request = request.address, reason, "the request cannot be merged yet");
                Ok(())
            }
        }
    }

    /// Closes the request, of which nothing is left.
    async fn close(&self, site: &Site, of: &mut Of) -> Result<(), Error> {
        let forge = self.at(site);
        let Some((request, open)) = of.seen.clone().zip(of.state.open.as_mut()) else { return Ok(()) };
        open.closing = true;
        let tip = open.tip.clone();
        self.keep(of).await;
        let failed = self.failed(Asking::Close);
        forge.comment(&request, &proposal::superseded(&self.requests.base)).await.map_err(&failed)?;
        let mark = Mark::read(&request.body).unwrap_or_else(|| Mark {
            automation: self.automation.id.to_string(),
            group: self.part.group.key(),
            proposes: BTreeMap::new(),
            closed: true,
        });
        let body = Mark { closed: true, ..mark }.beneath(&request.body);
        forge.close(&request, &body).await.map_err(&failed)?;
        of.state.open = None;
        self.say(site, of, request.number, &request.address, "was closed, since nothing is left to propose");
        self.drop_branch(&forge, &request, &tip).await
    }
}

/// A hash of what a request says.
fn written(proposal: &Proposal) -> String {
    let hash = Sha256::new().chain_update(&proposal.title).chain_update([0]).chain_update(&proposal.body).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
