//! One poll's conversation with one endpoint: what is shown to it, and what its answers mean.
//!
//! Requests go out directly; there is no ping. Where a registry answers 401, its challenge is met once, and what it wants
//! is remembered for the host and the credential, so that later requests bring it along. Of several challenges the first that can
//! be met is: a token, and where none can be had or it does not do, the login. A token that is rejected is dropped and fetched
//! anew, once. A registry that answers 403 or 404 without any challenge may be hiding something from
//! strangers; it is asked again with the login, if there is one.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use access::{Distinct as _, ExposeSecret as _, Login, Registry, Secret};
use reqwest::header::{self, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;
use web::{Origin, authority, is_loopback, show};

use super::challenge::{Bearer, Challenge};
use super::endpoint::Endpoint;
use super::envelope;
use super::error::{Error, Sent};
use super::exchange::{Exchange, Reply, Request};
use super::grant;
use super::habit::{Habit, HabitKey, Habits};
use super::login::Credential;
use super::page;
use super::realm::{self, TokenServers};
use super::retry::{Patience, is_passing};
use super::room::Place;
use super::token::{Asks, Issuer, Source, Token, Tokens};
use super::waits::Waits;

/// What is asked of a repository unless its registry wants another word for it.
const PULL: &str = "pull";
/// Actions that no token of ours may allow.
const WRITING: [&str; 3] = ["push", "delete", "*"];
/// How many token servers are asked because of one answer.
const MAX_GRANTS: usize = 3;
/// How often one request is sent with different proof: without, with a known token, with a new one.
const MAX_PROOFS: usize = 3;

/// What all polls of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) exchange: Exchange,
    pub(crate) token_servers: TokenServers,
    pub(crate) tokens: Tokens,
    pub(crate) habits: Habits,
    pub(crate) waits: Waits,
}

/// What goes with one request.
#[derive(Debug)]
enum Proof {
    Nothing,
    Basic(HeaderValue),
    /// The login itself, since there is no token to be had with it, or it does not do.
    Instead(HeaderValue),
    /// A bearer token of the configuration.
    Fixed(HeaderValue),
    Token(Token, Rejection),
}

/// What it means if the registry rejects a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rejection {
    /// The token is from earlier, and may have ended; another one may do.
    Passing,
    /// The token is new, and another one would do no better.
    Final,
}

impl Proof {
    fn header(&self) -> Option<&HeaderValue> {
        match self {
            Self::Nothing => None,
            Self::Basic(header) | Self::Instead(header) | Self::Fixed(header) => Some(header),
            Self::Token(token, _) => Some(&token.header),
        }
    }
}

/// The conversation.
#[derive(Debug)]
pub(crate) struct Session<'p> {
    pub(crate) shared: &'p Shared,
    pub(crate) access: &'p Registry,
    /// Where, with the scheme that is really spoken.
    pub(crate) endpoint: &'p Endpoint,
    pub(crate) credential: &'p Credential,
    pub(crate) patience: Patience<'p>,
    /// What a 404 is about.
    pub(crate) subject: String,
    /// Where a large answer goes.
    pub(crate) place: &'p Place,
}

