//! What the bot has done, said on the objects that it is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::Reference;
use jiff::Timestamp;
use tagwright_core::automation::{Automation, ImagePolicy, ImageRepository, ObjectName};
use tokio::time::Instant;

use super::{Control, is_suspended, key};
use crate::cluster::judge::{self, Judge, Selected, Unpolled};
use crate::cluster::publish::{Told, Weight, Wish, Word};
use crate::cluster::versions::Version;
use crate::cluster::what::What;
use crate::observe::Polled;
use crate::run::{AutomationReport, Error, Kind, Outcome, PolicyReport};
use crate::schedule::Done;

impl Control {
    /// Takes in what the bot has done.
    pub(super) fn done(&mut self, done: Done) {
        match done {
            Done::Polled { repository, polled, began } => self.polled(&repository, polled, began),
            Done::LookedUp { looked_up, began } => {
                for report in &looked_up.policies {
                    self.evaluated(report, true, began);
                }
            }
            Done::PollLost { repository, message, began } => {
                self.reconciled(What::Repository, &repository.id, false, began);
                let judge = judge::unread(&repository, message.clone());
                self.poll_failed(&repository, Unpolled { kind: Kind::Internal, error: message }, judge, began);
            }
            Done::Acted { due, acted, time, began } => {
                let ended = Timestamp::now();
                for report in acted.automations.iter().filter(|report| due.contains(&report.id)) {
                    self.ran(report, (time, ended), began);
                }
            }
            Done::Arrived { repositories, automations } => self.pass_on(repositories, automations),
            Done::RunLost { due, message, began } => {
                for id in due {
                    self.lost(&id, &message, began);
                }
            }
        }
    }

    pub(super) fn polled(&mut self, repository: &Arc<ImageRepository>, polled: Polled, began: Instant) {
        if polled.told {
            // What the image repository says is of the last list, until the next.
            polled.policies.iter().for_each(|report| self.evaluated(report, true, began));
            return;
        }
        let listed = polled.scan.is_some();
        if !repository.suspended {
            self.reconciled(What::Repository, &repository.id, listed, began);
        }
        match polled.scan {
            Some(scan) => {
                self.unpolled.remove(&repository.id);
                self.say(What::Repository, &repository.id, judge::scanned(repository, scan, Timestamp::now()), began);
            }
            None if repository.suspended => {}
            None => {
                let first = polled.failures.first();
                let kind = first.map_or(Kind::Internal, |error| error.kind());
                if kind == Kind::Denied {
                    self.is_refused_in(repository.id.namespace.clone());
                }
                let error = first.map(|error| error.chain()).unwrap_or_default();
                let judge = match first.is_some_and(Error::lacks_login) {
                    true => judge::without_login(error.clone()),
                    false => judge::unread(repository, error.clone()),
                };
                self.poll_failed(repository, Unpolled { kind, error }, judge, began);
            }
        }
        for report in &polled.policies {
            self.evaluated(report, listed, began);
        }
    }

    fn poll_failed(&mut self, repository: &Arc<ImageRepository>, unpolled: Unpolled, judge: Judge, began: Instant) {
        self.unpolled.insert(repository.id.clone(), unpolled);
        self.say(What::Repository, &repository.id, judge, began);
    }

    pub(super) fn evaluated(&mut self, report: &Arc<PolicyReport>, listed: bool, began: Instant) {
        let Some(object) = self.objects.get(&(What::Policy, key(&report.id))) else {
            if let Ok(reference) = &report.selection {
                self.selected.insert(report.id.clone(), selection(reference));
            }
            return;
        };
        // A suspended one says nothing.
        if is_suspended(object) {
            return;
        }
        self.reconciled(What::Policy, &report.id, report.selection.is_ok(), began);
        let name = report.policy.repository.image.name().to_owned();
        if let Some(judge) = judge::evaluated(report, name, listed, self.settings.requeue) {
            self.say(What::Policy, &report.id, judge, began);
        }
    }

    pub(super) fn ran(&mut self, report: &AutomationReport, times: (Timestamp, Timestamp), began: Instant) {
        let Some(automation) = self.reading.automation(&report.id).cloned() else { return };
        let (what, _) = self.reading.written(&report.id);
        self.reconciled(what, &report.id, report.outcome.error().is_none(), began);
        if report.outcome.error().is_some_and(|error| error.kind() == Kind::Denied) {
            self.is_refused_in(self.source_namespace(&report.id));
        }
        let selected = self.observed(&automation, what);
        let ran = judge::Ran::of(report, &automation, times, selected);
        let weight = match report.outcome {
            Outcome::Pushed { .. } => Weight::Deed,
            _ => Weight::State,
        };
        if what == What::Native {
            let mut own = automation.policies.iter().filter_map(|policy| self.unpolled.get(&policy.repository.id));
            let unpolled = own.next().cloned();
            self.say_as(weight, what, &report.id, judge::ran_native(ran, unpolled), began);
        } else {
            self.say_as(weight, what, &report.id, judge::ran(ran), began);
        }
    }

    pub(super) fn lost(&mut self, id: &ObjectName, message: &str, began: Instant) {
        let (what, _) = self.reading.written(id);
        self.reconciled(what, id, false, began);
        self.say(what, id, judge::lost(what, message.to_owned(), Timestamp::now()), began);
    }

    /// Counts a pass over an object, as Flux's controllers do.
    fn reconciled(&self, what: What, id: &ObjectName, is_well: bool, began: Instant) {
        if self.objects.get(&(what, key(id))).is_some() && self.settings.works_on(what) {
            self.handle.reconciled(what.kind().name, (&id.namespace, &id.name), is_well, began);
        }
    }

    /// What the policies of an automation select, by their names.
    pub(super) fn observed(&self, automation: &Automation, what: What) -> BTreeMap<String, Selected> {
        let selection = |policy: &Arc<ImagePolicy>| {
            if what == What::Native {
                return self.selected.get(&policy.id).cloned();
            }
            self.selections.get(&key(&policy.id)).cloned()
        };
        automation.policies.iter().filter_map(|it| Some((it.id.name.clone(), selection(it)?))).collect()
    }

    /// Says what a pass over an object came to that began at a time.
    pub(super) fn say(&mut self, what: What, id: &ObjectName, judge: judge::Judge, began: Instant) {
        self.say_as(Weight::State, what, id, judge, began);
    }

    pub(super) fn say_as(&mut self, weight: Weight, what: What, id: &ObjectName, judge: judge::Judge, began: Instant) {
        let id = (what, key(id));
        let Some(object) = self.objects.get(&id).filter(|object| !object.deleting) else { return };
        if self.settings.works_on(what) {
            let version = self.versions.at(&id, began).cloned().unwrap_or_else(|| Version::of(object));
            self.refused.remove(&id);
            // It was suspended while the pass went on, whose version is an older one; what is handled is said again.
            self.doubtful |= is_suspended(object);
            self.publisher.want(id, Wish::Say(vec![Word { judge, version, weight }]));
        }
    }

    /// Takes in what became of a write.
    pub(super) fn told(&mut self, told: Told) {
        let Told { id, stored, events, about } = told;
        self.voice.tell(id.0, &about, events);
        if let Some(object) = stored
            && let Some(news) = self.objects.stored(id.0, *object)
        {
            self.news(news);
        }
    }
}

fn selection(reference: &Reference) -> Selected {
    Selected {
        name: reference.repository.name().to_owned(),
        tag: reference.tag.as_ref().map(|tag| tag.as_str().to_owned()).unwrap_or_default(),
        digest: reference.digest.as_ref().map(|digest| digest.as_str().to_owned()),
    }
}
