//! A service that answers as a test says, and what is told to it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use notify::{
    About, Account, Change, Chat, Commit, Event, Incident, Kind, Name, Notification, Route, Service, Severity, Target,
    Voice,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A secret that is part of each address and token, and must be seen nowhere.
pub(crate) const SECRET: &str = "s3cret-4711-of-nobody";

/// What arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Say(u16, Vec<(&'static str, String)>, String),
    /// Nothing, ever.
    Hang,
}

pub(crate) fn say(status: u16, body: &str) -> Answer {
    Answer::Say(status, Vec::new(), body.to_owned())
}

#[derive(Default)]
struct Inner {
    /// What is answered next; then [`Inner::usual`].
    script: Mutex<VecDeque<Answer>>,
    usual: Mutex<Option<Answer>>,
    /// What was taken, and what was refused for coming too early.
    taken: Mutex<Vec<Seen>>,
    early: Mutex<usize>,
    /// The shortest time between two messages, and when the last one was answered.
    pace: Mutex<(Duration, Option<Instant>)>,
    changed: Notify,
}

/// A service over loopback.
#[derive(Clone)]
pub(crate) struct Simulated {
    inner: Arc<Inner>,
    pub(crate) url: String,
}

impl Simulated {
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Inner::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, url }
    }

    /// Answers like this next, and then as usual.
    pub(crate) fn next(&self, answers: impl IntoIterator<Item = Answer>) -> &Self {
        self.inner.script.lock().unwrap().extend(answers);
        self
    }

    pub(crate) fn usual(&self, answer: Answer) -> &Self {
        *self.inner.usual.lock().unwrap() = Some(answer);
        self
    }

    /// Refuses what comes earlier than this after the last answer, as a service does that has a limit.
    pub(crate) fn pace(&self, pace: Duration) -> &Self {
        self.inner.pace.lock().unwrap().0 = pace;
        self
    }

    /// Waits for so many requests, of those that came in time.
    pub(crate) async fn taken(&self, count: usize) -> Vec<Seen> {
        loop {
            let changed = self.inner.changed.notified();
            let taken = self.inner.taken.lock().unwrap().clone();
            if taken.len() >= count {
                return taken;
            }
            changed.await;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.inner.taken.lock().unwrap().len()
    }

    /// How much came too early.
    pub(crate) fn early(&self) -> usize {
        *self.inner.early.lock().unwrap()
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    let seen = Seen { path: parts.uri.to_string(), headers: parts.headers, body };
    let is_early = {
        let pace = inner.pace.lock().unwrap();
        pace.1.is_some_and(|last| last.elapsed() < pace.0)
    };
    let answer = if is_early {
        *inner.early.lock().unwrap() += 1;
        Answer::Say(429, vec![("retry-after", "1".to_owned())], "rate_limited".to_owned())
    } else {
        inner.taken.lock().unwrap().push(seen);
        let scripted = inner.script.lock().unwrap().pop_front();
        scripted.or_else(|| inner.usual.lock().unwrap().clone()).unwrap_or_else(|| say(200, "ok"))
    };
    inner.changed.notify_waiters();
    let Answer::Say(status, headers, body) = answer else { return std::future::pending().await };
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(name, value);
    }
    if !is_early {
        inner.pace.lock().unwrap().1 = Some(Instant::now());
    }
    response.body(Body::from(body)).unwrap()
}

/// A voice whose counts are kept.
pub(crate) struct World {
    pub(crate) voice: Voice,
    counts: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
}

impl World {
    /// Tells these, without gathering for long.
    pub(crate) fn telling(targets: impl IntoIterator<Item = Target>) -> Self {
        let notifications =
            targets.into_iter().enumerate().map(|(at, target)| Arc::new(notification(&format!("n{at}"), target)));
        Self::of(notifications.collect())
    }

    pub(crate) fn of(notifications: Vec<Arc<Notification>>) -> Self {
        let counts = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&counts);
        let count = Arc::new(move |kind, result| kept.lock().unwrap().push((kind, result)));
        let pauses = web::Pauses::default();
        let cloud = cloud::Cloud::new(cloud::Environment::of_process(), pauses.clone());
        let voice = Voice::new(pauses, cloud, count);
        voice.configure(notifications);
        Self { voice, counts }
    }

    /// Waits until all that was told is sent or given up, and returns how often what was counted.
    pub(crate) async fn end(&self) -> Vec<(&'static str, &'static str)> {
        self.voice.finish(Duration::from_secs(120)).await;
        self.counts()
    }

    pub(crate) fn counts(&self) -> Vec<(&'static str, &'static str)> {
        let mut counts = self.counts.lock().unwrap().clone();
        counts.sort_unstable();
        counts
    }
}

pub(crate) fn notification(name: &str, target: Target) -> Notification {
    Notification {
        name: Name { namespace: "default".to_owned(), name: name.to_owned() },
        severity: Severity::Info,
        kinds: BTreeSet::from(Kind::ALL),
        scope: None,
        include: Vec::new(),
        exclude: Vec::new(),
        summary: String::new(),
        metadata: Vec::new(),
        template: None,
        group: Duration::ZERO,
        quiet: Duration::ZERO,
        target: Arc::new(target),
    }
}

pub(crate) fn target(service: Service) -> Target {
    Target { service, route: Route::default() }
}

/// A webhook, with a secret in its address.
pub(crate) fn webhook(service: &Simulated) -> Chat {
    let address = format!("{}/services/T0/{SECRET}", service.url);
    Chat { account: Account::Webhook(address.into()), channel: String::new(), username: String::new() }
}

pub(crate) fn event(kind: Kind, message: &str) -> Event {
    let is_bad = matches!(kind, Kind::Failing | Kind::Rejected | Kind::MovedTag);
    Event {
        kind,
        severity: if is_bad { Severity::Error } else { Severity::Info },
        about: About {
            automations: vec![Name { namespace: "default".to_owned(), name: "shop".to_owned() }],
            ..About::default()
        },
        message: message.to_owned(),
        hint: None,
        at: Timestamp::UNIX_EPOCH,
        commit: None,
        incident: None,
    }
}

pub(crate) fn fails(subject: &str, host: Option<&str>, kind: Kind) -> Event {
    let incident = Some(Incident { subject: subject.to_owned(), host: host.map(str::to_owned) });
    let what = host.unwrap_or(subject);
    Event { incident, ..event(kind, &format!("{what} {}", kind.as_str())) }
}

pub(crate) fn pushed(remote: &str) -> Event {
    let change = Change {
        file: "app.yaml".to_owned(),
        line: 7,
        old: "ghcr.io/acme/app:1.0.0".to_owned(),
        new: "ghcr.io/acme/app:1.1.0".to_owned(),
        policy: "default:app".to_owned(),
    };
    let commit = Commit {
        id: "c0ffee".repeat(7)[..40].to_owned(),
        branch: "main".to_owned(),
        page: None,
        changes: vec![change],
    };
    let event = event(Kind::Pushed, "default/shop: pushed c0ffeec to main");
    let about = About { remote: Some(remote.to_owned()), ..event.about.clone() };
    Event { commit: Some(commit), about, ..event }
}
