//! The git module against real Git: `git upload-pack`, `git receive-pack` and `git http-backend`.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use access::{GitLogin, Login, Proxy, SshIdentity, Tls, TlsIdentity};
use git::{
    Author, CommitId, CommitTime, Criteria, Edit, Error, Expected, Found, Git, Kind, Mirror, NewCommit, Outcome,
    Pushed, RefUpdate, Settings, SkipReason, Snapshot, Want,
};
use image::Repository;
use registry::{self, MAX_RETRY_AFTER};

#[path = "git/leaks.rs"]
mod leaks;
#[path = "support/registry.rs"]
mod simulated;
#[path = "support/git.rs"]
mod support;

use simulated::door::{Certificates, Clients};
use simulated::socks::Socks;
use simulated::{Fault, Registry, World};
use support::{Behaviour, Remote, Server, access, anyone, git_with, machine, settings};

const CRITERIA: Criteria = Criteria { rule: "test 1", is_candidate, contains, max_bytes: 1_000, max_total: 1 << 20 };

fn is_candidate(name: &str) -> bool {
    name.ends_with(".yaml")
}

fn contains(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window == b"$marker")
}

/// Fetches one thing and opens it.
async fn fetch(mirror: &Mirror, want: Want) -> Result<Snapshot, Error> {
    let advertisement = mirror.advertise().await?;
    let fetched = mirror.fetch(&advertisement, &[want]).await?;
    mirror.snapshot(fetched[0].commit).await
}

async fn search(snapshot: &Snapshot, paths: &[&str]) -> Found {
    let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
    snapshot.search(&paths, CRITERIA).await.unwrap()
}

fn paths(found: &Found) -> Vec<&str> {
    found.files.iter().map(|file| file.path.as_str()).collect()
}

fn details(parent: CommitId, message: &str) -> NewCommit {
    NewCommit {
        parents: vec![parent],
        author: Author { name: "bot".to_owned(), email: "bot@example.com".to_owned() },
        time: CommitTime { seconds: 1_710_000_000, offset_minutes: 60 },
        message: message.to_owned(),
    }
}

fn edit(path: &str, text: &str) -> Edit {
    Edit { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

/// Builds a commit on `snapshot` that gives `path` a new text.
async fn build(snapshot: &Snapshot, path: &str, text: &str) -> CommitId {
    let built = snapshot.commit_edits(vec![edit(path, text)], details(snapshot.commit(), "update\n")).await;
    built.unwrap().unwrap()
}

fn to_main(old: CommitId, new: CommitId) -> RefUpdate {
    RefUpdate { reference: "refs/heads/main".to_owned(), expected: Expected::At(old), new }
}

async fn push_main(mirror: &Mirror, old: CommitId, new: CommitId) -> Pushed {
    mirror.push(&[to_main(old, new)], &[]).await.unwrap()
}

fn basic(username: &str, password: &str) -> GitLogin {
    GitLogin::Basic(Login { username: username.to_owned(), password: password.into() })
}

/// The whole way: fetch, search, build, push, and again.
async fn whole_way(url: &str, remote: &Remote, git: &Git) {
    let mirror = git.open(url, &anyone()).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(first.commit().to_string(), remote.at("main"));
    let found = search(&first, &[]).await;
    assert_eq!(paths(&found), ["apps/one.yaml"]);
    assert_eq!(&*found.files[0].bytes, b"image: a:1 # $marker\n");

    let commit = build(&first, "apps/one.yaml", "image: a:2 # $marker\n").await;
    let built = mirror.snapshot(commit).await.unwrap();
    assert_eq!(search(&built, &[]).await.files[0].bytes.to_vec(), b"image: a:2 # $marker\n");
    let second = build(&built, "apps/one.yaml", "image: a:3 # $marker\n").await;
    assert!(push_main(&mirror, first.commit(), second).await.is_complete());

    assert_eq!(remote.at("main"), second.to_string());
    assert_eq!(remote.at("main~1"), commit.to_string());
    assert_eq!(remote.show("main:apps/one.yaml"), "image: a:3 # $marker\n");
    remote.fsck();
    let again = fetch(&mirror, Want::Branch("main".to_owned())).await.unwrap();
    assert_eq!(again.commit(), second);
    assert_eq!(push_main(&mirror, first.commit(), second).await.results[0].outcome, Outcome::UpToDate);
}

fn small() -> Remote {
    Remote::with(&[("apps/one.yaml", "image: a:1 # $marker\n"), ("apps/two.yaml", "plain\n"), ("readme", "$marker\n")])
}

#[tokio::test]
async fn the_whole_way_over_a_local_path() {
    let (git, _data) = machine(&[]);
    let remote = small();
    whole_way(&remote.path(), &remote, &git).await;
    let remote = small();
    whole_way(&format!("file://{}", remote.path()), &remote, &git).await;
}

#[tokio::test]
async fn the_whole_way_over_http() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    whole_way(&server.url(), &remote, &git).await;
}

#[tokio::test]
async fn nothing_to_do_costs_one_request() {
    let (git, data) = machine(&[]);
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    mirror.advertise().await.unwrap();
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET /repo.git/info/refs?service=git-upload-pack"]);
    assert!(!data.path().join("mirrors").exists());

    fetch(&mirror, Want::DefaultBranch).await.unwrap();
    server.seen();
    fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_later_fetch_brings_only_what_is_new() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(support::git(mirror.folder(), &["rev-list", "--count", "main"]).trim(), "1");

    remote.commit(&[("apps/two.yaml", "now $marker\n")], "second");
    remote.commit(&[("apps/three.yaml", "also $marker\n")], "third");
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(snapshot.commit().to_string(), remote.at("main"));
    assert_eq!(paths(&search(&snapshot, &[]).await), ["apps/one.yaml", "apps/three.yaml", "apps/two.yaml"]);
    let brought = support::git(mirror.folder(), &["count-objects", "-v"]);
    // Three files, two trees and one commit first; then two commits, each with two trees and a file.
    assert!(brought.contains("in-pack: 14\n"), "{brought}");
    support::git(mirror.folder(), &["fsck", "--strict"]);

    let commit = build(&snapshot, "apps/two.yaml", "again $marker\n").await;
    assert!(push_main(&mirror, snapshot.commit(), commit).await.is_complete());
    remote.fsck();
}

#[tokio::test]
async fn logins_are_sent_and_refused() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let authorization = Some("Basic Ym90OnMzY3JldA==".to_owned());
    let server = Server::start(remote.root.path(), Behaviour { authorization, ..Behaviour::default() }).await;

    let mirror = git.open(&server.url(), &access(basic("bot", "s3cret"))).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let commit = build(&first, "apps/two.yaml", "x\n").await;
    assert!(push_main(&mirror, first.commit(), commit).await.is_complete());
    assert!(server.seen().iter().all(|seen| seen.authorization.is_some()));

    let with_login = server.url().replace("http://", "http://bot:s3cret@");
    assert!(git.open(&with_login, &anyone()).unwrap().advertise().await.is_ok());

    for (login, tried) in [
        (basic("bot", "wrong"), "the configured user name and password"),
        (GitLogin::Bearer("s3cret".into()), "the configured bearer token"),
        (GitLogin::Machine, "no login"),
    ] {
        let error = git.open(&server.url(), &access(login)).unwrap().advertise().await.unwrap_err();
        let expect = format!("{} denied access with {tried}: who are you?", server.url());
        assert_eq!((error.kind(), error.to_string()), (Kind::Denied, expect));
        assert!(!format!("{error:?}").contains("s3cret"));
    }
    let identity = SshIdentity { key: "k".into(), passphrase: None, known_hosts: String::new() };
    let error = git.open(&server.url(), &access(GitLogin::Ssh(identity))).unwrap().advertise().await.unwrap_err();
    assert!(matches!(error, Error::LoginMismatch { .. }), "{error}");
}

