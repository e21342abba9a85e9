//! What all targets have in common: outages, busy and broken services, redirects, and nobody who waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify::{Http, Kind, Mail, Name, Notification, Route, Security, Service, Severity, Target};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::service::{Answer, SECRET, Simulated, World, event, fails, notification, say, target, webhook};

fn chats(service: &Simulated) -> [(&'static str, Service); 4] {
    let address = format!("{}/events/{SECRET}?key={SECRET}", service.url).into();
    let http = Http { address, headers: Vec::new(), key: Some(SECRET.to_owned().into()), is_cloud_event: false };
    [
        ("slack", Service::Slack(webhook(service))),
        ("msteams", Service::Teams(webhook(service))),
        ("discord", Service::Discord(webhook(service))),
        ("generic-hmac", Service::Http(http)),
    ]
}

#[tokio::test]
async fn an_outage_of_500_is_one_message_and_one_all_clear() {
    let slack = Simulated::start().await;
    // Whoever wants to hear of errors alone hears of their end, too.
    let told = Notification {
        severity: Severity::Error,
        group: Duration::from_millis(50),
        ..notification("outage", target(Service::Slack(webhook(&slack))))
    };
    let world = World::of(vec![Arc::new(told)]);
    for number in 0..500 {
        world.voice.tell(fails(&format!("image-{number}"), Some("ghcr.io"), Kind::Failing));
    }
    let first = slack.taken(1).await;
    for number in 0..500 {
        world.voice.tell(fails(&format!("image-{number}"), Some("ghcr.io"), Kind::Recovered));
    }
    assert_eq!(world.end().await, [("slack", "sent"); 2]);
    let seen = slack.taken(2).await;
    assert_eq!(first[0].json()["text"], "🔴 ghcr.io failing (500 affected)");
    let text = seen[1].json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("🟢 ghcr.io recovered, after ") && text.ends_with(" s (500 affected)"), "{text}");
}

#[tokio::test]
async fn what_breaks_or_asks_for_time_gets_the_message_once_it_can() {
    let at = |at: usize| async move {
        let service = Simulated::start().await;
        let busy = Answer::Say(429, vec![("retry-after", "1".to_owned())], String::new());
        service.next([say(500, "internal"), busy, say(200, "ok")]);
        let (kind, chat) = chats(&service).into_iter().nth(at).unwrap();
        let world = World::telling([target(chat)]);
        world.voice.tell(event(Kind::Held, "waits"));
        assert_eq!(world.end().await, [(kind, "sent")]);
        let seen = service.taken(3).await;
        assert!(seen.iter().all(|it| it.body == seen[0].body));
    };
    tokio::join!(at(0), at(1), at(2), at(3));
}

/// Whoever was not reached has been told nothing, and whoever was is told of the end, also by another process.
#[tokio::test]
async fn it_is_known_whom_a_failure_has_reached() {
    let (refuses, takes, late) = (Simulated::start().await, Simulated::start().await, Simulated::start().await);
    refuses.next([say(403, "no_service")]);
    let told =
        |name: &str, service: &Simulated| Arc::new(notification(name, target(Service::Discord(webhook(service)))));
    let both = || vec![told("refuses", &refuses), told("takes", &takes)];
    let names = |names: &[&str]| -> Vec<Name> {
        names.iter().map(|name| Name { namespace: "default".to_owned(), name: (*name).to_owned() }).collect()
    };
    let failing = fails("shop", None, Kind::Failing);
    let first = World::of(both());
    first.voice.tell(failing.clone());
    assert_eq!(first.end().await, [("discord", "failed"), ("discord", "sent")]);
    let reached = first.voice.told_of(&failing);
    assert_eq!(reached, names(&["takes"]));
    // It still fails.
    let second = World::of([both(), vec![told("late", &late)]].concat());
    second.voice.known(failing.clone(), reached);
    second.voice.tell(failing.clone());
    assert_eq!(second.end().await, [("discord", "sent"); 2]);
    assert_eq!((refuses.count(), takes.count(), late.count()), (2, 1, 1));
    let reached = second.voice.told_of(&failing);
    assert_eq!(reached, names(&["late", "refuses", "takes"]));
    // It works again, and one of them is lost.
    refuses.next([say(403, "no_service")]);
    let third = World::of([both(), vec![told("late", &late)]].concat());
    third.voice.known(failing.clone(), reached);
    third.voice.tell(fails("shop", None, Kind::Recovered));
    assert_eq!(third.end().await, [("discord", "failed"), ("discord", "sent"), ("discord", "sent")]);
    assert_eq!(third.voice.told_of(&failing), names(&["refuses"]));
}

/// Nobody is waited for who is told nothing any more; one of the same name that comes later begins anew.
#[tokio::test]
async fn whoever_is_gone_is_forgotten() {
    let slack = Simulated::start().await;
    let told = || Arc::new(notification("chat", target(Service::Slack(webhook(&slack)))));
    let world = World::of(vec![told()]);
    let failing = fails("shop", None, Kind::Failing);
    world.voice.known(failing.clone(), vec![told().name.clone()]);
    assert_eq!(world.voice.told_of(&failing), [told().name.clone()]);
    let before = world.voice.changes();
    world.voice.configure(Vec::new());
    assert_eq!(world.voice.told_of(&failing), []);
    assert!(world.voice.changes() > before);
}

