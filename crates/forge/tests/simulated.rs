//! Forges over loopback that keep the rules of their products: what they refuse, in which order, and with which words.
//!
//! A forge may stand on a bare repository, of which it knows the branches then, and in which it merges.

#![allow(dead_code, clippy::unwrap_used)]

#[path = "simulated/azure.rs"]
mod azure;
#[path = "simulated/bitbucket.rs"]
mod bitbucket;
#[path = "simulated/datacenter.rs"]
mod datacenter;
#[path = "simulated/gitea.rs"]
mod gitea;
#[path = "simulated/github.rs"]
mod github;
#[path = "simulated/gitlab.rs"]
mod gitlab;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use forge::Product;
use serde_json::{Value, json};

/// The token that is taken.
pub(crate) const TOKEN: &str = "forge-token-4711";

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pull {
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) head: String,
    pub(crate) base: String,
    /// `open`, `closed` or `merged`.
    pub(crate) state: &'static str,
    pub(crate) by: Option<String>,
    pub(crate) draft: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) reviewers: Vec<String>,
    pub(crate) assignees: Vec<String>,
    pub(crate) comments: Vec<String>,
    /// Whether its branch is in a fork.
    pub(crate) is_of_a_fork: bool,
    /// Whether the forge is to merge it.
    pub(crate) auto: bool,
    /// How often it was left out of a list.
    pub(crate) hidden: usize,
    /// How often it was changed.
    pub(crate) version: u64,
    /// How often it was asked whether it can be merged.
    pub(crate) looks: usize,
}

/// A comment that somebody has written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Note {
    pub(crate) id: u64,
    pub(crate) pull: u64,
    pub(crate) author: String,
    pub(crate) text: String,
    pub(crate) is_bot: bool,
    /// When it was written; by default long ago.
    pub(crate) at: jiff::Timestamp,
}

/// What a merge waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Checks {
    /// Nothing.
    #[default]
    None,
    /// Checks that run.
    Pending,
}

/// What goes wrong with the next request of which method and path begin like this.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) at: &'static str,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    /// Whether it is done all the same, and only the answer is another.
    pub(crate) is_done: bool,
}

