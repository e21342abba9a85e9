//! Logins, tokens and client certificates: which is sent, to whom, and what becomes of it at a redirect.

use access::{GitLogin, SshIdentity, Tls, TlsIdentity};
use git::{Error, Git, Kind, Want};

use crate::simulated::door::{Certificates, Clients};
use crate::simulated::{Fault, Registry, World};
use crate::support::{Behaviour, Server, access, anyone, machine};
use crate::{basic, build, fetch, push_main, small};

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
        (basic("bot", "wrong"), "the configured user name and password (user 'bot'), which is wrong or has ended"),
        (GitLogin::Bearer("s3cret".into()), "the configured bearer token, which is wrong or has ended"),
        (GitLogin::Machine, "no login, and wants one"),
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
    let expect =
        format!("with no login (TAGWRIGHT_GIT_TOKEN is for {host}, as TAGWRIGHT_GIT_HOST says), and wants one");
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
    assert_eq!(seen.len(), 3, "{seen:?}");
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
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
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
    assert!(matches!(&error, Error::SignIn { page, .. } if page == "127.0.0.1:1/login"), "{error}");
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
