//! Orders that people give by comments on requests: `/hold`, `/release` and `/rebase`.
//!
//! A webhook has told that there is such a comment ([`Memory::tell_comment`](crate::run::Memory)), and no more is believed of it: what the
//! comment says, who wrote it, and whether they may write to the repository is asked of the forge. Each comment is obeyed once, whatever is
//! told again, and answered with a comment.

use std::collections::BTreeSet;
use std::sync::Arc;

use forge::State;
use jiff::SignedDuration;
use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::comment::{self, Rebased, Wish};
use tagwright_core::proposal::Mark;

use super::case::{self, Case, name};
use super::site::Site;
use crate::act::job::{Ended, Job};
use crate::act::remote::Remote;
use crate::run::{Asking, Error, Mode, Outcome, ToldComment, apart};
use crate::store::{self, OpenRequest};
use crate::wire::request::Order;

/// How many comments are looked at in a run; the others wait for the next.
const MAX_COMMENTS: usize = 20;
/// For how many runs of other automations a comment waits for its own.
const MAX_PASSES: usize = 100;
/// Comments that are older are not obeyed.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);
/// How often a forge is asked about a comment that it did not tell about.
const MAX_TRIES: usize = 3;

/// Somebody waits for an answer to a `/rebase`.
#[derive(Debug)]
pub(in crate::act) struct Awaited {
    automation: ObjectName,
    group: String,
    request: forge::Request,
}

/// What a comment came to.
enum Heard<'c> {
    /// It is no order, or not by somebody whose orders count.
    Nothing,
    /// It is about a request of an automation that is not at hand.
    Others,
    /// This is to be done.
    Wish(Box<Ordered<'c>>),
}

struct Ordered<'c> {
    case: Case<'c>,
    site: Site,
    request: forge::Request,
    subject: Subject,
    wish: Wish,
    by: String,
}

/// What a request proposes.
struct Subject {
    /// The group of changes, as records have it; empty for all.
    group: String,
    /// The policies, as `namespace:name`.
    proposes: BTreeSet<String>,
}

