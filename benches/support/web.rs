//! Two servers on loopback, on threads of their own: `git http-backend` behind a small bridge, and a registry that says
//! what it is told to say.

#![allow(dead_code, clippy::unwrap_used)]

#[path = "../../tests/support/git/backend.rs"]
mod backend;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The servers' threads. They are beside those of what is measured, as another process would be.
const THREADS: usize = 2;

/// The two servers.
pub(crate) struct Web {
    _runtime: Runtime,
    git: u16,
    registry: u16,
    newest: Arc<AtomicUsize>,
    busy: Busy,
}

/// How long requests to the Git server have taken, in nanoseconds.
type Busy = Arc<AtomicU64>;

impl Web {
    /// Serves the bare repositories below a folder, and the tags `1.0.0` up to what [`Web::offer`] says for any image.
    pub(crate) fn start(folder: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
        let (newest, busy) = (Arc::new(AtomicUsize::new(0)), Busy::default());
        let backend = Router::new().fallback(git).with_state((folder.to_owned(), Arc::clone(&busy)));
        let backend = backend.layer(axum::extract::DefaultBodyLimit::disable());
        let tags = Router::new().route("/v2/{*path}", get(tags)).with_state(Arc::clone(&newest));
        let (git, registry) = (serve(&runtime, backend), serve(&runtime, tags));
        Self { _runtime: runtime, git, registry, newest, busy }
    }

    /// The URL of a repository in the folder.
    pub(crate) fn git(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.git)
    }

    /// Where the registry is.
    pub(crate) fn registry(&self) -> String {
        format!("http://127.0.0.1:{}", self.registry)
    }

    /// How long the Git server has worked since this was asked last, from the start of a child process to the end of its
    /// answer, all requests together.
    pub(crate) fn take_busy(&self) -> Duration {
        Duration::from_nanos(self.busy.swap(0, Ordering::Relaxed))
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

async fn git(State((root, busy)): State<(PathBuf, Busy)>, request: Request<Body>) -> Response {
    let watch = Watch { start: Instant::now(), busy };
    let environment = [("GIT_CONFIG_NOSYSTEM", "1".into()), ("HOME", root.clone().into())];
    let (head, body) = backend::answer(&root, environment, None, request).await.into_parts();
    let watched = body.into_data_stream().inspect(move |_| {
        // Dropped with the stream.
        let _held = &watch;
    });
    Response::from_parts(head, Body::from_stream(watched))
}

/// Counts until it is dropped.
struct Watch {
    start: Instant,
    busy: Busy,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let nanoseconds = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.busy.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}
