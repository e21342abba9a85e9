//! Pull requests of automations that propose what they push: looked at before anything is planned, settled once it is pushed.
//!
//! - *Before*: the request that is known to be open is looked at, since somebody may have merged or closed it. What a person closed
//!   without merging it is turned down ([`Declined`]), and held from then on. A process that knows nothing asks the forge once.
//! - *After*: what was pushed has one request, which is opened, or found, and given its title, text and labels; where nothing is left
//!   to propose, it is closed.
//!
//! A push never waits for a forge, and what a forge does not do is the automation's failure alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use forge::{Adornments, Branches, Forge, Merge, Merged, Method, Opened, Place, Proof, State, Wanted, Way, When};
use git::CommitId;
use sha2::{Digest as _, Sha256};
use tagwright_core::automation::{self, AutoMerge, Automation, MergeMethod, ObjectName, Requests};
use tagwright_core::guard::Declined;
use tagwright_core::proposal::{self, Mark, Proposal};

use super::job::{Ended, Job};
use super::remote::Remote;
use crate::run::{Asking, Context, Error, Mode, Outcome, Subject, apart};
use crate::store::{OpenRequest, RequestState};

/// What an automation has to propose.
#[derive(Debug, Default)]
pub(super) enum Proposes {
    /// That is not known, or not to be touched.
    #[default]
    Unknown,
    /// Nothing is left.
    Nothing,
    /// This.
    Changes(Box<Proposal>),
}

/// What is known of the requests of the automations at hand.
#[derive(Debug, Default)]
pub(super) struct Known {
    requests: HashMap<ObjectName, Of>,
    /// The forges that did not answer, so that those who are next are not kept waiting for the same.
    down: HashMap<String, forge::Error>,
}

/// What is known of the requests of one automation.
#[derive(Debug)]
struct Of {
    state: RequestState,
    /// The same as the store has it.
    kept: Option<RequestState>,
    /// The open request as the forge has it now.
    seen: Option<forge::Request>,
    /// Why the forge could not be asked.
    error: Option<Error>,
    /// What was done, or noticed, in a few words.
    said: Option<String>,
}

impl Known {
    /// Why a forge cannot be asked that has not answered somebody before.
    fn is_down(&self, case: &Case<'_>) -> Option<Error> {
        let source = self.down.get(&case.place().ok()?.api().origin().ascii_serialization())?.clone();
        Some(case.failed(Asking::Look)(source))
    }

    /// Takes in that a forge did not answer.
    fn heed(&mut self, case: &Case<'_>, error: Error) -> Error {
        if let (Error::Forge { source, .. }, Ok(place)) = (&error, case.place())
            && source.is_silence()
        {
            self.down.insert(place.api().origin().ascii_serialization(), (**source).clone());
        }
        error
    }

    /// What the open request of an automation proposes, by policy.
    pub(super) fn proposed(&self, automation: &ObjectName) -> Option<&BTreeMap<String, String>> {
        self.requests.get(automation)?.state.open.as_ref().map(|open| &open.proposes)
    }
}

/// A repository of a forge, and what proves who asks.
struct Site {
    place: Place,
    proof: Proof,
}

/// What is asked about one automation.
struct Case<'c> {
    context: Context<'c>,
    automation: &'c Automation,
    requests: &'c Requests,
    branch: &'c str,
}