#[tokio::test]
async fn bearer_tokens_are_sent() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let authorization = Some("Bearer t0ken".to_owned());
    let server = Server::start(remote.root.path(), Behaviour { authorization, ..Behaviour::default() }).await;
    let mirror = git.open(&server.url(), &access(GitLogin::Bearer("t0ken".into()))).unwrap();
    assert!(fetch(&mirror, Want::DefaultBranch).await.is_ok());
}

#[tokio::test]
async fn the_machine_s_token_is_sent_when_asked_for_and_remembered() {
    let remote = small();
    let authorization = Some("Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=".to_owned());
    let private = Server::start(remote.root.path(), Behaviour { authorization, ..Behaviour::default() }).await;
    let public = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[("TAGWRIGHT_GIT_TOKEN", "t0ken")]);
    git.configure([private.url().as_str()]);
    git.open(&private.url(), &anyone()).unwrap().advertise().await.unwrap();
    let sent: Vec<_> = private.seen().into_iter().map(|seen| seen.authorization.is_some()).collect();
    assert_eq!(sent, [false, true]);
    git.open(&private.url(), &anyone()).unwrap().advertise().await.unwrap();
    assert_eq!(private.seen().len(), 1);
    git.open(&public.url(), &anyone()).unwrap().advertise().await.unwrap();
    assert!(public.seen().iter().all(|seen| seen.authorization.is_none()));
}

/// Azure DevOps and Bitbucket give URLs with a user name to copy; the password is the machine's. Some take a token for the name.
#[tokio::test]
async fn a_user_name_in_the_url_leaves_the_password_to_the_machine() {
    let remote = small();
    for (variables, header) in
        [(&[("TAGWRIGHT_GIT_TOKEN", "s3cret")][..], "Basic Ym90OnMzY3JldA=="), (&[], "Basic Ym90Og==")]
    {
        let authorization = Some(header.to_owned());
        let server = Server::start(remote.root.path(), Behaviour { authorization, ..Behaviour::default() }).await;
        let (git, _data) = machine(variables);
        git.configure([server.url().as_str()]);
        let login = || access(GitLogin::User("bot".into()));
        git.open(&server.url(), &login()).unwrap().advertise().await.unwrap();
        let others = git.open(&server.url(), &access(GitLogin::User("ada".into()))).unwrap().advertise().await;
        assert!(others.is_err(), "another user does not get what was remembered for this one");
        if !variables.is_empty() {
            server.seen();
            git.open(&server.url(), &login()).unwrap().advertise().await.unwrap();
            assert_eq!(server.seen().len(), 1, "it is remembered");
        }
    }
}

/// Whoever may write the configuration names hosts; the token is for the one that its owner means.
#[tokio::test]
async fn the_machine_s_token_goes_to_the_host_it_is_for() {
    let remote = small();
    let wanting =
        || Behaviour { authorization: Some("Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=".to_owned()), ..Behaviour::default() };
    let own = Server::start(remote.root.path(), wanting()).await;
    let evil = Server::start(remote.root.path(), wanting()).await;
    let ask = async |git: &Git, server: &Server| git.open(&server.url(), &anyone()).unwrap().advertise().await;
    let shown = |server: &Server| server.seen().into_iter().any(|seen| seen.authorization.is_some());
    let host = own.base.trim_start_matches("http://").to_owned();

    // Nobody has said which of two hosts it is for.
    let (git, _data) = machine(&[("TAGWRIGHT_GIT_TOKEN", "t0ken")]);
    git.configure([own.url().as_str(), evil.url().as_str()]);
    for server in [&own, &evil] {
        let error = ask(&git, server).await.unwrap_err();
        assert!(matches!(&error, Error::TokenHost { hosts, .. } if hosts.len() == 2), "{error}");
        assert!(error.to_string().contains("TAGWRIGHT_GIT_HOST") && error.kind() == Kind::Config, "{error}");
        assert!(!shown(server));
    }
    // One was configured before the other.
    git.configure([own.url().as_str()]);
    ask(&git, &own).await.unwrap();
    assert!(ask(&git, &evil).await.is_err() && !shown(&evil));
    git.configure([own.url().as_str(), evil.url().as_str()]);
    assert!(ask(&git, &evil).await.is_err() && !shown(&evil));

    let (git, _data) = machine(&[("TAGWRIGHT_GIT_TOKEN", "t0ken"), ("TAGWRIGHT_GIT_HOST", &host)]);
    git.configure([evil.url().as_str()]);
    ask(&git, &own).await.unwrap();
    let error = ask(&git, &evil).await.unwrap_err();
    let expect = format!("with no login (TAGWRIGHT_GIT_TOKEN is for {host}, as TAGWRIGHT_GIT_HOST says)");
    assert!(error.to_string().contains(&expect), "{error}");
    assert!(!shown(&evil));
}

#[tokio::test]
async fn credential_helpers_are_asked_once() {
    let remote = small();
    let authorization = Some("Basic aGVscGVkOnMzY3JldA==".to_owned());
    let server = Server::start(remote.root.path(), Behaviour { authorization, ..Behaviour::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let helper = format!(
        "!f() {{ cat >/dev/null; echo $1 >>{}; echo username=helped; echo password=s3cret; }}; f",
        log.display()
    );
    let config =
        [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "credential.helper"), ("GIT_CONFIG_VALUE_0", helper.as_str())];
    let (git, _data) = machine(&config);
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let commit = build(&first, "apps/two.yaml", "x\n").await;
    assert!(push_main(&mirror, first.commit(), commit).await.is_complete());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "get\nstore\n");

    let other = Some("Basic other".to_owned());
    let server = Server::start(remote.root.path(), Behaviour { authorization: other, ..Behaviour::default() }).await;
    let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(error.to_string().contains("git's credential helpers"), "{error}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "get\nstore\nget\nerase\n");
}

#[tokio::test]
async fn a_redirect_to_another_host_carries_no_login() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let target = Server::start(remote.root.path(), Behaviour::default()).await;
    let redirect = Some(target.base.clone());
    let server = Server::start(remote.root.path(), Behaviour { redirect, ..Behaviour::default() }).await;
    let mirror = git.open(&server.url(), &access(basic("bot", "s3cret"))).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(first.commit().to_string(), remote.at("main"));
    assert!(server.seen()[0].authorization.is_some());
    let seen = target.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
}

