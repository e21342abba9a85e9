//! Connections: how many there may be, and how long each may take over everything.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::door::Peer;

/// The most connections of one listener at a time; one more has the oldest leave that asks for nothing.
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
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = self.accept().await?;
        Ok((stream, Peer::at(address.ip())))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Peer)> {
        Ok((self.accept().await?.0, Peer::Socket))
    }
}

/// A connection that is open.
#[derive(Debug, Default)]
struct Guest {
    /// Whether a request of it is being worked on. Otherwise it waits for a head, or does not read its answer.
    busy: AtomicBool,
    /// Tells it to make room.
    leave: Notify,
}

/// The connections that are open, the oldest first.
#[derive(Debug, Default)]
struct Guests(VecDeque<Weak<Guest>>);

impl Guests {
    fn admit(&mut self) -> Arc<Guest> {
        let guest = Arc::new(Guest::default());
        self.0.push_back(Arc::downgrade(&guest));
        guest
    }

    /// Makes room for one more where there is none: the oldest that is not worked for has to go. Whoever holds connections open
    /// without asking anything, or without reading, holds them only as long as nobody else wants one.
    fn make_room(&mut self) {
        self.0.retain(|guest| guest.strong_count() > 0);
        if self.0.len() >= MAX_CONNECTIONS {
            let idle = self.0.iter().position(|it| it.upgrade().is_some_and(|it| !it.busy.load(Ordering::Relaxed)));
            let guest = idle.and_then(|idle| self.0.remove(idle)).and_then(|guest| guest.upgrade());
            if let Some(guest) = guest {
                guest.leave.notify_one();
            }
        }
    }
}

/// Answers connections until `stop` changes, then lets those in flight finish for a moment.
pub(super) async fn serve(listener: &impl Listener, router: Router, mut stop: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut guests = Guests::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(listener, &places, &mut guests) => accepted,
            _ = stop.changed() => break,
        };
        match accepted {
            Ok(((stream, peer), place)) => {
                let guest = guests.admit();
                drop(connections.spawn(answer((stream, peer), router.clone(), stop.clone(), guest, place)));
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

/// Accepts a connection, and has one leave for it where there are as many as there may be. Only where all of them are worked
/// for does it wait.
async fn accept<L: Listener>(
    listener: &L,
    places: &Arc<Semaphore>,
    guests: &mut Guests,
) -> io::Result<((L::Stream, Peer), Option<OwnedSemaphorePermit>)> {
    let stream = listener.next().await?;
    guests.make_room();
    // The semaphore is never closed, so there always is a permit in the end.
    Ok((stream, Arc::clone(places).acquire_owned().await.ok()))
}

/// Answers the requests of one connection, for which it holds its place.
async fn answer(
    (stream, peer): (impl AsyncRead + AsyncWrite + Unpin, Peer),
    router: Router,
    mut stop: watch::Receiver<()>,
    guest: Arc<Guest>,
    _place: Option<OwnedSemaphorePermit>,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let worker = Arc::clone(&guest);
    let router = router.layer(from_fn(move |mut request: Request, next: Next| {
        let worker = Arc::clone(&worker);
        request.extensions_mut().insert(peer);
        async move {
            worker.busy.store(true, Ordering::Relaxed);
            let response = next.run(request).await;
            worker.busy.store(false, Ordering::Relaxed);
            response
        }
    }));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = guest.leave.notified() => return Ok(()),
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
