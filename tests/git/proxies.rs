//! Proxies of the access, of git's configuration and of the environment.

use access::{Login, Proxy};
use git::{Error, Kind, Want};

use crate::simulated::socks::Socks;
use crate::support::{Behaviour, Server, anyone, machine};
use crate::{fetch, small};

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
    let name = "proxies::this_machine_is_reached_without_the_proxy_of_the_environment";
    // Nobody listens there.
    if is_run_elsewhere(name, &[("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "")]).await {
        return;
    }
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap();
    let error = git.open("http://git.invalid/repo.git", &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(matches!(error, Error::ProxyUnreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_machine_without_authorities_still_speaks_plain_http() {
    let name = "proxies::a_machine_without_authorities_still_speaks_plain_http";
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