impl<'r> Remote<'r> {
    /// Looks at the requests that are open, and takes in what people turned down.
    pub(super) async fn look_at_requests(&mut self, jobs: &[Job<'r>]) {
        if self.context.mode == Mode::DryRun {
            return;
        }
        for job in jobs {
            let Some(case) = Case::of(self.context, job.automation) else { continue };
            let id = &job.automation.id;
            let kept = case.kept().await;
            let state = kept.clone().filter(|kept| kept.is_of(&case.automation.remote.url, case.branch));
            let is_new = state.is_none();
            let state = state.unwrap_or_else(|| RequestState::new(&case.automation.remote.url, case.branch));
            let mut of = Of { state, kept, seen: None, error: None, said: None };
            if of.state.open.is_some() || is_new && !self.context.memory.has_looked(id) {
                let looked = match self.requests.is_down(&case) {
                    Some(error) => Err(error),
                    None => Box::pin(case.look(&mut of)).await,
                };
                match looked {
                    Ok(()) => self.context.memory.looked(id),
                    Err(error) => of.error = Some(self.requests.heed(&case, error)),
                }
            }
            let released = &self.switches.released;
            of.state.keep_declined(|policy, at| released.get(policy).is_none_or(|release| release.at < at));
            case.keep(&mut of).await;
            let declined: Vec<Declined> = of.state.declined().collect();
            Arc::make_mut(&mut self.switches).declined.insert(id.to_string(), declined);
            self.requests.requests.insert(id.clone(), of);
        }
    }

    /// Brings the requests up to what was pushed.
    pub(super) async fn settle_requests(&mut self, ended: Vec<Ended<'r>>) -> Vec<Ended<'r>> {
        let mut settled = Vec::with_capacity(ended.len());
        for mut one in ended {
            if let Some(mut of) = self.requests.requests.remove(&one.automation.id)
                && let Some(case) = Case::of(self.context, one.automation)
            {
                let failed = of.error.take().or_else(|| self.requests.is_down(&case));
                let outcome = match failed {
                    Some(error) => Err(error),
                    None if case.is_ours() => {
                        let settled = Box::pin(case.settle(&mut of, &mut one)).await;
                        settled.map_err(|error| self.requests.heed(&case, error))
                    }
                    None => Ok(()),
                };
                case.keep(&mut of).await;
                one.report.request = of.said;
                if let Err(error) = outcome {
                    one.report.outcome = match one.report.outcome {
                        Outcome::Pushed { commit, missed } => {
                            Outcome::Pushed { commit, missed: missed.or(Some(error)) }
                        }
                        Outcome::Failed(first) => Outcome::Failed(first),
                        _ => Outcome::Failed(error),
                    };
                }
            }
            settled.push(one);
        }
        settled
    }
}

impl<'c> Case<'c> {
    /// None for an automation that proposes nothing.
    fn of(context: Context<'c>, automation: &'c Automation) -> Option<Self> {
        let (requests, branch) = (automation.requests.as_ref()?, automation.push.branch.as_deref()?);
        Some(Self { context, automation, requests, branch })
    }

    fn branches(&self) -> Branches<'c> {
        Branches { head: self.branch, base: &self.requests.base }
    }

    /// Whether the work is still ours.
    fn is_ours(&self) -> bool {
        self.context.gate.is_none_or(|gate| gate(&Subject::Remote(&self.automation.remote.url)))
    }

    async fn kept(&self) -> Option<RequestState> {
        let (store, id) = (self.context.edges.store.clone(), self.automation.id.to_string());
        let read = apart("read requests", move || store.requests(&id)).await.ok()?;
        read.inspect_err(|error| self.context.memory.store_fails("pull requests", error)).ok().flatten()
    }

    /// Writes down what is known, if that is not what the store has.
    async fn keep(&self, of: &mut Of) {
        if of.kept.as_ref() == Some(&of.state) || of.kept.is_none() && of.state.is_empty() {
            return;
        }
        let (store, id, state) = (self.context.edges.store.clone(), self.automation.id.to_string(), of.state.clone());
        match apart("write requests", move || store.keep_requests(&id, &state)).await {
            Ok(Ok(())) => {
                self.context.memory.store_works("pull requests");
                of.kept = Some(of.state.clone());
            }
            Ok(Err(error)) => self.context.memory.store_fails("pull requests", &error),
            Err(error) => tracing::error!(%error, "writing down a pull request was stopped"),
        }
    }

    fn place(&self) -> Result<Place, Error> {
        let (remote, requests) = (&self.automation.remote, self.requests);
        let product = requests.product.as_deref().and_then(forge::Product::of_word);
        Place::of(&remote.url, product, requests.address.as_deref()).map_err(|error| {
            let source = forge::Error::Way { url: remote.url.clone(), reason: error.to_string() };
            self.failed(Asking::Look)(source)
        })
    }

    /// Finds the forge, and what proves to it who asks.
    async fn site(&self) -> Result<Site, Error> {
        let place = self.place()?;
        let proof = match &self.requests.proof {
            Some(automation::Proof::Token(token)) => Proof::Token(token.clone()),
            Some(automation::Proof::Login(login)) => Proof::Login(login.clone()),
            None => self.login(&place).await?,
        };
        Ok(Site { place, proof })
    }

    /// The login of the remote, which is for the remote's own server alone.
    async fn login(&self, place: &Place) -> Result<Proof, Error> {
        let remote = &self.automation.remote;
        let none = || Error::NoForgeLogin { url: remote.url.clone() };
        if !place.is_at(&remote.url) {
            return Err(none());
        }
        let given = self.context.edges.git.login_of(&remote.url, &remote.access).await;
        match given.map_err(|source| Error::git(crate::run::Doing::Open, &remote.url, source))? {
            Some(access::GitLogin::Basic(login)) => Ok(Proof::Login(login)),
            Some(access::GitLogin::Bearer(token)) => Ok(Proof::Bearer(token)),
            _ => Err(none()),
        }
    }

    fn failed(&self, asking: Asking) -> impl Fn(forge::Error) -> Error + use<'c> {
        let url = self.automation.remote.url.clone();
        move |source| Error::Forge { asking, url: url.clone(), source: Box::new(source) }
    }

