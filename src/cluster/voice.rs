//! Telling what happened: as events of the API server, and to notification-controller.

use std::sync::Arc;

use flux::{Event, Severity, metadata};
use kubernetes::events::{Level, Recorder, Subject};
use kubernetes::notify::Notifier;
use kubernetes::{Cluster, Object, events};

use super::what::What;
use super::{LAST_WORDS, Settings};

/// Who tells. Nobody waits for it: what finds no room is lost, and counted in the log.
pub(super) struct Voice {
    recorder: Recorder,
    notifier: Option<Notifier>,
}

impl Voice {
    pub(super) fn new(cluster: &Cluster, settings: &Settings) -> Self {
        let started = settings.events_addr.as_deref().map(|address| Notifier::start(address, settings.host.clone()));
        let notifier = started.and_then(|started| {
            started.inspect_err(|error| tracing::error!(%error, "notification-controller is told nothing")).ok()
        });
        Self { recorder: Recorder::start(cluster.client.clone()), notifier }
    }

    /// Tells what there is to tell about an object. That a pass came to nothing new is no news, and would be a second write for
    /// each: such traces are in the log, with `-v`.
    pub(super) fn tell(&self, what: What, about: &Arc<Object>, mut events: Vec<Event>) {
        for trace in events.extract_if(.., |event| event.severity == Severity::Trace) {
            tracing::debug!(kind = what.kind().name, name = %about.key, trace.reason, trace.message);
        }
        if events.is_empty() {
            return;
        }
        let subject = Subject::of(about, what.kind().name);
        let pairs = about.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let annotations: kubernetes::kind::Map =
            metadata(pairs).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for Event { severity, reason, message } in events {
            tracing::debug!(kind = subject.kind, name = %about.key, reason, message);
            let (component, annotations) = (what.manager().to_owned(), annotations.clone());
            let event = events::Event { component, level: level(severity), reason, message, annotations };
            if let Some(notifier) = &self.notifier {
                notifier.tell(&subject, event.clone());
            }
            self.recorder.tell(subject.clone(), event);
        }
    }

    /// Waits until what was told has arrived, for a while.
    pub(super) async fn finish(self) {
        let Self { recorder, notifier } = self;
        let notified = async {
            if let Some(notifier) = notifier {
                notifier.finish(LAST_WORDS).await;
            }
        };
        tokio::join!(recorder.finish(LAST_WORDS), notified);
    }
}

const fn level(severity: Severity) -> Level {
    match severity {
        Severity::Info | Severity::Trace => Level::Normal,
        Severity::Error => Level::Warning,
    }
}
