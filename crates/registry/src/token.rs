//! The bearer tokens in use.
//!
//! A token is kept for its realm, service, scope and credential. Many polls that want the same one wait for a single
//! request; if that fails, all of them get its failure.
//!
//! One request may ask for several scopes, and its token then serves for all of them: beside the one that is wanted go those
//! that were wanted longest ago and whose tokens have ended, or soon will. Scopes are known once they were wanted, so the
//! first request for each asks for it alone. Where the server refuses to do that, and where a registry rejects such a token, they
//! are asked for one by one for an hour.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard as SyncGuard, PoisonError};
use std::time::Duration;

use access::Fingerprint;
use reqwest::header::HeaderValue;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use url::Url;

use super::error::{Error, Kind};

/// How many tokens are kept before those that have ended are dropped.
const MAX_TOKENS: usize = 10_000;
/// How many scopes one token is asked for at most: a token says all of them, and has to fit into a header.
const MAX_SCOPES: usize = 10;
/// How many characters the scopes of one request have at most.
const MAX_SCOPES_LENGTH: usize = 2_000;
/// A token that ends within this is asked for anew along with another.
const SOON: Duration = Duration::from_secs(60);
/// For how long scopes are asked for one by one after it did not go well together.
const APART: Duration = Duration::from_secs(60 * 60);

/// Who is asked for tokens, for whom, and where they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Issuer {
    /// The root of the API that they are shown to. Another registry may name the same token server, and gets tokens of its own.
    pub(crate) registry: Url,
    pub(crate) realm: Url,
    pub(crate) service: Option<String>,
    pub(crate) credential: Fingerprint,
}

/// A token, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// The value of `Authorization`, marked as sensitive.
    pub(crate) header: HeaderValue,
    expires: Instant,
    serial: u64,
    /// It is for several scopes.
    is_shared: bool,
}

impl Token {
    /// Keeps a token for as long as it is good.
    pub(crate) fn new(header: HeaderValue, lifetime: Duration) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Self {
            header,
            expires: Instant::now() + lifetime,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            is_shared: false,
        }
    }

    /// Returns for how long the token will be used.
    pub(crate) fn left(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }

    /// Returns what tells this token from any other.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

/// Where a token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Among those fetched before, or for another poll.
    Cache,
    /// Its server was just asked.
    Server,
}

/// Whoever asks an issuer for tokens.
pub(crate) trait Asks: Sync {
    /// Asks for one token for these scopes.
    fn ask(&self, issuer: &Issuer, scopes: &[&str]) -> impl Future<Output = Result<Token, Error>> + Send;
}

/// All tokens in use.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issuers: SyncMutex<HashMap<Issuer, Scopes>>,
}

/// The scopes that one issuer is asked for.
#[derive(Debug, Default)]
struct Scopes {
    known: HashMap<Arc<str>, Scope>,
    /// Those that may be asked for with others, by when they were last wanted.
    waiting: BTreeMap<u64, Arc<str>>,
    /// How often one was wanted.
    wanted: u64,
    /// The server did not give a token for several, so that none is asked for before.
    apart: Option<Instant>,
}

#[derive(Debug)]
struct Scope {
    cell: Arc<Mutex<Cell>>,
    /// Its number among those that were wanted.
    wanted: u64,
    /// A token for several was rejected, so that it is in none before.
    apart: Option<Instant>,
}

#[derive(Debug, Default)]
struct Cell {
    token: Option<Token>,
    failure: Option<(Instant, Error)>,
}

impl Cell {
    fn ends_soon(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.left() < SOON)
    }
}

/// A scope that is asked for along with another. Whoever wants it meanwhile waits.
type Companion = (Arc<str>, OwnedMutexGuard<Cell>);

