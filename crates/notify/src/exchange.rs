//! The one place that sends by HTTP: a message, along no redirect, with a deadline.

use std::time::Duration;

use access::ExposeSecret as _;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout};
use url::Url;
use web::{Clients, Common, Pauses, Protocol, ProxyChoice, Sent, TlsProblem, silence};

use super::target::{Route, Service, Target};

/// How long an answer may take, all of it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes that are read of an answer.
const MAX_ANSWER: usize = 64 << 10;
/// How much of what the other side says is repeated, in characters.
const MAX_SAID: usize = 200;
/// The shortest part of an address that is kept out of what the other side says, and from where on one is that looks like a word.
const MIN_PART: usize = 8;
const MIN_WORD: usize = 20;

/// Whoever is spoken to by HTTP, and what is known of how they want it.
pub(crate) struct Exchange {
    clients: Clients,
    /// For those who must not be sent to this machine.
    elsewhere: Clients,
    pauses: Pauses,
    pub(crate) sent: Sent,
    pub(crate) forges: forge::Forges,
    /// Who gives out the tokens of GitHub Apps.
    pub(crate) cloud: cloud::Cloud,
}

/// A message on its way.
pub(crate) struct Post<'p> {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) route: &'p Route,
}

/// What came back, with success.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Why a message did not arrive. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may arrive later, and not before this time where the other side says so.
    Later { wait: Option<Duration>, why: String },
    /// It never will.
    Never(String),
}

impl Failure {
    pub(crate) fn later(why: impl Into<String>) -> Self {
        Self::Later { wait: None, why: why.into() }
    }
}

