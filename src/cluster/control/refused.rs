//! Objects that cannot be worked on: each is told why, once.

use jiff::Timestamp;

use super::{Control, is_suspended};
use crate::cluster::judge;
use crate::cluster::publish::Wish;
use crate::cluster::refuse::{Refusal, View};
use crate::cluster::versions::Version;
use crate::cluster::what::{Id, What};

impl Control {
    /// Says of each object that cannot be worked on why, once, and of those that are suspended what is handled.
    pub(super) fn refuse(&mut self) {
        let view = View {
            objects: &self.objects,
            about: &self.reading.about,
            receivers: &self.reading.receivers,
            notifications: &self.reading.notifications,
            home: &self.cluster.namespace,
            no_cross_namespace: self.settings.no_cross_namespace,
            requeue: self.settings.requeue,
        };
        let now = Timestamp::now();
        let mut refusals: Vec<(Id, Refusal, (Version, String))> = Vec::new();
        let mut suspended: Vec<(Id, Version)> = Vec::new();
        for what in What::ALL.into_iter().filter(|what| what.is_ours() && self.settings.works_on(*what)) {
            for (key, object) in self.objects.of(what).filter(|(_, object)| !object.deleting) {
                let id = (what, key.clone());
                if !self.is_mine(&id) {
                    continue;
                }
                let Some(version) = self.versions.last(&id).cloned() else { continue };
                if is_suspended(object) {
                    suspended.push((id, Version::of(object)));
                    continue;
                }
                let refusal = match what {
                    What::Repository => view.repository(key),
                    What::Policy => view.policy(key, object),
                    What::Automation => view.automation(key, object, now),
                    What::Receiver | What::Notification => Some(view.standing(&id, object)),
                    _ => view.native(key),
                };
                let Some(refusal) = refusal else {
                    self.refused.remove(&id);
                    continue;
                };
                let said = (version, refusal.text.clone());
                if self.refused.get(&id) != Some(&said) {
                    refusals.push((id, refusal, said));
                }
            }
        }
        for (id, refusal, said) in refusals {
            let (kind, name, text) = (id.0.kind().name, id.1.to_string(), refusal.text.as_str());
            match refusal.stands {
                true => tracing::debug!(kind, name, text, "counts"),
                false => tracing::warn!(kind, name, reason = text, "cannot be worked on"),
            }
            self.refused.insert(id.clone(), said.clone());
            self.publisher.want(id, Wish::say(refusal.judge, said.0));
        }
        for (id, version) in suspended {
            self.publisher.want(id.clone(), Wish::say(judge::suspended(id.0), version));
        }
    }
}
