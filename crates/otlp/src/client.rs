//! The way to the collector: a request with a deadline, along no redirect, by the rules of [`web`].
//!
//! Whoever calls is the thread that the queue has for itself, which may wait. So requests run on a runtime of that thread's own, and need
//! none of the program's.

use std::pin::Pin;
use std::time::Duration;

use access::TlsIdentity;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::header::HeaderMap;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use url::Url;
use web::{Clients, Common, Protocol, ProxyChoice, Route, Sent, TlsProblem, Unusable, silence, words};

use super::exporter::Said;
use super::settings::{Error, Settings};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes that are read of an answer.
const MAX_ANSWER: usize = 64 << 10;
/// How much of what the other side says is repeated, in characters.
const MAX_SAID: usize = 200;

#[derive(Debug)]
pub(crate) struct Client {
    runtime: Runtime,
    clients: Clients,
    authority: Option<String>,
    identity: Option<TlsIdentity>,
    endpoint: Url,
    headers: HeaderMap,
    limit: Duration,
    sent: Sent,
    said: Said,
}

impl Client {
    pub(crate) fn new(settings: Settings, version: &'static str, said: Said) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let common = Common {
            user_agent: format!("tagwright/{version}"),
            connect_timeout: CONNECT_TIMEOUT,
            // Never reached, since the whole answer has a deadline.
            read_timeout: 2 * settings.timeout,
            idle_per_host: 1,
        };
        let sent = Sent::of_machine();
        settings.headers.values().for_each(|value| sent.remember(value));
        let client = Self {
            runtime: runtime.map_err(|error| Error::Unusable(words::system(&error.to_string())))?,
            clients: Clients::new(common),
            authority: settings.authority,
            identity: settings.identity,
            endpoint: settings.endpoint,
            headers: settings.headers,
            limit: settings.timeout,
            sent,
            said,
        };
        // What cannot be used is said at the start.
        client.http().map_err(|error| Error::Unusable(error.to_string()))?;
        Ok(client)
    }

    fn http(&self) -> Result<reqwest::Client, Unusable> {
        let route = Route {
            authorities: self.authority.as_deref().into_iter().collect(),
            identity: self.identity.as_ref(),
            proxy: ProxyChoice::Environment,
            protocol: Protocol::Http1,
        };
        self.clients.get(&route, &self.endpoint)
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let http = self.http().map_err(|error| error.to_string())?;
        let (parts, body) = request.into_parts();
        let sending = http.post(self.endpoint.clone()).headers(parts.headers).headers(self.headers.clone()).body(body);
        let fail = |error: reqwest::Error| match TlsProblem::of(&error) {
            Some(problem) => format!("it is not trusted: {problem}"),
            None => self.sent.hide(&silence(error)),
        };
        let mut answer = sending.send().await.map_err(fail)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        // The rest is of no interest.
        while body.len() < MAX_ANSWER {
            let Some(chunk) = answer.chunk().await.map_err(fail)? else { break };
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
        }
        match status {
            _ if status.is_success() => self.read(&body),
            _ if status.is_redirection() => {
                self.said.put(format!("it redirects (HTTP {}), and nothing goes along", status.as_u16()));
            }
            _ => {
                let text = self.sent.hide(&String::from_utf8_lossy(&body));
                let said = words::one_line(text.trim(), MAX_SAID);
                let colon = if said.is_empty() { "" } else { ": " };
                self.said.put(format!("it answers with HTTP {}{colon}{said}", status.as_u16()));
            }
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Looks whether all spans were taken.
    fn read(&self, body: &[u8]) {
        self.said.clear();
        let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
        if let Some(partial) = answer.partial_success.filter(|partial| partial.rejected_spans > 0) {
            let said = words::one_line(&self.sent.hide(&partial.error_message), MAX_SAID);
            self.said.put(format!("it refuses {} of them: {said}", partial.rejected_spans));
        }
    }
}

impl HttpClient for Client {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let sending = async { timeout(self.limit, self.send(request)).await };
            let late = |_| format!("it has not answered within {} ms", self.limit.as_millis());
            let settled = self.runtime.block_on(sending).map_err(late).flatten();
            settled.map_err(|why| {
                self.said.put(why.clone());
                why.into()
            })
        })
    }
}