#[tokio::test]
async fn a_login_that_was_left_behind_does_not_come_back() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let there = Server::start(remote.root.path(), Behaviour::default()).await;
    let redirect = Some(there.base.clone());
    let here = Server::start(remote.root.path(), Behaviour { redirect, ..Behaviour::default() }).await;
    there.behave(Behaviour { redirect: Some(here.base.clone()), ..Behaviour::default() });
    let mirror = git.open(&here.url(), &access(basic("bot", "s3cret"))).unwrap();
    let error = mirror.advertise().await.unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }), "{error}");
    let shown: Vec<_> = here.seen().into_iter().map(|seen| seen.authorization.is_some()).collect();
    assert_eq!(shown, [true, false, false]);
}

#[tokio::test]
async fn a_redirect_to_another_host_carries_no_client_certificate() {
    let certificates = Certificates::new(Clients::Certified);
    let other = Registry::start_tls(World::default(), &certificates).await;
    let target = format!("{}/repo.git/info/refs?service=git-upload-pack", other.url());
    let elsewhere = World::default().failing("/info/refs", Fault::header(307, "location", target));
    let server = Registry::start_tls(elsewhere, &certificates).await;
    let identity = TlsIdentity {
        certificate: certificates.client_certificate.clone(),
        key: certificates.client_key.clone().into(),
    };
    let mut access = anyone();
    access.tls = Tls { ca: Some(certificates.ca.clone()), identity: Some(identity) };
    let (git, _data) = machine(&[]);
    let error = git.open(&format!("{}/repo.git", server.url()), &access).unwrap().advertise().await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error:?}");
    assert_eq!((server.seen().len(), other.seen().len()), (1, 0));
}

#[tokio::test]
async fn redirects_end() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let one = Server::start(remote.root.path(), Behaviour { redirect: Some(address), ..Behaviour::default() }).await;
    let two =
        Server::start(remote.root.path(), Behaviour { redirect: Some(one.base.clone()), ..Behaviour::default() }).await;
    let error = git.open(&two.url(), &anyone()).unwrap().advertise().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient, "{error}");

    for private in ["http://169.254.169.254/latest", "http://127.0.0.2:1"] {
        let redirect = Some(private.to_owned());
        let server = Server::start(remote.root.path(), Behaviour { redirect, ..Behaviour::default() }).await;
        let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
        let expect = format!("{} redirects to a private address, which is not followed", server.url());
        assert_eq!((error.kind(), error.to_string()), (Kind::Config, expect));
    }

    let elsewhere = Some("http://127.0.0.1:1/login?to=".to_owned());
    let server = Server::start(remote.root.path(), Behaviour { redirect: elsewhere, ..Behaviour::default() }).await;
    let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn http_failures_are_told_apart() {
    let (git, _data) = machine(&[]);
    let remote = small();
    for (answer, kind, expect) in [
        (
            (404, "text/plain", "no such thing\x1b[31m\n"),
            Kind::Denied,
            "was not found, or this login may not see it: no such thing",
        ),
        ((403, "text/html", "<html>"), Kind::Denied, "denied access with no login"),
        ((503, "text/plain", "busy"), Kind::Transient, "answered with HTTP status 503: busy"),
        ((429, "text/plain", ""), Kind::Transient, "answered with HTTP status 429"),
        (
            (200, "text/html; charset=utf-8", "<html>"),
            Kind::Config,
            "is no Git repository over smart HTTP; it answered with content of type 'text/html; charset=utf-8'",
        ),
        (
            (200, "application/x-git-upload-pack-advertisement", "junk"),
            Kind::Transient,
            "sent bytes that are no Git packets",
        ),
        (
            (200, "application/x-git-upload-pack-advertisement", "001e# service=git-upload-pack\n0000"),
            Kind::Transient,
            "sent an answer that ends early",
        ),
        (
            (
                200,
                "application/x-git-upload-pack-advertisement",
                "001e# service=git-upload-pack\n0000000fnot a ref\n0000",
            ),
            Kind::Transient,
            "sent a reference line that cannot be read",
        ),
        (
            (
                200,
                "application/x-git-upload-pack-advertisement",
                "001e# service=git-upload-pack\n00000011ERR go away\x07\n",
            ),
            Kind::Transient,
            "reported an error: go away\\u{7}",
        ),
    ] {
        let server =
            Server::start(remote.root.path(), Behaviour { answer: Some(answer), ..Behaviour::default() }).await;
        let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (kind, format!("{} {expect}", server.url())));
        assert_eq!(error.retry_after(), None);
    }
}

#[tokio::test]
async fn a_host_that_asks_for_time_is_left_alone() {
    let remote = small();
    for status in [403, 429, 500, 502, 503] {
        let (git, _data) = machine(&[]);
        let busy = Behaviour {
            answer: Some((status, "text/plain", "busy")),
            retry_after: Some("600"),
            ..Behaviour::default()
        };
        let server = Server::start(remote.root.path(), busy).await;
        let error = git.open(&server.url(), &access(basic("bot", "s3cret"))).unwrap().advertise().await.unwrap_err();
        let expect = format!("{} answered with HTTP status {status} and asks to wait 600 s: busy", server.url());
        assert_eq!((error.kind(), error.to_string()), (Kind::Transient, expect));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
        server.behave(Behaviour::default());
        for path in ["repo.git", "another.git"] {
            let url = format!("{}/{path}", server.base);
            let error = git.open(&url, &anyone()).unwrap().advertise().await.unwrap_err();
            let left = error.retry_after().expect("how long it lasts");
            assert!((Duration::from_secs(500)..=Duration::from_secs(600)).contains(&left), "{left:?}");
            assert_eq!(error.kind(), Kind::Transient);
            let (host, text) = (server.address(), error.to_string());
            assert!(text.starts_with(&format!("{url} is not asked for ")), "{text}");
            assert!(text.ends_with(&format!(" s, since {host} answered {status} to another request")), "{text}");
        }
        assert_eq!(server.seen().len(), 1, "the host was asked once");
        let elsewhere = Server::start(remote.root.path(), Behaviour::default()).await;
        git.open(&elsewhere.url(), &anyone()).unwrap().advertise().await.unwrap();
    }
}

#[tokio::test]
async fn a_host_is_left_alone_as_registry_and_as_remote() {
    let busy = Fault::header(503, "retry-after", "600");
    let host = Registry::start(World::with("team/app", ["1.0"]).failing("tags/list", busy)).await;
    let of_registry = registry::Settings { docker_config: registry::DockerConfig::none(), ..Default::default() };
    let data = tempfile::tempdir().unwrap();
    let of_git = Settings { pauses: of_registry.pauses.clone(), ..settings(data.path(), &[]) };
    let (logins, tls, timeout) = (Vec::new(), Tls::default(), Duration::from_secs(60));
    let access = access::Registry { logins, tls, proxy: None, insecure: false, timeout };
    let repository = Repository::parse(&format!("{}/team/app", host.host())).unwrap();
    registry::Client::new(of_registry).unwrap().tags(&repository, &access).await.unwrap_err();
    let mirror = Git::new(of_git).unwrap().open(&format!("{}/repo.git", host.url()), &anyone()).unwrap();
    let error = mirror.advertise().await.unwrap_err();
    assert!(matches!(error, Error::Paused { status: 503, .. }), "{error}");
    assert_eq!(host.count("/info/refs"), 0);
}

