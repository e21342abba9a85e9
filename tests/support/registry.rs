//! A simulated OCI registry on loopback: a state machine with real HTTP in front of it.
//!
//! It pages, throttles, fails, stalls, redirects, and gives out tokens as told, and records what it was asked. Nothing in
//! it depends on time. Use it from any integration test with `#[path = "support/registry.rs"] mod simulated;`:
//!
//! ```ignore
//! let registry = Registry::start(World::with("team/app", ["1.0", "1.1"])).await;
//! let image = format!("{}/team/app", registry.host());
//! ```

// Each test binary uses another part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "registry/answer.rs"]
mod answer;
#[path = "registry/artifacts.rs"]
pub mod artifacts;
#[path = "registry/door.rs"]
pub mod door;
#[path = "registry/socks.rs"]
pub mod socks;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use door::{Certificates, Door};

/// Everything the registry has and does.
#[derive(Debug, Default)]
pub struct World {
    /// Repositories by name, with their tags in the order in which they are listed.
    pub repositories: BTreeMap<String, Vec<String>>,
    /// How tags are cut into pages.
    pub paging: Paging,
    /// Who may see what.
    pub auth: Auth,
    /// What is answered in place of the usual: the first whose path ends so is used up by one request.
    pub faults: VecDeque<(String, Fault)>,
    /// What is answered in place of the usual to every request whose path ends so.
    pub broken: BTreeMap<String, Fault>,
    /// What HEAD of a manifest is answered with.
    pub head: Head,
    /// What pages are recognised by.
    pub etags: Etags,
    /// When tags were pushed, in milliseconds since 1970, told as Google's registries do; by `name:tag`.
    pub pushed: BTreeMap<String, i64>,
    /// Manifests and blobs that are more than a tag's name.
    pub artifacts: artifacts::Artifacts,
}

impl World {
    /// A registry with one repository.
    pub fn with<T: Into<String>>(name: &str, tags: impl IntoIterator<Item = T>) -> Self {
        Self::default().and(name, tags)
    }

    /// Pushes an image with a configuration under a tag, anew where that is there already; what it had before stays under its
    /// digest. Returns the digest.
    pub fn push(&mut self, name: &str, tag: &str, config: &serde_json::Value) -> String {
        let digest = self.artifacts.put_image(name, Some(tag), config);
        let tags = self.repositories.entry(name.to_owned()).or_default();
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
        digest
    }

    /// Adds a repository.
    pub fn and<T: Into<String>>(mut self, name: &str, tags: impl IntoIterator<Item = T>) -> Self {
        self.repositories.insert(name.to_owned(), tags.into_iter().map(Into::into).collect());
        self
    }

    /// Cuts tags into pages.
    pub fn paged(self, size: usize, links: Links) -> Self {
        Self { paging: Paging { size: Some(size), links, refusal: None }, ..self }
    }

    /// Refuses pages of another size.
    pub fn refusing(mut self, refusal: Refusal) -> Self {
        self.paging.refusal = Some(refusal);
        self
    }

    /// Asks for proof.
    pub fn guarded(self, auth: Auth) -> Self {
        Self { auth, ..self }
    }

    /// Answers one request whose path ends so with something else.
    pub fn failing(mut self, path: &str, fault: Fault) -> Self {
        self.faults.push_back((path.to_owned(), fault));
        self
    }
}

/// How tags are cut into pages.
#[derive(Debug, Default)]
pub struct Paging {
    /// The most tags in a page; the client may ask for fewer.
    pub size: Option<usize>,
    /// What the links look like.
    pub links: Links,
    /// What becomes of a wish for more.
    pub refusal: Option<Refusal>,
}

/// What the links to the next page look like.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Links {
    /// `</v2/…?last=…>; rel="next"`
    #[default]
    Relative,
    /// With scheme and host.
    Absolute,
    /// `<?next_page=TOKEN>; rel=next` among other links, with a token that only the registry can read.
    Opaque,
    /// To the page itself.
    Loop,
    /// To a new address each time, with the first page behind it.
    Endless,
    /// None, though there are more tags; `last` leads to them.
    Silent,
    /// None, and `last` is not known; without `n` all tags come.
    Deaf,
    /// As told, whatever was asked.
    Fixed(String),
    /// To the next page as it is called behind a proxy: this in place of scheme, host and path, with the query behind it.
    Inside(&'static str),
    /// To the next page, on which the registry fails.
    Astray(u16, &'static str),
}

/// What a registry says of a size of pages that it does not give.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// The most tags that may be asked for; nothing where none may be.
    pub above: usize,
    pub status: u16,
    pub message: &'static str,
}

/// What pages are recognised by.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Etags {
    /// Nothing, and the question whether a page has changed is not understood.
    #[default]
    None,
    /// A hash of the body, without a look at the link to the next page.
    Strong,
    /// The same, marked as weak.
    Weak,
    /// As told, whatever the page is; the question is answered by comparing with it.
    Fixed(String),
}