impl Exchange {
    /// With the pauses of forges. What chats and programs ask for is for messages alone, so that nobody's busy chat holds up polls of a
    /// registry at the same place.
    pub(crate) fn new(of_forges: Pauses, cloud: cloud::Cloud) -> Self {
        let common = Common {
            user_agent: concat!("tagwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: ANSWER_TIMEOUT,
            idle_per_host: 1,
        };
        let forges = forge::Forges::new(of_forges);
        let elsewhere = Clients::elsewhere(common.clone());
        Self {
            clients: Clients::new(common),
            elsewhere,
            pauses: Pauses::default(),
            sent: Sent::of_machine(),
            forges,
            cloud,
        }
    }

    /// Sends a message.
    pub(crate) async fn post(&self, post: Post<'_>) -> Result<Answer, Failure> {
        let host = web::authority(&post.url);
        if let Some(pause) = self.pauses.of(&post.url, Instant::now()) {
            let why = format!("{host} asked to be left alone (HTTP {})", pause.status);
            return Err(Failure::Later { wait: Some(pause.left(Instant::now())), why });
        }
        self.remember(&post);
        let Route { tls, proxy, elsewhere } = post.route;
        let proxy = proxy.as_ref().map_or(ProxyChoice::Environment, |proxy| ProxyChoice::Named {
            address: &proxy.address,
            login: proxy.login.as_ref(),
        });
        let authorities = tls.ca.as_deref().into_iter().collect();
        let route = web::Route { authorities, identity: tls.identity.as_ref(), proxy, protocol: Protocol::Http1 };
        let unusable = |error: web::Unusable| Failure::Never(format!("{host} cannot be reached: {error}"));
        let clients = if *elsewhere { &self.elsewhere } else { &self.clients };
        let client = clients.get(&route, &post.url).map_err(unusable)?;
        let request = client.post(post.url.clone()).headers(post.headers).body(post.body);
        let late = |_| Failure::later(format!("{host} has not answered within {} s", ANSWER_TIMEOUT.as_secs()));
        timeout(ANSWER_TIMEOUT, self.settle(request, &post.url, &host)).await.map_err(late)?
    }

    /// Looks whether a target that has to be elsewhere is. What is reached by a proxy of the environment is for that to look up.
    pub(crate) async fn looks_elsewhere(&self, target: &Target) -> Result<(), Failure> {
        let (host, port) = target.host();
        let refusal = |host: &str| {
            let why = "is this machine, or on its link, where nobody of another namespace has anything sent to";
            Err(Failure::Never(format!("{host} {why}")))
        };
        if target.is_at_hand() {
            return refusal(&host);
        }
        let place = match &target.route.proxy {
            Some(proxy) => Url::parse(&proxy.address).ok(),
            None => target.url(),
        };
        let Some(place) = place else { return Ok(()) };
        let (proxy, protocol) = (ProxyChoice::Environment, Protocol::Http1);
        let route = web::Route { authorities: Vec::new(), identity: None, proxy, protocol };
        let is_mail = matches!(target.service, Service::Mail(_));
        if target.route.proxy.is_none() && !is_mail && route.proxy_to(&place).is_some() {
            return Ok(());
        }
        let Some(name) = place.host_str() else { return Ok(()) };
        // One that cannot be looked up is not sent to either, which says why.
        let port = place.port_or_known_default().unwrap_or(port);
        let found = timeout(CONNECT_TIMEOUT, tokio::net::lookup_host((name, port))).await;
        let mut found = found.ok().and_then(Result::ok).into_iter().flatten();
        if found.any(|address| web::is_address_at_hand(address.ip())) { refusal(name) } else { Ok(()) }
    }

    async fn settle(&self, request: reqwest::RequestBuilder, url: &Url, host: &str) -> Result<Answer, Failure> {
        let fail = |error: reqwest::Error| match TlsProblem::of(&error) {
            Some(problem) => Failure::later(format!("{host} is not trusted: {problem}")),
            None => Failure::later(format!("{host} does not answer: {}", self.sent.hide(&silence(error)))),
        };
        let mut response = request.send().await.map_err(fail)?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_redirection() {
            return Err(Failure::Never(format!("{host} redirects (HTTP {}), and nothing goes along", status.as_u16())));
        }
        let mut body = Vec::new();
        // The rest is of no interest.
        while body.len() < MAX_ANSWER {
            let Some(chunk) = response.chunk().await.map_err(fail)? else { break };
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            return Ok(Answer { headers, body });
        }
        Err(self.refusal(url, status, &headers, &body))
    }

    fn refusal(&self, url: &Url, status: StatusCode, headers: &HeaderMap, body: &str) -> Failure {
        let why = self.said(&web::authority(url), status.as_u16(), body);
        let wait = self.pauses.heed(url, status, headers);
        match wait.is_some() || web::is_worth_retrying(status.as_u16()) {
            true => Failure::Later { wait, why },
            false => Failure::Never(why),
        }
    }

    /// What the other side says, without what it was sent.
    pub(crate) fn said(&self, host: &str, status: u16, body: &str) -> String {
        let said = words::one_line(self.sent.hide(body).trim(), MAX_SAID);
        let colon = if said.is_empty() { "" } else { ": " };
        format!("{host} answers with HTTP {status}{colon}{said}")
    }

    /// Keeps what is secret of a message out of all that the other side says.
    fn remember(&self, post: &Post<'_>) {
        self.sent.remember_address(post.url.as_str());
        post.url.path_segments().into_iter().flatten().filter(|part| may_be_token(part)).for_each(|part| {
            self.sent.remember_secret(part);
        });
        for (_, value) in post.headers.iter().filter(|(_, value)| value.is_sensitive()) {
            self.sent.remember(value);
        }
        if let Some(login) = post.route.proxy.as_ref().and_then(|proxy| proxy.login.as_ref()) {
            self.sent.remember_secret(login.password.expose_secret());
        }
    }
}

/// Whether a part of an address may be what nobody else knows. `services` and `webhooks` are parts, too, and words of those who answer.
fn may_be_token(part: &str) -> bool {
    let is_word = part.len() < MIN_WORD && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-' | b'_' | b'.'));
    part.len() >= MIN_PART && !is_word
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use reqwest::header::{HeaderValue, RETRY_AFTER};

    use super::*;

    fn exchange(pauses: Pauses) -> Exchange {
        let cloud = cloud::Cloud::new(cloud::Environment::of_process(), pauses.clone());
        Exchange::new(pauses, cloud)
    }

    #[tokio::test]
    async fn a_chat_that_wants_to_be_left_alone_holds_up_nothing_else() {
        let pauses = Pauses::default();
        let exchange = exchange(pauses.clone());
        let url = Url::parse("https://example.com/hook").unwrap();
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("600"))]);
        let failure = exchange.refusal(&url, StatusCode::TOO_MANY_REQUESTS, &headers, "");
        assert!(matches!(failure, Failure::Later { wait: Some(_), .. }), "{failure:?}");
        assert!(exchange.pauses.of(&url, Instant::now()).is_some());
        assert!(pauses.of(&url, Instant::now()).is_none());
    }

    #[test]
    fn words_of_an_address_may_be_said() {
        let exchange = exchange(Pauses::default());
        let route = Route::default();
        let check = |address: &str, said: &str, expect: &str| {
            let url = Url::parse(address).unwrap();
            exchange.remember(&Post { url, headers: HeaderMap::new(), body: Vec::new(), route: &route });
            assert_eq!(exchange.said("host", 404, said), format!("host answers with HTTP 404: {expect}"));
        };
        check(
            "https://hooks.slack.com/services/T00000000/B00000000/abcDEFghiJKLmnoPQRstuVWX",
            "services are down for T00000000: abcDEFghiJKLmnoPQRstuVWX",
            "services are down for ***: ***",
        );
        check(
            "https://discord.com/api/webhooks/123456789012345678/a-b_c",
            "no webhooks 123456789012345678",
            "no webhooks ***",
        );
        check(
            "https://a.example/notifications/abcdefghijklmnopqrst",
            "notifications? abcdefghijklmnopqrst",
            "notifications? ***",
        );
    }
}
