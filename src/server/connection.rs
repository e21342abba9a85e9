//! Connections: how many there may be, and how long each may take over everything.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// The most connections of one listener at a time; more wait until one ends.
const MAX_CONNECTIONS: usize = 128;

/// How long a client may take to send the head of a request, which is also how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may last, so that a client that does not read its answers holds it no longer.
const LONGEST_CONNECTION: Duration = Duration::from_secs(120);

/// How long requests in flight may still take when the process ends.
const GRACE: Duration = Duration::from_secs(2);

/// The longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The wait after a connection could not be accepted, as when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where connections come from.
pub(super) trait Listener {
    /// The stream of bytes of one connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next one.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        Ok(self.accept().await?.0)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

/// Answers connections until `stop` changes, then lets those in flight finish for a moment.
pub(super) async fn serve(listener: &impl Listener, router: Router, mut stop: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(listener, &places) => accepted,
            _ = stop.changed() => break,
        };
        match accepted {
            Ok((stream, place)) => drop(connections.spawn(answer(stream, router.clone(), stop.clone(), place))),
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn accept<L: Listener>(
    listener: &L,
    places: &Arc<Semaphore>,
) -> io::Result<(L::Stream, Option<OwnedSemaphorePermit>)> {
    // The semaphore is never closed, so there always is a permit in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    Ok((listener.next().await?, place))
}

/// Answers the requests of one connection, for which it holds its place.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    mut stop: watch::Receiver<()>,
    _place: Option<OwnedSemaphorePermit>,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = stop.changed() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    };
    match tokio::time::timeout(LONGEST_CONNECTION, ended).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(error = %error, "a connection broke"),
        Err(_) => tracing::debug!("a connection lasted too long"),
    }
}
