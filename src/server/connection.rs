//! Connections: how many there may be, and how long each may take over everything.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
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
use tokio::time::Instant;

use super::door::Peer;

/// The most connections of one listener at a time; one more has the one leave that has asked for nothing the longest.
const MAX_CONNECTIONS: usize = 128;

/// How long a connection may ask for nothing before it has to leave for another one: as long as a request is under way that was
/// begun with the connection, or on one that was free a moment ago.
const ROOM_AFTER: Duration = Duration::from_millis(100);

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
#[derive(Debug)]
struct Guest {
    /// Since when it waits for a head, or does not read its answer; none while a request of it is being worked on.
    idle: Mutex<Option<Instant>>,
    /// Tells it to make room.
    leave: Notify,
}

impl Guest {
    fn idle(&self) -> Option<Instant> {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_idle(&self, since: Option<Instant>) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// The connections that are open.
#[derive(Debug, Default)]
struct Guests(VecDeque<Weak<Guest>>);

/// What one more connection has to wait for.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    /// There is a place, or there will be in a moment.
    Made,
    /// Nobody has asked for nothing so long that they have to leave; look again by then.
    NotBefore(Instant),
}

impl Guests {
    fn admit(&mut self) -> Arc<Guest> {
        let guest = Arc::new(Guest { idle: Mutex::new(Some(Instant::now())), leave: Notify::new() });
        self.0.push_back(Arc::downgrade(&guest));
        guest
    }

    /// Makes room for one more where there is none: the one has to go that was not worked for the longest. Whoever holds connections
    /// open without asking anything, or without reading, holds them only as long as nobody else wants one.
    fn make_room(&mut self, now: Instant) -> Room {
        self.0.retain(|guest| guest.strong_count() > 0);
        if self.0.len() < MAX_CONNECTIONS {
            return Room::Made;
        }
        let idle = self.0.iter().enumerate().filter_map(|(at, guest)| Some((guest.upgrade()?.idle()?, at)));
        let Some((since, at)) = idle.min() else { return Room::NotBefore(now + ROOM_AFTER) };
        if now < since + ROOM_AFTER {
            return Room::NotBefore(since + ROOM_AFTER);
        }
        if let Some(guest) = self.0.remove(at).and_then(|guest| guest.upgrade()) {
            guest.leave.notify_one();
        }
        Room::Made
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
/// for, or were a moment ago, does it wait.
async fn accept<L: Listener>(
    listener: &L,
    places: &Arc<Semaphore>,
    guests: &mut Guests,
) -> io::Result<((L::Stream, Peer), Option<OwnedSemaphorePermit>)> {
    let stream = listener.next().await?;
    loop {
        // The semaphore is never closed, so there always is a permit in the end.
        let place = Arc::clone(places).acquire_owned();
        match guests.make_room(Instant::now()) {
            Room::Made => return Ok((stream, place.await.ok())),
            Room::NotBefore(then) => {
                if let Ok(place) = tokio::time::timeout_at(then, place).await {
                    return Ok((stream, place.ok()));
                }
            }
        }
    }
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
            worker.set_idle(None);
            let response = next.run(request).await;
            worker.set_idle(Some(Instant::now()));
            response
        }
    }));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let leave = async {
        guest.leave.notified().await;
        let since = guest.idle();
        // What has arrived by now is still looked at, and answered.
        tokio::task::yield_now().await;
        since
    };
    let ended = async {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            since = leave => {
                if since.is_some() && guest.idle() == since {
                    return Ok(());
                }
            }
            _ = stop.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    match tokio::time::timeout(LONGEST_CONNECTION, ended).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(error = %error, "a connection broke"),
        Err(_) => tracing::debug!("a connection lasted too long"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_has_asked_for_nothing_the_longest_has_to_leave() {
        let mut guests = Guests::default();
        let open: Vec<Arc<Guest>> = (0..MAX_CONNECTIONS).map(|_| guests.admit()).collect();
        let begin = Instant::now();
        assert_eq!(guests.make_room(begin), Room::NotBefore(begin + ROOM_AFTER), "they have just come");
        tokio::time::advance(ROOM_AFTER).await;
        open.iter().for_each(|guest| guest.set_idle(None));
        let now = Instant::now();
        assert_eq!(guests.make_room(now), Room::NotBefore(now + ROOM_AFTER), "all are worked for");
        open[7].set_idle(Some(now));
        open[5].set_idle(Some(begin));
        assert_eq!(guests.make_room(now), Room::Made);
        open[5].leave.notified().await;
        drop(guests.admit());
        assert_eq!(guests.make_room(now), Room::Made, "that one has gone by itself");
    }
}
