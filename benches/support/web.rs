//! Two servers on loopback, on threads of their own: `git http-backend` behind a small bridge, and a registry that says
//! what it is told to say.

#![allow(dead_code, clippy::unwrap_used)]

#[path = "../../tests/support/git/backend.rs"]
mod backend;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
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
}

impl Web {
    /// Serves the bare repositories below a folder, and the tags `1.0.0` up to what [`Web::offer`] says for any image.
    pub(crate) fn start(folder: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
        let newest = Arc::new(AtomicUsize::new(0));
        let backend = Router::new().fallback(git).with_state(folder.to_owned());
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

async fn git(State(root): State<PathBuf>, request: Request<Body>) -> Response {
    let environment = [("GIT_CONFIG_NOSYSTEM", "1".into()), ("HOME", root.clone().into())];
    backend::answer(&root, environment, None, request).await
}
