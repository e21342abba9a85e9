//! Two servers on loopback, on threads of their own: `git http-backend` behind a small bridge, and a registry that says
//! what it is told to say.

#![allow(dead_code, clippy::unwrap_used)]

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::response::Response;
use axum::routing::get;
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The servers' threads. They are beside those of what is measured, as another process would be.
const THREADS: usize = 2;

/// How much of a program's output goes into one piece of the answer.
const PIECE: usize = 64 << 10;

/// The two servers.
pub(crate) struct Web {
    _runtime: Runtime,
    git: u16,
    registry: u16,
    newest: Arc<AtomicUsize>,
}

impl Web {
    /// Serves the bare repositories below a folder, and the tags `1.0.0` up to what [`Web::offer`] says for any image.
    pub(crate) fn start(folder: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
        let newest = Arc::new(AtomicUsize::new(0));
        let backend = Router::new().fallback(backend).with_state(folder.to_owned());
        let backend = backend.layer(axum::extract::DefaultBodyLimit::disable());
        let tags = Router::new().route("/v2/{*path}", get(tags)).with_state(Arc::clone(&newest));
        let (git, registry) = (serve(&runtime, backend), serve(&runtime, tags));
        Self { _runtime: runtime, git, registry, newest }
    }

    /// The URL of a repository in the folder.
    pub(crate) fn git(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.git)
    }

    /// Where the registry is.
    pub(crate) fn registry(&self) -> String {
        format!("http://127.0.0.1:{}", self.registry)
    }

    /// Lets `1.0.<patch>` be the newest tag.
    pub(crate) fn offer(&self, patch: usize) {
        self.newest.store(patch, Ordering::Relaxed);
    }
}

fn serve(runtime: &Runtime, router: Router) -> u16 {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move { axum::serve(listener, router).await });
    port
}

async fn tags(State(newest): State<Arc<AtomicUsize>>) -> axum::Json<serde_json::Value> {
    let tags: Vec<String> = (0..=newest.load(Ordering::Relaxed)).map(|patch| format!("1.0.{patch}")).collect();
    axum::Json(serde_json::json!({"name": "shop/app", "tags": tags}))
}

/// Runs `git http-backend` as a web server would, streaming both ways.
async fn backend(State(root): State<PathBuf>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let mut command = tokio::process::Command::new("git");
    command.arg("http-backend").env_clear().env("PATH", std::env::var_os("PATH").unwrap()).kill_on_drop(true);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", &root).env("REMOTE_ADDR", "127.0.0.1");
    command.env("GIT_PROJECT_ROOT", &root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("REQUEST_METHOD", parts.method.as_str()).env("PATH_INFO", parts.uri.path());
    command.env("QUERY_STRING", parts.uri.query().unwrap_or_default());
    for (variable, name) in [
        ("CONTENT_TYPE", "content-type"),
        ("CONTENT_LENGTH", "content-length"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("HTTP_ACCEPT_ENCODING", "accept-encoding"),
        ("HTTP_GIT_PROTOCOL", "git-protocol"),
    ] {
        command.envs(header(name).map(|value| (variable, value)));
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::spawn(async move {
        let mut body = body.into_data_stream();
        while let Some(Ok(piece)) = body.next().await {
            if stdin.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    let mut output = BufReader::with_capacity(PIECE, child.stdout.take().unwrap());
    let mut response = Response::new(Body::empty());
    read_head(&mut output, &mut response).await;
    let pieces = futures_util::stream::unfold((output, child), |(mut output, child)| async move {
        let mut piece = Vec::with_capacity(PIECE);
        let read = output.read_buf(&mut piece).await.unwrap_or(0);
        (read > 0).then(|| (Ok::<_, Infallible>(Bytes::from(piece)), (output, child)))
    });
    *response.body_mut() = Body::from_stream(pieces);
    response
}

/// Reads the CGI header.
async fn read_head(output: &mut BufReader<tokio::process::ChildStdout>, response: &mut Response) {
    let mut line = String::new();
    while output.read_line(&mut line).await.unwrap() > 0 && !line.trim_end().is_empty() {
        let (name, value) = line.trim_end().split_once(": ").unwrap();
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = StatusCode::from_bytes(&value.as_bytes()[..3]).unwrap();
        } else {
            let name = HeaderName::try_from(name).unwrap();
            response.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        line.clear();
    }
}