#[tokio::test]
async fn nobody_is_left_alone_for_ever() {
    let remote = small();
    for (retry_after, expect) in [
        ("99999999999999999999", Some(MAX_RETRY_AFTER)),
        ("Wed, 21 Oct 2099 07:28:00 GMT", Some(MAX_RETRY_AFTER)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", Some(Duration::ZERO)),
        ("soon", None),
    ] {
        let (git, _data) = machine(&[]);
        let busy = Behaviour {
            answer: Some((503, "text/plain", "busy")),
            retry_after: Some(retry_after),
            ..Behaviour::default()
        };
        let server = Server::start(remote.root.path(), busy).await;
        let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
        assert_eq!(error.retry_after(), expect, "{retry_after}");
    }
}

#[tokio::test]
async fn a_stall_ends_at_the_deadline() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour { stalls: true, ..Behaviour::default() }).await;
    let mut access = anyone();
    access.timeout = Duration::from_millis(200);
    let error = git.open(&server.url(), &access).unwrap().advertise().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    assert_eq!(error.to_string(), format!("{} did not finish the ref advertisement within 0.2 s", server.url()));
}

#[tokio::test]
async fn two_writers_lose_nothing() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let ((git_a, _data_a), (git_b, _data_b)) = (machine(&[]), machine(&[]));
    let (a, b) = (git_a.open(&server.url(), &anyone()).unwrap(), git_b.open(&server.url(), &anyone()).unwrap());
    let (base_a, base_b) =
        (fetch(&a, Want::DefaultBranch).await.unwrap(), fetch(&b, Want::DefaultBranch).await.unwrap());
    let new_a = build(&base_a, "apps/one.yaml", "a\n").await;
    let new_b = build(&base_b, "apps/two.yaml", "b\n").await;
    assert!(push_main(&a, base_a.commit(), new_a).await.is_complete());
    let lost = push_main(&b, base_b.commit(), new_b).await;
    assert!(lost.is_outdated() && !lost.is_complete(), "{lost:?}");
    let base_b = fetch(&b, Want::DefaultBranch).await.unwrap();
    let new_b = build(&base_b, "apps/two.yaml", "b\n").await;
    assert!(push_main(&b, base_b.commit(), new_b).await.is_complete());
    assert_eq!(
        (remote.show("main:apps/one.yaml"), remote.show("main:apps/two.yaml")),
        ("a\n".to_owned(), "b\n".to_owned())
    );
    remote.fsck();
}

/// The race that no advertisement shows: another push lands between ours and the remote's check.
#[tokio::test]
async fn a_race_inside_the_remote_is_reported() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&base, "apps/one.yaml", "a\n").await;
    let tree = remote.at("main^{tree}");
    let other = support::git(&remote.work(), &["commit-tree", &tree, "-p", "HEAD", "-m", "other"]).trim().to_owned();
    support::git(&remote.work(), &["push", "-q", "origin", &format!("{other}:refs/heads/other")]);
    remote.hook(
        "pre-receive",
        "unset GIT_QUARANTINE_PATH GIT_QUARANTINE_ENVIRONMENT; git update-ref refs/heads/main refs/heads/other",
    );
    let pushed = push_main(&mirror, base.commit(), new).await;
    assert!(pushed.is_outdated(), "{pushed:?}");
    assert_eq!(remote.at("main"), other);
}

#[tokio::test]
async fn a_hook_that_rejects_is_quoted() {
    for over_http in [false, true] {
        let remote = small();
        remote.hook("pre-receive", "printf '\\033[31mno pushes\\033[0m on a Friday\\n' >&2; exit 1");
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        let (git, _data) = machine(&[]);
        let url = if over_http { server.url() } else { remote.path() };
        let mirror = git.open(&url, &anyone()).unwrap();
        let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        let new = build(&base, "apps/one.yaml", "a\n").await;
        let pushed = push_main(&mirror, base.commit(), new).await;
        assert_eq!(pushed.words, "no pushes on a Friday");
        assert_eq!(pushed.results[0].outcome, Outcome::Declined { reason: "pre-receive hook declined".to_owned() });
        assert!(!pushed.is_outdated());
        assert_eq!(remote.at("main"), base.commit().to_string());
    }
}

#[tokio::test]
async fn push_options_reach_the_hook() {
    let remote = small();
    remote.hook("post-receive", "echo \"$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1\" >options");
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&base, "apps/one.yaml", "a\n").await;
    let options = [("ci.skip".to_owned(), String::new()), ("merge_request.title".to_owned(), "two words".to_owned())];
    assert!(mirror.push(&[to_main(base.commit(), new)], &options).await.unwrap().is_complete());
    let got = std::fs::read_to_string(remote.bare().join("options")).unwrap();
    assert_eq!(got, "2 ci.skip merge_request.title=two words\n");

    remote.config("receive.advertisePushOptions", "false");
    let error = mirror.push(&[to_main(new, base.commit())], &options).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (Kind::Config, format!("{} does not support push-options", server.url()))
    );
}

#[tokio::test]
async fn several_references_move_together_or_not_at_all() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&base, "apps/one.yaml", "a\n").await;
    let branch = |name: &str, expected| RefUpdate { reference: format!("refs/heads/{name}"), expected, new };
    let both = [to_main(base.commit(), new), branch("bot/update", Expected::Absent)];
    assert!(mirror.push(&both, &[]).await.unwrap().is_complete());
    assert_eq!((remote.at("main"), remote.at("bot/update")), (new.to_string(), new.to_string()));

    let base = mirror.snapshot(new).await.unwrap();
    let new = build(&base, "apps/one.yaml", "b\n").await;
    let branch = |name: &str, expected| RefUpdate { reference: format!("refs/heads/{name}"), expected, new };
    let pushed =
        mirror.push(&[to_main(base.commit(), new), branch("bot/update", Expected::Absent)], &[]).await.unwrap();
    assert!(pushed.is_outdated(), "{pushed:?}");
    assert_eq!(remote.at("main"), base.commit().to_string());

    remote.hook("update", "test \"$1\" != refs/heads/bot/update");
    let pushed = mirror.push(&[to_main(base.commit(), new), branch("bot/update", Expected::Any)], &[]).await.unwrap();
    assert!(!pushed.is_complete() && !pushed.is_outdated(), "{pushed:?}");
    assert_eq!(remote.at("main"), base.commit().to_string());
}

