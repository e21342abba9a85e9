//! What stands between a client and the API server: a line that breaks as told.
//!
//! It ends TLS on both sides, with the certificate of the API server, so that it sees requests and events: a watch is cut in the
//! middle of a line, and a request is answered here instead.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::server::Cluster;

/// The most bytes of a request's head.
const MAX_HEAD: usize = 64 << 10;

/// More than watches are ever cut.
const NO_WATCH: usize = usize::MAX;

type FromClient = BufReader<ReadHalf<server::TlsStream<TcpStream>>>;
type ToClient = WriteHalf<server::TlsStream<TcpStream>>;
type FromServer = ReadHalf<client::TlsStream<TcpStream>>;
type ToServer = WriteHalf<client::TlsStream<TcpStream>>;
type Rule = Box<dyn FnMut(&str, &str) -> Option<Answer> + Send>;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// Everything passes.
    Open,
    /// Nothing passes, and no connection ends.
    Frozen,
    /// Connections end, and new ones at once.
    Refused,
}

/// An answer that the API server did not give.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    code: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// What the API server says when it refuses: a code, a reason such as `Conflict`, a message.
    pub(crate) fn refusal(code: u16, reason: &str, message: &str) -> Self {
        Self { code, headers: Vec::new(), body: status(code, reason, message).to_string() }
    }

    /// A watch that ends with an event at once, since its resourceVersion is too old.
    pub(crate) fn expired_watch() -> Self {
        let object = status(410, "Expired", "too old resource version");
        let event = serde_json::json!({"type": "ERROR", "object": object});
        Self { code: 200, headers: Vec::new(), body: format!("{event}\n") }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn text(&self) -> String {
        let mut text = format!("HTTP/1.1 {} Answered\r\nContent-Type: application/json\r\n", self.code);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text + &format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body)
    }
}

fn status(code: u16, reason: &str, message: &str) -> serde_json::Value {
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    })
}

/// A running line; it ends when dropped, with all connections.
pub(crate) struct Line {
    /// `https://127.0.0.1:PORT`
    pub(crate) url: String,
    passing: watch::Sender<Passing>,
    state: Arc<State>,
    task: JoinHandle<()>,
}

