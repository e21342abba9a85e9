//! Events, as the API server takes them.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event as Stored, Namespace};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use kubernetes::events::{Event, Level, MAX_MESSAGE, Recorder, Subject};

use crate::cluster::{Cluster, Space, WITHIN, eventually};

/// The least rights for events.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: events}
rules: [{apiGroups: [''], resources: [events], verbs: [create, patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: events}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: events}
subjects: [{kind: ServiceAccount, name: events}]
";

fn subject(space: &Space<'_>) -> Subject {
    let [api_version, kind, name, uid, resource_version] =
        ["image.toolkit.fluxcd.io/v1", "ImageRepository", "app", "f1d6e9c2-0000-4000-8000-000000000000", "7"]
            .map(str::to_owned);
    Subject { api_version, kind, namespace: space.name.clone(), name, uid, resource_version }
}

fn event(level: Level, message: &str) -> Event {
    let [component, reason, message] = ["image-reflector-controller", "Succeeded", message].map(str::to_owned);
    let annotations = [("event.toolkit.fluxcd.io/team".to_owned(), "shop".to_owned())].into_iter().collect();
    Event { component, level, reason, message, annotations }
}

/// A recorder of an account that may do nothing else.
async fn recorder(space: &Space<'_>) -> Recorder {
    space.apply(RIGHTS).await;
    let client = space.client("events").await;
    // The API server takes a moment to know of a role: it says so when an event without a name is invalid, not forbidden.
    let events: Api<Stored> = Api::namespaced(client.clone(), &space.name);
    let may = || async {
        let nameless = events.create(&Default::default(), &Stored::default()).await;
        matches!(nameless, Err(kube::Error::Api(status)) if status.code != 403).then_some(())
    };
    eventually("the role counts", may).await;
    Recorder::start(client)
}

#[tokio::test]
async fn the_same_again_is_a_count_on_the_event_that_is_there() {
    let space = Space::new(Cluster::shared()).await;
    let recorder = recorder(&space).await;
    for _ in 0..3 {
        recorder.tell(subject(&space), event(Level::Normal, "successful scan"));
    }
    recorder.tell(subject(&space), event(Level::Warning, &"long ".repeat(MAX_MESSAGE)));
    recorder.finish(WITHIN).await;

    let events: Api<Stored> = Api::namespaced(space.admin.clone(), &space.name);
    let mut events = events.list(&ListParams::default()).await.unwrap().items;
    events.sort_by_key(|event| event.type_.clone());
    let [normal, warning] = <[Stored; 2]>::try_from(events).unwrap();
    assert_eq!((normal.type_.as_deref(), normal.count), (Some("Normal"), Some(3)));
    assert_eq!(normal.message.as_deref(), Some("successful scan"));
    assert_eq!(normal.reporting_component.as_deref(), Some("image-reflector-controller"));
    assert_eq!(normal.source.unwrap().component.as_deref(), Some("image-reflector-controller"));
    assert!(normal.first_timestamp.unwrap() <= normal.last_timestamp.unwrap());
    assert_eq!(normal.metadata.annotations.unwrap()["event.toolkit.fluxcd.io/team"], "shop");
    let involved = normal.involved_object;
    assert_eq!((involved.kind.as_deref(), involved.name.as_deref()), (Some("ImageRepository"), Some("app")));
    assert_eq!(involved.uid.as_deref(), Some("f1d6e9c2-0000-4000-8000-000000000000"));
    assert_eq!((warning.type_.as_deref(), warning.count), (Some("Warning"), Some(1)));
    assert_eq!(warning.message.unwrap().len(), MAX_MESSAGE);

    let user = space.user("events");
    let taken = || async {
        let asked = space.cluster.asked_by(&user).into_iter().filter(|asked| asked.code < 300);
        let asked: Vec<String> = asked.map(|asked| format!("{} {}", asked.verb, asked.resource)).collect();
        (asked.len() >= 4).then_some(asked)
    };
    let taken = eventually("all of it is in the audit log", taken).await;
    assert_eq!(taken, ["create events", "patch events", "patch events", "create events"]);
}

#[tokio::test]
async fn a_namespace_that_is_going_takes_no_events_and_holds_nobody_up() {
    let space = Space::new(Cluster::shared()).await;
    let recorder = recorder(&space).await;
    let namespaces: Api<Namespace> = Api::all(space.admin.clone());
    namespaces.delete(&space.name, &DeleteParams::default()).await.unwrap();
    recorder.tell(subject(&space), event(Level::Normal, "successful scan"));
    eventually("it is lost", || async { (recorder.lost() == 1).then_some(()) }).await;
    recorder.finish(Duration::from_secs(1)).await;
}