#[tokio::test]
async fn a_forced_push_replaces_a_branch_and_an_old_commit_can_be_pushed_anew() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let to = |name: &str, expected, new| RefUpdate { reference: format!("refs/heads/{name}"), expected, new };
    let one = build(&base, "apps/one.yaml", "1\n").await;
    assert!(mirror.push(&[to("bot", Expected::Absent, one)], &[]).await.unwrap().is_complete());
    let two = build(&base, "apps/one.yaml", "2\n").await;
    assert!(mirror.push(&[to("bot", Expected::Any, two)], &[]).await.unwrap().is_complete());
    assert_eq!(remote.at("bot"), two.to_string());
    // Nothing new to send: the pack is empty.
    assert!(mirror.push(&[to("copy", Expected::Absent, base.commit())], &[]).await.unwrap().is_complete());
    assert_eq!(remote.at("copy"), base.commit().to_string());
    remote.config("receive.denyNonFastForwards", "true");
    let three = build(&base, "apps/one.yaml", "3\n").await;
    let pushed = mirror.push(&[to("bot", Expected::Any, three)], &[]).await.unwrap();
    assert_eq!(pushed.results[0].outcome, Outcome::Declined { reason: "non-fast-forward".to_owned() });
    remote.fsck();
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (git, _data) = machine(&[]);
    let empty = Remote::empty();
    let server = Server::start(empty.root.path(), Behaviour::default()).await;
    for url in [empty.path(), server.url()] {
        let error = fetch(&git.open(&url, &anyone()).unwrap(), Want::DefaultBranch).await.err().unwrap();
        assert_eq!(error.to_string(), format!("{url} is empty: it has no branch yet"));
    }
    let remote = small();
    for branch in ["a", "b", "c", "d", "e", "f"] {
        git_with(&remote.bare(), &["branch", branch, "main"], b"");
    }
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let says = async |want: Want| fetch(&mirror, want).await.err().unwrap().to_string();
    let path = remote.path();
    assert_eq!(
        says(Want::Branch("prod".to_owned())).await,
        format!(
            "{path} has no refs/heads/prod; it has refs/heads/a, refs/heads/b, refs/heads/c, refs/heads/d, refs/heads/e"
        )
    );
    assert_eq!(says(Want::Tag("v1".to_owned())).await, format!("{path} has no refs/tags/v1"));
    support::git(&remote.bare(), &["symbolic-ref", "HEAD", "refs/heads/gone"]);
    assert!(says(Want::DefaultBranch).await.starts_with(&format!("{path} has no HEAD; it has refs/heads/a")));
    let error = git.open("/nonexistent/repo.git", &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(error.to_string().contains("does not appear to be a git repository"), "{error}");
}

#[tokio::test]
async fn tags_references_and_commits_are_checked_out() {
    let remote = small();
    let first = remote.head();
    support::git(&remote.work(), &["tag", "-a", "v1.0.0", "-m", "annotated"]);
    support::git(&remote.work(), &["tag", "light"]);
    remote.push("--tags");
    let second = remote.commit(&[("x.yaml", "$marker\n")], "second");
    let third = remote.commit(&[("x.yaml", "$marker 2\n")], "third");
    support::git(&remote.bare(), &["update-ref", "refs/pull/1/head", &second]);
    let server = Server::start(remote.root.path(), Behaviour::default()).await;

    for url in [remote.path(), server.url()] {
        let (git, _data) = machine(&[]);
        let mirror = git.open(&url, &anyone()).unwrap();
        let commit = async |want: Want| fetch(&mirror, want).await.map(|snapshot| snapshot.commit().to_string());
        assert_eq!(commit(Want::Tag("v1.0.0".to_owned())).await.unwrap(), first);
        assert_eq!(commit(Want::Tag("light".to_owned())).await.unwrap(), first);
        assert_eq!(commit(Want::Reference("refs/pull/1/head".to_owned())).await.unwrap(), second);
        assert_eq!(commit(Want::Reference("refs/tags/v1.0.0^{}".to_owned())).await.unwrap(), first);
        assert_eq!(commit(Want::Commit { id: CommitId::parse(&third).unwrap(), branch: None }).await.unwrap(), third);
        let advertisement = mirror.advertise().await.unwrap();
        let tags: Vec<_> = advertisement.tags().map(|(name, commit)| (name.to_owned(), commit.to_string())).collect();
        assert_eq!(tags, [("light".to_owned(), first.clone()), ("v1.0.0".to_owned(), first.clone())]);
    }
}

#[tokio::test]
async fn a_commit_without_a_name_is_found_in_the_history() {
    for reachable in ["false", "true"] {
        let remote = small();
        remote.config("uploadpack.allowReachableSHA1InWant", reachable);
        let first = CommitId::parse(&remote.head()).unwrap();
        remote.commit(&[("x.yaml", "$marker\n")], "second");
        remote.commit(&[("x.yaml", "$marker 2\n")], "third");
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        for url in [remote.path(), server.url()] {
            let (git, _data) = machine(&[]);
            let mirror = git.open(&url, &anyone()).unwrap();
            fetch(&mirror, Want::DefaultBranch).await.unwrap();
            let want = Want::Commit { id: first, branch: Some("main".to_owned()) };
            assert_eq!(fetch(&mirror, want.clone()).await.unwrap().commit(), first);
            server.seen();
            assert_eq!(fetch(&mirror, want).await.unwrap().commit(), first);
            assert!(server.seen().len() <= 1);
            let unknown = CommitId::parse(&"12".repeat(20)).unwrap();
            let error = fetch(&mirror, Want::Commit { id: unknown, branch: None }).await.err().unwrap();
            let expected = if reachable == "true" { "not our ref" } else { "has no commit 1212" };
            assert!(error.to_string().contains(expected), "{error}");
            support::git(mirror.folder(), &["fsck", "--strict"]);
        }
    }
}

#[tokio::test]
async fn git_s_rewrites_are_obeyed() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let config = format!(
        "[url \"{}/\"]\n\tinsteadOf = https://github.example/acme/\n[url \"{}/\"]\n\tpushInsteadOf = https://github.example/acme/\n",
        server.base,
        remote.root.path().display()
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config"), config).unwrap();
    let (git, _data) = machine(&[("GIT_CONFIG_GLOBAL", folder.path().join("config").to_str().unwrap())]);
    let mirror = git.open("https://github.example/acme/repo.git", &anyone()).unwrap();
    assert_eq!(mirror.remote(), server.url());
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&base, "apps/one.yaml", "a\n").await;
    server.seen();
    assert!(push_main(&mirror, base.commit(), new).await.is_complete());
    assert!(server.seen().is_empty());

    std::fs::write(folder.path().join("config"), "[broken").unwrap();
    let data = tempfile::tempdir().unwrap();
    let broken = settings(data.path(), &[("GIT_CONFIG_GLOBAL", folder.path().join("config").to_str().unwrap())]);
    assert_eq!(Git::new(broken).err().unwrap().kind(), Kind::Config);
}

#[tokio::test]
async fn extra_headers_of_git_s_configuration_stay_with_their_host() {
    let remote = small();
    let authorization = Some("basic eDp0".to_owned());
    let server = Server::start(remote.root.path(), Behaviour { authorization, ..Behaviour::default() }).await;
    let key = format!("http.{}/.extraheader", server.base);
    let config = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", key.as_str()),
        ("GIT_CONFIG_VALUE_0", "AUTHORIZATION: basic eDp0"),
    ];
    let (git, _data) = machine(&config);
    assert!(git.open(&server.url(), &anyone()).unwrap().advertise().await.is_ok());
    let redirect = Some(server.base.clone());
    let other = Server::start(remote.root.path(), Behaviour { redirect, ..Behaviour::default() }).await;
    assert_eq!(git.open(&other.url(), &anyone()).unwrap().advertise().await.err().unwrap().kind(), Kind::Denied);
}

