//! A service on loopback that answers as a test says, over HTTP or behind a proxy and TLS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A field of the form.
    pub(crate) fn field(&self, name: &str) -> String {
        let found = url::form_urlencoded::parse(self.body.as_bytes()).find(|(own, _)| own == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

pub(crate) fn reply(status: u16, body: impl Into<String>) -> Reply {
    Reply { status, headers: Vec::new(), body: body.into() }
}

impl Reply {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Answer = dyn Fn(&Seen, Timestamp) -> Reply + Send + Sync;

/// A service; it ends with this value.
pub(crate) struct Service {
    pub(crate) url: String,
    /// The authority of its certificate, where it has one.
    pub(crate) authority: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Service {
    /// Starts one over HTTP. It tells its time, which is off by so many seconds, to its answers.
    pub(crate) async fn start(off: i64, answer: impl Fn(&Seen, Timestamp) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(off, answer, None).await
    }

    /// Starts a proxy, behind which a host is at HTTPS; its address is the proxy's.
    pub(crate) async fn behind_proxy(
        host: &str,
        off: i64,
        answer: impl Fn(&Seen, Timestamp) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(off, answer, Some(host)).await
    }

    async fn listen(
        off: i64,
        answer: impl Fn(&Seen, Timestamp) -> Reply + Send + Sync + 'static,
        host: Option<&str>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tls, authority) = host.map(certificate).unzip();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, answer): (_, Arc<Answer>) = (Arc::clone(&seen), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, answer, tls) = (Arc::clone(&log), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, off, &log, &*answer).await,
                        Some(tls) => {
                            let connect = read(&mut stream).await?;
                            assert_eq!(connect.method, "CONNECT");
                            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                            let stream = TlsAcceptor::from(tls).accept(stream).await.ok()?;
                            converse(stream, off, &log, &*answer).await
                        }
                    }
                });
            }
        });
        Self { url, authority: authority.unwrap_or_default(), seen, task }
    }

    /// What came in so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The paths that were asked for.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }
}

/// An address on loopback where nobody listens.
pub(crate) fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn certificate(host: &str) -> (Arc<ServerConfig>, String) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    (Arc::new(config), cert.pem())
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    off: i64,
    log: &Mutex<Vec<Seen>>,
    answer: &Answer,
) -> Option<()> {
    let seen = read(&mut stream).await?;
    let now = Timestamp::from_second(Timestamp::now().as_second() + off).unwrap();
    log.lock().unwrap().push(seen.clone());
    let Reply { status, headers, body } = answer(&seen, now);
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!(
        "HTTP/1.1 {status} Status\r\ndate: {date}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[head + 4..].to_vec()).unwrap();
    Some(Seen { method: first.next()?, path: first.next()?, headers, body })
}
