//! A real Git remote for tests: a bare repository, the real `git`, and `git http-backend` behind a small loopback server.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tagwright::access;
use tagwright::git::{Git, Settings};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

/// Runs git in a folder and returns what it prints; panics when it fails.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    git_with(folder, arguments, b"")
}

/// Runs git with an input.
pub(crate) fn git_with(folder: &Path, arguments: &[&str], input: &[u8]) -> String {
    use std::io::Write;
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(git_environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn git_environment() -> Vec<(&'static str, OsString)> {
    let mut environment: Vec<(&str, OsString)> = [
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "someone"),
        ("GIT_AUTHOR_EMAIL", "someone@example.com"),
        ("GIT_COMMITTER_NAME", "someone"),
        ("GIT_COMMITTER_EMAIL", "someone@example.com"),
        ("GIT_AUTHOR_DATE", "1700000000 +0100"),
        ("GIT_COMMITTER_DATE", "1700000000 +0100"),
        ("LC_ALL", "C"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.into()))
    .collect();
    environment.push(("PATH", std::env::var_os("PATH").unwrap()));
    environment
}

/// A bare repository with a work tree beside it that stands for somebody else.
pub(crate) struct Remote {
    pub(crate) root: TempDir,
}

impl Remote {
    /// An empty repository whose default branch is `main`. Pushes, push options and http are allowed.
    pub(crate) fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        git(root.path(), &["init", "-q", "--bare", "-b", "main", "repo.git"]);
        let remote = Self { root };
        for (key, value) in [("http.receivepack", "true"), ("receive.advertisePushOptions", "true")] {
            remote.config(key, value);
        }
        git(remote.root.path(), &["init", "-q", "-b", "main", "work"]);
        git(&remote.work(), &["remote", "add", "origin", remote.bare().to_str().unwrap()]);
        remote
    }

    /// A repository with one commit of these files on `main`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let remote = Self::empty();
        remote.commit(files, "first");
        remote
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.root.path().join("repo.git")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn path(&self) -> String {
        self.bare().to_str().unwrap().to_owned()
    }

    pub(crate) fn config(&self, key: &str, value: &str) {
        git(&self.bare(), &["config", key, value]);
    }

    /// Commits files as somebody else and pushes; returns the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)], message: &str) -> String {
        for (path, text) in files {
            let path = self.work().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        git(&self.work(), &["add", "-A"]);
        git(&self.work(), &["commit", "-q", "--allow-empty", "-m", message]);
        self.push("HEAD");
        self.head()
    }

    /// Pushes what the work tree has to the branch of the same name.
    pub(crate) fn push(&self, what: &str) {
        git(&self.work(), &["push", "-q", "origin", what]);
    }

    /// The commit of the work tree.
    pub(crate) fn head(&self) -> String {
        git(&self.work(), &["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// What a reference of the bare repository stands at.
    pub(crate) fn at(&self, reference: &str) -> String {
        git(&self.bare(), &["rev-parse", reference]).trim().to_owned()
    }

    /// The text of a file in a commit of the bare repository.
    pub(crate) fn show(&self, what: &str) -> String {
        git(&self.bare(), &["cat-file", "-p", what])
    }

    pub(crate) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.bare().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Panics unless everything in the repository is as Git wants it.
    pub(crate) fn fsck(&self) {
        git(&self.bare(), &["fsck", "--strict", "--full", "--no-dangling"]);
    }
}

/// How the loopback server behaves.
#[derive(Default, Clone)]
pub(crate) struct Behaviour {
    /// The `Authorization` header that is asked for.
    pub(crate) authorization: Option<String>,
    /// Where every `GET` is redirected to, with the path and query appended.
    pub(crate) redirect: Option<String>,
    /// An answer to everything.
    pub(crate) answer: Option<(u16, &'static str, &'static str)>,
    /// Whether the server accepts requests and then says nothing.
    pub(crate) stalls: bool,
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
}

/// A loopback server for the repositories below a folder.
pub(crate) struct Server {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
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
    behaviour: Behaviour,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) async fn start(root: &Path, behaviour: Behaviour) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Shared { root: root.to_owned(), behaviour, seen: Arc::clone(&seen) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(shared);
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, seen, task }
    }

    /// The URL of the repository that [`Remote`] makes.
    pub(crate) fn url(&self) -> String {
        format!("{}/repo.git", self.base)
    }

    /// The requests so far; forgets them.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn serve(State(shared): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let authorization = header("authorization");
    let line = format!("{method} {uri}");
    shared.seen.lock().unwrap().push(Seen { line, authorization: authorization.clone() });
    let behaviour = &shared.behaviour;
    if behaviour.stalls {
        std::future::pending::<()>().await;
    }
    if let Some((status, content_type, text)) = behaviour.answer {
        let headers = [("content-type", content_type), ("retry-after", "7")];
        return (StatusCode::from_u16(status).unwrap(), headers, text).into_response();
    }
    if let (Some(base), &Method::GET) = (&behaviour.redirect, &method) {
        return (StatusCode::FOUND, [("location", format!("{base}{uri}"))]).into_response();
    }
    if behaviour.authorization.is_some() && behaviour.authorization != authorization {
        let headers = [("www-authenticate", "Basic realm=\"git\""), ("content-type", "text/plain")];
        return (StatusCode::UNAUTHORIZED, headers, "who are you?\n").into_response();
    }
    backend(&shared.root, &method, &uri, &header, authorization.is_some(), &body).await
}

/// Runs `git http-backend` as a web server would.
async fn backend(
    root: &Path,
    method: &Method,
    uri: &Uri,
    header: &(dyn Fn(&str) -> Option<String> + Sync),
    known: bool,
    body: &[u8],
) -> Response {
    let mut command = tokio::process::Command::new("git");
    command.arg("http-backend").env_clear().envs(git_environment()).kill_on_drop(true);
    command.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("REQUEST_METHOD", method.as_str());
    command.env("PATH_INFO", uri.path()).env("QUERY_STRING", uri.query().unwrap_or_default());
    command.env("CONTENT_LENGTH", body.len().to_string()).env("REMOTE_ADDR", "127.0.0.1");
    for (variable, name) in [
        ("CONTENT_TYPE", "content-type"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("HTTP_ACCEPT_ENCODING", "accept-encoding"),
        ("HTTP_GIT_PROTOCOL", "git-protocol"),
    ] {
        command.env(variable, header(name).unwrap_or_default());
    }
    if known {
        command.env("REMOTE_USER", "somebody");
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (_, output) = tokio::join!(
        async move {
            let _closed = stdin.write_all(body).await;
        },
        child.wait_with_output()
    );
    respond(output.unwrap().stdout)
}

/// Turns a CGI answer into an HTTP one.
fn respond(output: Vec<u8>) -> Response {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").expect("a CGI header");
    let mut response = Response::new(Body::from(output[end + 4..].to_vec()));
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = StatusCode::from_u16(value[..3].parse().unwrap()).unwrap();
        } else {
            let name = HeaderName::try_from(name).unwrap();
            response.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
    }
    response
}

/// Settings that see nothing of the machine but its programs.
pub(crate) fn settings(data: &Path, more: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::of_machine(data);
    let mut environment: BTreeMap<OsString, OsString> = BTreeMap::new();
    environment.insert("PATH".into(), std::env::var_os("PATH").unwrap());
    environment.insert("HOME".into(), data.into());
    environment.insert("GIT_CONFIG_NOSYSTEM".into(), "1".into());
    environment.extend(more.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    settings.environment = environment;
    settings
}

/// A [`Git`] with a data folder of its own.
pub(crate) fn machine(more: &[(&str, &str)]) -> (Git, TempDir) {
    let data = tempfile::tempdir().unwrap();
    (Git::new(settings(data.path(), more)).unwrap(), data)
}

/// Access with this login and a generous deadline.
pub(crate) fn access(login: access::GitLogin) -> access::Git {
    access::Git { login, tls: access::Tls::default(), proxy: None, timeout: Duration::from_secs(30) }
}

/// Access with what the machine has.
pub(crate) fn anyone() -> access::Git {
    access(access::GitLogin::Machine)
}
