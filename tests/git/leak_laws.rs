//! A law over generated Git remotes: whatever servers redirect to, ask for and repeat, however we log in, whatever is asked, fetched
//! and pushed in either version of the protocol, no proof is seen by a host that it is not for, and none is in what is said in
//! the end, in the log, or on the disk.
//!
//! There are two homes, each a configured remote with a proof of its own, and a stranger. The first home may be behind a proxy with a
//! login, which carries everything.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use access::{GitLogin, Login, Proxy};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use git::{CommitId, Error, Expected, Git, Mirror, RefUpdate, Want};
use proptest::prelude::*;
use tracing_subscriber::fmt::MakeWriter;

use crate::hostile::{self, Pack};
use crate::support::{access, settings};
use crate::{build, to_main};

/// The proofs of the two homes, and that of the proxy.
const PROOFS: [&str; 2] = ["pr00f-of-the-first/home", "pr00f-of-the-second+home"];
const PROXY_PROOF: &str = "pr00f-of-the-proxy";

/// The names of the servers as the proxy hears them. The third is the stranger.
const NAMES: [&str; 3] = ["one.invalid", "two.invalid", "three.invalid"];

/// What a server does with one request in place of the usual.
#[derive(Debug, Clone)]
enum Act {
    /// The usual.
    Serve,
    /// Leads to a server, to the same question or to another place, with a cookie.
    Redirect(u16, usize, bool),
    /// Asks for a login.
    Ask(u16, &'static str),
    /// Repeats what it was sent.
    Echo(u16),
    /// The same where a content type is, or as the protocol's own error.
    EchoKind,
    EchoPacket,
}

/// How a home is logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Basic,
    Bearer,
    InUrl,
    /// A helper that knows both homes.
    Helper,
    /// `TAGWRIGHT_GIT_TOKEN`, for this home.
    Token,
    /// `http.<url>.extraHeader`
    Header,
}

