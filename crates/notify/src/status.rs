//! Commits that are given a status: those that were pushed, and those that an image was built from.

use std::time::Duration;

use forge::{Mark, Place, Proof, Way};

use super::event::{About, Change, Deployed, Event};
use super::exchange::{Exchange, Failure};
use super::target::{Form, Route, Status, Writer};

/// The longest text of a status; GitHub takes no longer one.
const DESCRIPTION: usize = 140;

/// A status on its way.
#[derive(Debug, Clone)]
pub(crate) struct Marked {
    place: Place,
    commit: String,
    description: String,
    page: Option<String>,
}

impl Status {
    /// The status of a commit that was pushed, if its repository is one that is written to.
    pub(crate) fn of_event(&self, event: &Event) -> Option<Marked> {
        let About { remote, automations, .. } = &event.about;
        let commit = event.commit.as_ref().filter(|commit| !commit.id.is_empty())?;
        let place = self.place(remote.as_deref()?)?;
        let by = automations.first().map_or_else(|| "tagwright".to_owned(), ToString::to_string);
        let what = match commit.changes.as_slice() {
            [] => "files".to_owned(),
            [Change { old, new, .. }] => format!("{old} -> {new}"),
            changes => format!("{} fields", changes.len()),
        };
        let description = words::one_line(&format!("{by} updated {what}"), DESCRIPTION - 1);
        Some(Marked { place, commit: commit.id.clone(), description, page: None })
    }

    /// The status of the commit that an image was built from, if its repository is one that is written to.
    pub(crate) fn of_deployed(&self, deployed: &Deployed) -> Option<Marked> {
        let place = self.place(&deployed.source)?;
        let is_hash = |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash(&deployed.revision) {
            return None;
        }
        let environment = match self.environment.as_str() {
            "" => deployed.about.automations.first().map(ToString::to_string).unwrap_or_default(),
            environment => environment.to_owned(),
        };
        let description = format!("deployed to {environment} by {}", words::short(&deployed.commit));
        let description = words::one_line(&description, DESCRIPTION - 1);
        Some(Marked { place, commit: deployed.revision.to_ascii_lowercase(), description, page: deployed.page.clone() })
    }

    /// A repository, if it is one that is written to: at the forge of the address, and below its path.
    fn place(&self, repository: &str) -> Option<Place> {
        let mut site = self.address.clone();
        site.set_path("");
        let place = Place::of(repository, Some(self.product), Some(site.as_str())).ok()?;
        let wanted = self.address.path().trim_matches('/').to_ascii_lowercase();
        let wanted = wanted.strip_suffix(".git").unwrap_or(&wanted);
        let there = place.to_string().to_ascii_lowercase();
        let is_below = wanted.is_empty()
            || there.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        (is_below && place.is_at(repository)).then_some(place)
    }
}

pub(crate) async fn send(
    exchange: &Exchange,
    (status, route): (&Status, &Route),
    marked: &Marked,
) -> Result<Duration, Failure> {
    let (proof, granted) = match &status.writer {
        Writer::Token(token) => (Proof::Token(token.clone()), None),
        Writer::App(app) => {
            let way = cloud::Way { proxy: route.proxy.as_ref(), authority: route.tls.ca.as_deref(), account: None };
            let granted = exchange.cloud.github_app(app, &status.address, way).await.map_err(|error| {
                let why = error.to_string();
                if error.kind() == cloud::Kind::Transient { Failure::later(why) } else { Failure::Never(why) }
            })?;
            let (login, granted) = granted.split();
            (Proof::Login(login), Some(granted))
        }
    };
    let way = Way { proxy: route.proxy.as_ref(), authority: route.tls.ca.as_deref() };
    let forge = exchange.forges.at(&marked.place, &proof, way);
    let Marked { commit, description, page, .. } = marked;
    let mark = Mark { context: &status.context, description, address: page.as_deref() };
    let written = match status.form {
        Form::Status => forge.mark(commit, mark).await,
        Form::CheckRun => forge.check(commit, mark).await,
    };
    written.map(|()| Duration::ZERO).map_err(|error| {
        let why = error.to_string();
        match (&error, error.kind(), granted) {
            (forge::Error::Paused { left, .. }, ..) => Failure::Later { wait: Some(*left), why },
            (_, forge::Kind::Transient, _) => Failure::later(why),
            // A token that was given out before may have been withdrawn.
            (_, forge::Kind::Denied, Some(granted)) if granted.is_old => {
                exchange.cloud.forget(&granted);
                Failure::later(why)
            }
            _ => Failure::Never(why),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use forge::Product;

    use super::*;

    #[test]
    fn no_other_repository_is_written_to() {
        let check = |address: &str, repository: &str, expect: Option<&str>| {
            let status = Status {
                product: Product::GitHub,
                address: address.parse().unwrap(),
                writer: Writer::Token("t".to_owned().into()),
                form: Form::Status,
                context: "tagwright".to_owned(),
                environment: "prod".to_owned(),
            };
            let deployed = Deployed {
                about: About::default(),
                message: String::new(),
                image: "a:1".to_owned(),
                source: repository.to_owned(),
                revision: "A".repeat(40),
                commit: "0123456789".to_owned(),
                page: None,
            };
            let marked = status.of_deployed(&deployed);
            assert_eq!(marked.as_ref().map(|it| it.place.to_string()).as_deref(), expect, "{address} {repository}");
            if let Some(marked) = marked {
                assert_eq!(marked.description, "deployed to prod by 0123456");
                assert_eq!(marked.commit, "a".repeat(40));
            }
            let other = Deployed { revision: "main".to_owned(), ..deployed };
            assert!(status.of_deployed(&other).is_none(), "a branch is no commit");
        };
        check("https://github.com/acme", "https://github.com/Acme/shop", Some("Acme/shop"));
        check("https://github.com/acme/shop", "https://github.com/acme/shop.git", Some("acme/shop"));
        check("https://github.com/acme/shop", "git@github.com:acme/shop.git", Some("acme/shop"));
        check("https://github.com/acme/shop", "https://github.com/acme/shop-2", None);
        check("https://github.com/acme", "https://github.com/acme-evil/shop", None);
        check("https://github.com/acme", "https://github.evil.example/acme/shop", None);
        check("https://git.example.com/acme", "https://git.example.com/acme/shop", Some("acme/shop"));
        check("https://git.example.com/acme", "http://git.example.com/acme/shop", None);
        check("https://git.example.com:8443/acme", "https://git.example.com/acme/shop", None);
    }
}
