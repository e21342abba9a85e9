//! What notification-controller gets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kubernetes::events::{Event, Level, Subject};
use kubernetes::notify::{Notifier, QUEUE};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A time in which anything comes about.
const WITHIN: Duration = Duration::from_secs(60);

/// A receiver on loopback that answers with these codes, one after the other, and with 202 from then on.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    async fn start(codes: &'static [u16]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&got);
        let task = tokio::spawn(async move {
            let mut codes = codes.iter().copied();
            while let Ok((mut client, _)) = listener.accept().await {
                let Some(body) = request(&mut client).await else { continue };
                kept.lock().unwrap().push(body);
                let code = codes.next().unwrap_or(202);
                let answer = format!(
                    "HTTP/1.1 {code} Answered\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, got, task }
    }

    fn got(&self) -> Vec<Value> {
        self.got.lock().unwrap().clone()
    }
}

/// The body of a request.
async fn request(client: &mut TcpStream) -> Option<Value> {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = client.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&piece[..read]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        assert!(whole.starts_with("POST / HTTP/1.1\r\n"), "{whole}");
        if let Some((head, body)) = whole.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
            return Some(body);
        }
    }
}

fn subject() -> Subject {
    let [api_version, kind, namespace, name, uid, resource_version] =
        ["image.toolkit.fluxcd.io/v1", "ImageRepository", "apps", "app", "u", "7"].map(str::to_owned);
    Subject { api_version, kind, namespace, name, uid, resource_version }
}

fn event(level: Level, message: &str) -> Event {
    let [component, reason, message] = ["image-reflector-controller", "Succeeded", message].map(str::to_owned);
    let annotations = [("event.toolkit.fluxcd.io/team".to_owned(), "shop".to_owned())].into_iter().collect();
    Event { component, level, reason, message, annotations }
}

fn notifier(url: &str) -> Notifier {
    Notifier::start(url, "bot-0".to_owned()).unwrap()
}

/// Waits until so many were lost.
async fn lost(notifier: &Notifier, count: u64) {
    let until = async {
        while notifier.lost() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), until).await.unwrap();
    assert_eq!(notifier.lost(), count);
}

#[tokio::test]
async fn an_event_has_the_form_of_flux() {
    let receiver = Receiver::start(&[]).await;
    let notifier = notifier(&receiver.url);
    notifier.tell(&subject(), event(Level::Normal, "successful scan"));
    notifier.tell(&subject(), Event { annotations: Default::default(), ..event(Level::Warning, "scan failed") });
    notifier.finish(WITHIN).await;
    let [mut info, error] = <[Value; 2]>::try_from(receiver.got()).unwrap();
    let at = info["timestamp"].take();
    assert_eq!(at.as_str().unwrap().len(), "2026-11-27T10:00:00Z".len());
    let expected = json!({
        "involvedObject": {
            "kind": "ImageRepository", "namespace": "apps", "name": "app", "uid": "u",
            "apiVersion": "image.toolkit.fluxcd.io/v1", "resourceVersion": "7",
        },
        "severity": "info",
        "timestamp": null,
        "message": "successful scan",
        "reason": "Succeeded",
        "metadata": {"event.toolkit.fluxcd.io/team": "shop"},
        "reportingController": "image-reflector-controller",
        "reportingInstance": "bot-0",
    });
    assert_eq!(info, expected);
    assert_eq!((error["severity"].as_str(), error.get("metadata")), (Some("error"), None));
}

#[tokio::test]
async fn a_receiver_that_fails_is_asked_again_and_a_duplicate_is_no_failure() {
    let receiver = Receiver::start(&[503, 202, 429]).await;
    let notifier = notifier(&receiver.url);
    notifier.tell(&subject(), event(Level::Normal, "one"));
    notifier.tell(&subject(), event(Level::Normal, "two"));
    notifier.tell(&subject(), event(Level::Normal, "three"));
    let got = || receiver.got().iter().map(|body| body["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let all = async {
        while got().len() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, all).await.unwrap();
    assert_eq!((got(), notifier.lost()), (["one", "one", "two", "three"].map(str::to_owned).to_vec(), 0));
}

#[tokio::test]
async fn what_is_refused_is_not_sent_again_and_no_redirect_is_followed() {
    let receiver = Receiver::start(&[400, 307]).await;
    let notifier = notifier(&receiver.url);
    notifier.tell(&subject(), event(Level::Normal, "one"));
    notifier.tell(&subject(), event(Level::Normal, "two"));
    lost(&notifier, 2).await;
    assert_eq!(receiver.got().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_receiver_that_is_gone() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let notifier = notifier(&format!("http://{closed}/"));
    // Nothing is awaited, so that the task that sends has no turn meanwhile.
    for _ in 0..QUEUE + 10 {
        notifier.tell(&subject(), event(Level::Warning, "scan failed"));
    }
    assert_eq!(notifier.lost(), 10);
    // Most of what waits grows too old; nothing is tried for ever.
    let started = tokio::time::Instant::now();
    lost(&notifier, 10 + QUEUE as u64).await;
    assert!(started.elapsed() < Duration::from_secs(400), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_address_that_is_none_is_said_at_once() {
    for address in ["notification-controller", "ftp://host/", ""] {
        let unusable = Notifier::start(address, "bot-0".to_owned()).err().unwrap().to_string();
        assert_eq!(unusable, format!("`{address}` is no http or https address"));
    }
}