#[tokio::test]
async fn modes_links_and_other_repositories_stay_as_they_are() {
    let remote = Remote::with(&[("run.sh.yaml", "$marker\n"), ("a/b/c/d.yaml", "$marker\n"), ("a/b.yaml", "x\n")]);
    let work = remote.work();
    support::git(&work, &["update-index", "--chmod=+x", "run.sh.yaml"]);
    let head = remote.head();
    support::git(&work, &["update-index", "--add", "--cacheinfo", &format!("160000,{head},sub.yaml")]);
    std::os::unix::fs::symlink("run.sh.yaml", work.join("link.yaml")).unwrap();
    support::git(&work, &["add", "link.yaml"]);
    support::git(&work, &["commit", "-q", "-m", "odd things"]);
    remote.push("HEAD");

    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    for _ in 0..2 {
        let found = search(&snapshot, &[]).await;
        assert_eq!(paths(&found), ["a/b/c/d.yaml", "run.sh.yaml"]);
        let skipped: Vec<_> = found.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason)).collect();
        assert_eq!(skipped, [("link.yaml", SkipReason::SymbolicLink)]);
    }
    let edits = vec![edit("run.sh.yaml", "1\n"), edit("a/b/c/d.yaml", "2\n"), edit("new/file.yaml", "3\n")];
    let commit = snapshot.commit_edits(edits, details(snapshot.commit(), "m")).await.unwrap().unwrap();
    assert!(push_main(&mirror, snapshot.commit(), commit).await.is_complete());
    remote.fsck();
    let listed = support::git(&remote.bare(), &["diff-tree", "-r", "--no-commit-id", "main"]);
    let modes: Vec<_> = listed.lines().map(|line| (&line[..14], line.split('\t').nth(1).unwrap())).collect();
    assert_eq!(
        modes,
        [(":100644 100644 ", "a/b/c/d.yaml"), (":000000 100644 ", "new/file.yaml"), (":100755 100755 ", "run.sh.yaml")]
            .map(|(mode, path)| (&mode[..14], path))
    );

    for path in ["link.yaml", "sub.yaml", "a", "a/b.yaml/c"] {
        let error = snapshot.commit_edits(vec![edit(path, "x")], details(snapshot.commit(), "m")).await.unwrap_err();
        assert!(matches!(error, Error::Edit { .. }), "{path}: {error}");
    }
    let same = snapshot.commit_edits(vec![edit("a/b.yaml", "x\n")], details(snapshot.commit(), "m")).await.unwrap();
    assert_eq!(same, None);
}

#[tokio::test]
async fn commits_read_as_written() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let mut details = details(base.commit(), "Update image automatically.\n\nImage: äöü 🚀\n\n\ntrailing  ");
    details.author = Author { name: String::new(), email: "bot@<users>.noreply\n".to_owned() };
    details.time.offset_minutes = -150;
    let commit = base.commit_edits(vec![edit("apps/one.yaml", "x")], details).await.unwrap().unwrap();
    assert!(push_main(&mirror, base.commit(), commit).await.is_complete());
    let tree = remote.at("main^{tree}");
    let who = " <bot@users.noreply> 1710000000 -0230";
    let parent = base.commit();
    let expect = format!(
        "tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nUpdate image automatically.\n\nImage: äöü 🚀\n\n\ntrailing  "
    );
    assert_eq!(remote.show("main"), expect);
    remote.fsck();
    let facts = mirror.snapshot(commit).await.unwrap().facts().await.unwrap();
    assert_eq!((facts.parents, facts.author_name.as_str(), facts.time), (vec![parent], "", 1_710_000_000));
    assert!(facts.message.ends_with("trailing  "));
}

#[tokio::test]
async fn a_known_match_is_not_read_again() {
    let remote = Remote::with(&[("a/one.yaml", "$marker\n"), ("b/two.yaml", "$marker 2\n"), ("b/x.txt", "$marker\n")]);
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let first = search(&snapshot, &[]).await;
    let known: std::collections::HashSet<_> = [first.files[0].id].into();
    let second = snapshot.search_new(&[], CRITERIA, move |blob| known.contains(&blob).then_some(1)).await.unwrap();
    assert_eq!((paths(&second), second.blobs_read), (vec!["b/two.yaml"], 1));
    assert_eq!(second.known, [("a/one.yaml".to_owned(), first.files[0].id)]);
    assert_eq!(search(&snapshot, &[]).await, first, "nothing is known for other searches");
}

#[tokio::test]
async fn a_second_search_reads_only_what_is_new() {
    let remote = Remote::with(&[
        ("a/one.yaml", "$marker\n"),
        ("a/two.yaml", "x\n"),
        ("b/three.yaml", "y\n"),
        ("b/c/four.yaml", "z\n"),
    ]);
    let (git, data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(search(&snapshot, &["b"]).await.blobs_read, 2);
    assert_eq!(search(&snapshot, &["./"]).await.blobs_read, 2);
    assert_eq!(search(&snapshot, &[]).await.blobs_read, 1);
    drop((snapshot, mirror));

    remote.commit(&[("b/three.yaml", "now $marker\n")], "second");
    let git = Git::new(settings(data.path(), &[])).unwrap();
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let found = search(&snapshot, &[]).await;
    assert_eq!((paths(&found), found.blobs_read), (vec!["a/one.yaml", "b/three.yaml"], 2));
    let other = Criteria { rule: "test 2", ..CRITERIA };
    assert_eq!(snapshot.search(&[], other).await.unwrap().blobs_read, 4);
}

#[tokio::test]
async fn searches_keep_to_their_paths_and_limits() {
    let large = format!("$marker{}", "x".repeat(2_000));
    let remote = Remote::with(&[
        ("a/one.yaml", "$marker\n"),
        ("ab/two.yaml", "$marker\n"),
        ("large.yaml", &large),
        ("c/plain.txt", "$marker"),
    ]);
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let check = async |given: &[&str], expect: &[&str], missing: &[&str]| {
        let found = search(&snapshot, given).await;
        assert_eq!(paths(&found), expect, "{given:?}");
        assert_eq!(found.missing, missing, "{given:?}");
    };
    check(&["a"], &["a/one.yaml"], &[]).await;
    check(&["a/one.yaml", "../ab"], &["a/one.yaml", "ab/two.yaml"], &[]).await;
    check(&["nope", "a/one.yaml/x", ".git"], &[], &[".git", "a/one.yaml/x", "nope"]).await;
    check(&["c/plain.txt"], &[], &[]).await;
    check(&[], &["a/one.yaml", "ab/two.yaml"], &[]).await;
    let found = search(&snapshot, &[]).await;
    assert_eq!(found.skipped[0].reason, SkipReason::TooLarge { bytes: large.len() });
    assert_eq!(snapshot.read("a/one.yaml", 100).await.unwrap().as_deref(), Some(&b"$marker\n"[..]));
    assert_eq!(snapshot.read("large.yaml", 100).await.unwrap(), None);
    assert_eq!(snapshot.read("a", 100).await.unwrap(), None);
}

/// Many files, so that two threads read them, on a commit that exists in memory alone.
#[tokio::test]
async fn many_files_are_searched_by_several_threads() {
    let (git, _data) = machine(&[]);
    let remote = Remote::with(&[("keep.yaml", "$marker\n")]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let text = |n: usize| if n % 100 == 7 { format!("{n} $marker") } else { format!("{n}") };
    let edits = (0..3_000).map(|n| edit(&format!("d{}/f{n:04}.yaml", n / 50), &text(n))).collect();
    let commit = base.commit_edits(edits, details(base.commit(), "many")).await.unwrap().unwrap();
    let found = search(&mirror.snapshot(commit).await.unwrap(), &[]).await;
    assert_eq!((found.files.len(), found.blobs_read), (31, 3_001));
    assert!(push_main(&mirror, base.commit(), commit).await.is_complete());
    remote.fsck();

    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let found = search(&fetch(&mirror, Want::DefaultBranch).await.unwrap(), &[]).await;
    assert_eq!((found.files.len(), found.blobs_read), (31, 3_001));
    assert!(found.files.is_sorted_by(|a, b| a.path < b.path));
}

#[tokio::test]
async fn a_damaged_mirror_is_built_anew() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let folder = git.open(&remote.path(), &anyone()).unwrap().folder().to_owned();
    let packs = |folder: &Path| -> Vec<_> {
        let packs = std::fs::read_dir(folder.join("objects/pack")).unwrap();
        packs
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "pack"))
            .collect()
    };
    let damages: [(&str, &dyn Fn()); 5] = [
        ("no HEAD", &|| std::fs::remove_file(folder.join("HEAD")).unwrap()),
        ("no packs", &|| packs(&folder).iter().for_each(|pack| std::fs::remove_file(pack).unwrap())),
        ("an empty pack", &|| packs(&folder).iter().for_each(|pack| overwrite(pack, b""))),
        ("a file instead of the folder", &|| {
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::write(&folder, "x").unwrap();
        }),
        ("leftovers of a killed process", &|| {
            std::fs::write(folder.join("objects/pack/pack_git2_12345"), "half").unwrap();
            std::fs::write(folder.join("objects/pack/pack-1234.pack"), "PACK").unwrap();
            std::fs::write(folder.join("tagwright-clean"), "twclean1").unwrap();
        }),
    ];
    for (what, damage) in damages {
        for _ in 0..2 {
            let mirror = git.open(&remote.path(), &anyone()).unwrap();
            let snapshot = fetch(&mirror, Want::DefaultBranch).await;
            let snapshot =
                snapshot.unwrap_or_else(|error| panic!("{what}: {error}: {:?}", std::error::Error::source(&error)));
            assert_eq!(paths(&search(&snapshot, &[]).await), ["apps/one.yaml"], "{what}");
            drop((snapshot, mirror));
            damage();
        }
        let mirror = git.open(&remote.path(), &anyone()).unwrap();
        fetch(&mirror, Want::DefaultBranch).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.join("objects/pack")).unwrap().count(), 2);
}

