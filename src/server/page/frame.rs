//! What all pages have: who looks at them, what that one may do, and what is to be said first.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;

use super::Wrong;
use crate::server::door::Caller;
use crate::server::routes::App;
use crate::server::sessions::Login;

/// Somebody who looks at a page.
#[derive(Clone)]
pub(super) struct Viewer {
    pub(super) app: App,
    pub(super) caller: Caller,
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Wrong;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Wrong> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Wrong(StatusCode::FORBIDDEN, "It is not known who asks.".to_owned()))?;
        Ok(Self { app: app.clone(), caller })
    }
}

impl Viewer {
    /// The frame of a page, which says what this one is to be told.
    pub(super) fn frame(&self, here: &'static str) -> Frame {
        let login = self.caller.login;
        Frame {
            here,
            acts: self.caller.acts().is_some(),
            name: Arc::clone(&self.caller.name),
            has_session: matches!(login, Some(Login::Session(_))),
            notice: login.and_then(|login| self.app.door.sessions.told(login)),
            has_tokens: self.app.door.has_tokens(),
            ..Frame::bare()
        }
    }
}

/// What every page has.
pub(super) struct Frame {
    /// The view.
    pub(super) here: &'static str,
    pub(super) version: &'static str,
    pub(super) now: Timestamp,
    /// Whether whoever looks may order.
    pub(super) acts: bool,
    /// As what whoever looks is known.
    pub(super) name: Arc<str>,
    /// Whether a session can be ended.
    pub(super) has_session: bool,
    /// What was done just now.
    pub(super) notice: Option<String>,
    /// Whether anybody can log in.
    pub(super) has_tokens: bool,
}

impl Frame {
    /// That of somebody of whom nothing is known.
    pub(super) fn bare() -> Self {
        Self {
            here: "",
            version: env!("CARGO_PKG_VERSION"),
            now: Timestamp::now(),
            acts: false,
            name: "".into(),
            has_session: false,
            notice: None,
            has_tokens: false,
        }
    }
}
