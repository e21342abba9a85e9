//! Versions 0 and 2 of the protocol: which is spoken with whom, what it costs, and what becomes of servers that lie.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Request};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use git::{Advertisement, Error, Expected, Git, Mirror, Names, Outcome, RefUpdate, Want};

use crate::ssh::{fake_ssh, with_ssh};
use crate::support::{Behaviour, Remote, Server, access, anyone, machine, settings};
use crate::{basic, build, fetch, small, support, whole_way};

const GET: &str = "GET /repo.git/info/refs?service=git-upload-pack";
const POST: &str = "POST /repo.git/git-upload-pack";

fn lines(server: &Server) -> Vec<String> {
    server.seen().into_iter().map(|seen| seen.line).collect()
}

async fn ask(mirror: &Mirror, wants: &[Want]) -> Result<Advertisement, Error> {
    mirror.ask_for(&wants.iter().cloned().collect()).await
}

fn branch(name: &str) -> Want {
    Want::Branch(name.to_owned())
}

/// A remote with as many branches more, in the file where git keeps many.
fn crowded(branches: usize) -> Remote {
    let remote = small();
    let tip = remote.head();
    let lines = (0..branches).map(|n| format!("{tip} refs/heads/other/{n:06}\n"));
    let packed = std::iter::once("# pack-refs with: peeled fully-peeled sorted \n".to_owned()).chain(lines);
    std::fs::write(remote.bare().join("packed-refs"), packed.collect::<String>()).unwrap();
    remote
}

#[tokio::test]
async fn the_whole_way_in_both_versions() {
    for is_old in [false, true] {
        let (git, _data) = machine(&[]);
        let remote = small();
        let server = Server::start(remote.root.path(), Behaviour { is_old, ..Behaviour::default() }).await;
        whole_way(&server.url(), &remote, &git).await;
        // A server that does not know version 2 is not asked again for that, and not in it.
        let seen = server.seen();
        let asked = |line: &str| seen.iter().filter(|seen| seen.line == line).collect::<Vec<_>>();
        assert!(asked(GET).iter().all(|seen| seen.protocol.as_deref() == Some("version=2")), "{seen:?}");
        assert!(asked(POST).iter().all(|seen| seen.protocol.is_some() != is_old), "{seen:?}");
        assert_eq!(asked(GET).len(), if is_old { 2 } else { 1 }, "{seen:?}");
        assert!(seen.iter().filter(|seen| seen.line.contains("receive")).all(|seen| seen.protocol.is_none()));
    }
}

/// An ssh server passes the version on, or keeps it to itself.
#[tokio::test]
async fn the_whole_way_over_ssh_in_both_versions() {
    for (begin, spoken) in [("", "version=2"), ("unset GIT_PROTOCOL", "")] {
        let remote = small();
        let folder = tempfile::tempdir().unwrap();
        let versions = folder.path().join("versions");
        let script = format!(
            "case \"$*\" in *SendEnv=GIT_PROTOCOL*upload-pack*) ;; *upload-pack*) exit 1;; esac\n{begin}\n\
             for last; do :; done\necho \"$GIT_PROTOCOL $last\" >>{}\neval \"exec $last\"",
            versions.display()
        );
        let git = with_ssh(folder.path(), &fake_ssh(folder.path(), &script));
        whole_way(&format!("ssh://git.example.com{}", remote.path()), &remote, &git).await;
        for line in std::fs::read_to_string(versions).unwrap().lines() {
            let expect = if line.contains("receive-pack") { "" } else { spoken };
            assert_eq!(line.split(' ').next(), Some(expect), "{line}");
        }
    }
}

