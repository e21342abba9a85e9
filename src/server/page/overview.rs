//! Is all well, and if not, what first?

use askama::Template;
use axum::response::Response;

use super::entries::Day;
use super::frame::{Frame, Viewer};
use super::model::{Attention, FreezeRow, Offer, State as Mark, attention};
use super::{LAST, ROWS, Wrong, filters, last, show};
use crate::server::page::act::Action;
use crate::server::routes::{current, failed, on_disk};
use crate::store::Filter;
use crate::wire::status::Status;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    line: String,
    attention: Vec<Attention>,
    /// How many more there are.
    more: usize,
    automations: usize,
    freezes: Vec<FreezeRow>,
    waiting: Vec<super::model::Waits>,
    entries: Vec<Day>,
    next: String,
    poll: Offer,
    freeze: Offer,
}

pub(super) async fn overview(viewer: Viewer) -> Result<Response, Wrong> {
    let app = &viewer.app;
    let status = current(app).await?;
    let (entries, _) = last(app, Filter { most: LAST, ..Filter::default() }).await?;
    let by = who_froze(&viewer, &status).await?;
    let mut attention = attention(&status);
    let unpolled = status.policies.iter().filter(|policy| Mark::of_policy(policy) == Mark::Waiting).count();
    let line = match (attention.len(), status.policies.len()) {
        (0, 0) => "Nothing is configured yet.".to_owned(),
        (0, all) if unpolled > 0 => {
            format!("Nothing needs attention; {unpolled} of {all} policies have not been polled yet.")
        }
        (0, 1) => "The only policy is current.".to_owned(),
        (0, all) => format!("All {all} policies are current."),
        (1, _) => "1 thing needs attention.".to_owned(),
        (count, _) => format!("{count} things need attention."),
    };
    let more = attention.len().saturating_sub(ROWS);
    attention.truncate(ROWS);
    let freezes = status.freezes.iter().zip(by).map(|(freeze, by)| FreezeRow::of(freeze, by)).collect();
    Ok(show(&Overview {
        frame: viewer.frame("overview"),
        line,
        attention,
        more,
        automations: status.automations.len(),
        freezes,
        waiting: super::model::waiting(&status),
        entries,
        next: next_poll(&status),
        poll: Offer::new(Action::Poll, "*"),
        freeze: Offer::new(Action::Freeze, "*"),
    }))
}

/// Who ordered each freeze; empty where that is not known.
async fn who_froze(viewer: &Viewer, status: &Status) -> Result<Vec<String>, Wrong> {
    use crate::store::Toggle;
    use crate::wire::freeze::FreezeKind;
    let kinds: Vec<_> = status.freezes.iter().map(|it| (it.selector.clone(), it.kind)).collect();
    let app = viewer.app.clone();
    let by = on_disk(move || {
        let past = app.past.read(app.handle.store()).map_err(|error| failed(&error))?;
        let by = |(selector, kind): (String, FreezeKind)| match kind {
            FreezeKind::Hand => past.by(&selector, Toggle::Frozen).to_owned(),
            FreezeKind::Exception => past.by(&selector, Toggle::GlassBroken).to_owned(),
            FreezeKind::Calendar => String::new(),
        };
        Ok(kinds.into_iter().map(by).collect())
    });
    Ok(by.await?)
}

/// When something is polled next, in one sentence.
pub(super) fn next_poll(status: &Status) -> String {
    let next = status.policies.iter().filter_map(|policy| policy.next).min();
    next.map_or_else(String::new, |next| format!("The next poll is at {}.", next.strftime("%H:%M:%S UTC")))
}
