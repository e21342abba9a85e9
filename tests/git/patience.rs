//! Servers that fail, stall or ask for time.

use std::time::Duration;

use access::Tls;
use git::{Error, Git, Kind, Settings};
use image::Repository;
use registry::MAX_RETRY_AFTER;

use crate::simulated::{Fault, Registry, World};
use crate::support::{Behaviour, Server, access, anyone, machine, settings};
use crate::{basic, small};

#[tokio::test]
async fn http_failures_are_told_apart() {
    let (git, _data) = machine(&[]);
    let remote = small();
    for (answer, kind, expect) in [
        (
            (404, "text/plain", "no such thing\x1b[31m\n"),
            Kind::Denied,
            "was not found, or may not be seen with no login: no such thing",
        ),
        ((403, "text/html", "<html>"), Kind::Denied, "denied access with no login"),
        ((503, "text/plain", "busy"), Kind::Transient, "answered with HTTP status 503: busy"),
        ((429, "text/plain", ""), Kind::Transient, "answered with HTTP status 429"),
        (
            (200, "text/html; charset=utf-8", "<html>"),
            Kind::Denied,
            "is not a Git repository over smart HTTP; it answered with content of type 'text/html'",
        ),
        (
            (200, "application/x-git-upload-pack-advertisement", "junk"),
            Kind::Denied,
            "says something else before the Git protocol begins: junk",
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
    let access = access::Registry { logins, provider: None, account: None, tls, proxy: None, insecure: false, timeout };
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
async fn a_silent_server_is_given_up_before_the_deadline() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour { stalls: true, ..Behaviour::default() }).await;
    let data = tempfile::tempdir().unwrap();
    let read_timeout = Duration::from_millis(50);
    let git = Git::new(Settings { read_timeout, ..settings(data.path(), &[]) }).unwrap();
    let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }) && error.kind() == Kind::Transient, "{error}");
}
