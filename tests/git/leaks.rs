//! Attacks on the logins, headers, cookies and certificates of Git remotes: whatever a server says, what is for one host is never
//! seen by another, and its own words are shown without what it was sent.

use access::GitLogin;
use git::{Error, Git, Want};

use crate::simulated::{Fault, Registry, Seen, World};
use crate::support::{Behaviour, Server, access, anyone, machine};
use crate::{basic, fetch, small};

const PASSWORD: &str = "pa55/w+rd";
const TOKEN: &str = "t0ken-of-the-machine";

/// Its name, the variables of the environment, and what is configured.
type Way = (&'static str, Vec<(&'static str, String)>, access::Git);

/// The ways to prove who we are: a name, the environment, and what the configuration says.
fn ways(home: &str) -> Vec<Way> {
    let config = |entries: &[(&str, &str)]| {
        let mut all = vec![("GIT_CONFIG_COUNT", entries.len().to_string())];
        for ((name, value), keys) in
            entries.iter().zip([("GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"), ("GIT_CONFIG_KEY_1", "GIT_CONFIG_VALUE_1")])
        {
            all.extend([(keys.0, (*name).to_owned()), (keys.1, (*value).to_owned())]);
        }
        all
    };
    let token = vec![("TAGWRIGHT_GIT_TOKEN", TOKEN.to_owned()), ("TAGWRIGHT_GIT_HOST", home.to_owned())];
    let helper = format!("!f() {{ cat >/dev/null; echo username=me; echo password={PASSWORD}; }}; f");
    let scoped = format!("http.http://{home}/.extraHeader");
    let header = format!("X-Job: {TOKEN}");
    vec![
        ("login", Vec::new(), access(basic("me", PASSWORD))),
        ("bearer", Vec::new(), access(GitLogin::Bearer(TOKEN.into()))),
        ("token", token, anyone()),
        ("helper", config(&[("credential.helper", &helper)]), anyone()),
        (
            "header",
            config(&[("http.extraHeader", &header), (&scoped, &format!("Authorization: Basic {TOKEN}"))]),
            anyone(),
        ),
    ]
}