/// The first time costs a request more, and from then on each process knows.
#[tokio::test]
async fn what_a_remote_offers_is_asked_once() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let data = tempfile::tempdir().unwrap();
    let process = || Git::new(settings(data.path(), &[])).unwrap().open(&server.url(), &anyone()).unwrap();
    ask(&process(), &[branch("main")]).await.unwrap();
    assert_eq!(lines(&server), [GET, POST]);
    assert!(!data.path().join("mirrors").exists());
    fetch(&process(), branch("main")).await.unwrap();
    assert_eq!(lines(&server), [GET, POST, POST]);
    for _ in 0..2 {
        fetch(&process(), branch("main")).await.unwrap();
        assert_eq!(lines(&server), [POST]);
    }
    // All references are as many bytes in either version, and a request less in the older one.
    process().advertise().await.unwrap();
    assert_eq!(lines(&server), [GET]);

    server.behave(Behaviour { is_old: true, ..Behaviour::default() });
    fetch(&process(), branch("main")).await.unwrap();
    assert_eq!(lines(&server), [POST, GET]);
    fetch(&process(), branch("main")).await.unwrap();
    assert_eq!(lines(&server), [GET]);
}

/// What is known of a place is not known of where it leads to by now.
#[tokio::test]
async fn a_remote_that_has_moved_is_found_again() {
    let remote = small();
    let there = Server::start(remote.root.path(), Behaviour::default()).await;
    let here = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    let mirror = git.open(&here.url(), &access(basic("bot", "s3cret"))).unwrap();
    fetch(&mirror, branch("main")).await.unwrap();
    here.seen();
    let moved = Some(there.base.clone());
    here.behave(Behaviour { redirect: moved.clone(), post_redirect: moved, ..Behaviour::default() });
    remote.commit(&[("x.yaml", "1")], "another");
    for asked in [vec![POST, GET], vec![GET]] {
        assert_eq!(fetch(&mirror, branch("main")).await.unwrap().commit().to_string(), remote.head());
        assert_eq!(lines(&here), asked);
        assert!(there.seen().iter().all(|seen| seen.authorization.is_none()));
    }
    here.behave(Behaviour::default());
    fetch(&mirror, branch("main")).await.unwrap();
    fetch(&mirror, branch("main")).await.unwrap();
    assert_eq!(lines(&here), [GET, POST, POST]);
}

/// What was written down may be anything by the time that it is read.
#[tokio::test]
async fn what_is_known_of_an_offer_is_no_more_than_a_hint() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let data = tempfile::tempdir().unwrap();
    let process = || Git::new(settings(data.path(), &[])).unwrap().open(&server.url(), &anyone()).unwrap();
    fetch(&process(), branch("main")).await.unwrap();
    let file = process().folder().join("tagwright-offer");
    for text in ["", "nonsense", "ls-refs\nfetch\nobject-format=sha1\nunborn\nshallow\ndeepen-since\n"] {
        std::fs::write(&file, text).unwrap();
        remote.commit(&[("x.yaml", text)], "another");
        assert_eq!(fetch(&process(), branch("main")).await.unwrap().commit().to_string(), remote.head());
    }
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    fetch(&process(), branch("main")).await.unwrap();
}

#[tokio::test]
async fn a_private_remote_is_asked_as_often() {
    let remote = small();
    let authorization = Some("Basic eC1hY2Nlc3MtdG9rZW46czNjcmV0".to_owned());
    let server = Server::start(remote.root.path(), Behaviour { authorization, ..Behaviour::default() }).await;
    let data = tempfile::tempdir().unwrap();
    let process = || {
        let git = Git::new(settings(data.path(), &[("TAGWRIGHT_GIT_TOKEN", "s3cret")])).unwrap();
        git.configure([server.url().as_str()]);
        git.open(&server.url(), &anyone()).unwrap()
    };
    fetch(&process(), branch("main")).await.unwrap();
    assert_eq!(lines(&server), [GET, GET, POST, POST]);
    let mirror = process();
    fetch(&mirror, branch("main")).await.unwrap();
    assert_eq!(lines(&server), [POST, POST], "without a login, then with it");
    fetch(&mirror, branch("main")).await.unwrap();
    assert_eq!(lines(&server), [POST]);
    let stranger = Git::new(settings(data.path(), &[])).unwrap().open(&server.url(), &anyone()).unwrap();
    let error = ask(&stranger, &[branch("main")]).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: Some(401), .. }), "{error}");
}

