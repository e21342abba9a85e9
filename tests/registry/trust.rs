//! Whose certificate is trusted, and what is said where it is not.

use access::{Registry as Access, Tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, SanType, date_time_ymd};
use registry::{Client, Error, Kind, Mirror, Settings};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::simulated::door::{Certificates, Clients};
use crate::simulated::{Fault, Registry, World};
use crate::{access, client, list, message, repository, settings};

fn trusting(pem: &str) -> Access {
    Access { tls: Tls { ca: Some(pem.to_owned()), identity: None }, ..access() }
}

async fn start(certificates: &Certificates) -> Registry {
    Registry::start_tls(World::with("team/app", ["1.0"]), certificates).await
}

#[track_caller]
fn is_refused(error: &Error, registry: &Registry, text: &str) {
    assert_eq!(error.kind(), Kind::Denied, "{error}");
    let said = message(error, registry).replace("/v2/: ", "/v2/team/app/tags/list: ");
    assert_eq!(said, format!("cannot trust https://REGISTRY/v2/team/app/tags/list: {text}"));
    assert_eq!(registry.seen(), []);
}

const ONLY_TLS12: &[&SupportedProtocolVersion] = &[&TLS12];
const ONLY_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];

const UNKNOWN: &str = "its certificate is self-signed or from an authority that is not trusted here";

/// OpenSSL's defaults and Docker's recipe make certificates that call themselves authorities; others make some that do not, or
/// that are of X.509's first version.
#[tokio::test]
async fn a_certificate_that_is_named_itself_is_trusted_whatever_it_is() {
    let common = |params: &mut CertificateParams| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(DnType::CommonName, "127.0.0.1");
    };
    for (name, mut certificates) in [
        ("authority", Certificates::self_signed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
        (
            "bounded authority",
            Certificates::self_signed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))),
        ),
        ("none", Certificates::self_signed(|params| params.is_ca = IsCa::ExplicitNoCa)),
        ("nothing said", Certificates::self_signed(|params| params.is_ca = IsCa::NoCa)),
        ("common name", Certificates::self_signed(common)),
        ("version one", Certificates::of_version_one()),
        ("issued", Certificates::issued(|_| {})),
    ] {
        for versions in [ONLY_TLS12, ONLY_TLS13] {
            certificates.versions = versions;
            let registry = start(&certificates).await;
            let named = trusting(&certificates.server_certificate);
            assert_eq!(list(&registry, "team/app", &named).await.unwrap().tags, ["1.0"], "{name} {versions:?}");
        }
        let registry = start(&certificates).await;
        is_refused(&list(&registry, "team/app", &access()).await.unwrap_err(), &registry, UNKNOWN);
        let other = trusting(&Certificates::new(Clients::Anybody).ca);
        is_refused(&list(&registry, "team/app", &other).await.unwrap_err(), &registry, UNKNOWN);
    }
}

/// What is named itself still has to be for the host, and in its time; and so has what an authority has issued.
#[tokio::test]
async fn names_and_dates_count() {
    type Change = fn(&mut CertificateParams);
    let other_name: Change = |params| params.subject_alt_names = vec![dns("r.example.com"), dns("*.apps.example.com")];
    let no_name: Change = |params| params.subject_alt_names.clear();
    let other_common_name: Change = |params| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(DnType::CommonName, "registry.local");
    };
    let expired: Change = |params| params.not_after = date_time_ymd(2020, 5, 1);
    let not_yet: Change = |params| params.not_before = date_time_ymd(2999, 5, 1);
    let purpose: Change = |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let cases = [
        (other_name, "its certificate is not for '127.0.0.1' but for r.example.com, *.apps.example.com"),
        (no_name, "its certificate is not for '127.0.0.1': it has no host names (subjectAltName)"),
        (expired, "its certificate has ended on 2020-05-01 at 00:00 UTC"),
        (not_yet, "its certificate does not count yet; it begins on 2999-05-01 at 00:00 UTC"),
        (purpose, "its certificate says that it is not for servers"),
    ];
    let authority: Change = |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (change, text) in cases {
        for certificates in [
            Certificates::issued(change),
            Certificates::self_signed(change),
            Certificates::self_signed(|params| {
                authority(params);
                change(params);
            }),
        ] {
            let registry = start(&certificates).await;
            for pem in [&certificates.ca, &certificates.server_certificate] {
                is_refused(&list(&registry, "team/app", &trusting(pem)).await.unwrap_err(), &registry, text);
            }
        }
    }
    let certificates = Certificates::self_signed(other_common_name);
    let registry = start(&certificates).await;
    let text = "its certificate is not for '127.0.0.1' but for registry.local";
    is_refused(&list(&registry, "team/app", &trusting(&certificates.ca)).await.unwrap_err(), &registry, text);
}