/// Collects whatever is logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Keeps what this thread says, for as long as the guards live. Of one dispatcher alone, tracing asks the thread that first comes by
    /// whether anybody listens, and that may be another test's.
    pub(crate) fn listen(&self) -> (tracing::Dispatch, tracing::subscriber::DefaultGuard) {
        (tracing::Dispatch::new(Self::default()), tracing::subscriber::set_default(self.clone()))
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{}={value:?} ", field.name()));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push_str(&format!("\n{} ", event.metadata().level()));
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn nothing_goes_along_a_redirect_and_no_secret_is_logged() {
    let log = Log::default();
    let _kept = log.listen();
    let elsewhere = Simulated::start().await;
    for status in [301, 302, 303, 307, 308] {
        let service = Simulated::start().await;
        let to = format!("{}/stolen", elsewhere.url);
        service.usual(Answer::Say(status, vec![("location", to)], String::new()));
        for (kind, chat) in chats(&service) {
            let world = World::telling([target(chat)]);
            world.voice.tell(event(Kind::Held, "waits"));
            assert_eq!(world.end().await, [(kind, "failed")]);
        }
        assert_eq!(service.count(), 4, "and nothing is sent again");
    }
    assert_eq!(elsewhere.count(), 0);
    // Whoever repeats what it was sent is not repeated.
    let parrot = Simulated::start().await;
    parrot.usual(say(403, &format!("no_service /services/T0/{SECRET} {SECRET}")));
    for (kind, chat) in chats(&parrot) {
        let world = World::telling([target(chat)]);
        world.voice.tell(event(Kind::Held, "waits"));
        assert_eq!(world.end().await, [(kind, "failed")]);
    }
    let logged = log.text();
    assert!(logged.contains("redirects") && logged.contains("no_service"), "{logged}");
    assert!(!logged.contains(SECRET) && !logged.contains("4711"), "{logged}");
}

/// Whoever reads the log learns at the first failure that something does not arrive, and at the end what waits.
#[tokio::test]
async fn the_log_names_who_is_not_reached() {
    let log = Log::default();
    let _kept = log.listen();
    let busy = Simulated::start().await;
    busy.usual(Answer::Say(503, vec![("retry-after", "600".to_owned())], String::new()));
    let world = World::telling([target(Service::Discord(webhook(&busy)))]);
    world.voice.tell(event(Kind::Held, "waits"));
    busy.taken(1).await;
    world.voice.finish(Duration::from_millis(500)).await;
    let logged = log.text();
    let warned = |words: &str| logged.lines().any(|line| line.starts_with("WARN") && line.contains(words));
    assert!(warned("sent again later") && warned("notification=\"default/n0\""), "{logged}");
    assert!(warned("could not be sent in time") && warned("notifications=\"default/n0\""), "{logged}");
    world.voice.tell(event(Kind::Held, "late"));
    assert!(log.text().contains("nothing is told any more"), "{}", log.text());
}

#[tokio::test]
async fn one_that_hangs_holds_up_nobody() {
    let (hangs, works) = (Simulated::start().await, Simulated::start().await);
    hangs.usual(Answer::Hang);
    let world = World::telling([target(Service::Discord(webhook(&hangs))), target(Service::Discord(webhook(&works)))]);
    let told = notify::WAITING + 44;
    for number in 0..told {
        world.voice.tell(event(Kind::Held, &format!("{number}")));
        works.taken(number + 1).await;
    }
    assert_eq!(hangs.count(), 1, "and the others wait");
    // Of them, one is on its way, and as many wait as there is room for.
    let dropped = world.counts().iter().filter(|(_, result)| *result == "dropped").count();
    assert_eq!(dropped, told - 1 - notify::WAITING);
    // Nor is the end held up.
    world.voice.finish(Duration::from_millis(50)).await;
}

/// Whoever has no business on this machine has nothing sent to it, whatever leads there.
#[tokio::test]
async fn who_must_be_sent_elsewhere_is_not_sent_to_this_machine() {
    let service = Simulated::start().await;
    let named = |host: &str| service.url.replace("127.0.0.1", host);
    let program = |address: String| {
        let http = Http { address: address.into(), headers: Vec::new(), key: None, is_cloud_event: false };
        target(Service::Http(http))
    };
    let by_proxy = |host: &str| {
        let proxy = access::Proxy { address: named(host), login: None };
        Target {
            route: Route { proxy: Some(proxy), ..Route::default() },
            ..program("http://events.example.com/".to_owned())
        }
    };
    let mail = |host: &str| {
        let (port, security) = (service.url.rsplit_once(':').unwrap().1.parse().unwrap(), Security::Plain);
        let (from, to) = ("bot@example.com".to_owned(), vec!["ops@example.com".to_owned()]);
        target(Service::Mail(Mail { host: host.to_owned(), port, security, login: None, from, to }))
    };
    let chats = chats(&service).map(|(_, chat)| target(chat));
    let others = [
        by_proxy("127.0.0.1"),
        by_proxy("localhost"),
        program(named("localhost")),
        mail("127.0.0.1"),
        mail("localhost"),
    ];
    for target in chats.into_iter().chain(others) {
        assert!(!target.route.elsewhere && target.is_at_hand());
        let (kind, world) = (target.kind(), World::telling([target.elsewhere()]));
        world.voice.tell(event(Kind::Held, "waits"));
        assert_eq!(world.end().await, [(kind, "failed")]);
    }
    assert_eq!(service.count(), 0);
    // It is the same place for whoever may.
    let world = World::telling([program(named("127.0.0.1")), program(named("127.0.0.1")).elsewhere()]);
    world.voice.tell(event(Kind::Held, "waits"));
    let mut counts = world.end().await;
    counts.sort_unstable();
    assert_eq!((counts, service.count()), (vec![("generic", "failed"), ("generic", "sent")], 1));
}