fn of(environment: &[(&'static str, String)]) -> (Git, tempfile::TempDir) {
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    machine(&environment)
}

/// What a request shows that only the home may see.
fn shown(seen: &Seen) -> bool {
    let text = format!("{} {} {} {}", seen.path, seen.query, seen.body, seen.headers);
    seen.authorization.is_some() || seen.cookie.is_some() || text.contains(PASSWORD) || text.contains(TOKEN)
}

#[track_caller]
fn sees_nothing(other: &Registry, case: &str) {
    let seen = other.seen();
    assert!(!seen.is_empty(), "{case}: it was asked");
    assert!(!seen.iter().any(shown), "{case}: {seen:?}");
}

fn answering(fault: Fault) -> World {
    World { broken: [(String::new(), fault)].into(), ..World::default() }
}

fn to(status: u16, base: &str) -> Fault {
    let cookie = ("set-cookie", "session=s3ss10n; Path=/".to_owned());
    let target = format!("{base}/repo.git/info/refs?service=git-upload-pack");
    Fault::Answer(status, vec![("location", target), cookie], Vec::new())
}

/// A redirect, at once or after the login was asked for, to a server that wants it as well.
#[tokio::test]
async fn redirects() {
    for status in [301, 302, 303, 307, 308] {
        let wanting = Fault::header(401, "www-authenticate", "Basic realm=git");
        let other = Registry::start(answering(wanting.clone())).await;
        let at_once = Registry::start(answering(to(status, &other.url()))).await;
        for (name, environment, access) in ways(&at_once.host()) {
            let (git, _data) = of(&environment);
            let mirror = git.open(&format!("{}/repo.git", at_once.url()), &access).unwrap();
            for _ in 0..2 {
                let error = mirror.advertise().await.unwrap_err();
                assert!(matches!(error, Error::Denied { .. }), "{name}: {error}");
            }
            sees_nothing(&other, name);
            other.take_lines();
        }
        let home = Registry::start(answering(to(status, &other.url())).failing("", wanting)).await;
        for (name, environment, access) in ways(&home.host()) {
            let (git, _data) = of(&environment);
            let mirror = git.open(&format!("{}/repo.git", home.url()), &access).unwrap();
            let wanting = Fault::header(401, "www-authenticate", "Basic realm=git");
            home.change(|world| world.faults.push_back((String::new(), wanting)));
            mirror.advertise().await.unwrap_err();
            let _ = mirror.advertise().await;
            if !matches!(name, "login" | "bearer" | "header") {
                assert!(
                    home.seen().iter().any(shown),
                    "{name}: the home is shown a proof, or this would prove nothing"
                );
            }
            if !other.seen().is_empty() {
                sees_nothing(&other, name);
            }
            home.take_lines();
            other.take_lines();
        }
    }
}

/// A fetch that goes on with another server goes on without anything.
#[tokio::test]
async fn what_follows_a_redirect() {
    let remote = small();
    for (name, environment, access) in ways("127.0.0.1:1") {
        let target = Server::start(remote.root.path(), Behaviour::default()).await;
        let there = Behaviour { redirect: Some(target.base.clone()), ..Behaviour::default() };
        let home = Server::start(remote.root.path(), there).await;
        let (git, _data) = of(&environment);
        fetch(&git.open(&home.url(), &access).unwrap(), Want::DefaultBranch).await.unwrap();
        let seen = target.seen();
        assert_eq!(seen.len(), 3, "{name}: {seen:?}");
        assert!(seen.iter().all(|seen| seen.authorization.is_none()), "{name}: {seen:?}");
    }
}

/// An answer to a POST that leads elsewhere is not followed: it would take along what is pushed.
#[tokio::test]
async fn a_push_is_not_sent_elsewhere() {
    let remote = small();
    let other = Registry::start(World::default()).await;
    let bending = Server::start(remote.root.path(), Behaviour::default()).await;
    bending.behave(Behaviour { post_redirect: Some(other.url()), ..Behaviour::default() });
    let (git, _data) = machine(&[]);
    let mirror = git.open(&bending.url(), &access(basic("me", PASSWORD))).unwrap();
    let error = fetch(&mirror, Want::DefaultBranch).await.err().unwrap();
    assert!(matches!(error, Error::Redirect { .. }), "{error}");
    assert!(other.seen().is_empty());
}

/// A helper is asked about the host that is configured, and about no other.
#[tokio::test]
async fn helpers_hear_of_no_other_host() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let helper = format!("!f() {{ cat >>{}; echo username=me; echo password={PASSWORD}; }}; f", log.display());
    let wanting = Fault::header(401, "www-authenticate", "Basic realm=git");
    let other = Registry::start(answering(wanting)).await;
    let home = Registry::start(answering(to(302, &other.url()))).await;
    let config =
        [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "credential.helper"), ("GIT_CONFIG_VALUE_0", helper.as_str())];
    let (git, _data) = machine(&config);
    git.open(&format!("{}/repo.git", home.url()), &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(!log.exists(), "{:?}", std::fs::read_to_string(&log));
}

/// As with registries: a server out there leads to no place that only we can reach.
#[tokio::test]
async fn redirects_to_private_places() {
    for target in [
        "http://127.0.0.2:1",
        "http://169.254.169.254",
        "http://10.0.0.1",
        "http://[::1]:1",
        "http://[::ffff:127.0.0.1]:1",
        "http://localhost:1",
        "http://0.0.0.0:1",
        "http://metadata.google.internal",
        "http://198.18.0.1",
        "http://2130706434",
    ] {
        let home = Registry::start(answering(to(302, target))).await;
        let (git, _data) = machine(&[]);
        let mirror = git.open(&format!("{}/repo.git", home.url()), &anyone()).unwrap();
        let error = mirror.advertise().await.unwrap_err();
        assert!(error.to_string().contains("redirects to a private address"), "{target}: {error}");
    }
}

/// In the open, what is sent at once otherwise waits until it is asked for: here it never is, since the server only redirects.
#[tokio::test]
async fn nothing_is_said_in_the_open_that_nobody_asked_for() {
    let proxy = Registry::start(answering(to(301, "https://git.example.com"))).await;
    for login in [basic("me", PASSWORD), GitLogin::Bearer(TOKEN.into())] {
        let through = access::Proxy { address: proxy.url(), login: None };
        let access = access::Git { proxy: Some(through), ..access(login) };
        let (git, _data) = machine(&[]);
        git.open("http://git.example.com/repo.git", &access).unwrap().advertise().await.unwrap_err();
        sees_nothing(&proxy, "in the open");
    }
    let (git, _data) = machine(&[]);
    let access = access::Git { proxy: Some(access::Proxy { address: proxy.url(), login: None }), ..anyone() };
    let url = format!("http://me:{}@git.example.com/repo.git", PASSWORD.replace('/', "%2F"));
    git.open(&url, &access).unwrap().advertise().await.unwrap_err();
    sees_nothing(&proxy, "a login in the address");
}

/// A server, its hooks and its names may repeat what they were sent.
#[tokio::test]
async fn what_was_sent_is_not_repeated() {
    use base64::Engine as _;
    let pair = |username: &str, password: &str| {
        base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"))
    };
    let secrets = [PASSWORD.to_owned(), TOKEN.to_owned(), pair("me", PASSWORD), pair("x-access-token", TOKEN)];
    let echo = format!("you sent {}\n{}", secrets.join(" "), "x".repeat(1_900));
    let text = || vec![("content-type", "text/plain".to_owned())];
    let advertisement = |line: &str| {
        let packet = |text: &str| format!("{:04x}{text}", text.len() + 4);
        let body = format!("{}0000{}", packet("# service=git-upload-pack\n"), packet(line));
        let headers = vec![("content-type", "application/x-git-upload-pack-advertisement".to_owned())];
        Fault::Answer(200, headers, body.into_bytes())
    };
    let faults: Vec<Fault> = [400, 401, 403, 404, 410, 429, 500]
        .map(|status| Fault::Answer(status, text(), format!("{echo}{}", secrets[2]).into_bytes()))
        .into_iter()
        .chain([
            Fault::header(200, "content-type", format!("text/{}", secrets[2])),
            Fault::header(200, "content-type", secrets.join(" ")),
            advertisement(&format!("ERR {}\n", secrets.join(" "))),
        ])
        .collect();
    for fault in faults {
        let home = Registry::start(answering(fault.clone())).await;
        for (name, environment, access) in ways(&home.host()) {
            let (git, _data) = of(&environment);
            let wanting = Fault::header(401, "www-authenticate", "Basic realm=git");
            home.change(|world| world.faults.push_back((String::new(), wanting)));
            let mirror = git.open(&format!("{}/repo.git", home.url()), &access).unwrap();
            for _ in 0..2 {
                let Err(error) = mirror.advertise().await else { continue };
                let said = format!("{error} {error:?}");
                let sent: &[&String] = match name {
                    "login" | "helper" => &[&secrets[0], &secrets[2]],
                    "bearer" | "header" => &[&secrets[1]],
                    _ => &[&secrets[1], &secrets[3]],
                };
                assert!(!sent.iter().any(|secret| said.contains(*secret)), "{name} {fault:?}: {said}");
            }
        }
    }
}

/// What a hook says of a push comes through the pack protocol.
#[tokio::test]
async fn hooks_do_not_repeat_either() {
    let remote = small();
    remote.hook("pre-receive", &format!("#!/bin/sh\necho 'you sent {PASSWORD}' >&2\nexit 1\n"));
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    let mirror = git.open(&server.url(), &access(basic("me", PASSWORD))).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let commit = crate::build(&first, "apps/two.yaml", "x\n").await;
    let pushed = crate::push_main(&mirror, first.commit(), commit).await;
    let said = format!("{pushed:?}");
    assert!(said.contains("you sent ***") && !said.contains(PASSWORD), "{said}");
}

/// A helper that floods, hangs on to its pipe, or starts others, costs its deadline and no memory.
#[tokio::test]
async fn helpers_that_flood() {
    let wanting = Fault::header(401, "www-authenticate", "Basic realm=git");
    for helper in ["!yes", "!f() { yes >&2; }; f", "!f() { yes username=me; }; f"] {
        let home = Registry::start(answering(wanting.clone())).await;
        let config =
            [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "credential.helper"), ("GIT_CONFIG_VALUE_0", helper)];
        let (git, _data) = machine(&config);
        let access = access::Git { timeout: std::time::Duration::from_secs(2), ..anyone() };
        let mirror = git.open(&format!("{}/repo.git", home.url()), &access).unwrap();
        let error = mirror.advertise().await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. } | Error::Deadline { .. }), "{helper}: {error}");
    }
}