/// The certificate of one server, named for it, vouches for no other server.
#[tokio::test]
async fn what_is_named_for_one_registry_is_not_for_another() {
    let (own, other) = (Certificates::of_version_one(), Certificates::self_signed(|_| {}));
    let (registry, stranger) = (start(&own).await, start(&other).await);
    let client = client();
    let named = trusting(&own.ca);
    assert!(client.tags(&repository(&registry.host(), "team/app"), &named).await.is_ok());
    assert!(client.tags(&repository(&stranger.host(), "team/app"), &named).await.is_err());
    assert!(client.tags(&repository(&registry.host(), "team/app"), &access()).await.is_err());
    assert!(client.tags(&repository(&registry.host(), "team/app"), &trusting(&other.ca)).await.is_err());
}

/// The variables that lead to the system's certificates are read by this process, so that another one has to have them.
#[tokio::test]
async fn what_the_system_names_itself_is_trusted_too() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tls/v1.pem");
    if std::env::var_os("SSL_CERT_FILE").is_none_or(|named| named != file) {
        let name = "trust::what_the_system_names_itself_is_trusted_too";
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name]).env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR").output();
        let output = output.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    }
    let registry = start(&Certificates::of_version_one()).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1.0"]);
    assert!(list(&start(&Certificates::self_signed(|_| {})).await, "team/app", &access()).await.is_err());
}

#[tokio::test]
async fn plain_http_and_tls_at_the_wrong_port() {
    let secure = start(&Certificates::new(Clients::Anybody)).await;
    let plain = Registry::start(World::with("team/app", ["1.0"])).await;
    let go = answering("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n").await;
    let nginx = "<title>400 The plain HTTP request was sent to HTTPS port</title>";
    let nginx = World::default().failing("tags/list", Fault::Answer(400, Vec::new(), nginx.into()));
    let nginx = Registry::start(nginx).await;
    let mut texts = Vec::new();
    for address in
        [format!("http://{}", secure.host()), format!("https://{}", plain.host()), format!("http://{go}"), nginx.url()]
    {
        let mirrors = vec![Mirror::parse(&format!("registry.example.com={address}")).unwrap()];
        let client = Client::new(Settings { mirrors, ..settings() }).unwrap();
        let error = client.tags(&repository("registry.example.com", "team/app"), &access()).await.unwrap_err();
        texts.push(error.to_string().replace(address.split_once("//").unwrap().1, "REGISTRY"));
    }
    insta::assert_snapshot!(texts.join("\n"), @"
    cannot talk to http://REGISTRY/v2/team/app/tags/list: it is asked in plain HTTP, and answers as one that speaks TLS
    cannot talk to https://REGISTRY/v2/team/app/tags/list: it answers in plain HTTP, without TLS
    cannot talk to http://REGISTRY/v2/team/app/tags/list: it is asked in plain HTTP, and answers as one that speaks TLS
    cannot talk to http://REGISTRY/v2/team/app/tags/list: it is asked in plain HTTP, and answers as one that speaks TLS
    ");
}

/// A server that gives one answer to whatever comes.
async fn answering(answer: &'static str) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}