/// Who may see what.
#[derive(Debug, Default)]
pub enum Auth {
    /// Everybody sees everything.
    #[default]
    Open,
    /// Each request brings a login.
    Basic(Vec<Account>),
    /// Each request brings a token, which `/token` of this or of another registry gives out.
    Bearer(Bearer),
}

/// The token flow.
#[derive(Debug)]
pub struct Bearer {
    /// Who gets tokens.
    pub accounts: Vec<Account>,
    /// Whether tokens are also given to strangers.
    pub strangers: bool,
    /// What a token's answer looks like, with `TOKEN` in place of the token.
    pub answer: &'static str,
    /// The realm, if it is not this registry's `/token`.
    pub realm: Option<String>,
    /// Whether refresh tokens are taken by POST.
    pub oauth: bool,
}

impl Bearer {
    /// A flow with one account for everything.
    pub fn of(accounts: Vec<Account>) -> Self {
        Self {
            accounts,
            strangers: false,
            answer: r#"{"token": "TOKEN", "expires_in": 300}"#,
            realm: None,
            oauth: false,
        }
    }
}

/// A login and the repositories it may see.
#[derive(Debug, Clone)]
pub struct Account {
    pub username: &'static str,
    pub password: &'static str,
    /// What the names of its repositories begin with.
    pub repositories: &'static str,
}

impl Account {
    /// An account that may see everything.
    pub fn new(username: &'static str, password: &'static str) -> Self {
        Self { username, password, repositories: "" }
    }
}

/// What is answered in place of the usual.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A status with headers and a body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, ever.
    Stall,
    /// The connection ends in the middle of the body.
    Cut,
}

impl Fault {
    /// A bare status.
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }

    /// A status with the registry's error format.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message, "detail": {"secret": "detail"}}]});
        Self::Answer(status, Vec::new(), body.to_string().into_bytes())
    }

    /// A status with one header.
    pub fn header(status: u16, name: &'static str, value: impl Into<String>) -> Self {
        Self::Answer(status, vec![(name, value.into())], Vec::new())
    }

    /// A good answer with a body of its own.
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::Answer(200, Vec::new(), body.into())
    }
}

/// What HEAD of a manifest is answered with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The digest.
    #[default]
    Digest,
    /// 200 without a digest.
    Silent,
    /// This status.
    Status(u16),
}

/// One request, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub at: Instant,
    pub method: String,
    pub path: String,
    pub query: String,
    /// The host the client meant; through a proxy it is not ours.
    pub host: String,
    pub authorization: Option<String>,
    pub proxy_authorization: Option<String>,
    pub cookie: Option<String>,
    pub accept: String,
    pub if_none_match: Option<String>,
    /// All of them, to look for what should not be there.
    pub headers: String,
    pub body: String,
}

impl Seen {
    /// Method and path, as `GET /v2/a/tags/list`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A running registry; it ends when dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
    connections: Arc<AtomicUsize>,
    certified: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    origin: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    world: World,
    seen: Vec<Seen>,
    /// Tokens that are accepted, with the repository each is for.
    tokens: BTreeMap<String, String>,
    issued: usize,
    links: usize,
}

impl Registry {
    /// Starts a registry over plain HTTP.
    pub async fn start(world: World) -> Self {
        Self::open(world, None).await
    }

    /// Starts a registry over TLS.
    pub async fn start_tls(world: World, certificates: &Certificates) -> Self {
        Self::open(world, Some(certificates)).await
    }

    async fn open(world: World, certificates: Option<&Certificates>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if certificates.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{address}");
        let inner = Mutex::new(Inner { world, ..Inner::default() });
        let state = Arc::new(State { origin, inner });
        let connections = Arc::new(AtomicUsize::new(0));
        let certified = Arc::new(AtomicUsize::new(0));
        let acceptor = certificates.map(Certificates::acceptor);
        let door = Door::new(listener, acceptor, Arc::clone(&connections), Arc::clone(&certified));
        let router = Router::new().fallback(answer::answer).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move { axum::serve(door, router).await.unwrap() });
        Self { address, scheme, state, connections, certified, task }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What was asked so far, without the question whether HTTPS is spoken.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.iter().filter(|seen| seen.path != "/v2/").cloned().collect()
    }

    /// The same as lines, and forgotten.
    pub fn take_lines(&self) -> Vec<String> {
        let lines = self.seen().iter().map(Seen::line).collect();
        self.lock().seen.clear();
        lines
    }

    /// How many requests had a path that ends so.
    pub fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path.ends_with(path)).count()
    }

    /// Forgets all tokens given out, so that the registry rejects them.
    pub fn revoke(&self) {
        self.lock().tokens.clear();
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many connections showed a client certificate.
    pub fn certified(&self) -> usize {
        self.certified.load(Ordering::SeqCst)
    }

    /// Changes what the registry has and does.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.lock().world);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.state.inner.lock().unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The digest of the manifest that a tag of a simulated registry points to.
pub fn digest(name: &str, tag: &str) -> String {
    answer::digest(&answer::manifest(name, tag))
}

/// The digest of bytes.
pub fn digest_of(bytes: &[u8]) -> String {
    answer::digest(bytes)
}
