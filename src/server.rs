//! The bot over HTTP: what it does, and orders from the user who runs it.
//!
//! | path | answers |
//! |---|---|
//! | `GET /livez` | 200 while the bot moves, otherwise 503 and what is stuck |
//! | `GET /readyz` | 200 once every policy was polled, in a cluster at once, while the data directory can be used; otherwise 503 and why |
//! | `GET /`, `/policies`, `/automations`, `/history`, `/holds`, `/registries`, `/remotes`, `/replicas` | the status page, for people |
//! | `GET /do/ACTION`, `POST` of its form | an order on the page |
//! | `POST /login`, `/logout` | a session, and its end |
//! | `POST /hook/DIGEST`, `/hooks/NAMESPACE/NAME` | webhooks of registries and forges (`hooks`) |
//! | `GET /api/v1/events` | entries of the history as they are written, as server-sent events |
//! | `GET /metrics` | what is counted and read off, in OpenMetrics |
//! | `GET /api/v1/status` | [`Status`](crate::wire::status::Status) |
//! | `GET /api/v1/history?policy=&automation=&since=&limit=` | `History` |
//! | `POST /api/v1/policies/NAMESPACE/NAME/hold`, `…/release` | `Obeyed`; the body may be a `Wish` |
//! | `POST /api/v1/automations/NAMESPACE/NAME/suspend`, `…/resume` | the same |
//! | `POST /api/v1/freeze`, `…/unfreeze` | `Refrozen`; the body may be a `Freeze`, an `Unfreeze` |
//! | `POST /api/v1/poll` | `Due`; the body may be a `Poll` |
//! | `POST /api/v1/submit?sync=` | `Submitted`; the body has resources |
//! | `POST /api/v1/run` | `Due`; the body is a `Run` |
//!
//! The documents are those of `wire`. What is not answered so is a `Refusal`.
//!
//! There are two listeners. The Unix socket in the data folder ([`SOCKET`]) is for the user who runs the bot, and takes orders. Over TCP,
//! when asked to listen there, a token says who asks and who may order; without tokens, this machine may ask. Probes and metrics
//! are for everybody (`door`). There is nothing secret in the answers, as no credential ever gets into a status, a record or
//! an error.
//!
//! Everything has a limit: connections, the head and the body of a request, how long each of them may take, and the process's
//! patience at its end.

mod address;
mod api;
mod connection;
mod door;
mod events;
mod hooks;
mod issuers;
mod oidc;
mod orders;
mod page;
mod routes;
mod sessions;
mod socket;
mod squeeze;
mod submit;
mod tokens;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::failure::{Failure, Kind};
use crate::schedule::Handle;
use ::oidc::Unusable;
use door::Door;
use oidc::Trusted;
use socket::{LOOK, Socket};
use tokens::Tokens;

pub(crate) use crate::store::obey;
pub(crate) use address::Address;
pub use address::SOCKET;
pub use oidc::Oidc;

/// Why the bot cannot listen.
#[derive(Debug, Error)]
pub enum Error {
    /// Another process listens in this folder.
    #[error("another bot is running on {}", folder.display())]
    Taken {
        /// The data folder.
        folder: PathBuf,
    },
    /// The Unix socket could not be made.
    #[error("cannot listen on {}", path.display())]
    Socket {
        /// The file of the socket.
        path: PathBuf,
        /// The reason of the system.
        source: io::Error,
    },
    /// The file with tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// The issuer whose tokens are taken cannot be used.
    #[error("the issuer {issuer} cannot be used")]
    Issuer {
        /// Its URL.
        issuer: String,
        /// The reason.
        source: Unusable,
    },
    /// The TCP address could not be bound.
    #[error("cannot listen on {address}")]
    Tcp {
        /// The address that `--listen` named.
        address: SocketAddr,
        /// The reason of the system.
        source: io::Error,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Taken { .. } => Self::of(Kind::Denied, &error),
            Error::Tcp { source, .. } => {
                let hint = match source.kind() {
                    io::ErrorKind::AddrInUse => {
                        Some("another process listens there: name another port with --listen, or stop it")
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        Some("this machine has no such address: 0.0.0.0 stands for all it has")
                    }
                    io::ErrorKind::PermissionDenied => Some("ports below 1024 are for root: name a higher one"),
                    _ => None,
                };
                Self::from(source).under(error.to_string()).with_hint(hint)
            }
            Error::Tokens(tokens::Error::Read { source, .. }) => Self::from(source).under(error.to_string()),
            Error::Tokens(error) => Self::usage(
                error.to_string(),
                "a line is NAME, read or act, and what `printf %s TOKEN | sha256sum` prints",
            ),
            Error::Issuer { source, .. } => Self::usage(format!("{error}: {source}"), ""),
            Error::Socket { source, .. } => Self::from(source).under(error.to_string()),
        }
    }
}

