//! The three ways to a remote, behind one door: connect, read the references, exchange one request for one answer.

mod http;
mod process;
mod route;

pub(super) use http::Logins;
pub(super) use route::clients;

use super::Shared;
use super::advertisement::{self, Advertisement};
use super::command::Service;
use super::error::Error;
use super::packet::Reader;
use super::problem::Problem;
use super::url::{Location, Url};

/// The most bytes of an answer that is no pack: negotiation, or the report on a push.
pub(super) const MAX_ANSWER: u64 = 16 << 20;

/// A connection whose references were read.
pub(super) enum Connection {
    Http(Box<http::Session>),
    Process(Box<process::Session>),
}

/// Where an answer comes from.
pub(super) enum Source {
    Http(Box<http::Body>),
    Process(Box<process::Session>),
}

/// Connects to `service` of the remote and reads its references.
pub(super) async fn connect(
    shared: &Shared,
    access: &access::Git,
    url: &Url,
    service: Service,
) -> Result<(Connection, Advertisement), Error> {
    match url.location() {
        Location::Http(base) => {
            let (session, body) = http::connect(shared, access, url, base, service).await?;
            let mut reader = Reader::new(Source::Http(Box::new(body)), advertisement::MAX_BYTES);
            http::skip_service_line(&mut reader).await?;
            let advertisement = Advertisement::read(&mut reader, session.remote()).await?;
            Ok((Connection::Http(Box::new(session)), advertisement))
        }
        Location::Ssh(_) | Location::Local(_) => {
            let session = process::start(&shared.settings, access, url, service).await?;
            let remote = session.remote().to_owned();
            let mut reader = Reader::new(Source::Process(Box::new(session)), advertisement::MAX_BYTES);
            let advertisement = Advertisement::read(&mut reader, &remote).await?;
            match reader.into_source() {
                Source::Process(session) => Ok((Connection::Process(session), advertisement)),
                Source::Http(_) => Err(Error::Task),
            }
        }
    }
}

impl Connection {
    /// Sends `request` and returns the answer as it comes.
    pub(super) async fn exchange(self, service: Service, request: Vec<u8>) -> Result<Source, Error> {
        match self {
            Self::Http(session) => Ok(Source::Http(Box::new(session.post(service, request).await?))),
            Self::Process(mut session) => {
                session.send(request);
                Ok(Source::Process(session))
            }
        }
    }

    /// Returns a connection that can be used after this one, where the protocol has no state.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Http(session) => Some(Self::Http(session.clone())),
            Self::Process(_) => None,
        }
    }
}

impl Source {
    /// Appends what has come to `buffer`; false at the end of the stream.
    pub(super) async fn read_into(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        match self {
            Self::Http(body) => body.read_into(buffer).await,
            Self::Process(session) => session.read_into(buffer).await,
        }
    }

    pub(super) fn remote(&self) -> &str {
        match self {
            Self::Http(body) => body.remote(),
            Self::Process(session) => session.remote(),
        }
    }

    /// Returns what it means that the stream ended where more was due.
    pub(super) async fn ended(&mut self) -> Error {
        match self {
            Self::Http(_) => self.problem(Problem::Truncated),
            Self::Process(session) => session.failure().await,
        }
    }

    pub(super) fn problem(&self, problem: Problem) -> Error {
        Error::Protocol { remote: self.remote().to_owned(), problem }
    }
}
