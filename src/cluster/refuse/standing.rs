//! Objects on which no pass is made: whether they count, and if not, why.

use std::sync::Arc;

use flux::standing::{self, Outcome};
use flux::{Remark, Remarks};
use kubernetes::{Key, Object};

use super::{Judge, Refusal, View, Wrong, is_login};
use crate::cluster::what::{Id, What};
use crate::config::Effect;

/// What is to be said of an object.
#[derive(Debug)]
enum Standing {
    Stands { message: String, path: Option<String> },
    Rejected(String),
    Blocked(String),
    Denied(String),
}

impl Standing {
    /// By which it is known whether that was said before.
    fn text(&self) -> &str {
        match self {
            Self::Stands { message, .. } => message,
            Self::Rejected(text) | Self::Blocked(text) | Self::Denied(text) => text,
        }
    }

    fn outcome(&self) -> Outcome<'_> {
        match self {
            Self::Stands { message, path } => Outcome::Stands { message, path: path.as_deref() },
            Self::Rejected(text) => Outcome::Rejected(text),
            Self::Blocked(text) => Outcome::Blocked(text),
            Self::Denied(text) => Outcome::Denied(text),
        }
    }
}

impl View<'_> {
    /// What there is to say of a receiver or a notification.
    pub(in crate::cluster) fn standing(&self, id: &Id, object: &Object) -> Refusal {
        let standing = self.how(id, object);
        let findings = self.in_vain(id);
        let text = [Some(standing.text()), findings.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let stands = matches!(standing, Standing::Stands { .. });
        let judge: Judge = Arc::new(move |seen| {
            let findings =
                findings.as_ref().map_or(Remark::Nothing, |message| Remark::Say { code: "findings", message });
            let findings = if stands { findings } else { Remark::Unknown };
            standing::verdict(seen, &standing.outcome(), &Remarks { findings, ..Remarks::default() })
        });
        Refusal { text, judge, stands }
    }

    fn how(&self, id: &Id, object: &Object) -> Standing {
        let (what, key) = id;
        let spec = object.spec();
        if let Some(other) = what.other_namespace(key, &spec).filter(|_| self.no_cross_namespace) {
            let message = "cross-namespace references have been blocked";
            return Standing::Blocked(format!("it names something of the namespace '{other}', and {message}"));
        }
        if let Some(Wrong { field, text }) = Wrong::of(self, *what, key) {
            // What only lacks a secret comes right when that is there.
            return if is_login(&field) { Standing::Denied(text) } else { Standing::Rejected(text) };
        }
        let told = self.notifications.get(id).filter(|_| key.namespace != self.home);
        if told.is_some_and(|told| told.target.is_at_hand()) {
            let message = "its address is the bot's own machine, or on the link of that";
            return Standing::Blocked(format!(
                "{message}, where notifications of the namespace '{}' alone go",
                self.home
            ));
        }
        match (what, self.receivers.get(id)) {
            (What::Receiver, Some(receiver)) => {
                let path = path(receiver, key);
                Standing::Stands { message: format!("receives webhooks at {path}"), path: Some(path) }
            }
            _ => {
                let kind = super::text(&spec, "/type").unwrap_or_default();
                Standing::Stands { message: format!("tells by {kind} what happens"), path: None }
            }
        }
    }

    /// What is written in vain: the first of it, and how much more there is.
    fn in_vain(&self, id: &Id) -> Option<String> {
        let notices = self.about.get(id)?.notices.iter().filter(|notice| notice.effect == Effect::Lost);
        let lost: Vec<&str> = notices.map(|notice| notice.message.as_str()).collect();
        Some(match lost.as_slice() {
            [] => return None,
            [one] => (*one).to_owned(),
            [first, more @ ..] => format!("{first} (and {} more findings)", more.len()),
        })
    }
}

/// Where webhooks are received: at the path that Flux derives of the token, or where there is none, by name.
fn path(receiver: &hooks::Receiver, Key { namespace, name }: &Key) -> String {
    match receiver.has_token() {
        true => format!("/hook/{}", receiver.digest()),
        false => format!("/hooks/{namespace}/{name}"),
    }
}