#[tokio::test]
async fn a_remote_with_many_references_is_asked_for_few() {
    let remote = crowded(3_000);
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    for url in [remote.path(), server.url()] {
        let (git, _data) = machine(&[]);
        let mirror = git.open(&url, &anyone()).unwrap();
        let seen = ask(&mirror, &[branch("main"), branch("gone")]).await.unwrap();
        assert_eq!(seen.references().map(|it| it.name).collect::<Vec<_>>(), ["refs/heads/main"], "{url}");
        assert_eq!((seen.branch("main").unwrap().to_string(), seen.branch("gone")), (remote.head(), None));
        let error = fetch(&mirror, branch("gone")).await.err().unwrap().to_string();
        assert!(error.contains("has no branch gone; its branches: main, other/000000, other"), "{error}");
        let error = fetch(&mirror, Want::Tag("v1".to_owned())).await.err().unwrap().to_string();
        assert_eq!(error, format!("{url} has no tag v1"));
    }
}

#[tokio::test]
async fn the_default_branch_is_known_in_both_versions() {
    let remote = small();
    support::git(&remote.bare(), &["branch", "trunk", "main"]);
    remote.commit(&[("x.yaml", "$marker\n")], "second");
    let default = async |url: &str| {
        let (git, _data) = machine(&[]);
        let mirror = git.open(url, &anyone()).unwrap();
        let seen = ask(&mirror, &[Want::DefaultBranch]).await.unwrap();
        seen.default_branch().map(str::to_owned)
    };
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let old = Server::start(remote.root.path(), Behaviour { is_old: true, ..Behaviour::default() }).await;
    let urls = [remote.path(), server.url(), old.url()];
    let head = |what: &[&str]| support::git(&remote.bare(), what);
    for (what, expect) in [
        (["symbolic-ref", "HEAD", "refs/heads/trunk"], Some("trunk")),
        (["symbolic-ref", "HEAD", "refs/heads/main"], Some("main")),
        (["symbolic-ref", "HEAD", "refs/heads/gone"], None),
    ] {
        head(&what);
        for url in &urls {
            assert_eq!(default(url).await.as_deref(), expect, "{url} {what:?}");
        }
    }
    // A head that names no branch stands where one does.
    std::fs::write(remote.bare().join("HEAD"), remote.at("trunk")).unwrap();
    for url in &urls {
        assert_eq!(default(url).await.as_deref(), Some("trunk"), "{url}");
    }
}

/// Branches that nobody asked about stay in the mirror, and those that are gone go.
#[tokio::test]
async fn a_mirror_forgets_what_is_known_to_be_gone() {
    let remote = small();
    let (git, _data) = machine(&[]);
    for name in ["one", "two"] {
        support::git(&remote.bare(), &["branch", name, "main"]);
    }
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    fetch(&mirror, branch("one")).await.unwrap();
    fetch(&mirror, branch("two")).await.unwrap();
    support::git(&remote.bare(), &["branch", "-D", "one"]);
    fetch(&mirror, branch("two")).await.unwrap();
    let has = |name: &str| mirror.folder().join("refs/heads").join(name).exists();
    assert!(has("one") && has("two"));
    let names: Names = [branch("one"), branch("two")].into_iter().collect();
    let seen = mirror.ask_for(&names).await.unwrap();
    mirror.fetch(&seen, &[branch("two")]).await.unwrap();
    assert!(!has("one") && has("two"));
}

/// A branch to be pushed to is compared by the remote, so that nobody has to know the others.
#[tokio::test]
async fn a_push_reads_a_bounded_part_of_the_references() {
    let remote = crowded(6_000);
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    let base = fetch(&mirror, branch("main")).await.unwrap();
    support::git(&remote.bare(), &["branch", "zz", "main"]);
    let new = build(&base, "apps/one.yaml", "1\n").await;
    let to = |name: &str, expected| RefUpdate { reference: format!("refs/heads/{name}"), expected, new };
    let outcome = async |update: RefUpdate| mirror.push(&[update], &[]).await.unwrap().results.remove(0).outcome;
    // Names behind all others: the answer does not come so far.
    assert_eq!(outcome(to("zz", Expected::At(base.commit()))).await, Outcome::Updated);
    assert_eq!(remote.at("zz"), new.to_string());
    assert_ne!(outcome(to("zz", Expected::At(base.commit()))).await, Outcome::Updated);
    let other = build(&base, "apps/one.yaml", "2\n").await;
    let late = RefUpdate { reference: "refs/heads/zz".to_owned(), expected: Expected::At(base.commit()), new: other };
    assert!(matches!(outcome(late.clone()).await, Outcome::Moved { .. }));
    assert_eq!(outcome(to("zzz", Expected::Absent)).await, Outcome::Updated);
    let taken = RefUpdate { expected: Expected::Absent, ..late.clone() };
    assert!(matches!(outcome(taken).await, Outcome::Moved { .. }));
    assert_eq!(outcome(RefUpdate { expected: Expected::Any, ..late }).await, Outcome::Updated);
    assert_eq!(remote.at("zz"), other.to_string());
    remote.fsck();
}