fn overwrite(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Damage that shows only while reading: the run fails, and the next one starts from a new mirror.
#[tokio::test]
async fn a_missing_object_condemns_the_mirror() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let folder = mirror.folder().to_owned();
    drop((snapshot, mirror));
    // All objects but one file's.
    let lost = remote.at("main:apps/two.yaml");
    let all = support::git(&folder, &["rev-list", "--objects", "--no-object-names", "main"]);
    let kept: String = all.lines().filter(|id| *id != lost).map(|id| format!("{id}\n")).collect();
    let pack = git_with(&folder, &["pack-objects", "objects/pack/pack"], kept.as_bytes());
    for entry in std::fs::read_dir(folder.join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_str().unwrap().contains(pack.trim()) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let error = snapshot.search(&[], CRITERIA).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient, "{error}");
    drop((snapshot, mirror));
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    assert_eq!(paths(&search(&fetch(&mirror, Want::DefaultBranch).await.unwrap(), &[]).await), ["apps/one.yaml"]);
}

#[tokio::test]
async fn a_mirror_has_one_user_at_a_time() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let first = git.open(&remote.path(), &anyone()).unwrap();
    fetch(&first, Want::DefaultBranch).await.unwrap();
    let mut hurried = anyone();
    hurried.timeout = Duration::from_millis(800);
    let second = git.open(&remote.path(), &hurried).unwrap();
    let advertisement = first.advertise().await.unwrap();
    let error = second.fetch(&advertisement, &[Want::DefaultBranch]).await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    drop(first);
    let second = git.open(&remote.path(), &anyone()).unwrap();
    fetch(&second, Want::DefaultBranch).await.unwrap();
}

#[tokio::test]
async fn branches_that_stand_in_each_other_s_way_are_fetched() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    support::git(&remote.bare(), &["branch", "bot", "main"]);
    fetch(&mirror, Want::Branch("bot".to_owned())).await.unwrap();
    support::git(&remote.bare(), &["branch", "-m", "bot", "bot/update"]);
    fetch(&mirror, Want::Branch("bot/update".to_owned())).await.unwrap();
    support::git(&remote.bare(), &["branch", "-m", "bot/update", "bot"]);
    fetch(&mirror, Want::Branch("bot".to_owned())).await.unwrap();
}

#[tokio::test]
async fn other_object_formats_are_refused() {
    let root = tempfile::tempdir().unwrap();
    support::git(root.path(), &["init", "-q", "--object-format=sha256", "repo.git"]);
    let (git, _data) = machine(&[]);
    let path = root.path().join("repo.git");
    // git before 2.41 says nothing at all for a repository without references, so that there has to be one.
    support::git(&path, &["commit", "-q", "--allow-empty", "-m", "first"]);
    let error = git.open(path.to_str().unwrap(), &anyone()).unwrap().advertise().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} uses the object format 'sha256'; only sha1 is supported", path.display())
    );
}

/// Which of the two is said depends on the remote's git: before 2.41 it tells the format with the first reference alone.
#[tokio::test]
async fn an_empty_remote_of_another_object_format_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    support::git(root.path(), &["init", "-q", "--bare", "--object-format=sha256", "repo.git"]);
    let (git, _data) = machine(&[]);
    let mirror = git.open(root.path().join("repo.git").to_str().unwrap(), &anyone()).unwrap();
    let error = match mirror.advertise().await {
        Err(error) => error,
        Ok(_) => fetch(&mirror, Want::DefaultBranch).await.err().unwrap(),
    };
    assert!(matches!(error, Error::ObjectFormat { .. } | Error::EmptyRemote { .. }), "{error}");
}

#[tokio::test]
async fn a_pack_over_the_limit_is_refused() {
    let remote = Remote::with(&[("noise.yaml", &noise(100_000))]);
    let data = tempfile::tempdir().unwrap();
    let mut settings = settings(data.path(), &[]);
    settings.max_pack_bytes = 10_000;
    let git = Git::new(settings).unwrap();
    let error = fetch(&git.open(&remote.path(), &anyone()).unwrap(), Want::DefaultBranch).await.err().unwrap();
    assert!(matches!(error, Error::AnswerTooLarge { limit: 10_000, .. }), "{error}");
}

/// Text that does not compress.
fn noise(length: usize) -> String {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + (state >> 57) as u8 % 94)
    };
    (0..length).map(|_| next()).collect()
}