/// The listeners of a bot.
pub struct Server {
    socket: Option<Socket>,
    tcp: Option<TcpListener>,
    /// Where metrics are asked for besides.
    metrics: Option<TcpListener>,
    door: Door,
}

impl Server {
    /// Begins to listen: on the socket in the data folder, and on TCP at `address` where one is given. Connections wait until
    /// [`Server::serve`] answers them.
    ///
    /// Where no socket can be made (a folder that cannot be written, a file system without sockets) the bot does its work
    /// without, and the log says so.
    ///
    /// # Errors
    /// [`Error::Taken`] and [`Error::Tcp`].
    pub async fn bind(folder: &Path, address: Option<SocketAddr>) -> Result<Self, Error> {
        let socket = match Socket::bind(folder) {
            Ok(socket) => Some(socket),
            Err(error @ Error::Socket { .. }) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(error = %error, cause, "runs without a socket: `tagwright status` and orders cannot reach it");
                None
            }
            Err(error) => return Err(error),
        };
        let tcp = match address {
            Some(address) => Some(listen(address).await.map_err(|source| Error::Tcp { address, source })?),
            None => None,
        };
        Ok(Self { socket, tcp, metrics: None, door: Door::default() })
    }

    /// Lets those in over TCP who show a token of a file, and nobody else.
    ///
    /// # Errors
    /// [`Error::Tokens`].
    pub fn with_tokens(mut self, file: &Path) -> Result<Self, Error> {
        self.door.tokens = Some(Arc::new(Tokens::read(file)?));
        Ok(self)
    }

    /// Lets those in over TCP who show a token of an OpenID Connect issuer, and fulfil what is asked of them.
    ///
    /// # Errors
    /// [`Error::Issuer`].
    pub fn with_oidc(mut self, rules: Oidc) -> Result<Self, Error> {
        let issuer = rules.issuer.clone();
        let trusted = Trusted::new(rules).map_err(|source| Error::Issuer { issuer, source })?;
        self.door.oidc = Some(Arc::new(trusted));
        Ok(self)
    }

    /// Answers probes and metrics at another address, too, and nothing else there.
    ///
    /// # Errors
    /// [`Error::Tcp`].
    pub async fn with_metrics(mut self, address: SocketAddr) -> Result<Self, Error> {
        self.metrics = Some(listen(address).await.map_err(|source| Error::Tcp { address, source })?);
        Ok(self)
    }

    /// The address for metrics, with the port that was chosen when none was asked for.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// The TCP address, with the port that was chosen when none was asked for.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.local_addr().ok()
    }

    /// Answers requests until `stop` is done, then lets those in flight finish for a moment. The socket is removed. Where
    /// somebody deletes it before, a new one is made.
    pub async fn serve(self, handle: Handle, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(());
        let Self { socket, tcp, metrics, door } = self;
        let all = routes::all(handle.clone(), door);
        let socket = async {
            if let Some(socket) = socket {
                serve_socket(socket, all.clone(), stopped.clone()).await;
            }
        };
        let tcp = async {
            if let Some(listener) = &tcp {
                connection::serve(listener, all.clone(), stopped.clone()).await;
            }
        };
        let metrics = async {
            if let Some(listener) = &metrics {
                connection::serve(listener, routes::probes(handle.clone()), stopped.clone()).await;
            }
        };
        let stop = async {
            stop.await;
            drop(stopping);
        };
        tokio::join!(socket, tcp, metrics, stop);
    }
}

/// Answers on the socket until `stopped` changes; on a new one where it was deleted, as soon as its folder is there.
async fn serve_socket(mut socket: Socket, router: axum::Router, mut stopped: watch::Receiver<()>) {
    loop {
        let (leave, left) = watch::channel(());
        let end = async {
            let is_over = tokio::select! {
                // That the sender is dropped is what is waited for.
                _ = stopped.changed() => true,
                () = socket.gone() => false,
            };
            drop(leave);
            is_over
        };
        let ((), is_over) = tokio::join!(connection::serve(&socket.listener, router.clone(), left), end);
        if is_over {
            return;
        }
        while let Err(error) = socket.renew() {
            tracing::debug!(%error, "cannot listen again");
            tokio::select! {
                _ = stopped.changed() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        tracing::info!("the socket was deleted, and made anew");
    }
}

/// Listens on an address. All addresses of IPv6 are those of IPv4, too, and those alone on a machine without IPv6.
async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await.map_err(|_| error)
        }
        bound => bound,
    }
}

/// Reads the address of `--listen`: `127.0.0.1:8080`, `[::1]:8080`, or `:8080` for all addresses of the machine.
#[must_use]
pub fn parse_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix(':') {
        Some(port) => Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port.parse().ok()?))),
        None => text.parse().ok(),
    }
}
