//! Requests as each sender makes them (`fixtures/webhooks`): what is made of them, and that none counts without its proof.

#![allow(clippy::unwrap_used, missing_docs)]

mod google;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use hooks::{Delivery, Receiver, Refused, Request, Source};

const TOKEN: &str = "s3cret-of-the-hook";

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/webhooks"))
}

/// A request of a file.
#[derive(Clone)]
struct Sent {
    source: Source,
    by_path: bool,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn sent(name: &str) -> Sent {
    let bytes = fs::read(folder().join(format!("{name}.http"))).unwrap();
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let (first, headers) = head.split_once('\n').unwrap_or((&head, ""));
    let word = first.split(' ').next().unwrap();
    let source = Source::ALL.into_iter().find(|source| source.as_str() == word).unwrap();
    let headers = headers.lines().map(|line| line.split_once(": ").unwrap());
    let mut headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    if matches!(source, Source::Gcr | Source::GenericOidc) {
        headers.push(("authorization".to_owned(), format!("Bearer {}", google::token(&google::claims()))));
    }
    Sent { source, by_path: first.ends_with(" path"), headers, body: bytes[end + 2..].to_vec() }
}

fn receiver(source: Source) -> Receiver {
    let (namespace, name) = ("default".to_owned(), "hub".to_owned());
    Receiver {
        namespace,
        name,
        source,
        token: TOKEN.into(),
        events: Vec::new(),
        scope: None,
        identity: Some(google::identity()),
    }
}

fn read(receiver: &Receiver, sent: &Sent) -> Result<Delivery, Refused> {
    let header = |name: &str| sent.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let keys = google::keys();
    let (body, by_path, keys, now) = (&sent.body[..], sent.by_path, Some(&keys), google::NOW);
    receiver.read(&Request { header: &header, body, by_path, keys, now })
}

fn told(delivery: &Delivery) -> String {
    let mut told: Vec<String> = delivery
        .pushed
        .iter()
        .map(|pushed| {
            let tags: Vec<&str> = pushed.tags.iter().map(image::Tag::as_str).collect();
            format!("{}/{} {}", pushed.registry.as_deref().unwrap_or("*"), pushed.path, tags.join(" "))
        })
        .collect();
    if !delivery.remotes.is_empty() {
        told.push(format!("git {}", delivery.remotes.join(" ")));
    }
    for comment in &delivery.comments {
        told.push(format!("comment {} on {} of {}", comment.id, comment.number, comment.remotes.join(" ")));
    }
    if delivery.is_bare {
        told.push("something".to_owned());
    }
    told.join("; ")
}

fn expected() -> Vec<(String, String)> {
    let text = fs::read_to_string(folder().join("expected.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once(" |").map(|(name, told)| (name.to_owned(), told.trim().to_owned())).unwrap())
        .collect()
}

#[test]
fn each_sender_is_understood() {
    let mut seen = BTreeSet::new();
    for (name, expect) in expected() {
        let sent = sent(&name);
        seen.insert(sent.source);
        assert_eq!(told(&read(&receiver(sent.source), &sent).unwrap()), expect, "{name}");
    }
    assert_eq!(seen.len(), Source::ALL.len(), "{seen:?}");
    let files = fs::read_dir(folder())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "http"));
    assert_eq!(files.count(), expected().len());
}

/// Without its proof, with that of another token, and with that of another body: the same for each.
#[test]
fn nobody_else_is_believed() {
    for (name, _) in expected() {
        let sent = sent(&name);
        let refused = |sent: &Sent, what: &str| {
            let came = read(&receiver(sent.source), sent);
            assert!(matches!(came, Err(Refused::Unproven(_))), "{name} {what}: {came:?}");
        };
        refused(&Sent { headers: Vec::new(), by_path: false, ..sent.clone() }, "without anything");
        if matches!(sent.source, Source::Gcr | Source::GenericOidc) {
            continue;
        }
        let other = Receiver { token: "another".into(), ..receiver(sent.source) };
        if !sent.by_path {
            assert!(matches!(read(&other, &sent), Err(Refused::Unproven(_))), "{name} with another token");
        }
        let none = Receiver { token: "".into(), ..receiver(sent.source) };
        assert!(matches!(read(&none, &sent), Err(Refused::Unproven(_))), "{name} without a token");
        let is_signed =
            sent.headers.iter().any(|(key, value)| key.contains("sign") || (key.contains("auth") && value.len() == 64));
        if is_signed {
            refused(&Sent { body: [&sent.body[..], b" "].concat(), ..sent.clone() }, "with another body");
        }
        let spoilt =
            sent.headers.iter().map(|(key, value)| (key.clone(), value.replace(['a', 'b', 'c', 's', 'k'], "0")));
        refused(&Sent { headers: spoilt.collect(), by_path: false, ..sent.clone() }, "with a spoilt proof");
    }
}

#[test]
fn what_is_no_json_is_malformed_and_what_is_another_shape_says_nothing() {
    for source in Source::ALL {
        let receiver = receiver(source);
        // The proof is not what is asked here.
        let signed = |body: &[u8]| {
            use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, Key, sign};
            let hex = |algorithm| {
                let tag = sign(&Key::new(algorithm, TOKEN.as_bytes()), body);
                tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            };
            let (plain, old) = (hex(HMAC_SHA256), hex(HMAC_SHA1_FOR_LEGACY_USE_ONLY));
            let headers = [
                (
                    "authorization",
                    match source {
                        Source::Gcr | Source::GenericOidc => format!("Bearer {}", google::token(&google::claims())),
                        _ => TOKEN.to_owned(),
                    },
                ),
                ("x-gitlab-token", TOKEN.to_owned()),
                ("x-hub-signature-256", format!("sha256={plain}")),
                ("x-hub-signature", format!("sha256={plain}")),
                ("x-signature", format!("sha256={plain}")),
                ("x-jfrog-event-auth", plain.clone()),
                ("x-gitea-signature", plain),
                ("x-nexus-webhook-signature", old),
                ("x-github-event", "push".to_owned()),
                ("x-gitea-event", "package".to_owned()),
                ("x-event-key", "repo:push".to_owned()),
            ];
            let headers = headers.map(|(key, value)| (key.to_owned(), value)).to_vec();
            Sent { source, by_path: true, headers, body: body.to_vec() }
        };
        for garbage in [&b"\xff\xfe"[..], b"{", b"[]", b"null", b"\"text\"", &b"[".repeat(100_000)] {
            let came = read(&receiver, &signed(garbage));
            assert!(matches!(came, Err(Refused::Malformed(_))), "{} {came:?}", source.as_str());
        }
        for odd in [
            r#"{"repository": [], "events": {}, "package": 7, "data": null, "detail": "x", "push_data": {"tag": {}}}"#,
            "{}",
        ] {
            let came = read(&receiver, &signed(odd.as_bytes())).unwrap();
            assert!(came.pushed.is_empty() && came.remotes.is_empty(), "{} {came:?}", source.as_str());
        }
    }
}

#[test]
fn other_events_than_those_that_are_wanted_say_nothing() {
    let events = |events: &[&str]| Receiver {
        events: events.iter().map(|it| (*it).to_owned()).collect(),
        ..receiver(Source::GitHub)
    };
    let push = sent("github-push");
    assert_eq!(read(&events(&["package"]), &push).unwrap(), Delivery::default());
    assert!(!read(&events(&["Push", "package"]), &push).unwrap().remotes.is_empty());
}

/// As `docs/guides/webhooks.md` derives it with `sha256sum`.
#[test]
fn the_path_is_the_one_that_flux_derives() {
    let digest = receiver(Source::DockerHub).digest();
    assert_eq!(digest, "8e30771400510e8784f83151b679fd666751a1824100a39ccc4bf8d0482bace6");
    assert!(!format!("{:?}", receiver(Source::DockerHub)).contains(TOKEN));
}