fn act() -> impl Strategy<Value = Act> {
    let challenge =
        prop::sample::select(vec!["Basic realm=x", "Bearer realm=\"http://three.invalid/token\"", "Negotiate"]);
    let redirect = prop::sample::select(vec![301u16, 302, 303, 307, 308]);
    prop_oneof![
        3 => Just(Act::Serve),
        2 => (redirect, 0..3usize, any::<bool>()).prop_map(|(status, to, same)| Act::Redirect(status, to, same)),
        3 => (prop::sample::select(vec![401u16, 401, 407]), challenge).prop_map(|(status, it)| Act::Ask(status, it)),
        1 => prop::sample::select(vec![200u16, 400, 401, 403, 404, 429, 500]).prop_map(Act::Echo),
        1 => Just(Act::EchoKind),
        1 => Just(Act::EchoPacket),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop::sample::select(vec![Way::Basic, Way::Bearer, Way::InUrl, Way::Helper, Way::Token, Way::Header])
}

/// What a request showed.
#[derive(Debug, Clone)]
struct Seen {
    /// The server that it was meant for.
    server: usize,
    text: String,
    has_login: bool,
    has_cookie: bool,
    has_proxy_login: bool,
}

/// Three servers on three ports, and a proxy to all of them that answers for them.
#[derive(Default)]
struct Stage {
    acts: [VecDeque<Act>; 3],
    bases: Vec<String>,
    tip: String,
    pack: Vec<u8>,
    seen: Vec<Seen>,
    is_old: bool,
}

type Shared = Arc<Mutex<Stage>>;

/// A server of the stage; none is the proxy.
#[derive(Clone)]
struct Part(Shared, Option<usize>);

struct Tasks(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn open(part: Part) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(part);
    (base, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

async fn answer(State(Part(stage, server)): State<Part>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut stage = stage.lock().unwrap();
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let server = server.or_else(|| NAMES.iter().position(|name| *name == host)).unwrap_or(2);
    let headers: String = parts.headers.iter().map(|(name, value)| format!("{name}: {value:?}\n")).collect();
    stage.seen.push(Seen {
        server,
        text: format!("{} {headers}{}", parts.uri, String::from_utf8_lossy(&body)),
        has_login: parts.headers.contains_key("authorization"),
        has_cookie: parts.headers.contains_key("cookie"),
        has_proxy_login: parts.headers.contains_key("proxy-authorization"),
    });
    let query = parts.uri.query().unwrap_or_default();
    let is_new = parts.headers.contains_key("git-protocol") && !stage.is_old;
    let kind = match (&parts.method, query.strip_prefix("service=")) {
        (&Method::GET, Some(service)) => format!("application/x-{service}-advertisement"),
        _ => format!("application/x-{}-result", parts.uri.path().rsplit('/').next().unwrap_or_default()),
    };
    let usual = |stage: &Stage| {
        let said = stage.usual(&parts.method, &kind, is_new, &body);
        ([("content-type", kind.clone())], said).into_response()
    };
    let echo = words(&parts.headers);
    match stage.acts[server].pop_front().unwrap_or(Act::Serve) {
        Act::Serve => usual(&stage),
        Act::Redirect(status, to, is_same) => {
            let path = if is_same { parts.uri.path_and_query().map_or("/", |it| it.as_str()) } else { "/elsewhere" };
            let headers =
                [("location", format!("{}{path}", stage.bases[to])), ("set-cookie", "id=1; Path=/".to_owned())];
            (StatusCode::from_u16(status).unwrap(), headers).into_response()
        }
        Act::Ask(status, challenge) => {
            let headers =
                [("www-authenticate", challenge), ("proxy-authenticate", challenge), ("content-type", "text/plain")];
            (StatusCode::from_u16(status).unwrap(), headers, echo).into_response()
        }
        Act::Echo(status) => {
            let headers = [("content-type", "text/plain"), ("www-authenticate", "Basic realm=x")];
            (StatusCode::from_u16(status).unwrap(), headers, echo).into_response()
        }
        Act::EchoKind => ([("content-type", format!("text/{}", echo.replace('\n', " ")))], "x").into_response(),
        Act::EchoPacket => {
            let begin = if kind.ends_with("advertisement") { "001e# service=git-upload-pack\n0000" } else { "" };
            let said = format!("ERR {}\n", echo.replace('\n', " "));
            ([("content-type", kind)], format!("{begin}{:04x}{said}", said.len() + 4)).into_response()
        }
    }
}

/// All that headers show, and what they are made of.
fn words(headers: &HeaderMap) -> String {
    let mut words = Vec::new();
    for value in headers.iter().filter(|(name, _)| *name != "host").filter_map(|(_, value)| value.to_str().ok()) {
        words.push(value.to_owned());
        let encoded = value.split(' ').next_back().unwrap_or_default();
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
        words.extend(String::from_utf8(decoded).ok().filter(|text| !text.is_empty()));
    }
    words.join("\n")
}

impl Stage {
    /// What a server that means no harm answers: one branch with one commit, and a push that works.
    fn usual(&self, method: &Method, kind: &str, is_new: bool, body: &[u8]) -> Vec<u8> {
        let packets = |lines: &[&str]| -> String {
            let packet = |line: &&str| {
                if line.starts_with("000") { (*line).to_owned() } else { format!("{:04x}{line}", line.len() + 4) }
            };
            lines.iter().map(packet).collect()
        };
        let tip = &self.tip;
        let main = format!("{tip} refs/heads/main\n");
        let pack = |before: &[&str]| {
            let mut out = packets(before).into_bytes();
            self.pack.chunks(65_000).for_each(|piece| {
                out.extend_from_slice(format!("{:04x}\u{1}", piece.len() + 5).as_bytes());
                out.extend_from_slice(piece);
            });
            [out, b"0000".to_vec()].concat()
        };
        let has = |word: &str| body.windows(word.len()).any(|window| window == word.as_bytes());
        match (method, kind) {
            (&Method::GET, "application/x-git-upload-pack-advertisement") if is_new => {
                packets(&["version 2\n", "ls-refs\n", "fetch=shallow\n", "0000"]).into_bytes()
            }
            (&Method::GET, _) => {
                let service = if kind.contains("receive") { "receive" } else { "upload" };
                let can = "side-band-64k shallow report-status push-options symref=HEAD:refs/heads/main";
                let (service, first) = (format!("# service=git-{service}-pack\n"), format!("{tip} HEAD\0{can}\n"));
                packets(&[&service, "0000", &first, &main, "0000"]).into_bytes()
            }
            (_, "application/x-git-receive-pack-result") => {
                let report = packets(&["unpack ok\n", "ok refs/heads/main\n", "ok refs/heads/second\n", "0000"]);
                format!("{}0000", packets(&[&format!("\u{1}{report}")])).into_bytes()
            }
            _ if has("command=ls-refs") => packets(&[&main, "0000"]).into_bytes(),
            _ if has("command=fetch") => pack(&["shallow-info\n", &format!("shallow {tip}\n"), "0001", "packfile\n"]),
            _ => pack(&[&format!("shallow {tip}\n"), "0000", "NAK\n"]),
        }
    }
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The forms in which a proof may be seen.
fn forms(proof: &str) -> Vec<String> {
    let pair = |user: &str| base64::engine::general_purpose::STANDARD.encode(format!("{user}:{proof}"));
    let in_url = proof.replace('/', "%2F").replace('+', "%2B");
    vec![proof.to_owned(), in_url, pair("me"), pair("x-access-token")]
}

fn shows(text: &str, proof: &str) -> bool {
    forms(proof).iter().any(|form| text.contains(form.as_str()))
}

/// The URL of a home, and the access that it is configured with.
fn remote(base: &str, proof: &str, way: Way) -> (String, access::Git) {
    let login = match way {
        Way::Basic => GitLogin::Basic(Login { username: "me".to_owned(), password: proof.into() }),
        Way::Bearer => GitLogin::Bearer(proof.into()),
        _ => GitLogin::Machine,
    };
    let user = if way == Way::InUrl {
        format!("me:{}@", proof.replace('/', "%2F").replace('+', "%2B"))
    } else {
        String::new()
    };
    (format!("{}/repo.git", base.replace("http://", &format!("http://{user}"))), access(login))
}

/// The environment in which both homes are logged in to as they want it. A token is for one host alone, the second's if both want one.
fn environment(homes: &[(&str, Way)]) -> Vec<(String, String)> {
    let host = |base: &str| base.trim_start_matches("http://").to_owned();
    let (mut config, mut environment) = (Vec::new(), Vec::new());
    let mut helper = String::new();
    for ((base, way), proof) in homes.iter().zip(PROOFS) {
        match way {
            Way::Helper => helper += &format!("*host={}*) echo username=me; echo password={proof};; ", host(base)),
            Way::Token => {
                environment.retain(|(name, _): &(String, String)| !name.starts_with("TAGWRIGHT"));
                environment.push(("TAGWRIGHT_GIT_TOKEN".to_owned(), proof.to_owned()));
                environment.push(("TAGWRIGHT_GIT_HOST".to_owned(), host(base)));
            }
            Way::Header => config.push((format!("http.{base}/.extraHeader"), format!("X-Proof: {proof}"))),
            Way::Basic | Way::Bearer | Way::InUrl => {}
        }
    }
    config.push(("credential.helper".to_owned(), format!("!f() {{ case \"$(cat)\" in {helper}*) ;; esac; }}; f")));
    environment.push(("GIT_CONFIG_COUNT".to_owned(), config.len().to_string()));
    for (n, (name, value)) in config.into_iter().enumerate() {
        environment.push((format!("GIT_CONFIG_KEY_{n}"), name));
        environment.push((format!("GIT_CONFIG_VALUE_{n}"), value));
    }
    environment
}

/// Asks, fetches and pushes; returns what is said of it.
async fn work(mirror: &Mirror) -> Result<String, Error> {
    let mut said = String::new();
    let seen = mirror.ask_for(&[Want::Branch("main".to_owned())].into_iter().collect()).await?;
    said += &format!("{seen:?}");
    let fetched = mirror.fetch(&seen, &[Want::Branch("main".to_owned())]).await?;
    let snapshot = mirror.snapshot(fetched[0].commit).await?;
    let commit: CommitId = build(&snapshot, "app.yaml", "image: a:2\n").await;
    let second = RefUpdate { reference: "refs/heads/second".to_owned(), expected: Expected::Any, new: commit };
    for update in [to_main(snapshot.commit(), commit), second] {
        let pushed = mirror.push(&[update], &[("key".to_owned(), "value".to_owned())]).await?;
        said += &format!("{pushed:?}");
    }
    Ok(said)
}

/// All that is in files below a folder, and their names.
fn written(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        text += &entry.path().display().to_string();
        match entry.path().is_dir() {
            true => text += &written(&entry.path()),
            false => text += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()),
        }
    }
    text
}

#[derive(Debug)]
struct Case {
    acts: [Vec<Act>; 3],
    ways: [Way; 2],
    is_proxied: bool,
    is_old: bool,
}

/// Works with both homes twice, and holds the law against what was seen; returns what was said.
async fn holds(case: Case) -> Result<String, TestCaseError> {
    let mut pack = Pack::new();
    let file = pack.object(hostile::BLOB, b"image: a:1\n");
    let tree = pack.object(hostile::TREE, &hostile::entry("100644", b"app.yaml", &file));
    let tip = hostile::hex(&pack.object(hostile::COMMIT, &hostile::commit(&tree, "first\n")));
    let acts = case.acts.map(VecDeque::from);
    let stage =
        Shared::new(Mutex::new(Stage { acts, tip, pack: pack.finish(), is_old: case.is_old, ..Stage::default() }));
    let (mut bases, mut tasks) = (Vec::new(), Tasks(Vec::new()));
    for part in [Some(0), Some(1), Some(2), None] {
        let (base, task) = open(Part(Arc::clone(&stage), part)).await;
        bases.push(base);
        tasks.0.push(task);
    }
    let proxy = bases.pop().unwrap();
    if case.is_proxied {
        bases = NAMES.iter().map(|name| format!("http://{name}")).collect();
    }
    stage.lock().unwrap().bases.clone_from(&bases);

    let environment = environment(&[(&bases[0], case.ways[0]), (&bases[1], case.ways[1])]);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let data = tempfile::tempdir().unwrap();
    let git = Git::new(settings(data.path(), &environment)).unwrap();
    let mut remotes: Vec<_> = (0..2).map(|n| remote(&bases[n], PROOFS[n], case.ways[n])).collect();
    if case.is_proxied {
        let login = Some(Login { username: "me".to_owned(), password: PROXY_PROOF.into() });
        remotes.iter_mut().for_each(|(_, access)| {
            access.proxy = Some(Proxy { address: proxy.clone(), login: login.clone() });
        });
    }
    git.configure(remotes.iter().map(|(url, _)| url.as_str()));
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // Of one dispatcher alone, tracing asks the thread that first comes by whether anybody listens, and that may be another test's.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let mut said = String::new();
    {
        let _logging = tracing::subscriber::set_default(subscriber);
        for _ in 0..2 {
            for (url, access) in &remotes {
                let mirror = git.open(url, access).unwrap();
                let done = work(&mirror).await;
                said += &done.unwrap_or_else(|error| format!("{error} {error:?}\n"));
                said += &mirror.remote();
            }
        }
    }

    for seen in &stage.lock().unwrap().seen {
        for (n, proof) in PROOFS.iter().enumerate().filter(|(n, _)| *n != seen.server) {
            prop_assert!(!shows(&seen.text, proof), "the proof of home {n}: {seen:?}");
        }
        prop_assert!(seen.server != 2 || !seen.has_login, "a stranger: {seen:?}");
        prop_assert!(!seen.has_cookie, "{seen:?}");
        prop_assert!(case.is_proxied || !seen.has_proxy_login && !shows(&seen.text, PROXY_PROOF), "{seen:?}");
    }
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    let written = written(data.path());
    for proof in PROOFS.iter().chain([&PROXY_PROOF]) {
        for (what, text) in [("said", &said), ("logged", &logged), ("written", &written)] {
            prop_assert!(!shows(text, proof), "{what}: {text}");
        }
    }
    Ok(said)
}

/// The law holds because nobody is shown a proof, or because nothing is asked: it is shown to its home.
#[tokio::test]
async fn proofs_are_shown_to_their_homes() {
    for way in [Way::Basic, Way::Bearer, Way::InUrl, Way::Helper, Way::Token, Way::Header] {
        let stage = Shared::new(Mutex::new(Stage { tip: "1".repeat(40), ..Stage::default() }));
        stage.lock().unwrap().acts[0].push_back(Act::Ask(401, "Basic realm=x"));
        let (base, task) = open(Part(Arc::clone(&stage), Some(0))).await;
        let _tasks = Tasks(vec![task]);
        let environment = environment(&[(&base, way)]);
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let data = tempfile::tempdir().unwrap();
        let git = Git::new(settings(data.path(), &environment)).unwrap();
        let (url, access) = remote(&base, PROOFS[0], way);
        let _failed = git.open(&url, &access).unwrap().advertise().await;
        assert!(stage.lock().unwrap().seen.iter().any(|seen| shows(&seen.text, PROOFS[0])), "{way:?}");
    }
}

/// And all of what is generated can go well, in both versions and through the proxy.
#[tokio::test]
async fn homes_can_be_worked_with() {
    for (is_proxied, is_old) in [(false, false), (false, true), (true, false), (true, true)] {
        let ways = [Way::Basic, Way::Header];
        let case = Case { acts: Default::default(), ways, is_proxied, is_old };
        let said = holds(case).await.unwrap();
        assert_eq!(said.matches("Updated").count(), 8, "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_proof_leaves_its_host_and_none_is_shown(
        first in prop::collection::vec(act(), 0..10),
        second in prop::collection::vec(act(), 0..10),
        stranger in prop::collection::vec(act(), 0..6),
        ways in (way(), way()),
        is_proxied in prop::bool::weighted(0.3),
        is_old in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let case = Case { acts: [first, second, stranger], ways: [ways.0, ways.1], is_proxied, is_old };
        runtime.block_on(holds(case))?;
    }
}
