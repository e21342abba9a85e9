//! TLS, client certificates, proxies, and HTTPS before plain HTTP.

use access::{Login, Proxy, Registry as Access, Tls, TlsIdentity};
use registry::{Client, Error, Kind, Mirror, Settings};

use crate::simulated::door::{Certificates, Clients};
use crate::simulated::socks::Socks;
use crate::simulated::{Registry, World};
use crate::{access, list, message, repository, settings};

fn world() -> World {
    World::with("team/app", ["1.0"])
}

fn trusting(certificates: &Certificates) -> Access {
    Access { tls: Tls { ca: Some(certificates.ca.clone()), identity: None }, ..access() }
}

pub(crate) fn identified(certificates: &Certificates) -> Access {
    let identity = TlsIdentity {
        certificate: certificates.client_certificate.clone(),
        key: certificates.client_key.clone().into(),
    };
    Access { tls: Tls { ca: Some(certificates.ca.clone()), identity: Some(identity) }, ..access() }
}

#[tokio::test]
async fn an_authority_of_its_own() {
    let certificates = Certificates::new(Clients::Anybody);
    let registry = Registry::start_tls(world(), &certificates).await;
    assert_eq!(list(&registry, "team/app", &trusting(&certificates)).await.unwrap().tags, ["1.0"]);
}

#[tokio::test]
async fn a_registry_that_is_not_trusted_is_not_asked_in_the_open() {
    let registry = Registry::start_tls(world(), &Certificates::new(Clients::Anybody)).await;
    let other = Certificates::new(Clients::Anybody);
    for access in [access(), Access { insecure: true, ..access() }, trusting(&other)] {
        let error = list(&registry, "team/app", &access).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied, "{error}");
        let text = message(&error, &registry);
        assert!(
            text.starts_with("cannot trust https://REGISTRY/v2/: its certificate is self-signed or from an authority"),
            "{text}"
        );
    }
    assert_eq!(registry.seen(), []);
}

#[tokio::test]
async fn a_client_certificate() {
    let certificates = Certificates::new(Clients::Certified);
    let registry = Registry::start_tls(world(), &certificates).await;
    assert_eq!(list(&registry, "team/app", &identified(&certificates)).await.unwrap().tags, ["1.0"]);
    let error = list(&registry, "team/app", &trusting(&certificates)).await.unwrap_err();
    let text = message(&error, &registry);
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(text.ends_with("/v2/: it wants a client certificate"), "{text}");
}

#[tokio::test]
async fn a_mirror_gets_no_client_certificate_of_the_registry() {
    let certificates = Certificates::new(Clients::Certified);
    let mirror = Registry::start_tls(world(), &certificates).await;
    let mirrors = vec![Mirror::parse(&format!("registry.example.com={}", mirror.url())).unwrap()];
    let client = Client::new(Settings { mirrors, ..settings() }).unwrap();
    let repository = repository("registry.example.com", "team/app");
    let error = client.tags(&repository, &identified(&certificates)).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert_eq!(mirror.seen(), []);
}