/// Something that happens meanwhile, once.
pub(crate) struct Meanwhile(&'static str, Box<dyn FnOnce() + Send>);

impl From<(&'static str, Box<dyn FnOnce() + Send>)> for Meanwhile {
    fn from((part, happens): (&'static str, Box<dyn FnOnce() + Send>)) -> Self {
        Self(part, happens)
    }
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// What signs the commits that a forge makes: gets a commit, and gives an armored signature.
#[derive(Default)]
pub(crate) struct Signer(pub(crate) Option<Signs>);

/// Gives a signature.
type Signs = Box<dyn Fn(&[u8]) -> String + Send>;

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// What a forge has.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) pulls: Vec<Pull>,
    /// Branches and their commits, where it stands on no repository.
    pub(crate) branches: BTreeMap<String, String>,
    pub(crate) git: Option<PathBuf>,
    pub(crate) checks: Checks,
    pub(crate) auto_is_allowed: bool,
    /// In how many lists a new request is not yet.
    pub(crate) lag: usize,
    /// How often GitLab is asked until it knows whether a request can be merged.
    pub(crate) undecided: usize,
    pub(crate) labels: Vec<String>,
    pub(crate) users: Vec<String>,
    /// Those of them that may write.
    pub(crate) writers: Vec<String>,
    pub(crate) notes: Vec<Note>,
    pub(crate) faults: VecDeque<Fault>,
    /// Whether who asks is an app, whose commits are signed.
    pub(crate) is_app: bool,
    /// What happens when something with this in its path is asked for the first time.
    pub(crate) when_asked: Option<Meanwhile>,
    /// What signs them; without one, a signature is a mere text.
    pub(crate) signer: Signer,
    /// Whether it is down.
    pub(crate) is_down: bool,
    /// It is down for whatever has this in its path or query.
    pub(crate) is_down_for: Option<&'static str>,
    /// Method, path and body of each request.
    pub(crate) asked: Vec<String>,
}

/// A request over HTTP.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The parts of the path, decoded.
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Asked {
    /// The page of a list that is asked for, by the names of its number, from 1 on, and of its size, and the size by default.
    pub(crate) fn page<T>(&self, all: Vec<T>, (page, size): (&str, &str), default: usize) -> Vec<T> {
        let number =
            |name: &str, default| self.query.get(name).and_then(|it| it.parse::<usize>().ok()).unwrap_or(default);
        let (page, size) = (number(page, 1), number(size, default));
        all.into_iter().skip((page - 1) * size).take(size).collect()
    }
}

/// An answer.
pub(crate) type Answered = (u16, Value);

/// A forge that runs.
pub(crate) struct Forge {
    pub(crate) base: String,
    pub(crate) product: Product,
    world: Arc<Mutex<World>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Forge {
    pub(crate) async fn start(product: Product) -> Self {
        let world = World {
            auto_is_allowed: true,
            is_app: true,
            users: vec!["ada".to_owned(), "bob".to_owned()],
            writers: vec!["ada".to_owned()],
            ..World::default()
        };
        let world = Arc::new(Mutex::new(world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state((product, Arc::clone(&world)));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, product, world, task }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The request with a number.
    pub(crate) fn pull(&self, number: u64) -> Pull {
        self.world().pulls.iter().find(|pull| pull.number == number).unwrap().clone()
    }

    /// The numbers of all requests with what became of them.
    pub(crate) fn states(&self) -> Vec<(u64, &'static str)> {
        self.world().pulls.iter().map(|pull| (pull.number, pull.state)).collect()
    }

    /// A person closes a request.
    pub(crate) fn close(&self, number: u64, by: &str) {
        let mut world = self.world();
        let pull = world.pulls.iter_mut().find(|pull| pull.number == number).unwrap();
        (pull.state, pull.by) = ("closed", Some(by.to_owned()));
    }

    /// Somebody writes a comment with this number.
    pub(crate) fn say(&self, pull: u64, id: u64, author: &str, text: &str) {
        let (author, text) = (author.to_owned(), text.to_owned());
        self.world().notes.push(Note { id, pull, author, text, is_bot: false, at: jiff::Timestamp::now() });
    }

    /// A person merges a request.
    pub(crate) fn merge(&self, number: u64) {
        let mut world = self.world();
        let at = world.pulls.iter().position(|pull| pull.number == number).unwrap();
        world.merge(at);
    }

    /// Method and path of the requests since the last time, without what is only read if so wanted.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.world().asked)
    }

    /// Those that change something.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.asked().into_iter().filter(|line| !line.starts_with("GET ")).collect()
    }
}

impl World {
    pub(crate) fn tip(&self, branch: &str) -> Option<String> {
        match &self.git {
            None => self.branches.get(branch).cloned(),
            Some(bare) => git(bare, &["rev-parse", "--verify", "-q", &format!("refs/heads/{branch}")]),
        }
    }

    pub(crate) fn merge(&mut self, at: usize) {
        let (head, base) = (self.pulls[at].head.clone(), self.pulls[at].base.clone());
        if let (Some(bare), Some(tip)) = (&self.git, self.tip(&head)) {
            git(bare, &["update-ref", &format!("refs/heads/{base}"), &tip]).unwrap();
        }
        self.pulls[at].state = "merged";
    }

    /// Deletes a branch; whether it was there.
    pub(crate) fn delete(&mut self, branch: &str) -> bool {
        let was_there = self.tip(branch).is_some();
        match &self.git {
            None => drop(self.branches.remove(branch)),
            Some(bare) => drop(git(bare, &["update-ref", "-d", &format!("refs/heads/{branch}")])),
        }
        was_there
    }

    pub(crate) fn add(&mut self, pull: Pull) -> usize {
        let number = self.pulls.len() as u64 + 1;
        self.pulls.push(Pull { number, state: "open", ..pull });
        self.pulls.len() - 1
    }

    /// The open request for two branches.
    pub(crate) fn open(&self, head: &str, base: &str) -> Option<u64> {
        let is_it = |pull: &&Pull| pull.state == "open" && !pull.is_of_a_fork && pull.head == head && pull.base == base;
        self.pulls.iter().find(is_it).map(|pull| pull.number)
    }

    /// Those of a list, newest first; new ones are not in it yet.
    pub(crate) fn listed(&mut self, is_in: impl Fn(&Pull) -> bool) -> Vec<Pull> {
        let lag = self.lag;
        let mut found = Vec::new();
        for pull in self.pulls.iter_mut().rev().filter(|pull| is_in(pull)) {
            if pull.hidden < lag {
                pull.hidden += 1;
            } else {
                found.push(pull.clone());
            }
        }
        found
    }

    /// The comment with a number.
    pub(crate) fn note(&self, id: &str) -> Option<&Note> {
        self.notes.iter().find(|note| note.id.to_string() == id)
    }

    pub(crate) fn may_write(&self, user: &str) -> bool {
        self.writers.iter().any(|writer| writer == user)
    }

    pub(crate) fn at(&self, number: &str) -> Option<usize> {
        self.pulls.iter().position(|pull| pull.number.to_string() == number)
    }
}

/// Runs git in a bare repository; none where it fails.
fn git(bare: &PathBuf, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--git-dir").arg(bare).args(arguments).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// Runs git in a bare repository with this to read, and an index of its own.
pub(crate) fn git_fed(bare: &PathBuf, index: &std::path::Path, arguments: &[&str], input: &[u8]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(bare).args(arguments).env("GIT_INDEX_FILE", index);
    let pipe = std::process::Stdio::piped;
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

async fn serve(State((product, world)): State<(Product, Arc<Mutex<World>>)>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let decoded = |text: &str| {
        let text = text.replace('+', "%2B");
        url::form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
    };
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().split('/').filter(|part| !part.is_empty()).map(decoded).collect(),
        query: query.map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    };
    let proof = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut world = world.lock().unwrap();
    let line = format!("{} {}", asked.method, parts.uri.path());
    world.asked.push(match &asked.body {
        Value::Null => format!("{line}{}", parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default()),
        body => format!("{line} {body}"),
    });
    let is_hit = |part: &str| parts.uri.to_string().contains(part);
    if let Some(Meanwhile(_, happens)) = world.when_asked.take_if(|it| is_hit(it.0)) {
        happens();
    }
    if world.is_down || world.is_down_for.is_some_and(is_hit) {
        return answer(502, &[], &json!("down"));
    }
    let fault = world.faults.iter().position(|fault| line.starts_with(fault.at));
    let fault = fault.and_then(|at| world.faults.remove(at));
    if let Some(fault) = fault.as_ref().filter(|fault| !fault.is_done) {
        return answer(fault.status, &fault.headers, &fault.body);
    }
    // A token of Azure DevOps is a password without a user.
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!(":{TOKEN}"));
    let expected = if product == Product::AzureDevOps { format!("Basic {basic}") } else { format!("Bearer {TOKEN}") };
    if proof != expected {
        return answer(401, &[], &json!({ "message": format!("Bad credentials: {proof}") }));
    }
    let (status, body) = match product {
        Product::GitHub => github::answer(&mut world, &asked),
        Product::GitLab => gitlab::answer(&mut world, &asked),
        Product::Bitbucket => bitbucket::answer(&mut world, &asked),
        Product::BitbucketDataCenter => datacenter::answer(&mut world, &asked),
        Product::AzureDevOps => azure::answer(&mut world, &asked),
        Product::Gitea | Product::Forgejo => gitea::answer(&mut world, &asked),
    };
    match fault {
        Some(fault) => answer(fault.status, &fault.headers, &fault.body),
        None => answer(status, &[], &body),
    }
}

fn answer(status: u16, headers: &[(&'static str, String)], body: &Value) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    let body = if status == 204 { Body::empty() } else { Body::from(body.to_string()) };
    response.header("content-type", "application/json").body(body).unwrap()
}

/// Texts of a list in JSON.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A field of a body.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
