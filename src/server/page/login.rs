//! Logging in with a token of the API, and out again.
//!
//! The token is sent once, in the body of a form. What the browser keeps is the secret of a session, in a cookie that scripts cannot read
//! and that no other site's page brings along.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::header::{LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::frame::{Frame, Viewer};
use super::{Wrong, show};
use crate::server::door::{Caller, SESSION, is_from_here, is_led_here};
use crate::server::routes::App;
use crate::server::sessions::LIFE;
use crate::server::tokens::{self, Right};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    line: String,
    /// Where to go on.
    next: String,
    /// Whether the page is to be asked for again at once: a link of another site has led here, and browsers leave the cookie out then.
    again: bool,
}

/// The answer to somebody who is not known and wants to see a page.
pub(in crate::server) fn ask_for_login(uri: &Uri, headers: &HeaderMap) -> Response {
    let next = uri.path_and_query().map_or("/", |it| it.as_str());
    // What was sent to be done is not done by looking at it.
    let next = if next.starts_with("/do/") || next == "/logout" { "/" } else { next };
    let line = "Log in with a token of the API.".to_owned();
    let page = LoginPage { frame: Frame::bare(), line, next: here(next), again: is_led_here(headers) };
    (StatusCode::UNAUTHORIZED, show(&page)).into_response()
}

pub(super) async fn form(viewer: Viewer) -> Result<Response, Wrong> {
    has_tokens(&viewer.app)?;
    let line = "Log in with a token of the API.".to_owned();
    Ok(show(&LoginPage { frame: viewer.frame("login"), line, next: "/".to_owned(), again: false }))
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Shown {
    token: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn login(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Form<Shown>, FormRejection>,
) -> Result<Response, Wrong> {
    has_tokens(&app)?;
    from_here(&headers)?;
    let Form(Shown { token, next }) = form.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let (token, next) = (token.trim(), here(&next));
    let holder = match app.door.issued(token).await {
        // It counts for the minute that clocks may be apart, and no session can be shorter.
        Some(Ok(issued)) if issued.lasts.is_zero() => Err("This token is over; log in with a new one.".to_owned()),
        Some(Ok(issued)) => Ok((Arc::clone(&issued.name), issued.right, Some(issued))),
        Some(Err(denied)) => Err(denied.to_string()),
        None => match app.door.of_file(&tokens::hash(token)) {
            Some((name, right)) => Ok((name, right, None)),
            None => Err("This token is not known.".to_owned()),
        },
    };
    let (name, right, issued) = match holder {
        Ok(holder) => holder,
        Err(line) => {
            tracing::info!(why = line, "somebody tried to log in with a token that does not count");
            let page = LoginPage { frame: Frame::bare(), line, next, again: false };
            return Ok((StatusCode::UNAUTHORIZED, show(&page)).into_response());
        }
    };
    let life = issued.as_ref().map_or(LIFE, |issued| issued.lasts.min(LIFE));
    let secret = app.door.sessions.begin(tokens::hash(token), issued).map_err(|_| {
        Wrong(StatusCode::INTERNAL_SERVER_ERROR, "The system gives no random numbers; nobody can log in.".to_owned())
    })?;
    tracing::info!(by = &*name, acts = right == Right::Act, "logged in");
    let cookie = format!(
        "{SESSION}={secret}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
        life.as_secs(),
        secure(&headers)
    );
    Ok((StatusCode::SEE_OTHER, [(LOCATION, next), (SET_COOKIE, cookie)]).into_response())
}

pub(super) async fn logout(
    State(app): State<App>,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Wrong> {
    from_here(&headers)?;
    if let Some(login) = caller.login {
        app.door.sessions.end(login);
    }
    let cookie = format!("{SESSION}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{}", secure(&headers));
    Ok((StatusCode::SEE_OTHER, [(LOCATION, "/login".to_owned()), (SET_COOKIE, cookie)]).into_response())
}

/// Whether there are tokens that somebody can log in with.
fn has_tokens(app: &App) -> Result<(), Wrong> {
    let line = "Nobody can log in: the bot runs without --api-token-file and --api-oidc-issuer.";
    app.door.has_tokens().then_some(()).ok_or_else(|| Wrong(StatusCode::NOT_FOUND, line.to_owned()))
}

/// Whether a page from here has sent a form.
pub(super) fn from_here(headers: &HeaderMap) -> Result<(), Wrong> {
    is_from_here(headers).then_some(()).ok_or_else(|| {
        Wrong(StatusCode::FORBIDDEN, "This was not sent by a page from here, so that nothing was done.".to_owned())
    })
}

/// Where a browser is behind TLS, as its own origin says, it brings the cookie along there alone.
fn secure(headers: &HeaderMap) -> &'static str {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    if origin.starts_with("https://") { "; Secure" } else { "" }
}

/// A place on this page: a path, and nothing that a browser takes for another host.
fn here(next: &str) -> String {
    let is_path = next.starts_with('/') && !next.starts_with("//") && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path && !next.contains('\\') { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::here;

    #[test]
    fn nobody_is_led_elsewhere() {
        for path in ["/", "/policies?q=a%20b&page=2", "/policies/a/b"] {
            assert_eq!(here(path), path);
        }
        for other in
            ["", "//evil.example.com", "https://evil.example.com", "/\\evil.example.com", "/\r\nSet-Cookie: a=b", "x"]
        {
            assert_eq!(here(other), "/", "{other}");
        }
    }
}