/// An `ssh` that does what the remote side would, and tells how it was called.
fn fake_ssh(folder: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("ssh");
    let log = folder.join("log");
    std::fs::write(&path, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >{}\n{script}\n", log.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn with_ssh(data: &Path, program: &str) -> Git {
    let mut settings = settings(data, &[]);
    settings.ssh_program = program.into();
    Git::new(settings).unwrap()
}

#[tokio::test]
async fn ssh_is_called_with_fixed_flags_and_private_files() {
    let remote = small();
    let folder = tempfile::tempdir().unwrap();
    let script = "for last; do :; done\neval \"exec $last\"";
    let program = fake_ssh(folder.path(), script);
    let git = with_ssh(folder.path(), &program);
    let url = format!("ssh://git.example.com:2222{}", remote.path());
    whole_way(&url, &remote, &git).await;
    let called = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let last: Vec<_> = called.lines().rev().take(7).collect();
    let command = format!("git-receive-pack '{}'", remote.path());
    assert_eq!(last, [command.as_str(), "git.example.com", "--", "2222", "-p", "-T", "BatchMode=yes"]);
    assert!(called.contains("StrictHostKeyChecking=yes\n"));

    let program = fake_ssh(
        folder.path(),
        &format!(
            "stat -c %a \"${{SSH_ASKPASS%/*}}\"/* >{0}/modes; $SSH_ASKPASS >{0}/passphrase\n{script}",
            folder.path().display()
        ),
    );
    let git = with_ssh(folder.path(), &program);
    let identity =
        SshIdentity { key: "KEY".into(), passphrase: Some("pass phrase".into()), known_hosts: "HOSTS".to_owned() };
    let mirror = git.open(&url, &access(GitLogin::Ssh(identity))).unwrap();
    mirror.advertise().await.unwrap();
    let called = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        called.contains("IdentitiesOnly=yes\n") && called.contains("\n-l\ngit\n") && !called.contains("pass phrase"),
        "{called}"
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("passphrase")).unwrap(), "pass phrase\n");
    assert_eq!(std::fs::read_to_string(folder.path().join("modes")).unwrap(), "700\n600\n600\n600\n");
    let key = called.lines().find_map(|line| line.strip_prefix("IdentityFile=")).unwrap().trim_matches('"').to_owned();
    drop(mirror);
    assert!(!Path::new(&key).exists());
}

#[tokio::test]
async fn ssh_failures_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    for (says, status, kind, expect) in [
        (
            "Host key verification failed.",
            255,
            Kind::Denied,
            "host key verification failed for git.example.com: Host key",
        ),
        ("git@git.example.com: Permission denied (publickey).", 255, Kind::Denied, "denied access with the ssh key"),
        ("ssh: Could not resolve hostname git.example.com", 255, Kind::Transient, "broke: ssh: Could not resolve"),
        ("ERROR: Repository not found.", 1, Kind::Transient, "reported an error: ERROR: Repository not found."),
    ] {
        let program = fake_ssh(folder.path(), &format!("echo '{says}' >&2; exit {status}"));
        let git = with_ssh(folder.path(), &program);
        let error = git.open("git@git.example.com:acme/x.git", &anyone()).unwrap().advertise().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expect), "{error}");
    }
    let git = with_ssh(folder.path(), "/nonexistent/ssh");
    let error = git.open("git@git.example.com:acme/x.git", &anyone()).unwrap().advertise().await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Config, "cannot start /nonexistent/ssh"));
}

#[tokio::test]
async fn proxies_of_the_access_and_of_git_s_configuration_are_used() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let url = "http://git.invalid/repo.git";
    let mut access = anyone();
    access.proxy = Some(Proxy { address: server.base.clone(), login: None });
    let (git, _data) = machine(&[]);
    fetch(&git.open(url, &access).unwrap(), Want::DefaultBranch).await.unwrap();
    assert_eq!(server.seen()[0].line, "GET http://git.invalid/repo.git/info/refs?service=git-upload-pack");

    let config = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "http.http://git.invalid.proxy"),
        ("GIT_CONFIG_VALUE_0", &server.base),
    ];
    let (git, _data) = machine(&config);
    git.open(url, &anyone()).unwrap().advertise().await.unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_socks_proxy_resolves_names() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let socks = Socks::start(server.base.replace("http://", "")).await;
    let mut access = anyone();
    let login = Login { username: "p".to_owned(), password: "w".into() };
    access.proxy = Some(Proxy { address: format!("socks5://{}", socks.address), login: Some(login) });
    let (git, _data) = machine(&[]);
    fetch(&git.open("http://git.invalid/repo.git", &access).unwrap(), Want::DefaultBranch).await.unwrap();
    assert!(socks.seen().iter().all(|seen| seen == "p:w@git.invalid:80"), "{:?}", socks.seen());
}

/// Runs a test of this file in a process of its own, with these variables. False in that process.
async fn is_run_elsewhere(name: &str, variables: &[(&str, &str)]) -> bool {
    let (first, value) = variables[0];
    if std::env::var_os(first).is_some_and(|set| set == value) {
        return false;
    }
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", name]).envs(variables.iter().copied()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    true
}

#[tokio::test]
async fn this_machine_is_reached_without_the_proxy_of_the_environment() {
    let name = "this_machine_is_reached_without_the_proxy_of_the_environment";
    // Nobody listens there.
    if is_run_elsewhere(name, &[("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "")]).await {
        return;
    }
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap();
    let error = git.open("http://git.invalid/repo.git", &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error}");
}

#[tokio::test]
async fn a_machine_without_authorities_still_speaks_plain_http() {
    let name = "a_machine_without_authorities_still_speaks_plain_http";
    let nowhere = "/nonexistent/authorities";
    if is_run_elsewhere(name, &[("SSL_CERT_FILE", nowhere), ("SSL_CERT_DIR", nowhere)]).await {
        return;
    }
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap();
    let error = git.open("https://git.invalid/repo.git", &anyone()).unwrap().advertise().await.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        (error.kind(), source.contains("no certificate authorities")),
        (Kind::Config, true),
        "{error}: {source}"
    );
}

#[tokio::test]
async fn a_silent_server_is_given_up_before_the_deadline() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour { stalls: true, ..Behaviour::default() }).await;
    let data = tempfile::tempdir().unwrap();
    let read_timeout = Duration::from_millis(50);
    let git = Git::new(Settings { read_timeout, ..settings(data.path(), &[]) }).unwrap();
    let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }) && error.kind() == Kind::Transient, "{error}");
}

#[tokio::test]
async fn the_status_of_a_denial_is_kept() {
    let (git, _data) = machine(&[]);
    let remote = small();
    for status in [401, 403, 404, 410] {
        let answer = Some((status, "text/plain", "no"));
        let server = Server::start(remote.root.path(), Behaviour { answer, ..Behaviour::default() }).await;
        let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
        let kept = match error {
            Error::Denied { status, .. } => status,
            Error::NotFound { status, .. } => Some(status),
            _ => None,
        };
        assert_eq!(kept, Some(status));
    }
}

#[tokio::test]
async fn certificates_that_are_none_are_refused() {
    let (git, _data) = machine(&[]);
    let junk = Tls { ca: Some("junk".to_owned()), identity: None };
    let identity = TlsIdentity { certificate: "junk".to_owned(), key: "s3cret".into() };
    for (tls, what) in
        [(junk, "certificate authority"), (Tls { ca: None, identity: Some(identity) }, "client certificate")]
    {
        let mut access = anyone();
        access.tls = tls;
        let error = git.open("https://git.invalid/repo.git", &access).unwrap().advertise().await.unwrap_err();
        let expect = format!("the {what} for https://git.invalid/repo.git is not usable");
        assert_eq!((error.kind(), error.to_string()), (Kind::Config, expect));
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
