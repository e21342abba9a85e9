//! Who is slow, who refuses, who does what? Registries, Git remotes, and the replicas that share the work.

use askama::Template;
use axum::response::Response;
use tagwright_core::pages::Pages;

use super::frame::{Frame, Viewer};
use super::model::State as Mark;
use super::{ROWS, Wrong, count, filters, show};
use crate::report::status::throttled;
use crate::server::routes::current;
use crate::wire::machinery::{RegistryStatus, RemoteStatus, Replicas, Sharing};

/// A registry in the list.
struct RegistryRow {
    state: Mark,
    registry: RegistryStatus,
    /// That it throttles, in one sentence; empty where it does not.
    throttled: String,
}

#[derive(Template)]
#[template(path = "registries.html")]
struct Registries {
    frame: Frame,
    line: String,
    rows: Vec<RegistryRow>,
    more: usize,
}

pub(super) async fn registries(viewer: Viewer) -> Result<Response, Wrong> {
    let frame = viewer.frame("registries");
    let now = frame.now;
    let row = |registry: RegistryStatus| {
        let throttled = throttled(&registry, now).unwrap_or_default();
        let state = match (registry.last_error.is_some(), throttled.is_empty()) {
            (true, _) => Mark::Failing,
            (false, false) => Mark::Waiting,
            (false, true) => Mark::Current,
        };
        RegistryRow { state, registry, throttled }
    };
    let mut rows: Vec<RegistryRow> = current(&viewer.app).await?.registries.into_iter().map(row).collect();
    let of = |state: Mark| rows.iter().filter(|row| row.state == state).count();
    let line = match (rows.len(), of(Mark::Failing), of(Mark::Waiting)) {
        (0, ..) => "No registry was asked yet.".to_owned(),
        (all, 0, 0) => format!("{}, none fails or throttles.", count(all, "registry", "registries")),
        (all, failing, slow) => {
            format!("{}: {failing} with failing polls, {slow} throttling.", count(all, "registry", "registries"))
        }
    };
    rows.sort_by_key(|row| match row.state {
        Mark::Failing => 0,
        Mark::Waiting => 1,
        Mark::Current | Mark::Suspended => 2,
    });
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    Ok(show(&Registries { frame, line, rows, more }))
}

/// A remote in the list.
struct RemoteRow {
    state: Mark,
    remote: RemoteStatus,
    /// How much its mirror takes; empty where that is not known.
    size: String,
    /// Its automations, each with its view, as far as they are shown.
    automations: Vec<(String, String)>,
    more: usize,
}

/// How many automations of a remote are named.
const NAMED: usize = 5;

#[derive(Template)]
#[template(path = "remotes.html")]
struct Remotes {
    frame: Frame,
    line: String,
    rows: Vec<RemoteRow>,
    more: usize,
}

pub(super) async fn remotes(viewer: Viewer) -> Result<Response, Wrong> {
    let row = |remote: RemoteStatus| {
        let state = match (&remote.last_error, remote.last_asked) {
            (Some(_), _) => Mark::Failing,
            (None, None) => Mark::Waiting,
            (None, Some(_)) => Mark::Current,
        };
        let named = remote.automations.iter().take(NAMED);
        RemoteRow {
            state,
            size: remote.mirror_bytes.map(bytes).unwrap_or_default(),
            automations: named.map(|name| (name.clone(), super::model::link_of(name))).collect(),
            more: remote.automations.len().saturating_sub(NAMED),
            remote,
        }
    };
    let mut rows: Vec<RemoteRow> = viewer.app.handle.remotes().into_iter().map(row).collect();
    let failing = rows.iter().filter(|row| row.state == Mark::Failing).count();
    let line = match (rows.len(), failing) {
        (0, _) => "No remote is configured.".to_owned(),
        (all, 0) => format!("{}, none fails.", count(all, "Git remote", "Git remotes")),
        (all, failing) => format!("{}, {failing} with failing runs.", count(all, "Git remote", "Git remotes")),
    };
    // The sort keeps the order of those that are alike.
    rows.sort_by_key(|row| row.state != Mark::Failing);
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    Ok(show(&Remotes { frame: viewer.frame("remotes"), line, rows, more }))
}

impl RemoteRow {
    /// The repository's page at its forge; empty where that is not known.
    fn page(&self) -> String {
        Pages::of(&self.remote.remote).map(|forge| forge.page()).unwrap_or_default()
    }
}

#[derive(Template)]
#[template(path = "replicas.html")]
struct ReplicasPage {
    frame: Frame,
    line: String,
    replicas: Replicas,
}

pub(super) async fn replicas(viewer: Viewer) -> Result<Response, Wrong> {
    let replicas = viewer.app.handle.replicas();
    let line = match (replicas.mode, replicas.replicas.len()) {
        (Sharing::Alone, _) => "This process does all of the work.".to_owned(),
        (Sharing::Leader, _) => "One process leads, the others wait.".to_owned(),
        (Sharing::Shards, number) => format!("The work is shared by {}.", count(number, "process", "processes")),
    };
    Ok(show(&ReplicasPage { frame: viewer.frame("replicas"), line, replicas }))
}

/// So many bytes, for people.
fn bytes(number: u64) -> String {
    match number {
        ..1024 => format!("{number} B"),
        1024..1_048_576 => format!("{} KiB", number / 1024),
        1_048_576..1_073_741_824 => format!("{} MiB", number / 1_048_576),
        _ => format!("{:.1} GiB", tenths(number)),
    }
}

#[allow(clippy::cast_precision_loss)]
fn tenths(number: u64) -> f64 {
    number as f64 / 1_073_741_824.0
}