impl Session<'_> {
    /// Returns an address below the repository, such as `tags/list`.
    pub(crate) fn address(&self, below: &str) -> Url {
        let mut url = self.endpoint.root.clone();
        let path = format!("{}{}/{below}", url.path(), self.endpoint.name);
        url.set_path(&path);
        url
    }

    /// Sends a request until it succeeds or patience ends. Each server error moves on to the next of the requests given,
    /// which should be easier to answer; the last one serves for all further attempts.
    pub(crate) async fn fetch(&self, requests: &[Request]) -> Result<Reply, Error> {
        let last = requests.len().saturating_sub(1);
        let current = AtomicUsize::new(0);
        let attempt = async |number: usize| {
            let at = current.load(Ordering::Relaxed).min(last);
            let request = match number {
                0 => Cow::Borrowed(&requests[at]),
                resent => Cow::Owned(Request { resent, ..requests[at].clone() }),
            };
            let result = self.attempt(&request).await.map_err(|error| error.hiding(&self.shared.exchange.sent));
            if let Err(Error::Status { status: 500.., .. }) = result {
                current.store(at + 1, Ordering::Relaxed);
            }
            result
        };
        self.patience.retry(attempt).await
    }

    async fn attempt(&self, request: &Request) -> Result<Reply, Error> {
        let (reply, sent) = self.authorized(request).await?;
        match (reply.status, &request.known) {
            (status, _) if status.is_success() => Ok(reply),
            (StatusCode::NOT_MODIFIED, Some(_)) => Ok(reply),
            (StatusCode::NOT_MODIFIED, None) => Err(Error::Malformed {
                url: show(&reply.url),
                reason: "304, without having been asked whether anything has changed".to_owned(),
            }),
            _ => Err(self.judge(&reply, sent)),
        }
    }

    /// Sends a request with what the registry wants to see. A request to another server, such as the next page of a list
    /// to which the registry redirected, goes without.
    async fn authorized(&self, request: &Request) -> Result<(Reply, Sent), Error> {
        let home = Origin::of(&self.endpoint.root);
        let mut proof = match home.covers(&Origin::of(&request.url)) {
            true => self.usual_proof().await?,
            false => Proof::Nothing,
        };
        let mut request = Cow::Borrowed(request);
        for _ in 0..MAX_PROOFS {
            let sent = self.shared.exchange.follow(self.access, &request, &home, proof.header(), self.place);
            let reply = Box::pin(sent).await?;
            match self.better_proof(&reply, &proof).await? {
                Some(better) => {
                    proof = better;
                    if is_safer(&request.url, &reply) {
                        request = Cow::Owned(Request { url: reply.url, ..request.into_owned() });
                    }
                }
                None => {
                    let sent = self.sent(&reply, &proof);
                    return Ok((reply, sent));
                }
            }
        }
        let reply = self.shared.exchange.follow(self.access, &request, &home, proof.header(), self.place).await?;
        let sent = self.sent(&reply, &proof);
        Ok((reply, sent))
    }

    fn sent(&self, reply: &Reply, proof: &Proof) -> Sent {
        match proof {
            _ if !reply.is_home => Sent::Nothing,
            Proof::Nothing => Sent::Nothing,
            Proof::Token(..) if self.credential.is_anonymous() => Sent::Nothing,
            _ => Sent::Credentials,
        }
    }

    /// Returns what this registry wanted the last time.
    async fn usual_proof(&self) -> Result<Proof, Error> {
        // In the open, only those that ask for it get it: most only redirect to HTTPS.
        let is_open = self.endpoint.root.scheme() == "http" && !is_loopback(&self.endpoint.root);
        match self.credential {
            Credential::Bearer(_) if is_open => return Ok(Proof::Nothing),
            Credential::Bearer(secret) => return self.fixed(secret),
            _ => {}
        }
        match self.shared.habits.get(&self.habit_key()) {
            None => Ok(Proof::Nothing),
            Some(Habit::Basic) => Ok(self.basic().map_or(Proof::Nothing, Proof::Basic)),
            Some(Habit::Bearer { realm, service, actions }) => {
                let token = self.token(realm, service, &actions, None).await;
                // The realm may have moved; then the registry says where to.
                token.inspect_err(|_| self.shared.habits.set(self.habit_key(), None))
            }
        }
    }

    /// Returns what to send in place of a proof that did not do. `None` means that the answer stands.
    async fn better_proof(&self, reply: &Reply, proof: &Proof) -> Result<Option<Proof>, Error> {
        match (reply.status, proof) {
            // It is not about who asks, and it is not asked again now.
            _ if reply.asked_wait.is_some() => Ok(None),
            (StatusCode::UNAUTHORIZED, _) if reply.is_home => self.meet(reply, proof).await,
            // What hides from strangers may say how to be none, and is hidden all the same where that leads nowhere.
            (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, Proof::Nothing) if reply.is_home => {
                match reply.headers.contains_key(header::WWW_AUTHENTICATE) {
                    true => self
                        .meet(reply, proof)
                        .await
                        .or_else(|error| if is_passing(&error) { Err(error) } else { Ok(None) }),
                    false => self.unasked(),
                }
            }
            (status, Proof::Basic(_) | Proof::Instead(_)) if status.is_success() => {
                self.learn(reply, Habit::Basic);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Meets the first challenge of a 401 that can be met, and that was not met in vain before.
    async fn meet(&self, reply: &Reply, proof: &Proof) -> Result<Option<Proof>, Error> {
        if matches!((self.credential, proof), (Credential::Bearer(_), Proof::Nothing)) {
            return self.unasked();
        }
        let challenges = Challenge::all(reply.texts(header::WWW_AUTHENTICATE));
        let mut problem = None;
        let mut grants = 0;
        for challenge in &challenges {
            match (challenge, proof) {
                (_, Proof::Fixed(_) | Proof::Instead(_)) => {}
                (Challenge::Basic, Proof::Basic(_)) => {}
                (Challenge::Basic, Proof::Nothing) if problem.is_none() => return Ok(self.basic().map(Proof::Basic)),
                (Challenge::Basic, _) => {
                    if let Some(login) = self.basic() {
                        return Ok(Some(Proof::Instead(login)));
                    }
                }
                (Challenge::Bearer(_), Proof::Token(_, Rejection::Final)) => {}
                (Challenge::Bearer(_), _) if grants == MAX_GRANTS => {}
                (Challenge::Bearer(bearer), _) => {
                    grants += 1;
                    match self.grant(reply, bearer, proof).await {
                        Ok(token) => return Ok(Some(token)),
                        Err(error) => problem = problem.or(Some(error)),
                    }
                }
            }
        }
        match problem {
            Some(problem) => Err(problem),
            None if challenges.is_empty() => self.unchallenged(proof),
            None => Ok(None),
        }
    }

    /// Gets the token that a challenge asks for.
    async fn grant(&self, reply: &Reply, bearer: &Bearer, proof: &Proof) -> Result<Proof, Error> {
        let Bearer { realm, service, scope } = bearer;
        if realm.is_empty() {
            return Err(Error::Challenge { url: show(&reply.url), reason: "does not say where to get a token" });
        }
        let asked = match is_safer(&self.endpoint.root, reply) {
            true => Cow::Owned(Endpoint { root: reply.url.clone(), ..self.endpoint.clone() }),
            false => Cow::Borrowed(self.endpoint),
        };
        let realm = realm::check(realm, &asked, self.credential, &self.shared.token_servers)?;
        let actions = self.actions(scope.as_deref());
        let rejected = match proof {
            Proof::Token(token, _) => Some(token.serial()),
            _ => None,
        };
        let habit = Habit::Bearer { realm: realm.clone(), service: service.clone(), actions: actions.clone() };
        let proof = self.token(realm, service.clone(), &actions, rejected).await?;
        self.learn(reply, habit);
        Ok(proof)
    }

    /// Remembers what an answer wanted, for those who ask at the same place: not what it wanted over HTTPS for plain HTTP.
    fn learn(&self, reply: &Reply, habit: Habit) {
        if !is_safer(&self.endpoint.root, reply) {
            self.shared.habits.set(self.habit_key(), Some(habit));
        }
    }

    /// Returns what can be shown to a registry that does not say what it wants.
    fn unasked(&self) -> Result<Option<Proof>, Error> {
        match self.credential {
            Credential::Bearer(secret) => self.fixed(secret).map(Some),
            _ => Ok(self.basic().map(Proof::Basic)),
        }
    }

    /// Returns what may do for a registry that only says 401.
    fn unchallenged(&self, proof: &Proof) -> Result<Option<Proof>, Error> {
        match proof {
            Proof::Nothing | Proof::Token(_, Rejection::Passing) => Ok(self.basic().map(Proof::Basic)),
            _ => Ok(None),
        }
    }

    /// Returns the actions to ask for. A challenge may want other words than `pull`, as Azure's does, but it only counts
    /// if it speaks of this repository and of nothing that writes.
    fn actions(&self, scope: Option<&str>) -> String {
        let wanted = scope
            .and_then(|scope| scope.strip_prefix("repository:"))
            .and_then(|scope| scope.strip_prefix(self.endpoint.scope_name.as_str()))
            .and_then(|actions| actions.strip_prefix(':'))
            .filter(|actions| !actions.contains([' ', ':']) && !actions.is_empty())
            .filter(|actions| !actions.split(',').any(|action| WRITING.contains(&action)));
        wanted.unwrap_or(PULL).to_owned()
    }

    async fn token(
        &self,
        realm: Url,
        service: Option<String>,
        actions: &str,
        rejected: Option<u64>,
    ) -> Result<Proof, Error> {
        let scope = format!("repository:{}:{actions}", self.endpoint.scope_name);
        let registry = self.endpoint.root.clone();
        let issuer = Issuer { registry, realm, service, credential: self.credential.fingerprint() };
        let (token, source) = self.shared.tokens.get(&issuer, &scope, rejected, self).await?;
        let is_new = source == Source::Server || rejected.is_some();
        Ok(Proof::Token(token, if is_new { Rejection::Final } else { Rejection::Passing }))
    }

    fn read_token(&self, reply: &Reply, sent: Sent) -> Result<Token, Error> {
        match reply.status {
            status if status.is_success() => grant::read(&reply.url, &reply.body),
            // Some servers answer 400 to a refresh token that has ended.
            StatusCode::BAD_REQUEST if sent == Sent::Credentials => Err(denied(reply, sent)),
            StatusCode::NOT_FOUND => Err(status_error(reply)),
            _ => Err(self.judge(reply, sent)),
        }
    }

    fn basic(&self) -> Option<HeaderValue> {
        match self.credential {
            Credential::Login(login) | Credential::Refresh(_, Some(login)) => Some(web::basic(login)),
            _ => None,
        }
    }

    fn fixed(&self, secret: &Secret) -> Result<Proof, Error> {
        let reason = "the token configured for it has characters that no header can hold";
        let header = web::bearer(secret);
        header.map(Proof::Fixed).ok_or_else(|| Error::Challenge { url: show(&self.endpoint.root), reason })
    }

    fn habit_key(&self) -> HabitKey {
        (self.endpoint.root.clone(), self.credential.fingerprint())
    }

    /// Says what an answer that is no success means.
    fn judge(&self, reply: &Reply, sent: Sent) -> Error {
        match reply.status.as_u16() {
            401 | 403 if reply.asked_wait.is_none() => denied(reply, sent),
            404 if page::is_web_page(reply) => page::web_page(reply),
            404 => Error::NotFound { what: self.subject.clone(), url: show(&reply.url), message: envelope::of(reply) },
            _ => status_error(reply),
        }
    }
}

impl Asks for Session<'_> {
    async fn ask(&self, issuer: &Issuer, scopes: &[&str]) -> Result<Token, Error> {
        let (login, refresh) = match self.credential {
            Credential::Login(login) => (Some(login.clone()), None),
            Credential::Refresh(refresh, login) => (Some(refresh_login(refresh, login.as_ref())), Some(refresh)),
            Credential::Anonymous | Credential::Bearer(_) => (None, None),
        };
        let accept = HeaderValue::from_static("application/json");
        // The one other server that a login is for: the registry named it, and it was checked. The client certificate is for the
        // registry alone.
        let home = Origin::of(&issuer.realm);
        let access = match Origin::of(&self.endpoint.root).covers(&home) {
            true => Cow::Borrowed(self.access),
            false => Cow::Owned(access::Registry::without_identity(self.access)),
        };
        let access = access.as_ref();
        if let Some(refresh) = refresh {
            let get = Request::get(issuer.realm.clone(), accept.clone(), grant::MAX_ANSWER);
            let post = Request { method: Method::POST, form: Some(grant::form(issuer, scopes, refresh)), ..get };
            let reply = self.shared.exchange.follow(access, &post, &home, None, self.place).await?;
            // Older token servers only know the other way.
            if !matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
                return self.read_token(&reply, Sent::Credentials);
            }
        }
        let get = Request::get(grant::address(issuer, scopes), accept, grant::MAX_ANSWER);
        let authorization = login.as_ref().map(web::basic);
        let reply = self.shared.exchange.follow(access, &get, &home, authorization.as_ref(), self.place).await?;
        let is_sent = login.is_some() && reply.is_home;
        self.read_token(&reply, if is_sent { Sent::Credentials } else { Sent::Nothing })
    }
}

