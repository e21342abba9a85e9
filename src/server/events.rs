//! What happens, as it does: entries of the history as server-sent events.
//!
//! Each event has the number of its entry for an id. A connection lasts two minutes at most; whoever listens on brings the last
//! number along, as browsers do by themselves, and misses nothing that is still written down.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::routes::{App, No, Refusals, failed, no, on_disk};
use crate::store::{Record, Store};
use crate::wire::history::Entry;

/// How many entries are read at once.
const AT_ONCE: usize = 100;

/// How often something is sent where nothing happens, so that a connection that broke is noticed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Somebody who listens.
struct Listener {
    store: Store,
    written: watch::Receiver<u64>,
    /// The last entry that was told; none where there was none.
    last: Option<u64>,
    ready: VecDeque<(u64, Record)>,
    _place: OwnedSemaphorePermit,
}

/// Entries of the history as they are written; with the number of an entry, those behind it first.
#[utoipa::path(get, path = "/api/v1/events", tag = "questions", params(("Last-Event-ID" = Option<u64>, Header, description = "The number of the last entry that is known")), responses((status = 200, description = "Each event is `entry`, with the JSON of an entry of the history", body = Entry, content_type = "text/event-stream"), Refusals))]
async fn events(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, No> {
    let last = match headers.get("last-event-id") {
        None => None,
        Some(number) => {
            let number = number.to_str().ok().and_then(|number| number.parse().ok());
            Some(number.ok_or_else(|| no(StatusCode::BAD_REQUEST, "Last-Event-ID is no number of an entry"))?)
        }
    };
    let busy = |_| no(StatusCode::SERVICE_UNAVAILABLE, "too many listen to events at once; try again");
    let place = Arc::clone(&app.listeners).try_acquire_owned().map_err(busy)?;
    let store = app.handle.store().clone();
    // Before what is there is looked at, so that nothing falls in between.
    let written = store.written();
    let begin = store.clone();
    let newest = on_disk(move || begin.behind(None, 0).map_err(|error| failed(&error))).await?.1;
    let listener = Listener { store, written, last: last.or(newest), ready: VecDeque::new(), _place: place };
    let stream = futures_util::stream::unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)))
}

impl Listener {
    /// Waits for the next entry; none where the history cannot be read.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((number, record)) = self.ready.pop_front() {
                self.last = Some(number);
                let json = serde_json::to_string(&Entry::from(record)).ok()?;
                return Some(Event::default().event("entry").id(number.to_string()).data(json));
            }
            self.written.mark_unchanged();
            let (store, last) = (self.store.clone(), self.last);
            let read = tokio::task::spawn_blocking(move || match last {
                Some(last) => store.behind(Some(last), AT_ONCE).map(|(found, _)| found),
                // There was none at all: the first that comes is number 0.
                None => store.first(AT_ONCE),
            });
            self.ready = read.await.ok()?.ok()?.into();
            if self.ready.is_empty() {
                self.written.changed().await.ok()?;
            }
        }
    }
}
