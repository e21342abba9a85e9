//! What was told to fail, in the form in which it outlives a process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use notify::{About, Event, Incident, Kind, Name, Severity};
use tagwright_core::automation::{Automation, ImageRepository};

use super::{End, Trouble, works};
use crate::observe::image_key;
use crate::store::Failing;

/// How long something is kept that is no part of what is looked at: its automation may be gone.
const MAX_UNSEEN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What tells an image repository that fails from all else, by its key.
pub(crate) fn of_image(key: &str) -> String {
    format!("image {key}")
}

/// The same of a remote.
pub(crate) fn of_remote(url: &str) -> String {
    format!("remote {url}")
}

/// The same of a digest that runs on a remote need.
pub(crate) fn of_digest(url: &str, image: &str) -> String {
    format!("digest {url} {image}")
}

/// The same of the configuration.
pub(crate) const OF_CONFIGURATION: &str = "configuration";

/// Whether something that fails is a digest that runs on a remote need.
pub(crate) fn is_digest_of(subject: &str, url: &str) -> bool {
    remote_of_digest(subject) == Some(url)
}

fn remote_of_digest(subject: &str) -> Option<&str> {
    // No URL of a remote has a blank.
    subject.strip_prefix("digest ")?.split(' ').next()
}

/// The same of an automation, by its name.
pub(crate) fn of_automation(id: &str) -> String {
    format!("automation {id}")
}

/// What these were told, as it is kept; none of what does not go on, or what nobody was told.
pub(crate) fn kept(event: &Event, told: &[Name], seen: Timestamp) -> Option<Failing> {
    if told.is_empty() {
        return None;
    }
    let Incident { subject, host } = event.incident.clone()?;
    let names = |names: &[Name]| names.iter().map(Name::to_string).collect();
    let About { automations, policies, repositories, remote, .. } = &event.about;
    Some(Failing {
        subject,
        host,
        rejected: event.kind == Kind::Rejected,
        message: event.message.clone(),
        since: event.at,
        automations: names(automations),
        policies: names(policies),
        repositories: names(repositories),
        remote: remote.clone(),
        told: names(told),
        seen: Some(seen),
    })
}

/// Something that was told, by this process or one before.
pub(crate) struct Known {
    pub(crate) event: Event,
    /// The notifications that have told it.
    pub(crate) names: Vec<Name>,
    /// When it was last part of what was looked at.
    seen: Timestamp,
}

/// What was kept, as it was told.
pub(crate) fn told(failing: Failing) -> Known {
    let Failing { subject, host, rejected, message, since, automations, policies, repositories, remote, told, seen } =
        failing;
    let names = |names: Vec<String>| -> Vec<Name> {
        let name = |text: String| {
            let (namespace, name) = text.split_once('/')?;
            Some(Name { namespace: namespace.to_owned(), name: name.to_owned() })
        };
        names.into_iter().filter_map(name).collect()
    };
    let event = Event {
        kind: if rejected { Kind::Rejected } else { Kind::Failing },
        severity: Severity::Error,
        about: About {
            automations: names(automations),
            policies: names(policies),
            repositories: names(repositories),
            remote,
            object: None,
        },
        message,
        hint: None,
        at: since,
        commit: None,
        incident: Some(Incident { subject, host }),
    };
    Known { event, names: names(told), seen: seen.unwrap_or(since) }
}

/// That something works again of which an earlier process has told that it fails.
pub(crate) fn over(event: &Event, end: End, at: Timestamp) -> Option<Event> {
    let Incident { subject, host } = event.incident.clone()?;
    let what = match (subject.as_str(), remote_of_digest(&subject)) {
        (OF_CONFIGURATION, _) => "the configuration",
        (_, Some(url)) => subject["digest ".len() + url.len()..].trim_start(),
        (_, None) => subject.rsplit(' ').next().unwrap_or(&subject),
    };
    let what = host.as_deref().unwrap_or(what).to_owned();
    let trouble = Trouble { subject, what: &what, cause: None, about: event.about.clone() };
    Some(works(trouble, end, at))
}

/// Whether something that fails is part of a configuration.
pub(crate) struct Part {
    subjects: BTreeSet<String>,
    remotes: BTreeSet<String>,
}

impl Part {
    pub(crate) fn of<'a>(automations: impl IntoIterator<Item = &'a Arc<Automation>>) -> Self {
        let automations: Vec<&Arc<Automation>> = automations.into_iter().collect();
        let policies = automations.iter().flat_map(|automation| &automation.policies);
        let images = policies.map(|policy| of_image(&image_key(&policy.repository)));
        let remotes: BTreeSet<String> = automations.iter().map(|automation| automation.remote.url.clone()).collect();
        let names = automations.iter().map(|automation| of_automation(&automation.id.to_string()));
        let subjects = images.chain(remotes.iter().map(|url| of_remote(url))).chain(names).collect();
        Self { subjects, remotes }
    }

    /// With image repositories that no automation of it uses.
    pub(crate) fn and<'r>(mut self, repositories: impl IntoIterator<Item = &'r ImageRepository>) -> Self {
        self.subjects.extend(repositories.into_iter().map(|repository| of_image(&image_key(repository))));
        self
    }

    /// Whether something that may fail is part of it.
    pub(crate) fn names(&self, subject: &str) -> bool {
        self.subjects.contains(subject) || remote_of_digest(subject).is_some_and(|url| self.remotes.contains(url))
    }

    pub(crate) fn has(&self, event: &Event) -> bool {
        event.incident.as_ref().is_some_and(|incident| self.names(&incident.subject))
    }
}

