//! Pull requests of automations that propose what they push: looked at before anything is planned, settled once it is pushed.
//!
//! - *Before*: the request that is known to be open is looked at, since somebody may have merged or closed it. What a person closed
//!   without merging it is turned down ([`Declined`]), and held from then on. A process that knows nothing asks the forge once.
//! - *After*: what was pushed has one request, which is opened, or found, and given its title, text and labels; where nothing is left
//!   to propose, it is closed.
//!
//! Where each group of an automation's changes has a request of its own, one list of the forge stands for the look at each of them.
//!
//! A push never waits for a forge, and what a forge does not do is the automation's failure alone.

mod case;
mod comments;
mod look;
mod settle;
mod site;
mod stays;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tagwright_core::automation::{Automation, Grouping, ObjectName};
use tagwright_core::group::Group;
use tagwright_core::guard::Declined;
use tagwright_core::proposal::{Mark, Proposal};

use self::case::Case;
pub(super) use self::comments::Awaited;
pub(super) use self::site::find as find_site;
use super::job::{Ended, Job, Part};
use super::remote::Remote;
use crate::run::{Error, Mode, Outcome, Queue};
use crate::store::{OpenRequest, RequestState};

/// What an automation, or a group of its changes, has to propose.
#[derive(Debug, Default)]
pub(super) enum Proposes {
    /// That is not known, or not to be touched.
    #[default]
    Unknown,
    /// Nothing is left.
    Nothing,
    /// The request that is open stays as it is, for this reason.
    Stays(String),
    /// This.
    Changes(Box<Proposal>),
}

/// What is known of the requests of the automations at hand.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By automation and group.
    requests: BTreeMap<(ObjectName, String), Of>,
    /// Why the requests of the groups of these could not be looked at; nothing is done about any of them.
    failed: HashMap<ObjectName, Option<Error>>,
    /// The forges that did not answer, so that those who are next are not kept waiting for the same.
    down: HashMap<String, forge::Error>,
    /// All automations of the remote, due or not.
    automations: BTreeSet<ObjectName>,
}

/// What is known of the requests of one automation, or of a group of its changes.
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

impl Of {
    fn kept(state: RequestState, kept: Option<RequestState>) -> Self {
        Self { state, kept, seen: None, error: None, said: None }
    }

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

impl Known {
    /// Nothing is known yet of those of a queue.
    pub(super) fn of(queue: &Queue) -> Self {
        let automations = queue.automations().map(|automation| automation.id.clone()).collect();
        Self { automations, ..Self::default() }
    }

    /// The other automation of the remote whose a request is by its mark. One of an automation that is not there any more is nobody's, and
    /// can be taken: it was given another name.
    fn whose(&self, own: &ObjectName, request: &forge::Request) -> Option<&ObjectName> {
        let mark = Mark::read(&request.body)?;
        self.automations.iter().find(|other| *other != own && other.to_string() == mark.automation)
    }

    /// Why a forge cannot be asked that has not answered somebody before.
    fn is_down(&self, case: &Case<'_>) -> Option<Error> {
        Some(case.failed(crate::run::Asking::Look)(self.silence_of(&case.place().ok()?)?))
    }

    /// How a forge has not answered somebody before.
    pub(super) fn silence_of(&self, place: &forge::Place) -> Option<forge::Error> {
        self.down.get(&place.api().origin().ascii_serialization()).cloned()
    }

    /// Takes in how a forge failed.
    pub(super) fn heed_silence(&mut self, place: &forge::Place, error: &forge::Error) {
        if error.is_silence() {
            self.down.insert(place.api().origin().ascii_serialization(), error.clone());
        }
    }

    /// Takes in that a forge did not answer.
    fn heed(&mut self, case: &Case<'_>, error: Error) -> Error {
        if let (Error::Forge { source, .. }, Ok(place)) = (&error, case.place()) {
            self.heed_silence(&place, source);
        }
        error
    }

    /// What the open request for a job proposes, by policy.
    pub(super) fn proposed(&self, job: &Job<'_>) -> Option<&BTreeMap<String, String>> {
        let key = (job.automation.id.clone(), job.group_key());
        self.requests.get(&key)?.state.open.as_ref().map(|open| &open.proposes)
    }