    /// Looks at the request that is known to be open, or for one where nothing is known.
    async fn look(&self, of: &mut Of) -> Result<(), Error> {
        let site = &self.site().await?;
        let forge = self.at(site);
        let failed = self.failed(Asking::Look);
        let Some(open) = of.state.open.clone() else {
            if let Some(request) = forge.find(self.branches()).await.map_err(&failed)? {
                of.adopt(request);
                return Ok(());
            }
            let closed = forge.find_closed(self.branches()).await.map_err(&failed)?;
            if let Some(request) = closed
                && let Some(mark) = Mark::read(&request.body).filter(|mark| !mark.closed)
                && mark.automation == self.automation.id.to_string()
            {
                self.turned_down(site, of, &request, &mark.proposes);
            }
            return Ok(());
        };
        let Some(request) = forge.get(open.number).await.map_err(&failed)? else {
            of.state.open = None;
            return Ok(());
        };
        match &request.state {
            State::Open => of.seen = Some(request),
            State::Merged => {
                of.state.open = None;
                self.say(site, of, request.number, &request.address, "was merged");
                self.drop_branch(&forge, &request, &open.tip).await?;
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

    fn at<'s>(&'s self, site: &'s Site) -> Forge<'s> {
        let access = &self.automation.remote.access;
        let way = Way { proxy: access.proxy.as_ref(), authority: access.tls.ca.as_deref() };
        self.context.edges.forges.at(&site.place, &site.proof, way)
    }

    /// Takes in that somebody closed a request without merging it.
    fn turned_down(&self, site: &Site, of: &mut Of, request: &forge::Request, proposes: &BTreeMap<String, String>) {
        let State::Closed { by } = &request.state else { return };
        let name = name(site, request.number);
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

    /// Says what was done, or noticed.
    fn say(&self, site: &Site, of: &mut Of, number: u64, address: &str, what: &str) {
        let name = name(site, number);
        tracing::info!(
            automation = self.automation.id.to_string(),
            git.remote = self.automation.remote.url,
            request = address,
            "the {name} {what}"
        );
        of.said = Some(format!("{name} {what}, {}", words::one_line(address, 200)));
    }

    /// Deletes the branch where that is asked for, and it is where we have left it.
    async fn drop_branch(&self, forge: &Forge<'_>, request: &forge::Request, tip: &str) -> Result<(), Error> {
        if !self.requests.delete_branch
            || tip.is_empty()
            || request.tip.as_deref().is_some_and(|seen| !tip.starts_with(seen))
        {
            return Ok(());
        }
        forge.delete_branch(self.branch, tip).await.map_err(self.failed(Asking::DeleteBranch))
    }

    async fn settle(&self, of: &mut Of, ended: &mut Ended<'_>) -> Result<(), Error> {
        let tip = match &ended.report.outcome {
            Outcome::Pushed { commit, .. } => Some(commit.clone()),
            Outcome::Failed(_) => None,
            _ => ended.there.as_ref().map(CommitId::to_string),
        };
        match (std::mem::take(&mut ended.proposes), tip) {
            (Proposes::Changes(proposal), Some(tip)) => {
                let site = self.site().await?;
                self.propose(&site, of, &proposal, &tip).await
            }
            (Proposes::Nothing, _) if of.state.open.is_some() => {
                let site = self.site().await?;
                self.close(&site, of).await
            }
            _ => Ok(()),
        }
    }

    /// Opens the request, or brings the open one up to what is proposed now.
    async fn propose(&self, site: &Site, of: &mut Of, proposal: &Proposal, tip: &str) -> Result<(), Error> {
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
            match forge.open(wanted).await.map_err(self.failed(Asking::Open))? {
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
                Opened::Found(request) => of.adopt(request),
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

impl Of {
    /// Takes a request that is open and that we, or another replica, have opened before.
    fn adopt(&mut self, request: forge::Request) {
        let mark = Mark::read(&request.body);
        self.state.open = Some(OpenRequest {
            number: request.number,
            address: request.address.clone(),
            proposes: mark.map(|mark| mark.proposes).unwrap_or_default(),
            tip: request.tip.clone().unwrap_or_default(),
            adorned: true,
            ..OpenRequest::default()
        });
        self.seen = Some(request);
    }
}

/// `pull request #12`
fn name(site: &Site, number: u64) -> String {
    let product = site.place.product();
    format!("{} {}{number}", product.noun(), product.sigil())
}

/// A hash of what a request says.
fn written(proposal: &Proposal) -> String {
    let hash = Sha256::new().chain_update(&proposal.title).chain_update([0]).chain_update(&proposal.body).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