fn packet(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

/// What a server says when it is asked in version 2, and what to each command.
#[derive(Clone)]
struct Lie {
    offer: String,
    answer: String,
    /// The same to a fetch.
    pack: String,
    /// Whether what it says begins anew for ever.
    is_endless: bool,
    /// What it says to whoever asks in no version.
    old: Option<String>,
}

impl Lie {
    fn of(lines: &[&str], answer: &[&str]) -> Self {
        let all = |lines: &[&str]| lines.iter().map(|line| raw(line)).collect();
        Self { offer: all(lines), answer: all(answer), pack: String::new(), is_endless: false, old: None }
    }
}

/// A packet, or one of the short ones.
fn raw(line: &str) -> String {
    if matches!(line, "0000" | "0001" | "0002") { line.to_owned() } else { packet(line) }
}

struct Liar {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Liar {
    async fn start(lie: Lie) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/repo.git", listener.local_addr().unwrap());
        let seen = Arc::default();
        let router = Router::new().fallback(tell).with_state((lie, Arc::clone(&seen)));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, task }
    }
}

async fn tell(State((lie, seen)): State<(Lie, Arc<Mutex<Vec<String>>>)>, request: Request<Body>) -> Response {
    seen.lock().unwrap().push(request.method().to_string());
    let is_asked = request.headers().contains_key("git-protocol");
    let method = request.method().clone();
    let command = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let is_fetch = command.windows(13).any(|window| window == b"command=fetch");
    let (kind, said) = match method {
        Method::GET if !is_asked => ("advertisement", lie.old.clone().unwrap_or(lie.offer)),
        Method::GET => ("advertisement", lie.offer),
        _ if is_fetch => ("result", lie.pack),
        _ => ("result", lie.answer),
    };
    let said = Bytes::from(said);
    let body = match lie.is_endless {
        true => Body::from_stream(stream::repeat(Ok::<_, std::convert::Infallible>(said))),
        false => Body::from(said),
    };
    ([("content-type", format!("application/x-git-upload-pack-{kind}"))], body).into_response()
}

const OFFER: [&str; 5] = ["version 2\n", "agent=x\n", "ls-refs=unborn\n", "fetch=shallow\n", "0000"];

/// The same behind the line that smart servers begin with.
const OFFER_OVER_HTTP: [&str; 6] =
    ["# service=git-upload-pack\n", "0000", "version 2\n", "ls-refs\n", "fetch=shallow\n", "0000"];

