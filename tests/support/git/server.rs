//! A loopback server in front of `git http-backend`: it asks for logins, redirects, stalls as told, and notes what it saw.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};

use super::make::Make;
use super::{backend, git_environment};

/// How the loopback server behaves.
#[derive(Default, Clone)]
pub(crate) struct Behaviour {
    /// The `Authorization` header that is asked for.
    pub(crate) authorization: Option<String>,
    /// Who is asked for it.
    pub(crate) asks: Asks,
    /// How another one is answered, where that is not 401.
    pub(crate) refuses_with: Option<u16>,
    /// Whether whoever has none is answered in the same way, and asked for nothing.
    pub(crate) is_cold: bool,
    /// Where every `GET` is redirected to, with the path and query appended.
    pub(crate) redirect: Option<String>,
    /// Where every `POST` is redirected to.
    pub(crate) post_redirect: Option<String>,
    /// An answer to everything.
    pub(crate) answer: Option<(u16, &'static str, &'static str)>,
    /// What that answer says about when to come back.
    pub(crate) retry_after: Option<&'static str>,
    /// Whether the server accepts requests and then says nothing.
    pub(crate) stalls: bool,
    /// A capability that the server does not own up to.
    pub(crate) hides: Option<&'static str>,
    /// Whether the server knows version 0 of the protocol alone.
    pub(crate) is_old: bool,
    /// What it does as a server of another make.
    pub(crate) make: Make,
}

/// Which requests need a login.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// All.
    #[default]
    Everybody,
    /// The second request, which fetches or pushes.
    Posts,
    /// Whoever asks as for a push.
    Pushers,
    /// The second request of a push, as in the example of `git-http-backend(1)`.
    Pushes,
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    /// The version of the protocol that was asked for.
    pub(crate) protocol: Option<String>,
    /// Whether it asks for references in version 2.
    pub(crate) is_listing: bool,
}

/// A loopback server for the repositories below a folder.
pub(crate) struct Server {
    pub(crate) base: String,
    shared: Shared,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    root: PathBuf,
    behaviour: Arc<Mutex<Behaviour>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    heads: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Server {
    pub(crate) async fn start(root: &Path, behaviour: Behaviour) -> Self {
        let behaviour = Arc::new(Mutex::new(behaviour));
        let shared = Shared { root: root.to_owned(), behaviour, seen: Arc::default(), heads: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(shared.clone());
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, shared, task }
    }

    /// The URL of the repository that [`super::Remote`] makes.
    pub(crate) fn url(&self) -> String {
        format!("{}/repo.git", self.base)
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        self.base.trim_start_matches("http://").to_owned()
    }

    /// The requests so far; forgets them.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// Where `main` stood each time that a push had been answered; forgets it.
    pub(crate) fn heads(&self) -> Vec<(Instant, String)> {
        std::mem::take(&mut *self.shared.heads.lock().unwrap())
    }

    /// Behaves differently from now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }
}

async fn serve(State(shared): State<Shared>, mut request: Request<Body>) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let [authorization, protocol] = ["authorization", "git-protocol"].map(|name| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    });
    let line = format!("{method} {uri}");
    let mut is_listing = false;
    if line.starts_with("POST") && line.ends_with("/git-upload-pack") {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        is_listing = body.starts_with(b"0014command=ls-refs");
        request = Request::from_parts(parts, Body::from(body));
    }
    shared.seen.lock().unwrap().push(Seen { line, authorization: authorization.clone(), protocol, is_listing });
    let behaviour = shared.behaviour.lock().unwrap().clone();
    if behaviour.is_old {
        request.headers_mut().remove("git-protocol");
    }
    if behaviour.stalls {
        std::future::pending::<()>().await;
    }
    if let Some((status, content_type, text)) = behaviour.answer {
        let headers = [("content-type", content_type)];
        let mut response = (StatusCode::from_u16(status).unwrap(), headers, text).into_response();
        if let Some(retry_after) = behaviour.retry_after {
            response.headers_mut().insert("retry-after", retry_after.parse().unwrap());
        }
        return response;
    }
    if let (Some(base), &Method::GET) = (&behaviour.redirect, &method) {
        return (StatusCode::FOUND, [("location", format!("{base}{uri}"))]).into_response();
    }
    if let (Some(base), &Method::POST) = (&behaviour.post_redirect, &method) {
        return (StatusCode::TEMPORARY_REDIRECT, [("location", format!("{base}{uri}"))]).into_response();
    }
    let is_push = format!("{uri}").contains("git-receive-pack");
    let asks = match behaviour.asks {
        Asks::Everybody => true,
        Asks::Posts => method == Method::POST,
        Asks::Pushers => is_push,
        Asks::Pushes => method == Method::POST && is_push,
    };
    if asks && behaviour.authorization.is_some() && behaviour.authorization != authorization {
        let headers = [("www-authenticate", "Basic realm=\"git\""), ("content-type", "text/plain")];
        let status = behaviour.refuses_with.filter(|_| behaviour.is_cold || authorization.is_some()).unwrap_or(401);
        if status == 302 {
            return (StatusCode::FOUND, [("location", "/_signin?realm=x")]).into_response();
        }
        return (StatusCode::from_u16(status).unwrap(), headers, "who are you?\n").into_response();
    }
    let user = authorization.map(|_| "somebody");
    let bare = shared.root.join(uri.path().trim_start_matches('/').split(".git").next().unwrap()).with_extension("git");
    let request = match method {
        Method::POST => match behaviour.make.post(&bare, is_push, request).await {
            Ok(request) => request,
            Err(response) => return response,
        },
        _ => request,
    };
    let response = backend::answer(&shared.root, git_environment(), user, request).await;
    let response = match method {
        Method::GET if response.status() == StatusCode::OK => behaviour.make.advertise(is_push, response).await,
        Method::POST if is_push => behaviour.make.report(response).await,
        _ => response,
    };
    let response = match behaviour.hides.filter(|_| method == Method::GET) {
        Some(capability) => hide(response, capability).await,
        None => response,
    };
    match uri.path().split_once("/git-receive-pack") {
        Some((repository, _)) => shared.noting(repository.trim_start_matches('/'), response),
        None => response,
    }
}

/// Makes another word of the same length of a capability.
async fn hide(response: Response, capability: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let at = bytes.windows(capability.len()).position(|window| window == capability.as_bytes()).unwrap();
    bytes[at..at + capability.len()].fill(b'x');
    parts.headers.remove("content-length");
    Response::from_parts(parts, Body::from(bytes))
}

impl Shared {
    /// Notes where `main` stands when the answer to a push has been given.
    fn noting(&self, repository: &str, response: Response) -> Response {
        let (branch, heads) = (self.root.join(repository).join("refs/heads/main"), Arc::clone(&self.heads));
        response.map(|body| {
            let note = stream::once(async move {
                let head = std::fs::read_to_string(branch).unwrap_or_default();
                heads.lock().unwrap().push((Instant::now(), head.trim().to_owned()));
            });
            Body::from_stream(body.into_data_stream().chain(note.filter_map(|()| async { None })))
        })
    }
}
