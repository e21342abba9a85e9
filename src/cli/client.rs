//! The client of a running bot: over the Unix socket in its data folder, or its URL.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tagwright_core::automation::ObjectName;
use tokio::net::UnixStream;
use url::Url;
use web::{Sent, Unreachable, is_loopback, show};

use crate::failure::{Context, Failure, Kind, Result};
use crate::server::{Address, SOCKET};
use crate::wire::freeze::{Freeze, Refrozen, Unfreeze};
use crate::wire::history::History;
use crate::wire::request::{Due, HistoryQuery, ImagesQuery, Obeyed, Order, Poll, Refusal, Run, Wish};
use crate::wire::status::Status;

/// How long an answer may take, the connection included.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long it may for all images: as a bot takes, and some more.
const LONG: Duration = Duration::from_secs(110);

/// The most bytes of an answer: ten thousand entries of the history are a few megabytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The environment variable with the token for a bot that is asked by its URL.
const TOKEN: &str = "TAGWRIGHT_API_TOKEN";

/// The longest text of an answer that is no answer of a bot, in characters, that is shown.
const MAX_SHOWN: usize = 200;

/// A connection to a bot that listens.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    /// The address in messages: a URL without what may be secret, or the path of the socket.
    pub(super) place: String,
    /// What the URL holds of proof, which an answer may repeat.
    sent: Sent,
    /// Keeps the short name of the socket alive.
    _address: Option<Address>,
}