/// What the connections of a line share.
struct State {
    target: String,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    passing: watch::Receiver<Passing>,
    /// How often watches were told to break.
    cuts: AtomicUsize,
    /// How many pieces wait until something may pass again.
    held: AtomicUsize,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<(Instant, String)>>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    /// Starts a line to the API server.
    pub(crate) async fn to(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (passing, seen) = watch::channel(Passing::Open);
        let state = Arc::new(State {
            target: cluster.address(),
            acceptor: cluster.certificates.acceptor(),
            connector: cluster.certificates.connector(),
            passing: seen,
            cuts: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            rules: Mutex::default(),
            seen: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            // The connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(async move { state.serve(client).await });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { url, passing, state, task }
    }

    pub(crate) fn set(&self, passing: Passing) {
        self.passing.send_replace(passing);
    }

    /// Each watch that runs now ends in the middle of the next event that it is sent.
    pub(crate) fn cut_watches(&self) {
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether something waits since the line is frozen.
    pub(crate) fn holds(&self) -> bool {
        self.state.held.load(Ordering::SeqCst) > 0
    }

    /// Answers requests by a rule, which is given method and path with query. Earlier rules come first; none of them: the API
    /// server answers.
    pub(crate) fn answer(&self, rule: impl FnMut(&str, &str) -> Option<Answer> + Send + 'static) {
        self.state.rules.lock().unwrap().push(Box::new(rule));
    }

    /// From now on the API server answers everything.
    pub(crate) fn answer_nothing(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// What was asked since a moment, as `METHOD PATH`.
    pub(crate) fn seen(&self, since: Instant) -> Vec<String> {
        let seen = self.state.seen.lock().unwrap();
        seen.iter().filter(|(at, _)| *at >= since).map(|(_, request)| request.clone()).collect()
    }
}

impl State {
    async fn serve(&self, client: TcpStream) {
        let mut passing = self.passing.clone();
        let connection = async {
            self.may_pass().await;
            let Ok(client) = self.acceptor.accept(client).await else { return };
            let Ok(server) = TcpStream::connect(&self.target).await else { return };
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let Ok(server) = self.connector.connect(name, server).await else { return };
            let (from_client, to_client) = split(client);
            let (from_server, to_server) = split(server);
            let to_client = tokio::sync::Mutex::new(to_client);
            let watches_since = AtomicUsize::new(NO_WATCH);
            // Whichever side ends first ends the connection.
            tokio::select! {
                _ = self.requests(BufReader::new(from_client), to_server, &to_client, &watches_since) => {}
                () = self.answers(from_server, &to_client, &watches_since) => {}
            }
        };
        tokio::select! {
            () = connection => {}
            _ = passing.wait_for(|passing| *passing == Passing::Refused) => {}
        }
    }

    /// Waits while nothing may pass.
    async fn may_pass(&self) {
        let mut passing = self.passing.clone();
        if *passing.borrow_and_update() == Passing::Frozen {
            self.held.fetch_add(1, Ordering::SeqCst);
            let _ = passing.wait_for(|passing| *passing != Passing::Frozen).await;
            self.held.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Passes requests on, one after the other, or answers them; none when the client has ended.
    async fn requests(
        &self,
        mut client: FromClient,
        mut server: ToServer,
        to_client: &tokio::sync::Mutex<ToClient>,
        watches_since: &AtomicUsize,
    ) -> Option<()> {
        loop {
            let request = read_request(&mut client).await?;
            self.may_pass().await;
            let head = String::from_utf8_lossy(&request);
            let mut words = head.split(' ');
            let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
            self.seen.lock().unwrap().push((Instant::now(), format!("{method} {path}")));
            let is_watch = path.contains("watch=true") || path.contains("watch=1");
            let since = if is_watch { self.cuts.load(Ordering::SeqCst) } else { NO_WATCH };
            watches_since.store(since, Ordering::SeqCst);
            let answer = self.rules.lock().unwrap().iter_mut().find_map(|rule| rule(&method, &path));
            if let Some(answer) = answer {
                let mut client = to_client.lock().await;
                client.write_all(answer.text().as_bytes()).await.ok()?;
                client.flush().await.ok()?;
            } else {
                server.write_all(&request).await.ok()?;
                server.flush().await.ok()?;
            }
        }
    }

    /// Passes answers on, as they come.
    async fn answers(
        &self,
        mut server: FromServer,
        client: &tokio::sync::Mutex<ToClient>,
        watches_since: &AtomicUsize,
    ) {
        let mut piece = vec![0; 64 << 10];
        while let Ok(read @ 1..) = server.read(&mut piece).await {
            self.may_pass().await;
            let is_cut = self.cuts.load(Ordering::SeqCst) > watches_since.load(Ordering::SeqCst);
            let passed = if is_cut { &piece[..read / 2] } else { &piece[..read] };
            let mut client = client.lock().await;
            if client.write_all(passed).await.is_err() || client.flush().await.is_err() || is_cut {
                return;
            }
        }
        // Nor does the client hear that the server has ended.
        self.may_pass().await;
    }
}

/// Reads a request as it is, head and body; none when the client has ended.
async fn read_request(client: &mut FromClient) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(client.read_u8().await.ok()?);
        assert!(request.len() < MAX_HEAD, "a head of a request without an end");
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    assert!(!head.contains("\r\ntransfer-encoding:"), "a body in chunks: {head}");
    let length = head.split("\r\ncontent-length:").nth(1).and_then(|rest| rest.lines().next());
    let start = request.len();
    request.resize(start + length.map_or(0, |length| length.trim().parse().unwrap()), 0);
    client.read_exact(&mut request[start..]).await.ok()?;
    Some(request)
}
