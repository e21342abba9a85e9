//! Where the keys of an issuer are, and how long they are used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;
use tracing::Instrument as _;
use url::Url;
use web::{Clients, Common, Protocol, ProxyChoice, Route, is_loopback};

use crate::{Claims, Expected, Keys, Refused};

/// How long keys are used without asking again. Issuers show new ones before they sign with them.
const LASTS: Duration = Duration::from_secs(60 * 60);

/// How long keys are used of an issuer that cannot be asked. One that was withdrawn is used no longer.
const LASTS_WITHOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// How often keys are asked for at most: anybody can show a token of a key that nobody knows.
const PAUSE: Duration = Duration::from_secs(30);

/// How long it may take to ask for them, the discovery included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Where an issuer says of itself what it is (OpenID Connect Discovery, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The issuer cannot be asked, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// It has no address that keys may come from.
    #[error(
        "an issuer is a URL that begins with https:// and has no user, query or fragment; http:// is for this machine alone"
    )]
    Address,
    /// Its certificate authorities cannot be used.
    #[error(transparent)]
    Trust(#[from] web::Unusable),
}

/// Whether this can be an issuer: a URL that keys may come from.
#[must_use]
pub fn is_issuer(url: &str) -> bool {
    address(url).is_some()
}

/// An issuer, with its keys as far as they are known.
#[derive(Debug)]
pub struct Issuer(Arc<Shared>);

/// What is shared with the task that asks for keys.
#[derive(Debug)]
struct Shared {
    /// Its name, as `iss` has it.
    name: String,
    place: Place,
    authorities: Vec<String>,
    clients: Clients,
    known: Mutex<Known>,
    /// Who holds it asks for the keys.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// Where the keys are.
#[derive(Debug)]
enum Place {
    /// Where the issuer says that they are, at this address.
    Discovered(Url),
    /// At this address.
    Fixed(Url),
}

#[derive(Debug, Default)]
struct Known {
    keys: Arc<Keys>,
    read: Option<Instant>,
    tried: Option<Instant>,
}

impl Issuer {
    /// The issuer with this URL, which tells where its keys are. `authorities` are trusted besides the system's, as PEM.
    ///
    /// # Errors
    /// It is no URL that keys may come from, or the authorities cannot be used.
    pub fn new(url: &str, authorities: Vec<String>) -> Result<Self, Unusable> {
        let discovery = address(&format!("{}{DISCOVERY}", url.trim_end_matches('/'))).ok_or(Unusable::Address)?;
        if !is_issuer(url) {
            return Err(Unusable::Address);
        }
        Self::of(url, Place::Discovered(discovery), authorities)
    }

    /// The issuer of this name, whose keys are at this address.
    ///
    /// # Errors
    /// It is no URL that keys may come from.
    pub fn with_keys_at(name: &str, keys: &str) -> Result<Self, Unusable> {
        Self::of(name, Place::Fixed(address(keys).ok_or(Unusable::Address)?), Vec::new())
    }

