//! Secrets that it is time to ask for again.

use std::collections::BTreeSet;

use tagwright_core::automation::ObjectName;
use tokio::time::Instant;

use super::Control;
use crate::cluster::reading;
use crate::cluster::secrets;
use crate::cluster::what::Id;
use crate::config::Referred;

impl Control {
    /// Asks for the secrets that it is time to ask for again; where a login was refused, that is soon.
    pub(super) fn look_up_secrets(&mut self) {
        if self.under_way.is_some() {
            return;
        }
        let now = Instant::now();
        self.denied.retain(|_, at| now.duration_since(*at) < secrets::AGAIN);
        let mut due: BTreeSet<Referred> = self.secrets.due(now).into_iter().collect();
        due.append(&mut self.wanted);
        due.extend(self.denied.keys().flat_map(|namespace| self.secrets.of_namespace(namespace, now)));
        if !due.is_empty() {
            self.ask_again(due.into_iter().collect());
        }
    }

    /// Asks for the logins of a namespace at once, since one was refused.
    pub(super) fn is_refused_in(&mut self, namespace: String) {
        self.denied.insert(namespace, Instant::now());
        self.look_up_secrets();
    }

    /// The namespace of the Git repository of an automation.
    pub(super) fn source_namespace(&self, id: &ObjectName) -> String {
        let source = self.reference(&self.reading.written(id));
        source.map_or_else(|| id.namespace.clone(), |(_, source)| source.namespace)
    }

    /// Asks for secrets again, and reads the configuration with them.
    pub(super) fn ask_again(&mut self, wanted: Vec<Referred>) {
        let (ids, documents) = self.objects.documents();
        let changed = self.take_changed();
        let work = reading::read_again(self.cluster.clone(), self.secrets.clone(), wanted, ids, documents, changed);
        self.under_way = Some(tokio::spawn(work));
    }

    /// Asks for the secrets of an object again.
    pub(super) fn look_up_secrets_of(&mut self, id: &Id) {
        self.wanted.extend(self.reading.referred_by(id));
        // What is asked for is answered by the reading that follows, whatever becomes of the secrets.
        self.changed.insert(id.clone());
        self.soil();
        self.look_up_secrets();
    }
}