impl Tokens {
    /// Returns the token for a scope, fetching it if there is none, or if the one there is was rejected by the registry.
    pub(crate) async fn get(
        &self,
        issuer: &Issuer,
        scope: &str,
        rejected: Option<u64>,
        asker: &impl Asks,
    ) -> Result<(Token, Source), Error> {
        let asked = Instant::now();
        let cell = self.want(issuer, scope);
        let mut cell = cell.lock().await;
        if let Some(token) = &cell.token
            && !token.left().is_zero()
            && Some(token.serial) != rejected
        {
            return Ok((token.clone(), Source::Cache));
        }
        if let Some((when, error)) = &cell.failure
            && *when >= asked
        {
            return Err(error.clone());
        }
        let is_rejected = |token: &Token| token.is_shared && Some(token.serial) == rejected;
        if cell.token.as_ref().is_some_and(is_rejected) {
            self.leave_alone(issuer, scope);
        }
        let companions = match rejected {
            None => self.companions(issuer, scope),
            Some(_) => Vec::new(),
        };
        let fetched = match companions.is_empty() {
            true => asker.ask(issuer, &[scope]).await,
            false => match shared(issuer, scope, companions, asker).await {
                Err(error) if error.kind() != Kind::Transient => {
                    self.one_by_one(issuer);
                    asker.ask(issuer, &[scope]).await
                }
                settled => settled,
            },
        };
        match fetched {
            Ok(token) => {
                *cell = Cell { token: Some(token.clone()), failure: None };
                Ok((token, Source::Server))
            }
            Err(error) => {
                *cell = Cell { token: None, failure: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    /// Takes in that a scope is wanted, and returns what is kept for it.
    fn want(&self, issuer: &Issuer, scope: &str) -> Arc<Mutex<Cell>> {
        let mut issuers = self.issuers();
        let count: usize = issuers.values().map(|scopes| scopes.known.len()).sum();
        if count >= MAX_TOKENS {
            issuers.values_mut().for_each(Scopes::drop_ended);
            issuers.retain(|_, scopes| !scopes.known.is_empty());
        }
        if !issuers.contains_key(issuer) {
            issuers.insert(issuer.clone(), Scopes::default());
        }
        issuers.get_mut(issuer).map(|scopes| scopes.want(scope)).unwrap_or_default()
    }

    /// Scopes to ask for along with one.
    fn companions(&self, issuer: &Issuer, scope: &str) -> Vec<Companion> {
        self.issuers().get(issuer).map(|scopes| scopes.companions(scope)).unwrap_or_default()
    }

    fn leave_alone(&self, issuer: &Issuer, scope: &str) {
        if let Some(scopes) = self.issuers().get_mut(issuer) {
            scopes.leave_alone(scope);
        }
    }

    fn one_by_one(&self, issuer: &Issuer) {
        if let Some(scopes) = self.issuers().get_mut(issuer) {
            scopes.apart = Some(Instant::now() + APART);
        }
    }

    fn issuers(&self) -> SyncGuard<'_, HashMap<Issuer, Scopes>> {
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for one token for a scope and its companions.
async fn shared(issuer: &Issuer, scope: &str, companions: Vec<Companion>, asker: &impl Asks) -> Result<Token, Error> {
    let scopes: Vec<&str> = std::iter::once(scope).chain(companions.iter().map(|(scope, _)| &**scope)).collect();
    let token = Token { is_shared: true, ..asker.ask(issuer, &scopes).await? };
    for (_, mut cell) in companions {
        *cell = Cell { token: Some(token.clone()), failure: None };
    }
    Ok(token)
}

fn is_apart(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() < until)
}

impl Scopes {
    fn want(&mut self, scope: &str) -> Arc<Mutex<Cell>> {
        self.wanted += 1;
        let name = match self.known.get_key_value(scope) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(scope),
        };
        let new = || Scope { cell: Arc::default(), wanted: 0, apart: None };
        let known = self.known.entry(Arc::clone(&name)).or_insert_with(new);
        self.waiting.remove(&known.wanted);
        known.wanted = self.wanted;
        if !is_apart(known.apart) {
            self.waiting.insert(self.wanted, name);
        }
        Arc::clone(&known.cell)
    }

    /// The scopes that were wanted longest ago, will most likely be wanted next, and have no token for that.
    fn companions(&self, scope: &str) -> Vec<Companion> {
        if is_apart(self.apart) || self.known.get(scope).is_none_or(|scope| is_apart(scope.apart)) {
            return Vec::new();
        }
        let mut length = scope.len();
        let others = self.waiting.values().filter(|other| ***other != *scope);
        // Most of those that were wanted long ago are wanted seldom, and have none; of the others a few are looked at.
        let ended = others.take(4 * MAX_SCOPES).filter_map(|other| {
            let cell = Arc::clone(&self.known.get(other)?.cell).try_lock_owned().ok()?;
            cell.ends_soon().then(|| (Arc::clone(other), cell))
        });
        let fits = |(other, _): &Companion| {
            length += other.len();
            length <= MAX_SCOPES_LENGTH
        };
        ended.take(MAX_SCOPES - 1).take_while(fits).collect()
    }

    fn leave_alone(&mut self, scope: &str) {
        if let Some(known) = self.known.get_mut(scope) {
            known.apart = Some(Instant::now() + APART);
            self.waiting.remove(&known.wanted);
        }
    }

    /// Drops what nobody waits for and is of no use any more.
    fn drop_ended(&mut self) {
        let is_live = |cell: &Cell| cell.token.as_ref().is_some_and(|token| !token.left().is_zero());
        self.known.retain(|_, scope| {
            Arc::strong_count(&scope.cell) > 1 || scope.cell.try_lock().is_ok_and(|cell| is_live(&cell))
        });
        self.waiting.retain(|_, scope| self.known.contains_key(scope));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FIVE_MINUTES: Duration = Duration::from_secs(300);

    /// A token server that gives tokens for five minutes and counts requests.
    #[derive(Default)]
    struct Server {
        requests: SyncMutex<Vec<Vec<String>>>,
        /// How many scopes it takes.
        most: Option<usize>,
        fails: Option<Error>,
    }

    impl Asks for Server {
        async fn ask(&self, _: &Issuer, scopes: &[&str]) -> Result<Token, Error> {
            self.requests.lock().unwrap().push(scopes.iter().map(|scope| (*scope).to_owned()).collect());
            tokio::time::sleep(Duration::from_millis(20)).await;
            match (&self.fails, self.most) {
                (Some(error), _) if scopes.len() > 1 => Err(error.clone()),
                (_, Some(most)) if scopes.len() > most => Err(status(400)),
                _ => Ok(Token::new(HeaderValue::from_static("Bearer t"), FIVE_MINUTES)),
            }
        }
    }

    impl Server {
        fn take(&self) -> Vec<usize> {
            self.requests.lock().unwrap().drain(..).map(|scopes| scopes.len()).collect()
        }
    }

    fn status(status: u16) -> Error {
        Error::Status { url: "https://a.io/t".to_owned(), status, message: None }
    }

    fn issuer() -> Issuer {
        Issuer {
            registry: Url::parse("https://r.io/v2/").unwrap(),
            realm: Url::parse("https://a.io/t").unwrap(),
            service: None,
            credential: access::Distinct::fingerprint(""),
        }
    }

    /// One round in which so many scopes are wanted within five minutes.
    async fn round(tokens: &Tokens, server: &Server, count: u32) {
        for number in 0..count {
            tokens.get(&issuer(), &format!("repository:{number}:pull"), None, server).await.unwrap();
            tokio::time::advance(FIVE_MINUTES / count).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_wanted_before_is_asked_for_together() {
        let (tokens, server) = (Tokens::default(), Server::default());
        round(&tokens, &server, 100).await;
        assert_eq!(server.take().len(), 100, "nobody knows what will be wanted");
        round(&tokens, &server, 100).await;
        server.take();
        round(&tokens, &server, 100).await;
        let requests = server.take();
        assert!(requests.len() <= 12 && requests.iter().all(|scopes| *scopes <= MAX_SCOPES), "{requests:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_several_is_asked_one_by_one() {
        let (tokens, server) = (Tokens::default(), Server { most: Some(1), ..Server::default() });
        for number in 0..3 {
            round(&tokens, &server, 20).await;
            let requests = server.take();
            let several = requests.iter().filter(|scopes| **scopes > 1).count();
            assert_eq!((several, requests.len()), if number == 0 { (1, 21) } else { (0, 20) });
        }
        tokio::time::advance(APART).await;
        round(&tokens, &server, 1).await;
        assert_eq!(server.take(), [10, 1], "once an hour");
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_no_refusal() {
        let (tokens, server) = (Tokens::default(), Server { fails: Some(status(503)), ..Server::default() });
        round(&tokens, &server, 2).await;
        tokio::time::advance(FIVE_MINUTES).await;
        assert_eq!(
            tokens.get(&issuer(), "repository:0:pull", None, &server).await.unwrap_err().kind(),
            Kind::Transient
        );
        assert_eq!(server.take(), [1, 1, 2]);
        let server = Server::default();
        tokio::time::advance(SOON).await;
        tokens.get(&issuer(), "repository:0:pull", None, &server).await.unwrap();
        assert_eq!(server.take(), [2], "several are asked for again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_scope_whose_shared_token_is_rejected_has_its_own() {
        let (tokens, server) = (Tokens::default(), Server::default());
        round(&tokens, &server, 3).await;
        tokio::time::advance(FIVE_MINUTES).await;
        tokens.get(&issuer(), "repository:0:pull", None, &server).await.unwrap();
        let (shared, source) = tokens.get(&issuer(), "repository:1:pull", None, &server).await.unwrap();
        assert_eq!((server.take(), source), (vec![1, 1, 1, 3], Source::Cache));
        let rejected = Some(shared.serial());
        let (own, _) = tokens.get(&issuer(), "repository:1:pull", rejected, &server).await.unwrap();
        assert_ne!(own.serial(), shared.serial());
        tokio::time::advance(FIVE_MINUTES).await;
        tokens.get(&issuer(), "repository:1:pull", None, &server).await.unwrap();
        tokens.get(&issuer(), "repository:0:pull", None, &server).await.unwrap();
        assert_eq!(server.take(), [1, 1, 2], "the others go on together");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_wants_a_companion_waits_for_the_same_request() {
        let (tokens, server) = (Tokens::default(), Server::default());
        round(&tokens, &server, 3).await;
        tokio::time::advance(FIVE_MINUTES).await;
        server.take();
        let issuer = issuer();
        let get = async |number: u8| tokens.get(&issuer, &format!("repository:{number}:pull"), None, &server).await;
        let (first, second, third) = tokio::join!(get(0), get(1), get(2));
        assert!(first.is_ok() && second.is_ok() && third.is_ok());
        assert_eq!(server.take(), [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_does_not_stay_for_ever() {
        let (tokens, server) = (Tokens::default(), Server::default());
        for number in 0..MAX_TOKENS + 5 {
            tokio::time::advance(Duration::from_millis(20)).await;
            tokens.get(&issuer(), &format!("repository:{number}:pull"), None, &server).await.unwrap();
        }
        let count = tokens.issuers().values().map(|scopes| (scopes.known.len(), scopes.waiting.len())).next().unwrap();
        assert!(count.0 < MAX_TOKENS && count.0 == count.1, "{count:?}");
    }
}