/// Whatever is said in version 2 ends in an error that says what came, at a bounded cost and in few requests.
#[tokio::test]
async fn lies_in_version_2_are_bounded() {
    let (id, other) = ("1".repeat(40), "2".repeat(40));
    let main = format!("{id} refs/heads/main\n");
    let of_0 = format!("{id} refs/heads/main\0side-band-64k\n");
    let long = format!("x={}\n", "y".repeat(60_000));
    let head = format!("{id} HEAD symref-target:refs/heads/main\n");
    let peeled = format!("{id} refs/heads/main peeled:{other}x\n");
    let sha256 = "object-format=sha256\n";
    let said = "ERR no \u{1b}[31mred\r\n";
    let (one, all) = (&[main.as_str(), "0000"][..], "sent more than");
    let problem = "sent a reference line that cannot be read";
    let framing = "sent bytes that are not Git packets";
    let early = "sent an answer that ends early";
    let cases: Vec<(&str, Lie, &str)> = vec![
        ("long words", Lie::of(&["version 2\n", &long, &long, "ls-refs\n", "fetch\n", "0000"], one), all),
        ("no end", Lie::of(&["version 2\n", "ls-refs\n", "fetch\n"], one), early),
        ("a delimiter", Lie::of(&["version 2\n", "ls-refs\n", "0001", "fetch\n", "0000"], one), framing),
        ("the end of all", Lie::of(&["version 2\n", "0002"], one), framing),
        (
            "an unknown format",
            Lie::of(&["version 2\n", "object-format=sha3\n", "ls-refs\n", "fetch\n", "0000"], one),
            "object format 'sha3'",
        ),
        ("ids of another format", Lie::of(&["version 2\n", sha256, "ls-refs\n", "fetch\n", "0000"], one), problem),
        ("version 3", Lie::of(&["version 3\n", "ls-refs\n", "fetch\n", "0000"], one), problem),
        ("references of version 0", Lie::of(&OFFER, &[&of_0, "0000"]), problem),
        ("references and words", Lie::of(&OFFER, &[&head, "ACK 1\n", "0000"]), problem),
        ("a peeled one that is none", Lie::of(&OFFER, &[&peeled, "0000"]), problem),
        ("an error", Lie::of(&OFFER, &[said, "0000"]), "reported an error: no red"),
        ("an error at once", Lie::of(&[said, "0000"], one), "reported an error: no red"),
        ("no flush", Lie::of(&OFFER, &[&main]), early),
        ("sections", Lie::of(&OFFER, &[&main, "0001", &main, "0000"]), framing),
        ("nothing", Lie::of(&OFFER, &[]), early),
    ];
    for (name, lie, expect) in cases {
        // As a smart server says it, and as git's own does in version 2.
        for service in ["", "001e# service=git-upload-pack\n0000"] {
            let liar = Liar::start(Lie { offer: format!("{service}{}", lie.offer), ..lie.clone() }).await;
            let (git, _data) = machine(&[]);
            let mirror = git.open(&liar.url, &anyone()).unwrap();
            let error = ask(&mirror, &[branch("main")]).await.err().map(|error| error.to_string()).unwrap_or_default();
            let is_unnamed = error.contains(framing) || error.contains("does not name the service");
            let is_said = error.contains(expect) || (service.is_empty() && is_unnamed);
            assert!(is_said && !error.contains('\u{1b}'), "{name}: {error}");
            assert!(liar.seen.lock().unwrap().len() <= 2, "{name}");
        }
    }
}

#[tokio::test]
async fn endless_answers_in_version_2_end() {
    let id = "1".repeat(40);
    let name = "n".repeat(20_000);
    let asked = format!("{id} refs/heads/main{name}\n");
    for (name, lie, expect) in [
        ("words", Lie::of(&["version 2\n"], &[]), "sent more than 65536 bytes"),
        (
            "references that were not asked for",
            Lie::of(&OFFER, &[&format!("{id} refs/pull/{name}\n")]),
            "sent more than",
        ),
        ("references that were", Lie::of(&OFFER, &[&asked]), "the size of the remote's references in bytes exceeds"),
    ] {
        let offer = if lie.answer.is_empty() { format!("{}{}", lie.offer, packet("x\n")) } else { lie.offer.clone() };
        let liar = Liar::start(Lie { offer, is_endless: true, ..lie }).await;
        let (git, _data) = machine(&[]);
        let error = ask(&git.open(&liar.url, &anyone()).unwrap(), &[branch("main")]).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{name}: {error}");
    }
}