    /// The groups of an automation that have an open request, with its branch.
    pub(super) fn open_groups(&self, automation: &Automation) -> Vec<Part> {
        let own = self.of_automation(&automation.id).filter(|(_, of)| of.state.open.is_some());
        let part =
            own.filter_map(|(key, of)| Some(Part { group: Group::parse(key)?, branch: of.state.branch.clone() }));
        part.collect()
    }

    /// What people turned down of an automation that counts for a group of its changes. That of one file says nothing of another.
    pub(super) fn declined(&self, automation: &Automation, group: &Group) -> Vec<Declined> {
        let counts = |key: &str| {
            let is_another_file = |other: Group| other.grouping == Grouping::File && other != *group;
            group.grouping != Grouping::File || !Group::parse(key).is_some_and(is_another_file)
        };
        let own = self.of_automation(&automation.id).filter(|(key, _)| counts(key));
        own.flat_map(|(_, of)| of.state.declined()).collect()
    }

    fn of_automation(&self, id: &ObjectName) -> impl Iterator<Item = (&str, &Of)> {
        let own = self.requests.range((id.clone(), String::new())..).take_while(move |((of, _), _)| of == id);
        own.map(|((_, key), of)| (key.as_str(), of))
    }
}

impl<'r> Remote<'r> {
    /// Looks at the requests that are open, and takes in what people turned down.
    pub(super) async fn look_at_requests(&mut self, jobs: &[Job<'r>]) {
        if self.context.mode == Mode::DryRun {
            return;
        }
        for job in jobs {
            let automation = &**job.automation;
            let Some(case) = Case::whole(self.context, automation) else { continue };
            let mut kept = case::kept(self.context, automation).await;
            let has_groups = automation.is_grouped() || kept.keys().any(|group| !group.is_empty());
            let looked = match has_groups {
                true => {
                    let looking = self.requests.look_at_groups(self.context, automation, kept);
                    let (all, error) = Box::pin(looking).await;
                    if let Some(error) = error {
                        let error = self.requests.heed(&case, error);
                        self.requests.failed.insert(automation.id.clone(), Some(error));
                    }
                    all
                }
                false => BTreeMap::from([(String::new(), self.look_at_one(&case, kept.remove("")).await)]),
            };
            let mut looked = looked;
            if !automation.is_grouped() {
                let new = || Of::kept(RequestState::new(&automation.remote.url, &case.part.branch), None);
                looked.entry(String::new()).or_insert_with(new);
            }
            for (group, of) in looked {
                self.take_request(automation, group, of).await;
            }
            // Each group has its own.
            let declined = match automation.is_grouped() {
                true => Vec::new(),
                false => self.requests.declined(automation, &Group::whole()),
            };
            Arc::make_mut(&mut self.switches).declined.insert(automation.id.to_string(), declined);
        }
    }

    /// Looks at the request for all changes of an automation.
    async fn look_at_one(&mut self, case: &Case<'_>, kept: Option<RequestState>) -> Of {
        let (id, url, branch) = (&case.automation.id, &case.automation.remote.url, &case.part.branch);
        let state = kept.clone().filter(|kept| kept.is_of(url, branch));
        let is_new = state.is_none();
        let mut of = Of::kept(state.unwrap_or_else(|| RequestState::new(url, branch)), kept);
        if of.state.open.is_some() || is_new && !self.context.memory.has_looked(id) {
            let looked = match self.requests.is_down(case) {
                Some(error) => Err(error),
                None => Box::pin(case.look(&mut of, &self.requests)).await,
            };
            match looked {
                Ok(()) => self.context.memory.looked(id),
                Err(error) => of.error = Some(self.requests.heed(case, error)),
            }
        }
        of
    }

    /// Keeps what is known of a request by now, without what was released since it was turned down.
    async fn take_request(&mut self, automation: &Automation, group: String, mut of: Of) {
        let released = &self.switches.released;
        of.state.keep_declined(|policy, at| released.get(policy).is_none_or(|release| release.at < at));
        let selected = self.polls.selected(automation);
        let is_selected = |name: &str, wanted: &str| {
            let policy = automation.policies.iter().find(|policy| policy.id.marker() == name);
            match policy.map(|policy| selected.get(&policy.id)) {
                Some(Some(Ok(reference))) => same_tag(&reference.to_string(), wanted),
                // What is selected in the end is not known.
                Some(_) => true,
                None => false,
            }
        };
        of.state.pass_by(is_selected, self.context.now);
        let part = Group::parse(&group).map(|group| Part { group, branch: of.state.branch.clone() });
        if let Some(case) = part.and_then(|part| Case::of(self.context, automation, Arc::new(part))) {
            case.keep(&mut of).await;
        }
        self.requests.requests.insert((automation.id.clone(), group), of);
    }

    /// Brings the requests up to what was pushed.
    pub(super) async fn settle_requests(&mut self, ended: Vec<Ended<'r>>) -> Vec<Ended<'r>> {
        if self.context.mode == Mode::DryRun {
            return ended;
        }
        let mut settled = Vec::with_capacity(ended.len());
        for mut one in ended {
            let outcome = match self.settle_one(&mut one).await {
                Ok(said) => {
                    one.report.request = said;
                    None
                }
                Err((said, error)) => {
                    one.report.request = said;
                    Some(error)
                }
            };
            if let Some(error) = outcome {
                one.report.outcome = match one.report.outcome {
                    Outcome::Pushed { commit, missed } => Outcome::Pushed { commit, missed: missed.or(Some(error)) },
                    Outcome::Failed(first) => Outcome::Failed(first),
                    _ => Outcome::Failed(error),
                };
            }
            settled.push(one);
        }
        self.tell_the_rest(&mut settled);
        settled
    }

    /// Brings one request up to what was pushed. Returns what was done, or noticed.
    async fn settle_one(&mut self, one: &mut Ended<'r>) -> Result<Option<String>, (Option<String>, Error)> {
        let automation = one.automation;
        let is_split = automation.is_grouped() && one.part.is_none();
        match self
            .requests
            .failed
            .get_mut(&automation.id)
            .map(|failed| failed.take_if(|_| is_split || !automation.is_grouped()))
        {
            Some(Some(error)) => return Err((None, error)),
            Some(None) => return Ok(None),
            None if is_split => return Ok(None),
            None => {}
        }
        let part = one.part.clone().unwrap_or_else(|| Part::whole(automation));
        let key = (automation.id.clone(), part.group.key());
        let known = self.requests.requests.remove(&key);
        let new = || Of::kept(RequestState::new(&automation.remote.url, &part.branch), None);
        let Some(mut of) = known.or_else(|| (!part.is_whole()).then(new)) else { return Ok(None) };
        if of.state.open.is_none() {
            of.state.branch.clone_from(&part.branch);
        }
        let Some(case) = Case::of(self.context, automation, part) else { return Ok(None) };
        let outcome = match of.error.take().or_else(|| self.requests.is_down(&case)) {
            Some(error) => Err(error),
            None if case.is_ours() => {
                let settled = Box::pin(case.settle(&mut of, one, &self.requests)).await;
                settled.map_err(|error| self.requests.heed(&case, error))
            }
            None => Ok(()),
        };
        case.keep(&mut of).await;
        match outcome {
            Ok(()) => Ok(of.said),
            Err(error) => Err((of.said, error)),
        }
    }

    /// Says what was noticed about requests of groups that have nothing to do any more.
    fn tell_the_rest(&mut self, settled: &mut [Ended<'r>]) {
        for ((id, _), of) in std::mem::take(&mut self.requests.requests) {
            let whole = settled.iter_mut().find(|one| one.automation.id == id && one.part.is_none());
            if let (Some(said), Some(whole)) = (of.said, whole) {
                let told = whole.report.request.take().map_or_else(String::new, |told| format!("{told}; "));
                whole.report.request = Some(told + &said);
            }
        }
    }
}

/// Whether two references name one tag, with whichever digests.
fn same_tag(one: &str, other: &str) -> bool {
    let tag = |reference: &str| reference.split('@').next().unwrap_or_default().to_owned();
    tag(one) == tag(other)
}
