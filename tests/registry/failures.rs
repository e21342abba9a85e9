//! Throttling, server errors, silence, broken bodies, and what a user reads about them.

use std::time::Duration;

use registry::{Client, Error, Kind, Settings};

use crate::simulated::{Fault, Registry, World};
use crate::{access, client, list, message, repository, settings};

fn world() -> World {
    World::with("team/app", ["1.0", "1.1"])
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    for status in [408, 429, 499, 500, 502, 503, 504, 522] {
        let faults = world().failing("tags/list", Fault::status(status)).failing("tags/list", Fault::status(status));
        let registry = Registry::start(faults).await;
        assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1.0", "1.1"], "{status}");
        assert_eq!(registry.count("tags/list"), 3, "{status}");
    }
    let registry = Registry::start(world().failing("tags/list", Fault::Cut)).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1.0", "1.1"], "cut off");
}

#[tokio::test]
async fn what_stays_is_reported_after_three_attempts() {
    let faults =
        (0..3).fold(world(), |world, _| world.failing("tags/list", Fault::error(503, "UNAVAILABLE", "try later")));
    let registry = Registry::start(faults).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"http://REGISTRY/v2/team/app/tags/list answered 503 (UNAVAILABLE: try later)");
    assert_eq!((error.kind(), registry.count("tags/list")), (Kind::Transient, 3));
}

#[tokio::test]
async fn what_is_final_is_not_tried_again() {
    for (status, kind) in [(403, Kind::Denied), (404, Kind::Denied), (410, Kind::Denied), (505, Kind::Transient)] {
        let registry = Registry::start(world().failing("tags/list", Fault::status(status))).await;
        let error = list(&registry, "team/app", &access()).await.unwrap_err();
        assert_eq!((error.kind(), registry.count("tags/list")), (kind, 1), "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    // Waiting by ourselves would take an hour, so that only the header's wait can let this end.
    let patient = Client::new(Settings { retry_wait: Duration::from_secs(3600), ..settings() }).unwrap();
    let past = "Wed, 21 Oct 2015 07:28:00 GMT";
    let faults = world()
        .failing("tags/list", Fault::header(429, "retry-after", "0"))
        .failing("tags/list", Fault::header(503, "retry-after", past));
    let registry = Registry::start(faults).await;
    let listing = patient.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap();
    assert_eq!(listing.tags, ["1.0", "1.1"]);
    assert!(registry.seen().iter().all(|seen| seen.query == "n=1000"), "being throttled is no reason for small pages");
}

#[tokio::test]
async fn a_wait_past_the_deadline_is_not_begun() {
    let tight = access::Registry { timeout: Duration::from_secs(20), ..access() };
    let registry = Registry::start(world().failing("tags/list", Fault::header(429, "retry-after", "120"))).await;
    let error = list(&registry, "team/app", &tight).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"http://REGISTRY/v2/team/app/tags/list answered 429; it asks to wait 120 s");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!((error.kind(), registry.count("tags/list")), (Kind::Transient, 1));
    let registry =
        Registry::start(world().failing("tags/list", Fault::header(503, "retry-after", u64::MAX.to_string()))).await;
    assert_eq!(
        list(&registry, "team/app", &tight).await.unwrap_err().retry_after(),
        Some(registry::MAX_RETRY_AFTER),
        "nobody waits for ever"
    );
}

#[tokio::test]
async fn a_host_that_asks_for_a_pause_is_left_alone_by_all() {
    let tight = access::Registry { timeout: Duration::from_secs(20), ..access() };
    for status in [403, 429, 500, 503] {
        let all = world().and("team/other", ["1.0"]);
        let throttled = Registry::start(all.failing("tags/list", Fault::header(status, "retry-after", "600"))).await;
        let elsewhere = Registry::start(world()).await;
        let client = client();
        let list = async |registry: &Registry, path| client.tags(&repository(&registry.host(), path), &tight).await;
        let first = list(&throttled, "team/app").await.unwrap_err();
        assert!(matches!(first, Error::Throttled { .. }), "{first}");

        for path in ["team/other", "team/app"] {
            let error = list(&throttled, path).await.unwrap_err();
            let text = message(&error, &throttled);
            let expect = format!(" s, since it answered {status} to another request");
            assert!(text.starts_with("'REGISTRY' is not asked for ") && text.ends_with(&expect), "{text}");
            let left = error.retry_after().expect("how long it lasts");
            assert!((Duration::from_secs(500)..=Duration::from_secs(600)).contains(&left), "{left:?}");
            assert_eq!(error.kind(), Kind::Transient);
        }
        let tag = image::Tag::parse("1.0").unwrap();
        let digest = client.digest(&repository(&throttled.host(), "team/app"), &tag, &tight).await;
        assert!(matches!(digest, Err(Error::Paused { .. })), "{digest:?}");
        assert_eq!(throttled.seen().len(), 1, "the host was asked once");
        assert_eq!(list(&elsewhere, "team/app").await.unwrap().tags, ["1.0", "1.1"]);
    }
}

#[tokio::test]
async fn no_pause_without_a_word_of_its_length() {
    let registry = Registry::start(world().failing("tags/list", Fault::status(429))).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1.0", "1.1"]);
    assert_eq!(registry.count("tags/list"), 2);
}

#[tokio::test]
async fn silence_ends_with_the_deadline() {
    let registry = Registry::start(world().failing("tags/list", Fault::Stall)).await;
    let hasty = access::Registry { timeout: Duration::from_millis(300), ..access() };
    let error = list(&registry, "team/app", &hasty).await.unwrap_err();
    let text = message(&error, &registry);
    insta::assert_snapshot!(text, @"'REGISTRY/team/app' was not answered within 0.3 s");
    assert_eq!(error.kind(), Kind::Transient);
}

#[tokio::test]
async fn silence_of_one_answer_leaves_time_for_another() {
    let registry = Registry::start(world().failing("tags/list", Fault::Stall)).await;
    let brisk = Client::new(Settings { read_timeout: Duration::from_secs(1), ..settings() }).unwrap();
    let listing = brisk.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap();
    assert_eq!(listing.tags, ["1.0", "1.1"]);
}

#[tokio::test]
async fn broken_bodies() {
    let page = "http://REGISTRY/v2/team/app/tags/list answered with";
    let cases = [
        (
            "<html>secret</html>",
            "a web page (status 200): perhaps it is not a registry, since host, port or path are other ones, or something on the way \
             wants people to sign in",
        ),
        ("secret", "something else than a list of tags (line 1, column 1)"),
        ("{}", "JSON that has no list of tags in it"),
        (
            r#"{"errors": [{"code": "UNAUTHORIZED", "message": "log in"}]}"#,
            "an error in place of tags (UNAUTHORIZED: log in)",
        ),
        ("{\"tags\": [\"1.0\"", "something else than a list of tags (line 1, column 15)"),
        ("{\"tags\": [1]}", "`tags` that are no list of texts"),
        ("{\"tags\": \"secret\"}", "`tags` that are no list of texts"),
        ("", "something else than a list of tags (line 1, column 0)"),
    ];
    for (body, expect) in cases {
        let registry = Registry::start(world().failing("tags/list", Fault::body(body))).await;
        let error = list(&registry, "team/app", &access()).await.unwrap_err();
        assert_eq!(message(&error, &registry), format!("{page} {expect}"), "{body}");
        assert_eq!(error.kind(), Kind::Transient);
    }
}

/// A server that is no registry says 404 with a page for people, to a list and to a manifest.
#[tokio::test]
async fn a_web_page_is_not_a_missing_repository() {
    let page = || Fault::Answer(404, vec![("content-type", "text/html".to_owned())], b"<h1>Nexus</h1>".to_vec());
    let broken = [("tags/list".to_owned(), page()), ("manifests/1.0".to_owned(), page())];
    let registry = Registry::start(World { broken: broken.into(), ..world() }).await;
    let image = repository(&registry.host(), "team/app");
    let listed = client().tags(&image, &access()).await.unwrap_err();
    let looked_up = client().digest(&image, &image::Tag::parse("1.0").unwrap(), &access()).await.unwrap_err();
    for error in [listed, looked_up] {
        assert!(matches!(error, Error::WebPage { status: 404, .. }), "{error}");
        assert_eq!(error.kind(), Kind::Denied);
    }
}

#[tokio::test]
async fn huge_bodies() {
    let huge = vec![b' '; 40 * 1024 * 1024];
    let registry = Registry::start(world().failing("tags/list", Fault::body(huge.clone()))).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"http://REGISTRY/v2/team/app/tags/list answered with more than 33554432 bytes");
    let registry = Registry::start(world().failing("tags/list", Fault::Answer(418, Vec::new(), huge))).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"http://REGISTRY/v2/team/app/tags/list answered 418");
}