/// What cannot be asked in version 2 is asked in version 0, once.
#[tokio::test]
async fn an_offer_that_lacks_something_is_not_taken() {
    let id = "1".repeat(40);
    let old = ["# service=git-upload-pack\n", "0000", &format!("{id} refs/heads/main\0side-band-64k\n"), "0000"];
    let old: String = old.iter().map(|line| raw(line)).collect();
    for lacking in [
        &["version 2\n", "fetch\n", "0000"][..],
        &["version 2\n", "ls-refs=unborn\n", "0000"],
        &["version 2\n", "0000"],
    ] {
        let offer = Lie::of(&["# service=git-upload-pack\n", "0000"], &[]).offer;
        let lie = Lie::of(lacking, &[]);
        let offer = format!("{offer}{}", lie.offer);
        for (old, expect) in
            [(Some(old.clone()), ""), (None, "sent an answer in a version of Git's protocol that was not asked for")]
        {
            let liar = Liar::start(Lie { offer: offer.clone(), old, ..lie.clone() }).await;
            let (git, _data) = machine(&[]);
            let asked = ask(&git.open(&liar.url, &anyone()).unwrap(), &[branch("main")]).await;
            match asked {
                Ok(seen) => assert_eq!((seen.branch("main").unwrap().to_string().as_str(), expect), (id.as_str(), "")),
                Err(error) => assert!(!expect.is_empty() && error.to_string().contains(expect), "{error}"),
            }
            assert_eq!(*liar.seen.lock().unwrap(), ["GET", "GET"]);
        }
    }
}

/// A `version 1` line stands in front of what version 0 says.
#[tokio::test]
async fn version_1_is_version_0() {
    let id = "1".repeat(40);
    let head = format!("{id} HEAD\0side-band-64k symref=HEAD:refs/heads/main\n");
    let said =
        ["# service=git-upload-pack\n", "0000", "version 1\n", &head, &format!("{id} refs/heads/main\n"), "0000"];
    let liar = Liar::start(Lie::of(&said, &[])).await;
    let (git, _data) = machine(&[]);
    let mirror = git.open(&liar.url, &anyone()).unwrap();
    for seen in [ask(&mirror, &[branch("main")]).await.unwrap(), mirror.advertise().await.unwrap()] {
        assert_eq!((seen.default_branch(), seen.branch("main").unwrap().to_string()), (Some("main"), id.clone()));
    }
}

/// Sections of a fetch that should not be there.
#[tokio::test]
async fn lies_in_the_answer_to_a_fetch() {
    let main = format!("{} refs/heads/main\n", "1".repeat(40));
    let line = "sent an unexpected line in the answer to a fetch";
    for (answer, expect) in [
        (&["packfile\n", "\u{1}not a pack", "0000"][..], "sent a pack that cannot be read"),
        (&["packfile\n", "0000"], line),
        (&["packfile\n", "\u{3}no", "0000"], "reported an error: no"),
        (&["shallow-info\n", "0000"], line),
        (&["shallow-info\n", "shallow x\n", "0001", "packfile\n"], line),
        (&["shallow-info\n", "0001", "0001"], "not Git packets"),
        (&["acknowledgments\n", "ready\n", "0000"], "ends early"),
        (&["surprise\n", "0001"], line),
        (&["packfile\n", "0001"], line),
        (&["ERR sorry\n", "0000"], "reported an error: sorry"),
        (&["0000"], line),
        (&[], "ends early"),
    ] {
        let lie = Lie { pack: Lie::of(answer, &[]).offer, ..Lie::of(&OFFER_OVER_HTTP, &[&main, "0000"]) };
        let liar = Liar::start(lie).await;
        let (git, _data) = machine(&[]);
        let error = fetch(&git.open(&liar.url, &anyone()).unwrap(), branch("main")).await.err().unwrap().to_string();
        assert!(error.contains(expect), "{answer:?}: {error}");
    }
}

/// What remains of a section that does not end is not read for ever.
#[tokio::test]
async fn endless_answers_to_a_fetch_end() {
    let main = format!("{} refs/heads/main\n", "1".repeat(40));
    let shallow = format!("shallow {}", "2".repeat(40));
    for piece in [&["acknowledgments\n", "ACK\n"][..], &["shallow-info\n", &shallow]] {
        let mut pack = Lie::of(piece, &[]).offer;
        pack.push_str(&packet(piece[1]).repeat(400_000));
        let lie = Lie { pack, ..Lie::of(&OFFER_OVER_HTTP, &[&main, "0000"]) };
        let liar = Liar::start(lie).await;
        let (git, _data) = machine(&[]);
        let error = fetch(&git.open(&liar.url, &anyone()).unwrap(), branch("main")).await.err().unwrap();
        assert!(matches!(error, Error::AnswerTooLarge { .. } | Error::Protocol { .. }), "{piece:?}: {error}");
    }
}
