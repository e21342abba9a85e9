//! What holds for all services: servers that fail for a moment, that ask for time, that say too much.

use std::sync::atomic::{AtomicUsize, Ordering};

use access::Provider;
use cloud::{Error, Kind, Way};

use super::machine;
use super::service::{Service, reply};

const HOST: &str = "europe-west1-docker.pkg.dev";

async fn error_of(service: &Service) -> Result<(), Error> {
    let host = service.url.trim_start_matches("http://").to_owned();
    machine(&[("GCE_METADATA_HOST", &host)]).registry(Provider::Gcp, HOST, Way::default()).await.map(drop)
}

#[tokio::test]
async fn a_moment_of_failure_is_waited_out() {
    let count = AtomicUsize::new(0);
    let service = Service::start(0, move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
        0 => reply(503, ""),
        _ => reply(200, r#"{"access_token":"t","expires_in":60}"#).with("metadata-flavor", "Google"),
    })
    .await;
    error_of(&service).await.unwrap();
    assert_eq!(service.seen().len(), 2);
    let down = Service::start(0, |_, _| reply(500, "<html>")).await;
    let error = error_of(&down).await.unwrap_err();
    assert_eq!((error.kind(), down.seen().len()), (Kind::Transient, 3), "{error}");
}

#[tokio::test]
async fn who_asks_for_time_gets_it() {
    let service = Service::start(0, |_, _| reply(429, "").with("retry-after", "600")).await;
    let error = error_of(&service).await.unwrap_err();
    assert!(error.retry_after().is_some_and(|left| left.as_secs() > 500), "{error}");
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let service = Service::start(0, |_, _| reply(200, "x".repeat(2 << 20)).with("metadata-flavor", "Google")).await;
    let error = error_of(&service).await.unwrap_err().to_string();
    assert!(error.contains("more than 1048576 bytes"), "{error}");
}