impl<'r> Remote<'r> {
    /// Obeys the comments that were told of.
    pub(in crate::act) async fn obey_comments(&mut self, jobs: &[Job<'r>]) {
        let Some(first) = jobs.iter().find(|job| job.automation.requests.is_some()) else { return };
        if self.context.mode == Mode::DryRun {
            return;
        }
        let url = &first.automation.remote.url;
        let (mut told, mut later) = (self.context.memory.take_comments(url), Vec::new());
        later.extend(told.split_off(told.len().min(MAX_COMMENTS)));
        let mut has_obeyed = false;
        for comment in told {
            let again = ToldComment { tries: comment.tries + 1, ..comment };
            match Box::pin(self.hear(jobs, comment)).await {
                Ok(Heard::Nothing) => {}
                Ok(Heard::Others) => later.push(ToldComment { passes: comment.passes + 1, ..comment }),
                Ok(Heard::Wish(ordered)) => {
                    has_obeyed = true;
                    match Box::pin(self.carry_out(*ordered, comment)).await {
                        Ok(true) => {}
                        Ok(false) => later.push(again),
                        Err(error) => {
                            tracing::warn!(
                                git.remote = url,
                                error = error.chain(),
                                "an order by a comment has no answer"
                            );
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(git.remote = url, error = error.chain(), "a comment cannot be looked at");
                    later.push(again);
                }
            }
        }
        later.retain(|comment| comment.tries < MAX_TRIES && comment.passes < MAX_PASSES);
        self.context.memory.put_comments_back(url, later);
        if has_obeyed {
            self.switches = Arc::new(self.context.switches().await);
        }
    }

    /// Finds out what a comment is, and whose.
    async fn hear(&self, jobs: &[Job<'r>], told: ToldComment) -> Result<Heard<'r>, Error> {
        let proposing = || jobs.iter().filter(|job| job.automation.requests.is_some());
        let any = proposing().find_map(|job| Case::whole(self.context, job.automation));
        let Some(any) = any else { return Ok(Heard::Nothing) };
        let site = any.site().await?;
        let failed = any.failed(Asking::Comment);
        let forge = any.at(&site);
        let Some(comment) = forge.comment_of(told.number, told.id).await.map_err(&failed)? else {
            return Ok(Heard::Nothing);
        };
        let Some(wish) = Wish::of(&comment.text).filter(|_| !comment.is_bot) else { return Ok(Heard::Nothing) };
        // All that was obeyed is not known for ever, and a webhook can be sent again after years.
        let age = comment.at.map(|at| self.context.now.duration_since(at));
        if age.is_none_or(|age| age > MAX_AGE) {
            return Ok(Heard::Nothing);
        }
        let Some(request) = forge.get(told.number).await.map_err(&failed)? else { return Ok(Heard::Nothing) };
        let Some((case, subject)) = self.whose(jobs, &request).await else {
            let is_others = Mark::read(&request.body)
                .filter(|_| request.is_own)
                .is_some_and(|mark| !proposing().any(|job| job.automation.id.to_string() == mark.automation));
            return Ok(if is_others { Heard::Others } else { Heard::Nothing });
        };
        if !forge.may_write(&comment).await.map_err(&failed)? {
            let (by, request) = (&comment.author, &request.address);
            tracing::info!(by, request, "somebody without write access ordered something by a comment");
            return Ok(Heard::Nothing);
        }
        if !self.is_new(case.automation, told).await {
            return Ok(Heard::Nothing);
        }
        let by = format!("{}, {}", comment.author, name(&site.place, told.number));
        Ok(Heard::Wish(Box::new(Ordered { case, site, request, subject, wish, by })))
    }

    /// Finds the automation at hand that a request is of: it is known to be open, or has its mark on its branch. Anybody can open a request
    /// from a fork, and write whatever they like into it, so that such a one is nobody's.
    async fn whose(&self, jobs: &[Job<'r>], request: &forge::Request) -> Option<(Case<'r>, Subject)> {
        if !request.is_own {
            return None;
        }
        let mut marked = None;
        for case in jobs.iter().filter_map(|job| Case::whole(self.context, job.automation)) {
            for (group, state) in case::kept(self.context, case.automation).await {
                let is_it =
                    |open: &OpenRequest| open.number == request.number && state.url == case.automation.remote.url;
                if let Some(open) = state.open.as_ref().filter(|open| is_it(open)) {
                    return Some((case, Subject { group, proposes: open.proposes.keys().cloned().collect() }));
                }
            }
            if marked.is_none()
                && let Some((group, mark)) = case.own(request)
            {
                let proposes = mark.proposes.into_keys().collect();
                marked = Some((case, Subject { group: group.key(), proposes }));
            }
        }
        marked
    }

    /// Whether a comment was not obeyed yet, as far as is known.
    async fn is_new(&self, automation: &Automation, told: ToldComment) -> bool {
        let (store, url) = (self.context.edges.store.clone(), automation.remote.url.clone());
        match apart("read comments", move || store.has_comment(&url, told.number, told.id)).await {
            Ok(Ok(is_known)) => !is_known,
            Ok(Err(error)) => {
                self.context.memory.store_fails("comments", &error);
                false
            }
            Err(_) => false,
        }
    }

    /// Takes down that a comment was obeyed. Whether that is written.
    async fn take(&self, automation: &Automation, told: ToldComment) -> bool {
        let (store, url) = (self.context.edges.store.clone(), automation.remote.url.clone());
        match apart("write comments", move || store.take_comment(&url, told.number, told.id)).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                self.context.memory.store_fails("comments", &error);
                false
            }
            Err(_) => false,
        }
    }

    /// Does what a comment orders, and answers it. Whether that was possible: an order that cannot be written down was not obeyed.
    async fn carry_out(&mut self, ordered: Ordered<'r>, told: ToldComment) -> Result<bool, Error> {
        let Ordered { case, site, request, subject, wish, by } = ordered;
        if request.state != State::Open && wish != Wish::Release {
            self.take(case.automation, told).await;
            return answer(&case, &site, &request, &comment::not_open()).await.map(|()| true);
        }
        let (order, reason) = match wish {
            Wish::Hold(reason) => (Order::Hold, reason),
            Wish::Release => (Order::Release, None),
            Wish::Rebase => {
                self.take(case.automation, told).await;
                let automation = case.automation.id.clone();
                self.awaited.push(Awaited { automation, group: subject.group, request });
                return Ok(true);
            }
        };
        // The mark can be written by whoever may write to the request, so that it may name anything.
        let own: BTreeSet<String> = case.automation.policies.iter().map(|policy| policy.id.marker()).collect();
        let policies: Vec<String> = subject.proposes.into_iter().filter(|policy| own.contains(policy)).collect();
        if policies.is_empty() {
            self.take(case.automation, told).await;
            return answer(&case, &site, &request, &comment::nothing()).await.map(|()| true);
        }
        // What was asked of the forge is who may write here, and nowhere else.
        let (shared, policies): (Vec<String>, Vec<String>) =
            policies.into_iter().partition(|policy| self.context.memory.is_shared(policy));
        let left_out = (!shared.is_empty()).then(|| comment::left_out(&shared, order.as_str()));
        if policies.is_empty() {
            self.take(case.automation, told).await;
            return answer(&case, &site, &request, &left_out.unwrap_or_default()).await.map(|()| true);
        }
        let names: Vec<ObjectName> = case
            .automation
            .policies
            .iter()
            .filter(|policy| policies.contains(&policy.id.marker()))
            .map(|policy| policy.id.clone())
            .collect();
        let (store, now, given) = (self.context.edges.store.clone(), self.context.now, by.clone());
        let obey = move || -> Result<(), store::Error> {
            for name in &names {
                store::obey(order, &store, name, (reason.as_deref(), &given), now)?;
            }
            Ok(())
        };
        match apart("obey a comment", obey).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.context.memory.store_fails("orders", &error);
                return Ok(false);
            }
            Err(_) => return Ok(false),
        }
        // An order that is given twice is as good as one, and one that was not written down is to be given again.
        self.take(case.automation, told).await;
        tracing::info!(order = order.as_str(), subject = policies.join(" "), by, "received command");
        let said = match order {
            Order::Hold => comment::held(&policies, &by),
            _ => comment::released(&policies, &by),
        };
        let said = left_out.map_or(said.clone(), |more| format!("{said}\n\n{more}"));
        answer(&case, &site, &request, &said).await.map(|()| true)
    }

    /// Answers whoever wanted a branch to be made anew, by what became of it.
    pub(in crate::act) async fn answer_rebases(&mut self, ended: &[Ended<'r>]) {
        for Awaited { automation, group, request } in std::mem::take(&mut self.awaited) {
            let own = |one: &&Ended<'_>| {
                one.automation.id == automation
                    && one.part.as_ref().map(|part| part.group.key()).unwrap_or_default() == group
            };
            // Where the whole fails, its groups have no end.
            let whole = |one: &&Ended<'_>| one.automation.id == automation && one.part.is_none();
            let Some(one) = ended.iter().find(own).or_else(|| ended.iter().find(whole)) else { continue };
            let what = match &one.report.outcome {
                Outcome::Pushed { .. } => Rebased::Anew,
                Outcome::Unchanged | Outcome::WouldPush => Rebased::Already,
                Outcome::Held { reason } => Rebased::Left(reason.clone()),
                Outcome::Failed(_) => Rebased::Failed,
            };
            let Some(case) = Case::whole(self.context, one.automation) else { continue };
            let said = comment::rebased(&what, &case.requests.base);
            let answered = match case.site().await {
                Ok(site) => answer(&case, &site, &request, &said).await,
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                tracing::warn!(error = error.chain(), "a comment cannot be answered");
            }
        }
    }
}

/// Writes a comment on a request.
async fn answer(case: &Case<'_>, site: &Site, request: &forge::Request, text: &str) -> Result<(), Error> {
    case.at(site).comment(request, text).await.map_err(case.failed(Asking::Comment))
}
