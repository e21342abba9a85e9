//! One question to one repository: its mirrors and itself in turn, each with the credentials that belong to it.

use std::borrow::Cow;

use image::{Digest, Repository};
use reqwest::header::HeaderValue;

use super::artifact::By;
use super::endpoint::{Endpoint, Role};
use super::error::{Error, Kind, Sent};
use super::login::{self, Credential};
use super::retry::Patience;
use super::room::Place;
use super::session::Session;
use super::settings::{Limits, PROBE_TIMEOUT};
use super::{Client, Fresh, listing, manifest};

/// What can be asked of a repository.
pub(crate) trait Question: Sync {
    type Answer: Send;

    /// Names what does not exist if the answer is 404.
    fn subject(&self, repository: &Repository) -> String;

    fn ask(&self, session: &Session<'_>) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

pub(crate) struct TagList<'q> {
    pub(crate) limits: &'q Limits,
    /// What the list is recognised by, if it is known.
    pub(crate) known: Option<HeaderValue>,
}

impl Question for TagList<'_> {
    type Answer = Fresh;

    fn subject(&self, repository: &Repository) -> String {
        format!("repository '{repository}'")
    }

    async fn ask(&self, session: &Session<'_>) -> Result<Fresh, Error> {
        listing::list(session, self.limits, self.known.clone()).await
    }
}

pub(crate) struct DigestOf<'q> {
    pub(crate) by: By<'q>,
}

impl Question for DigestOf<'_> {
    type Answer = Digest;

    fn subject(&self, repository: &Repository) -> String {
        match self.by {
            By::Tag(tag) => format!("tag '{repository}:{tag}'"),
            By::Digest(digest) => format!("image '{repository}@{digest}'"),
        }
    }

    async fn ask(&self, session: &Session<'_>) -> Result<Digest, Error> {
        manifest::digest(session, self.by).await
    }
}

/// One question under way.
pub(crate) struct Poll<'p, Q> {
    pub(crate) client: &'p Client,
    pub(crate) repository: &'p Repository,
    pub(crate) access: &'p access::Registry,
    pub(crate) question: &'p Q,
    pub(crate) patience: Patience<'p>,
    pub(crate) place: &'p Place,
}