/// What a single run tells, and what is to be kept once that has arrived.
pub(crate) struct News {
    /// The events of this run, and the end of what does not fail any more.
    pub(crate) events: Vec<Event>,
    /// What fails, or has failed until now.
    failing: Vec<Event>,
    /// What is somebody else's to end.
    others: Vec<Failing>,
    at: Timestamp,
}

/// What is told after a run that goes by what those before have told.
pub(crate) fn since(before: Vec<Known>, events: Vec<Event>, part: &Part, at: Timestamp) -> News {
    let subject = |event: &Event| event.incident.as_ref().map(|incident| incident.subject.clone());
    let failing: BTreeSet<String> = events.iter().filter_map(subject).collect();
    let mut mine: BTreeMap<String, Event> = BTreeMap::new();
    let mut news = News { events: Vec::new(), failing: Vec::new(), others: Vec::new(), at };
    for Known { event, names, seen } in before {
        let Some(subject) = subject(&event) else { continue };
        if part.has(&event) {
            if !failing.contains(&subject) {
                news.events.extend(over(&event, End::Works, at));
            }
            mine.insert(subject, event);
        } else if at.duration_since(seen) < MAX_UNSEEN {
            // What this configuration does not have is somebody else's to end.
            news.others.extend(kept(&event, &names, seen));
        }
    }
    for event in events {
        if let Some(subject) = subject(&event) {
            mine.entry(subject).or_insert_with(|| event.clone());
        }
        news.events.push(event);
    }
    news.failing = mine.into_values().collect();
    news
}

impl News {
    /// What is to be kept: what fails and has reached somebody, and the end of what has not reached all who wait for it.
    pub(crate) fn keep(self, voice: &notify::Voice) -> Vec<Failing> {
        let mine = self.failing.iter().filter_map(|event| kept(event, &voice.told_of(event), self.at));
        mine.chain(self.others).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What another configuration's run has told stays, unless nobody looks at it any more.
    #[test]
    fn what_is_gone_is_not_kept_for_ever() {
        let name = || Name { namespace: "default".to_owned(), name: "chat".to_owned() };
        let event = fails("automation default/gone");
        let pauses = web::Pauses::default();
        let cloud = cloud::Cloud::new(cloud::Environment::of_process(), pauses.clone());
        let voice = notify::Voice::new(pauses, cloud, Arc::new(|_, _| {}));
        let check = |days: i64, expect: usize| {
            let at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * days);
            let before = vec![told(kept(&event, &[name()], Timestamp::UNIX_EPOCH).unwrap())];
            let news = since(before, Vec::new(), &Part::of(&[]), at);
            assert!(news.events.is_empty());
            assert_eq!(news.keep(&voice).len(), expect, "{days} days");
        };
        check(29, 1);
        check(31, 0);
    }

    /// A digest that fails is part of whatever has its remote, and is called what it is.
    #[test]
    fn a_digest_is_part_of_its_remote() {
        let text = "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {name: shop}\n\
                    spec: {git: {url: 'https://git.example.com/a.git'}, images: [{name: a, image: ghcr.io/a/a, policy: {semver: {range: 1.x}}}]}\n";
        let part = Part::of(&crate::config::parse("shop.yaml", text).unwrap().automations);
        let has = |subject: &str| part.has(&fails(subject));
        assert!(has(&of_digest("https://git.example.com/a.git", "ghcr.io/a/a:1")));
        assert!(!has(&of_digest("https://git.example.com/a.git/b", "ghcr.io/a/a:1")));
        assert!(has("image default/a ghcr.io/a/a") && has("remote https://git.example.com/a.git"));
        assert!(!has(OF_CONFIGURATION) && !has("automation default/other"));
        let over = |subject: &str| over(&fails(subject), End::Works, Timestamp::UNIX_EPOCH).unwrap().message;
        assert_eq!(over(&of_digest("https://git.example.com/a.git", "ghcr.io/a/a:1")), "ghcr.io/a/a:1 works again");
        assert_eq!(over(OF_CONFIGURATION), "the configuration works again");
        assert_eq!(over("image default/a ghcr.io/a/a"), "ghcr.io/a/a works again");
    }

    #[test]
    fn what_has_reached_nobody_is_not_kept() {
        assert_eq!(kept(&fails("automation default/shop"), &[], Timestamp::UNIX_EPOCH), None);
    }

    fn fails(subject: &str) -> Event {
        Event {
            kind: Kind::Failing,
            severity: Severity::Error,
            about: About::default(),
            message: "no".to_owned(),
            hint: None,
            at: Timestamp::UNIX_EPOCH,
            commit: None,
            incident: Some(Incident { subject: subject.to_owned(), host: None }),
        }
    }
}
