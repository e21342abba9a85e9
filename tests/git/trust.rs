//! Whose certificate a Git remote is trusted by: the rule of registries, with what git's own configuration names as well.

use access::Tls;
use git::{Error, Git, Kind};

use crate::simulated::door::{Certificates, Clients};
use crate::simulated::{Registry, World};
use crate::support::{Behaviour, Server, anyone, machine};

/// What becomes of the question for the references at an address, with a certificate as `ca.crt`.
async fn ask(git: &Git, url: &str, ca: Option<&str>) -> Error {
    let mut access = anyone();
    access.tls = Tls { ca: ca.map(str::to_owned), identity: None };
    git.open(&format!("{url}/repo.git"), &access).unwrap().advertise().await.unwrap_err()
}

/// What is trusted answers that it has no such repository: it is no Git server.
#[tokio::test]
async fn a_certificate_that_is_named_itself_is_trusted() {
    let (git, data) = machine(&[]);
    for certificates in [
        Certificates::of_version_one(),
        Certificates::self_signed(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
        Certificates::issued(|_| {}),
    ] {
        let server = Registry::start_tls(World::default(), &certificates).await;
        let named = ask(&git, &server.url(), Some(&certificates.server_certificate)).await;
        assert!(matches!(named, Error::NotFound { .. }), "{named:?}");
        for other in [None, Some(Certificates::new(Clients::Anybody).ca)] {
            let error = ask(&git, &server.url(), other.as_deref()).await;
            let text = "its certificate is self-signed or from an authority that is not trusted here";
            assert_eq!(error.to_string(), format!("cannot trust {}/repo.git: {text}", server.url()));
            assert_eq!(error.kind(), Kind::Denied);
        }
        let file = data.path().join("ca.crt");
        std::fs::write(&file, &certificates.server_certificate).unwrap();
        let file = file.display().to_string();
        let variables =
            [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "http.sslCAInfo"), ("GIT_CONFIG_VALUE_0", file.as_str())];
        let (git, _data) = machine(&variables);
        let named = ask(&git, &server.url(), None).await;
        assert!(matches!(named, Error::NotFound { .. }), "{named:?}");
    }
}

#[tokio::test]
async fn plain_http_and_tls_at_the_wrong_port() {
    let (git, data) = machine(&[]);
    let secure = Registry::start_tls(World::default(), &Certificates::new(Clients::Anybody)).await;
    let plain = Server::start(data.path(), Behaviour::default()).await;
    let words = "<title>400 The plain HTTP request was sent to HTTPS port</title>";
    let answer = Some((400, "text/html", words));
    let nginx = Server::start(data.path(), Behaviour { answer, ..Behaviour::default() }).await;
    let mut texts = Vec::new();
    for url in [secure.url().replace("https:", "http:"), plain.base.replace("http:", "https:"), nginx.base.clone()] {
        let error = ask(&git, &url, None).await.to_string();
        texts.push(error.replace(url.split_once("//").unwrap().1, "HOST"));
    }
    insta::assert_snapshot!(texts.join("\n"), @"
    cannot talk to http://HOST/repo.git: it is asked in plain HTTP, and answers as one that speaks TLS
    cannot talk to https://HOST/repo.git: it answers in plain HTTP, without TLS
    cannot talk to http://HOST/repo.git: it is asked in plain HTTP, and answers as one that speaks TLS
    ");
}