#[tokio::test]
async fn unknown_repositories() {
    let registry = Registry::start(world()).await;
    let error = list(&registry, "team/other", &access()).await.unwrap_err();
    let text = message(&error, &registry);
    insta::assert_snapshot!(text, @"repository 'REGISTRY/team/other' does not exist: http://REGISTRY/v2/team/other/tags/list answered 404 (NAME_UNKNOWN: repository name not known to registry)");
    assert!(matches!(error, Error::NotFound { .. }));
}

#[tokio::test]
async fn what_a_registry_says_is_escaped_and_short() {
    let message_text = format!("a\u{1b}[2J\u{202e}\nb{}", "c".repeat(1000));
    let fault = Fault::error(400, "EVIL", &message_text);
    let registry = Registry::start(World { broken: [("tags/list".to_owned(), fault)].into(), ..world() }).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    let text = message(&error, &registry);
    assert!(
        text.starts_with("http://REGISTRY/v2/team/app/tags/list answered 400 (EVIL: a\\u{1b}[2J\\u{202e}\\nbccc"),
        "{text}"
    );
    assert!(text.len() < 320 && text.chars().all(|c| !c.is_control()), "{text}");
}

#[tokio::test]
async fn nobody_listens() {
    let host = {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let error = client().tags(&repository(&host, "team/app"), &access()).await.unwrap_err();
    let text = error.to_string().replace(&host, "HOST");
    insta::assert_snapshot!(text, @"cannot reach http://HOST/v2/: connection refused");
    assert!(matches!(error, Error::Refused { .. }));
    assert_eq!(error.kind(), Kind::Transient);
}