#[tokio::test]
async fn certificates_that_cannot_be_used() {
    let registry = Registry::start(world()).await;
    let tls = |ca: Option<&str>, identity: Option<(&str, &str)>| Access {
        tls: Tls {
            ca: ca.map(str::to_owned),
            identity: identity
                .map(|(certificate, key)| TlsIdentity { certificate: certificate.to_owned(), key: key.into() }),
        },
        ..access()
    };
    let good = Certificates::new(Clients::Anybody);
    let cases = [
        tls(Some("no pem"), None),
        tls(Some("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"), None),
        tls(None, Some((&good.client_certificate, "hunter2"))),
        tls(None, Some(("nothing", &good.client_key))),
    ];
    for access in cases {
        let error = list(&registry, "team/app", &access).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let text = message(&error, &registry);
        assert!(text.contains("for 'REGISTRY' cannot be used: ") && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn an_http_proxy() {
    let proxy = Registry::start(world()).await;
    let login = Login { username: "p".to_owned(), password: "w".into() };
    let named = Proxy { address: proxy.url(), login: Some(login) };
    let access = Access { proxy: Some(named), insecure: true, ..access() };
    let listing = crate::client().tags(&repository("registry.internal.example:5000", "team/app"), &access).await;
    assert_eq!(listing.unwrap().tags, ["1.0"]);
    let seen = proxy.seen();
    let last = seen.last().unwrap();
    assert_eq!(
        (last.host.as_str(), last.proxy_authorization.as_deref()),
        ("registry.internal.example:5000", Some("Basic cDp3"))
    );
}

#[tokio::test]
async fn a_socks_proxy_resolves_names() {
    let registry = Registry::start(world()).await;
    let socks = Socks::start(registry.host()).await;
    let login = Login { username: "p".to_owned(), password: "w".into() };
    let named = Proxy { address: format!("socks5://{}", socks.address), login: Some(login) };
    let access = Access { proxy: Some(named), insecure: true, ..access() };
    let listing = crate::client().tags(&repository("registry.internal.example:5000", "team/app"), &access).await;
    assert_eq!(listing.unwrap().tags, ["1.0"]);
    assert!(socks.seen().iter().all(|seen| seen == "p:w@registry.internal.example:5000"), "{:?}", socks.seen());
}

#[tokio::test]
async fn proxies_that_cannot_be_used() {
    for address in ["ftp://proxy.example.com", "proxy.example.com:3128", "http://"] {
        let access = Access { proxy: Some(Proxy { address: address.to_owned(), login: None }), ..access() };
        let error = crate::client().tags(&repository("ghcr.io", "team/app"), &access).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{address}");
        assert!(error.to_string().starts_with("the proxy for 'ghcr.io' cannot be used: its address "), "{error}");
    }
}

#[tokio::test]
async fn what_is_spoken_is_found_once_for_each_host() {
    let registry = Registry::start(world()).await;
    let client = crate::client();
    for _ in 0..20 {
        client.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap();
    }
    // The question over TLS, and one connection for everything else; a connection is free a moment after its answer, so
    // that some more may be made.
    assert!(registry.connections() <= 10, "{}", registry.connections());
}

/// The variables that lead to the system's authorities are read by this process, so that another one has to be without.
#[tokio::test]
async fn a_machine_without_authorities_still_speaks_plain_http() {
    const MARK: &str = "/nonexistent/authorities";
    if std::env::var_os("SSL_CERT_FILE").is_none_or(|file| file != MARK) {
        let name = "transports::a_machine_without_authorities_still_speaks_plain_http";
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name]).env("SSL_CERT_FILE", MARK).env("SSL_CERT_DIR", MARK);
        let output = child.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    }
    let registry = Registry::start(world()).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1.0"]);
    let certificates = Certificates::new(Clients::Anybody);
    let secure = Registry::start_tls(world(), &certificates).await;
    assert_eq!(list(&secure, "team/app", &trusting(&certificates)).await.unwrap().tags, ["1.0"]);
    let error = crate::client().tags(&repository("ghcr.io", "team/app"), &access()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    insta::assert_snapshot!(error.to_string(), @"cannot trust https://ghcr.io/v2/team/app/tags/list: this machine has no certificate authorities, and none is configured");
}

#[tokio::test]
async fn many_lists_at_once_are_one_connection_where_the_registry_speaks_http_2() {
    let mut certificates = Certificates::new(Clients::Anybody);
    certificates.http2 = true;
    let world = (0..40).fold(World::default(), |world, number| world.and(&format!("team/{number}"), ["1.0"]));
    let registry = Registry::start_tls(world, &certificates).await;
    let (client, access) = (Client::new(settings()).unwrap(), trusting(&certificates));
    let ask = async |number: usize| {
        let image = repository(&registry.host(), &format!("team/{number}"));
        assert_eq!(client.tags(&image, &access).await.unwrap().tags.len(), 1);
    };
    ask(0).await;
    futures_util::future::join_all((0..40).map(ask)).await;
    assert_eq!((registry.seen().len(), registry.connections()), (41, 1));
}
