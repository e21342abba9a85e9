//! What is held back, and how do I let it go?

use askama::Template;
use axum::response::Response;

use super::frame::{Frame, Viewer};
use super::model::HoldRow;
use super::{ROWS, Wrong, filters, show};
use crate::server::routes::current;

#[derive(Template)]
#[template(path = "holds.html")]
struct Holds {
    frame: Frame,
    line: String,
    holds: Vec<HoldRow>,
    more: usize,
}

pub(super) async fn holds(viewer: Viewer) -> Result<Response, Wrong> {
    let mut holds = Vec::new();
    for automation in current(&viewer.app).await?.automations {
        holds.extend(HoldRow::of(automation));
    }
    let line = match holds.len() {
        0 => "No update is held.".to_owned(),
        1 => "1 update is held.".to_owned(),
        count => format!("{count} updates are held."),
    };
    let more = holds.len().saturating_sub(ROWS);
    holds.truncate(ROWS);
    Ok(show(&Holds { frame: viewer.frame("holds"), line, holds, more }))
}