/// Whether an answer came from the same host by HTTPS, though it was asked in the open. Proof begins there the next time.
fn is_safer(asked: &Url, reply: &Reply) -> bool {
    reply.is_home && asked.scheme() == "http" && reply.url.scheme() == "https"
}

/// What a token server that takes no refresh tokens may take in their place.
fn refresh_login(refresh: &Secret, login: Option<&Login>) -> Login {
    let name = login.map(|login| login.username.as_str()).filter(|name| !name.is_empty());
    let username = name.unwrap_or("<token>").to_owned();
    let own = login.filter(|login| !login.password.expose_secret().is_empty());
    Login { username, password: own.map_or(refresh, |login| &login.password).clone() }
}

fn denied(reply: &Reply, sent: Sent) -> Error {
    Error::Denied {
        host: authority(&reply.url),
        url: show(&reply.url),
        status: reply.status.as_u16(),
        message: envelope::of(reply),
        sent,
        others: Vec::new(),
    }
}

fn status_error(reply: &Reply) -> Error {
    let (url, status, message) = (show(&reply.url), reply.status.as_u16(), envelope::of(reply));
    match reply.asked_wait {
        Some(retry_after) => Error::Throttled { url, status, message, retry_after },
        None => Error::Status { url, status, message },
    }
}