impl<Q: Question> Poll<'_, Q> {
    /// Asks the endpoints in order. Without a mirror each request is tried several times; with one it is the round
    /// through all of them that is, so that a mirror that is down costs no wait.
    pub(crate) async fn run(&self, endpoints: &[Endpoint]) -> Result<Q::Answer, Error> {
        match endpoints {
            [only] => self.ask(only, self.patience).await,
            several => self.patience.retry(|_| self.round(several)).await,
        }
    }

    async fn round(&self, endpoints: &[Endpoint]) -> Result<Q::Answer, Error> {
        let once = Patience { attempts: 1, ..self.patience };
        let mut mirror: Option<Error> = None;
        for endpoint in endpoints {
            match (self.ask(endpoint, once).await, mirror.take(), endpoint.role) {
                (Err(error), earlier, Role::Mirror) if is_passed_over(&error) => {
                    tracing::debug!(image.repository = self.repository.name(), %error, "passes over a mirror");
                    mirror = Some(earlier.unwrap_or(error));
                }
                (Err(error), Some(mirror), Role::Registry) => {
                    return Err(Error::Behind { mirror: Box::new(mirror), upstream: Box::new(error) });
                }
                (settled, ..) => return settled,
            }
        }
        // The registry itself is the last endpoint, and always settles it.
        Err(Error::Name { name: self.repository.name().to_owned() })
    }

    async fn ask(&self, endpoint: &Endpoint, patience: Patience<'_>) -> Result<Q::Answer, Error> {
        let (credential, origin) = self.credential(endpoint).await?;
        let answer = Box::pin(self.ask_as(endpoint, patience, &credential, &origin)).await;
        let is_denied = |error: &Error| matches!(error.cause(), Error::Denied { sent: Sent::Credentials, .. });
        match (answer, origin) {
            (Err(error), Origin::Cloud(granted)) if is_denied(&error) => {
                self.client.settings.cloud.forget(&granted);
                if !granted.is_old {
                    return Err(error);
                }
                // It was given out a while ago, and may have been withdrawn.
                let (credential, origin) = self.credential(endpoint).await?;
                Box::pin(self.ask_as(endpoint, patience, &credential, &origin)).await
            }
            (answer, _) => answer,
        }
    }

    async fn ask_as(
        &self,
        endpoint: &Endpoint,
        patience: Patience<'_>,
        credential: &Credential,
        origin: &Origin,
    ) -> Result<Q::Answer, Error> {
        // Also before it is sent: the registry may know it from a process before.
        credential.remember_in(&self.client.shared.exchange.sent);
        let access = self.access_to(endpoint);
        let (shared, access, place) = (&self.client.shared, access.as_ref(), self.place);
        let sent = &shared.exchange.sent;
        let settle = async |_| {
            let settled = self.client.schemes.settle(&shared.exchange, access, endpoint, PROBE_TIMEOUT).await;
            settled.map_err(|error| error.hiding(sent))
        };
        let settled = patience.retry(settle).await?;
        let subject = self.question.subject(self.repository);
        let session = Session { shared, access, endpoint: &settled, credential, patience, subject, place };
        let answer = self.question.ask(&session).await.map_err(|error| error.hiding(sent));
        match answer.as_ref().map_err(Error::cause) {
            Err(Error::Denied { sent: Sent::Credentials, .. }) if matches!(origin, Origin::Machine) => {
                self.client.machine.forget(&endpoint.authority).await;
            }
            Err(Error::Network { .. } | Error::Refused { .. } | Error::Tls { .. }) => {
                self.client.schemes.forget(endpoint).await
            }
            _ => {}
        }
        match (answer, origin) {
            (Err(error), _) if !credential.is_anonymous() => Err(error),
            (Err(error), Origin::Configured) => Err(error.with_others(login::keys(&self.access.logins))),
            (Err(error), Origin::Machine) => Err(error.with_others(self.client.machine.keys().await)),
            (answer, _) => answer,
        }
    }

    /// Returns how to reach an endpoint. The client certificate is the registry's, and no mirror gets to see it.
    fn access_to(&self, endpoint: &Endpoint) -> Cow<'_, access::Registry> {
        match (endpoint.role, &self.access.tls.identity) {
            (Role::Mirror, Some(_)) => Cow::Owned(self.access.without_identity()),
            _ => Cow::Borrowed(self.access),
        }
    }

    /// Returns the credentials for an endpoint. A mirror belongs to the machine rather than to the repository, so what
    /// the repository's secrets do not have may come from the machine's configuration.
    async fn credential(&self, endpoint: &Endpoint) -> Result<(Credential, Origin), Error> {
        let Endpoint { authority, scope_name, .. } = endpoint;
        if let (Some(provider), Role::Registry) = (self.access.provider, endpoint.role) {
            let way = cloud::Way { proxy: self.access.proxy.as_ref(), authority: None };
            let granted = self.client.settings.cloud.registry(provider, authority, way).await;
            let (login, granted) = granted.map_err(|error| no_login(authority, error))?.split();
            return Ok((Credential::Login(login), Origin::Cloud(granted)));
        }
        if let Some(entry) = login::matching(&self.access.logins, authority, scope_name) {
            return Ok((Credential::of(entry), Origin::Configured));
        }
        match self.access.logins.is_empty() || endpoint.role == Role::Mirror {
            true => Ok((self.client.machine.credential(authority, scope_name).await?, Origin::Machine)),
            false => Ok((Credential::Anonymous, Origin::Configured)),
        }
    }
}

/// Where credentials come from.
#[derive(Debug)]
enum Origin {
    Configured,
    Machine,
    /// It was given out, and is told by this.
    Cloud(cloud::Granted<()>),
}

fn no_login(registry: &str, error: cloud::Error) -> Error {
    Error::Cloud { registry: registry.to_owned(), source: Box::new(error) }
}

/// Whether a mirror's failure leaves the question to the registry itself.
fn is_passed_over(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. } | Error::WebPage { .. }) || error.kind() == Kind::Transient
}
