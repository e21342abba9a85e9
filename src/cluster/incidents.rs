//! What replicas have told of what goes on, in an annotation of the Lease `tagwright-incidents`.

use std::sync::Arc;

use kubernetes::Cluster;
use kubernetes::lease::Identity;
use kubernetes::record::Record;
use notify::{Answer, Text, Unreachable};

use crate::schedule::Handle;

/// The annotation.
const INCIDENTS: &str = "tagwright.dev/incidents";

struct Incidents(Record);

impl Text for Incidents {
    fn read(&self) -> Answer<'_, Option<(String, String)>> {
        Box::pin(async { self.0.read().await.map_err(unreachable) })
    }

    fn write<'a>(&'a self, over: Option<&'a str>, text: String) -> Answer<'a, bool> {
        Box::pin(async move { self.0.write(over, text).await.map_err(unreachable) })
    }
}

fn unreachable(error: kubernetes::Error) -> Unreachable {
    Unreachable(error.message)
}

/// Has a bot tell as one with the others of its group.
pub(super) fn share(handle: &Handle, cluster: &Cluster, (group, host): (&str, &str)) {
    let name = format!("{group}-incidents");
    let record = Record::new(cluster.client.clone(), &cluster.namespace, name, INCIDENTS);
    handle.voice().share(Arc::new(Incidents(record)), Identity::new(host).to_string());
}
