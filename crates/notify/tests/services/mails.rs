//! A mail server over loopback: in TLS, by STARTTLS, in the clear, and one that is busy at first.

use std::sync::{Arc, Mutex};

use access::{Login, Tls};
use notify::{Kind, Mail, Route, Security, Service, Target};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::manners::Log;
use crate::service::{SECRET, World, event};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Tls,
    StartTls,
    Clear,
}

/// A mail server, what was said to it, and its authority.
struct Server {
    port: u16,
    said: Arc<Mutex<Vec<String>>>,
    ca: String,
    /// How often somebody has connected.
    connections: watch::Receiver<usize>,
}

impl Server {
    /// Starts one that refuses the first `busy` mails for now.
    async fn start(kept: Kept, busy: usize) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, said) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&said);
        let (count, connections) = watch::channel(0);
        tokio::spawn(async move {
            let mut busy = busy;
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                let refused = busy > 0;
                busy = busy.saturating_sub(1);
                tokio::spawn(serve(stream, acceptor.clone(), kept, refused, Arc::clone(&heard)));
            }
        });
        Self { port, said, ca: issuer.pem(), connections }
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    fn target(&self, security: Security, login: Option<Login>) -> Target {
        let mail = Mail {
            host: "localhost".to_owned(),
            port: self.port,
            security,
            login,
            from: "tagwright <bot@example.com>".to_owned(),
            to: vec!["ops@example.com".to_owned(), "On Call <oncall@example.com>".to_owned()],
        };
        let tls = Tls { ca: Some(self.ca.clone()), identity: None };
        Target { service: Service::Mail(mail), route: Route { tls, ..Route::default() } }
    }
}

type Said = Arc<Mutex<Vec<String>>>;

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, kept: Kept, refused: bool, said: Said) {
    match kept {
        Kept::Clear => drop(talk(stream, false, true, refused, &said).await),
        Kept::Tls => {
            if let Ok(stream) = acceptor.accept(stream).await {
                drop(talk(stream, false, true, refused, &said).await);
            }
        }
        Kept::StartTls => {
            if let Some(stream) = talk(stream, true, true, refused, &said).await
                && let Ok(stream) = acceptor.accept(stream).await
            {
                said.lock().unwrap().push("(TLS)".to_owned());
                drop(talk(stream, false, false, refused, &said).await);
            }
        }
    }
}

/// Talks until the end, or until TLS begins.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    offers_tls: bool,
    greets: bool,
    refused: bool,
    said: &Said,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 mail ready\r\n").await.ok()?;
    }
    let (mut line, mut in_data) = (String::new(), false);
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let text = line.trim_end().to_owned();
        said.lock().unwrap().push(text.clone());
        let answer: &[u8] = match text.split(' ').next().unwrap_or_default() {
            _ if in_data && text == "." => {
                in_data = false;
                b"250 taken\r\n"
            }
            _ if in_data => continue,
            "EHLO" if offers_tls => b"250-mail\r\n250-8BITMIME\r\n250 STARTTLS\r\n",
            "EHLO" => b"250-mail\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 go\r\n").await.ok()?;
                return Some(stream.into_inner());
            }
            "AUTH" => b"235 known\r\n",
            "MAIL" if refused => b"451 greylisted, try again\r\n",
            "DATA" => {
                in_data = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).await.ok()?;
    }
}

fn login() -> Option<Login> {
    Some(Login { username: "bot".to_owned(), password: SECRET.to_owned().into() })
}

#[tokio::test]
async fn mails_go_to_all_and_a_busy_server_gets_them_later() {
    for (kept, security) in
        [(Kept::Tls, Security::Tls), (Kept::StartTls, Security::StartTls), (Kept::Clear, Security::Plain)]
    {
        let server = Server::start(kept, 1).await;
        let login = if kept == Kept::Clear { None } else { login() };
        let world = World::telling([server.target(security, login)]);
        world.voice.tell(event(Kind::Rejected, "default/shop: größer\r\nBcc: evil@example.com"));
        assert_eq!(world.end().await, [("email", "sent")], "{kept:?} {:#?}", server.said());
        let said = server.said();
        let has = |text: &str| said.iter().any(|line| line.contains(text));
        assert!(has("RCPT TO:<ops@example.com>") && has("RCPT TO:<oncall@example.com>"), "{said:#?}");
        assert!(has("From: tagwright <bot@example.com>") && has("Subject: ") && has("Message-ID: "), "{said:#?}");
        assert!(!said.iter().any(|line| line.starts_with("Bcc")), "{said:#?}");
        let logins = said.iter().filter(|line| line.starts_with("AUTH PLAIN")).count();
        assert_eq!(logins, if kept == Kept::Clear { 0 } else { 2 });
        let (tls, first_login) =
            (said.iter().position(|line| line == "(TLS)"), said.iter().position(|line| line.starts_with("AUTH")));
        assert!(kept != Kept::StartTls || tls < first_login, "{said:#?}");
    }
}

/// Who does not offer TLS, or shows a certificate of nobody, gets neither login nor mail.
#[tokio::test]
async fn no_login_goes_in_the_clear_or_to_somebody_else() {
    let log = Log::default();
    let _kept = log.listen();
    let clear = Server::start(Kept::Clear, 0).await;
    let world = World::telling([clear.target(Security::StartTls, login())]);
    world.voice.tell(event(Kind::Held, "waits"));
    assert_eq!(world.end().await, [("email", "failed")], "and is not tried again");
    assert_eq!(*clear.connections.borrow(), 1);
    assert!(log.text().contains("STARTTLS is not supported"), "{}", log.text());
    let said = clear.said();
    assert!(said.iter().any(|line| line.starts_with("EHLO")), "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{said:?}");
    let (mut unknown, other) = (Server::start(Kept::Tls, 0).await, Server::start(Kept::Tls, 0).await);
    let mut target = unknown.target(Security::Tls, login());
    target.route.tls.ca = Some(other.ca.clone());
    let world = World::telling([target]);
    world.voice.tell(event(Kind::Held, "waits"));
    unknown.connections.wait_for(|count| *count > 1).await.unwrap();
    assert_eq!((world.counts(), unknown.said()), (Vec::new(), Vec::new()));
}
