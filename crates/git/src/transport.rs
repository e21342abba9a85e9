//! The three ways to a remote, behind one door: connect, read the references, exchange one request for one answer.

mod http;
mod process;
mod route;

use std::sync::Arc;

pub(super) use http::{Logins, given};
pub(super) use route::clients;

use super::Shared;
use super::advertisement::{self, Advertisement, Extent, Greeting};
use super::capabilities::{Capabilities, Version};
use super::command::Service;
use super::error::Error;
use super::names::Names;
use super::packet::Reader;
use super::problem::Problem;
use super::url::{Location, Url};

/// The most bytes of an answer that is no pack: negotiation, or the report on a push.
pub(super) const MAX_ANSWER: u64 = 16 << 20;

/// How much of the references is read before a push that need not know them: 256 KiB, about 4,000 of them. Where a connection can be
/// made anew, that costs less than the rest of more.
const ENOUGH: u64 = 256 << 10;

/// What a remote is asked for.
#[derive(Clone, Copy)]
pub(super) enum Ask<'n> {
    /// These references, to fetch.
    Fetch(&'n Names),
    /// As many of these references as an error quotes.
    Examples(&'n Names),
    /// These references, to push to them.
    Push(&'n Names),
    /// Whether it takes a push, and no more than is easily had of these references.
    BlindPush(&'n Names),
}

impl<'n> Ask<'n> {
    const fn names(self) -> &'n Names {
        match self {
            Self::Fetch(names) | Self::Examples(names) | Self::Push(names) | Self::BlindPush(names) => names,
        }
    }

    pub(super) const fn service(self) -> Service {
        match self {
            Self::Fetch(_) | Self::Examples(_) => Service::Upload,
            Self::Push(_) | Self::BlindPush(_) => Service::Receive,
        }
    }

    /// The version of the protocol that answers best. Pushes know version 0 alone, and all references are one request there.
    const fn version(self) -> Version {
        match self.service() {
            Service::Upload if !self.names().is_all() => Version::Two,
            _ => Version::Zero,
        }
    }

    const fn extent(self) -> Extent {
        match self {
            Self::Fetch(_) | Self::Push(_) => Extent::Whole,
            Self::Examples(_) => Extent::Examples,
            Self::BlindPush(_) => Extent::Bytes(ENOUGH),
        }
    }

    /// What of a first answer is kept. Of version 0 it may be all, since a later question costs as much again.
    fn kept(self) -> (Names, Extent) {
        match self {
            Self::Fetch(_) | Self::Examples(_) => (Names::all(), Extent::Whole),
            Self::Push(names) | Self::BlindPush(names) => (names.clone(), self.extent()),
        }
    }
}

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

/// Connects to the remote and asks for references.
pub(super) async fn connect(
    shared: &Arc<Shared>,
    access: &access::Git,
    url: &Url,
    ask: Ask<'_>,
) -> Result<(Connection, Advertisement), Error> {
    let (mut connection, mut greeting) = greet(shared, access, url, ask, ask.version()).await?;
    if let Greeting::Commands(offered) = &greeting
        && ask.version() == Version::Two
    {
        if offered.suffices() {
            let (connection, advertisement) = connection.list(offered, ask.names(), ask.extent()).await?;
            return connection.knowing_head(advertisement, offered, ask).await;
        }
        (connection, greeting) = greet(shared, access, url, ask, Version::Zero).await?;
    }
    match greeting {
        Greeting::References(advertisement) => Ok((connection, advertisement)),
        Greeting::Commands(_) => Err(connection.problem(Problem::Version)),
    }
}

/// Asks for references where it is known what the remote offers in version 2: without asking first what that is. None where that
/// is not so any more.
pub(super) async fn reconnect(
    shared: &Arc<Shared>,
    access: &access::Git,
    url: &Url,
    ask: Ask<'_>,
    offered: Capabilities,
) -> Result<Option<(Connection, Advertisement)>, Error> {
    let Location::Http(base) = url.location() else { return Ok(None) };
    let asked = async {
        let first = http::First::Command(advertisement::request(&offered, ask.names()));
        let (mut session, body) = Box::pin(http::connect(shared, access, url, base, first)).await?;
        session.speak(Version::Two);
        let (source, again) = (Source::Http(Box::new(body)), Some(Box::new(session)));
        let (connection, advertisement) = listed(source, again, &offered, ask.names(), ask.extent()).await?;
        connection.knowing_head(advertisement, &offered, ask).await
    };
    match asked.await {
        Ok(done) => Ok(Some(done)),
        Err(error) if is_outdated(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a server may answer so that was asked for what it does not offer any more.
const fn is_outdated(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. }
            | Error::Denied { .. }
            | Error::Http { retry_after: None, .. }
            | Error::NotGit { .. }
            | Error::Redirect { .. }
            | Error::Remote { .. }
            | Error::Protocol { .. }
    )
}

/// Connects to the remote in a version of the protocol, and reads what it says first.
async fn greet(
    shared: &Arc<Shared>,
    access: &access::Git,
    url: &Url,
    ask: Ask<'_>,
    version: Version,
) -> Result<(Connection, Greeting), Error> {
    let (names, extent) = ask.kept();
    match url.location() {
        Location::Http(base) => {
            let first = http::First::References(ask.service(), version);
            let (mut session, body) = Box::pin(http::connect(shared, access, url, base, first)).await?;
            let mut reader = Reader::new(Source::Http(Box::new(body)), advertisement::MAX_BYTES);
            http::skip_service_line(&mut reader, version).await?;
            let mut greeting = Advertisement::greeting(&mut reader, &names, extent).await?;
            if let Greeting::Commands(offered) = &mut greeting {
                offered.is_direct = session.is_at(base);
                session.speak(Version::Two);
            }
            Ok((Connection::Http(Box::new(session)), greeting))
        }
        Location::Ssh(_) | Location::Local(_) => {
            let session = process::start(shared, access, url, (ask.service(), version)).await?;
            let mut reader = Reader::new(Source::Process(Box::new(session)), advertisement::MAX_BYTES);
            // A stream has to be read to the end of one answer before the next can come.
            let greeting = Advertisement::greeting(&mut reader, &names, Extent::Whole).await?;
            match reader.into_source() {
                Source::Process(session) => Ok((Connection::Process(session), greeting)),
                Source::Http(_) => Err(Error::Task),
            }
        }
    }
}

impl Connection {
    /// Asks for references in version 2.
    async fn list(self, offered: &Capabilities, names: &Names, extent: Extent) -> Result<(Self, Advertisement), Error> {
        let request = advertisement::request(offered, names);
        let (source, again) = match self {
            Self::Http(session) => {
                (Source::Http(Box::new(session.post(Service::Upload, request).await?)), Some(session))
            }
            Self::Process(mut session) => {
                session.ask(&request).await;
                (Source::Process(session), None)
            }
        };
        listed(source, again, offered, names, extent).await
    }

    /// Asks for all branches where `HEAD` names none of them, and it has to be known at which it stands.
    async fn knowing_head(
        self,
        advertisement: Advertisement,
        offered: &Capabilities,
        ask: Ask<'_>,
    ) -> Result<(Self, Advertisement), Error> {
        match advertisement.lacks_branches() {
            true => self.list(offered, &ask.names().clone().with_branches(), ask.extent()).await,
            false => Ok((self, advertisement)),
        }
    }

    /// Sends the last `request` and returns the answer as it comes.
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

    fn problem(&self, problem: Problem) -> Error {
        let remote = match self {
            Self::Http(session) => session.remote(),
            Self::Process(session) => session.remote(),
        };
        Error::Protocol { remote: remote.to_owned(), problem }
    }
}

/// Reads the answer with the references that were asked for in version 2, and returns a connection that can be used after.
async fn listed(
    source: Source,
    again: Option<Box<http::Session>>,
    offered: &Capabilities,
    names: &Names,
    extent: Extent,
) -> Result<(Connection, Advertisement), Error> {
    let mut reader = Reader::new(source, advertisement::MAX_BYTES);
    let advertisement = Advertisement::listing(&mut reader, offered.clone(), names, extent).await?;
    match (again, reader.into_source()) {
        (Some(session), _) => Ok((Connection::Http(session), advertisement)),
        (None, Source::Process(session)) => Ok((Connection::Process(session), advertisement)),
        (None, Source::Http(_)) => Err(Error::Task),
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
