//! `git http-backend` as a web server runs it: one child for each request, streaming both ways.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// How much of a program's output goes into one piece of the answer.
const PIECE: usize = 64 << 10;

/// The program itself. `git http-backend` is a parent of it, and a kill of the parent leaves it behind, where it waits for ever, at
/// full speed, for the rest of a request that was given up.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let output = std::process::Command::new("git").arg("--exec-path").output().unwrap();
    Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("git-http-backend")
});

/// Answers a request for one of the bare repositories below `root`, to whoever `user` is.
pub(crate) async fn answer(
    root: &Path,
    environment: impl IntoIterator<Item = (&'static str, OsString)>,
    user: Option<&str>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let mut command = tokio::process::Command::new(&*PROGRAM);
    command.env_clear().envs(environment).kill_on_drop(true);
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("REMOTE_ADDR", "127.0.0.1");
    command.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("REQUEST_METHOD", parts.method.as_str()).env("PATH_INFO", parts.uri.path());
    command.env("QUERY_STRING", parts.uri.query().unwrap_or_default());
    command.envs(user.map(|user| ("REMOTE_USER", user)));
    for (variable, name) in [
        ("CONTENT_TYPE", "content-type"),
        ("CONTENT_LENGTH", "content-length"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("HTTP_ACCEPT_ENCODING", "accept-encoding"),
        ("HTTP_GIT_PROTOCOL", "git-protocol"),
    ] {
        command.envs(header(name).map(|value| (variable, value)));
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whether the whole request came.
    let forward = tokio::spawn(async move {
        let mut body = body.into_data_stream();
        while let Some(piece) = body.next().await {
            let Ok(piece) = piece else { return false };
            if stdin.write_all(&piece).await.is_err() {
                break;
            }
        }
        true
    });
    let mut output = BufReader::with_capacity(PIECE, child.stdout.take().unwrap());
    let mut response = Response::new(Body::empty());
    read_head(&mut output, &mut response).await;
    // The child stays in the stream, so that it ends when the client goes away: also one that goes in the middle of its request,
    // which the server does not notice as long as there is nothing to answer. The program would wait for the rest for ever.
    let pieces =
        futures_util::stream::unfold((output, child, Some(forward)), |(mut output, child, forward)| async move {
            let mut piece = Vec::with_capacity(PIECE);
            let (read, forward) = match forward {
                None => (output.read_buf(&mut piece).await.unwrap_or(0), None),
                Some(mut forward) => {
                    tokio::select! {
                        read = output.read_buf(&mut piece) => (read.unwrap_or(0), Some(forward)),
                        whole = &mut forward => match whole {
                            Ok(true) => (output.read_buf(&mut piece).await.unwrap_or(0), None),
                            _ => (0, None),
                        },
                    }
                }
            };
            (read > 0).then(|| (Ok::<_, Infallible>(Bytes::from(piece)), (output, child, forward)))
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