    fn of(name: &str, place: Place, authorities: Vec<String>) -> Result<Self, Unusable> {
        let common = Common {
            user_agent: concat!("tagwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: TIMEOUT,
            read_timeout: TIMEOUT,
            idle_per_host: 1,
        };
        let name = name.to_owned();
        let (known, asking) = (Mutex::default(), Arc::default());
        let shared = Shared { name, place, authorities, clients: Clients::new(common), known, asking };
        let (Place::Discovered(address) | Place::Fixed(address)) = &shared.place;
        match shared.client(address) {
            // Those of a system may come yet.
            Ok(_) | Err(web::Unusable::NoAuthorities) => Ok(Self(Arc::new(shared))),
            Err(error) => Err(error.into()),
        }
    }

    /// Its name, as `iss` has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What a token of this issuer says, if it is for this audience, at a moment in seconds since 1970.
    ///
    /// # Errors
    /// It does not count, and why.
    pub async fn check(&self, token: &str, audience: &str, now: i64) -> Result<Claims, Refused> {
        let keys = self.keys_for(token, Instant::now()).await;
        if keys.is_empty() {
            return Err(Refused::Unreachable);
        }
        keys.check(token, &Expected { issuers: &[self.name()], audience, now })
    }

    /// The keys, asked for where they are old or none of them is that of a token. Whoever comes meanwhile waits for the same answer, but
    /// not with a token of a key that is known; and whoever goes away leaves the question to the others. `now` is the time of this
    /// process.
    pub async fn keys_for(&self, token: &str, now: Instant) -> Arc<Keys> {
        let shared = &self.0;
        let (keys, is_fresh) = shared.look(token, now);
        if is_fresh {
            return keys;
        }
        let asking = match Arc::clone(&shared.asking).try_lock_owned() {
            Ok(asking) => asking,
            Err(_) if keys.know(token) => return keys,
            Err(_) => Arc::clone(&shared.asking).lock_owned().await,
        };
        if shared.is_early(now) {
            return shared.look(token, now).0;
        }
        let task = Arc::clone(shared);
        let asked = tokio::spawn(async move {
            task.ask(now).await;
            drop(asking);
        });
        let _lost = asked.await;
        shared.look(token, now).0
    }
}

impl Shared {
    /// Asks for the keys.
    async fn ask(&self, now: Instant) {
        self.known().tried = Some(now);
        let read = tokio::time::timeout(TIMEOUT, self.read()).await;
        match read.unwrap_or_else(|_| Err("it does not answer in time".to_owned())) {
            Ok(keys) => {
                let mut known = self.known();
                (known.keys, known.read) = (Arc::new(keys), Some(now));
            }
            Err(error) => tracing::warn!(error, issuer = self.name, "cannot read the keys of an issuer of tokens"),
        }
    }

    /// The keys that may be used, and whether they need not be asked for again for this token.
    fn look(&self, token: &str, now: Instant) -> (Arc<Keys>, bool) {
        let mut known = self.known();
        let age = known.read.map(|read| now.saturating_duration_since(read));
        if age.is_some_and(|age| age >= LASTS_WITHOUT) {
            known.keys = Arc::default();
        }
        let is_fresh = age.is_some_and(|age| age < LASTS) && known.keys.know(token);
        (Arc::clone(&known.keys), is_fresh)
    }

    fn is_early(&self, now: Instant) -> bool {
        self.known().tried.is_some_and(|tried| now.saturating_duration_since(tried) < PAUSE)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) -> Result<Keys, String> {
        let keys = match &self.place {
            Place::Fixed(keys) => keys.clone(),
            Place::Discovered(discovery) => {
                let document: Value = serde_json::from_slice(&self.get(discovery).await?)
                    .map_err(|_| format!("{} is no JSON", web::show(discovery)))?;
                let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
                if text("issuer") != self.name {
                    return Err(format!("{} is of another issuer", web::show(discovery)));
                }
                let keys = address(text("jwks_uri")).filter(|keys| keys.scheme() == "https" || is_loopback(discovery));
                keys.ok_or_else(|| format!("{} names no place with keys", web::show(discovery)))?
            }
        };
        Keys::parse(&self.get(&keys).await?).ok_or_else(|| format!("{} is no set of keys", web::show(&keys)))
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, String> {
        let shown = web::show(url);
        let silent = |error: reqwest::Error| format!("{shown}: {}", web::silence(error));
        let client = self.client(url).map_err(|error| error.to_string())?;
        let span = web::asking(&reqwest::Method::GET, url, 0);
        let told = |error: reqwest::Error| {
            web::unanswered(&span, &error);
            silent(error)
        };
        let mut answer = client.get(url.clone()).send().instrument(span.clone()).await.map_err(told)?;
        web::answered(&span, answer.status().as_u16());
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("{shown} answers {}", answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(silent)? {
            body.extend_from_slice(&piece);
            if body.len() > MAX_BYTES {
                return Err(format!("the answer of {shown} has more than {MAX_BYTES} bytes"));
            }
        }
        Ok(body)
    }

    fn client(&self, to: &Url) -> Result<reqwest::Client, web::Unusable> {
        let authorities = self.authorities.iter().map(String::as_str).collect();
        let proxy = ProxyChoice::Environment;
        self.clients.get(&Route { authorities, identity: None, proxy, protocol: Protocol::Http1 }, to)
    }
}

/// An address that keys may come from.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (is_safe && is_plain).then_some(url)
}