impl Client {
    /// The bot that listens on TCP.
    pub(super) fn at(url: &str) -> Result<Self> {
        const HINT: &str = "write it like http://127.0.0.1:8080";
        // What is no URL may still have a password in it, and is not repeated.
        let parsed = Url::parse(url).map_err(|error| Failure::usage(format!("--url is not a URL: {error}"), HINT))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(Failure::usage("--url is not a URL that begins with http:// or https://", HINT));
        }
        let place = show(&parsed).trim_end_matches('/').to_owned();
        // A proxy's own machine cannot be meant.
        let mut builder = if is_loopback(&parsed) { builder().no_proxy() } else { builder() };
        let sent = Sent::of_machine();
        sent.remember_address(url);
        if let Some(token) = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
            let wrong = || Failure::usage(format!("{TOKEN} has characters that no header can hold"), "");
            let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| wrong())?;
            header.set_sensitive(true);
            sent.remember(&header);
            builder = builder.default_headers([(AUTHORIZATION, header)].into_iter().collect());
        }
        Ok(Self { http: builder.build()?, place, base: url.trim_end_matches('/').to_owned(), sent, _address: None })
    }

    /// The bot of a data folder; none when nobody listens there.
    pub(super) async fn of(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(SOCKET);
        let cannot = || format!("cannot connect to the bot at {}", path.display());
        let Some(address) = present(Address::new(folder)).with_context(cannot)? else { return Ok(None) };
        let socket = address.of(SOCKET);
        // Tried once by hand, since only here it can be told from other failures that nobody listens.
        let connected = tokio::time::timeout(DEADLINE, UnixStream::connect(&socket)).await.with_context(cannot)?;
        if present(connected).with_context(cannot)?.is_none() {
            return Ok(None);
        }
        let http = builder().no_proxy().unix_socket(socket).build()?;
        let place = path.display().to_string();
        Ok(Some(Self {
            http,
            base: "http://localhost".to_owned(),
            place,
            sent: Sent::default(),
            _address: Some(address),
        }))
    }

    /// Asks for the status document.
    pub(super) async fn status(&self) -> Result<Status> {
        self.ask(self.http.get(self.address(&["api", "v1", "status"])?)).await
    }

    /// Asks for the part of the history that the query selects.
    pub(super) async fn history(&self, query: &HistoryQuery) -> Result<History> {
        self.ask(self.http.get(self.address(&["api", "v1", "history"])?).query(query)).await
    }

    /// Gives an order about a policy or an automation.
    pub(super) async fn order(&self, order: Order, name: &ObjectName, reason: Option<&str>) -> Result<Obeyed> {
        let kind = if order.is_for_policies() { "policies" } else { "automations" };
        let address = self.address(&["api", "v1", kind, &name.namespace, &name.name, order.as_str()])?;
        self.ask(self.http.post(address).json(&Wish { reason: reason.map(str::to_owned) })).await
    }

    /// Orders a freeze.
    pub(super) async fn freeze(&self, wish: &Freeze) -> Result<Refrozen> {
        self.ask(self.http.post(self.address(&["api", "v1", "freeze"])?).json(wish)).await
    }

    /// Ends freezes, or makes an exception to them.
    pub(super) async fn unfreeze(&self, wish: &Unfreeze) -> Result<Refrozen> {
        self.ask(self.http.post(self.address(&["api", "v1", "unfreeze"])?).json(wish)).await
    }

    /// Lets it poll now.
    pub(super) async fn poll(&self, wish: &Poll) -> Result<Due> {
        self.ask(self.http.post(self.address(&["api", "v1", "poll"])?).json(wish)).await
    }

    /// Lets an automation run now.
    pub(super) async fn run(&self, wish: &Run) -> Result<Due> {
        self.ask(self.http.post(self.address(&["api", "v1", "run"])?).json(wish)).await
    }

    /// Asks for the images that Git references, which may take a while.
    pub(super) async fn images(&self, query: &ImagesQuery) -> Result<Value> {
        self.ask(self.http.get(self.address(&["api", "v1", "images"])?).query(query).timeout(LONG)).await
    }

    /// Asks for a document of the API, as it is, by the parts of its path.
    pub(super) async fn document(&self, path: &[&str]) -> Result<Value> {
        self.ask(self.http.get(self.address(&[&["api", "v1"], path].concat())?)).await
    }

    fn address(&self, path: &[&str]) -> Result<Url> {
        let mut address = Url::parse(&self.base)?;
        address
            .path_segments_mut()
            .map_err(|()| Failure::usage(format!("{} has no paths", self.place), ""))?
            .pop_if_empty()
            .extend(path);
        Ok(address)
    }

    async fn ask<A: DeserializeOwned>(&self, request: RequestBuilder) -> Result<A> {
        let answered = || format!("the bot at {} does not answer", self.place);
        let response = request.send().await.map_err(silent).with_context(answered)?;
        let status = response.status();
        let bytes = bounded(response).await.with_context(answered)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|_| self.stranger(&bytes));
        }
        match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) => Err(Failure::missing(self.sent.hide(&words::clean(refusal.error.as_bytes())), "")),
            Err(_) => Err(self.stranger(&bytes).under(format!("{} answers {status}", self.place))),
        }
    }

    /// Something else answers, in words that no bot has.
    fn stranger(&self, bytes: &[u8]) -> Failure {
        let said = match shown(bytes) {
            text if text.is_empty() => String::new(),
            text => format!(": {}", self.sent.hide(&text)),
        };
        let message = format!("what answers at {} is not a bot of this version{said}", self.place);
        Failure::missing(message, "name the address that the bot has in `run --listen`, or its folder: --data-dir DIR")
    }
}

/// Why no answer came, without the layers that only say that there is none.
fn silent(error: reqwest::Error) -> Failure {
    let hint = match Unreachable::of(&error) {
        Unreachable::Refused => "nobody listens there: is the bot running, with `--listen` and this port?",
        Unreachable::UnknownHost => "check the spelling of the host",
        Unreachable::Otherwise => "",
    };
    Failure::new(Kind::Transient, web::silence(error)).with_hint(Some(hint))
}

/// The beginning of an answer that is no bot's, safe to print.
fn shown(bytes: &[u8]) -> String {
    words::one_line(String::from_utf8_lossy(bytes).trim(), MAX_SHOWN)
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(DEADLINE).redirect(reqwest::redirect::Policy::none())
}

/// The result of opening a socket or its folder; none when it is not there or nobody listens on it.
fn present<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn bounded(mut response: Response) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Failure::new(Kind::Denied, "the answer is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
