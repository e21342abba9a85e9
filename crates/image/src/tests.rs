//! References against recorded vectors of Flux, and their laws.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn fixture(name: &str) -> Vec<Value> {
    let path = format!("{}/../../fixtures/image-refs/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The scheme of the vectors is the registry client's to decide, not the name's.
fn check_repositories(name: &str) {
    for case in fixture(name) {
        let text = case["image"].as_str().unwrap();
        match Repository::parse(text) {
            Ok(repository) => {
                assert!(case.get("error").is_none(), "accepted: {case}");
                assert_eq!(repository.canonical(), case["canonical"].as_str().unwrap(), "{case}");
                assert_eq!(repository.registry(), case["registry"].as_str().unwrap(), "{case}");
                assert_eq!(repository.path(), case["repository"].as_str().unwrap(), "{case}");
                assert_eq!(repository.name(), text);
            }
            Err(error) => assert_eq!(error.to_string(), case["error"].as_str().unwrap_or("accepted"), "{case}"),
        }
    }
}

#[test]
fn repositories_are_read_as_flux_reads_them() {
    check_repositories("flux.json");
    check_repositories("more.json");
}

#[test]
fn what_was_meant_is_said() {
    for (text, expect) in [
        ("GHCR.io/acme/app", "accepted"),
        ("ghcr.io/acme/app", "accepted"),
        (
            "ghcr.io/Acme/App",
            "image 'ghcr.io/Acme/App' has upper-case letters, which no repository has; write 'ghcr.io/acme/app'",
        ),
        ("Acme/app", "image 'Acme/app' has upper-case letters, which no repository has; write 'acme/app'"),
        ("ghcr.io/acme/app/", "image 'ghcr.io/acme/app/' ends with '/'; write 'ghcr.io/acme/app'"),
        ("ghcr.io/acme//app", "image 'ghcr.io/acme//app' has nothing between two '/'; write 'ghcr.io/acme/app'"),
        ("ghcr.io//acme/app", "image 'ghcr.io//acme/app' has nothing between two '/'; write 'ghcr.io/acme/app'"),
        ("/acme/app", "image '/acme/app' begins with '/'; write 'acme/app'"),
        (" ghcr.io/acme/app", "image ' ghcr.io/acme/app' has a blank at its begin or end; write 'ghcr.io/acme/app'"),
        ("alpine\n", "image 'alpine\\n' has a blank at its begin or end; write 'alpine'"),
        ("ghcr.io/", "could not parse reference: ghcr.io/"),
        (
            "ghcr.io/acme/APP:1.0",
            "image 'ghcr.io/acme/APP:1.0' has upper-case letters, which no repository has; write 'ghcr.io/acme/app'",
        ),
        ("ghcr.io/acme/app:RC1", "image 'ghcr.io/acme/app:RC1' should not include a tag; remove ':RC1'"),
        (
            "https://ghcr.io/Acme/app",
            "image 'https://ghcr.io/Acme/app' should not include URL scheme; remove 'https://'",
        ),
        ("", "could not parse reference: "),
        ("/", "could not parse reference: /"),
        ("me:hunter2@reg.io/App", "could not parse reference: …@reg.io/App"),
    ] {
        let found = Repository::parse_written(text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        assert_eq!(found, expect, "{text:?}");
    }
}

#[test]
fn references_are_read_and_written_again() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    for (text, tag, digested) in [
        ("alpine".to_owned(), None, false),
        ("alpine:3.20".to_owned(), Some("3.20"), false),
        (format!("alpine@{digest}"), None, true),
        (format!("reg.example.com:5000/a/b:v1_2@{digest}"), Some("v1_2"), true),
        ("[::1]:5000/foo:1".to_owned(), Some("1"), false),
        ("localhost:5000/app".to_owned(), None, false),
    ] {
        let reference = Reference::parse(&text).unwrap();
        assert_eq!(reference.to_string(), text);
        assert_eq!(reference.tag.as_ref().map(Tag::as_str), tag, "{text}");
        assert_eq!(reference.digest.as_ref().map(Digest::as_str), digested.then_some(digest.as_str()), "{text}");
    }
}

#[test]
fn what_is_no_reference_is_refused() {
    for text in [
        "",
        ":1",
        "a",
        "alpine:",
        "alpine:-1",
        "alpine:.1",
        "alpine:a b",
        "alpine@sha256:00",
        "alpine@",
        "Alpine",
        "ghcr.io/Org/app",
        "ghcr.io/a",
        "foo bar",
        "a:99999999/bc",
        "-:x/ab",
        "[::1/ab",
        "[zz]:1/ab",
        ".:/",
        "/ab:c:d",
    ] {
        assert_eq!(Reference::parse(text), Err(Error::Malformed(text.to_owned())), "{text:?}");
    }
    assert!(Reference::parse(&format!("alpine:{}", "a".repeat(129))).is_err());
    assert!(Reference::parse(&format!("x.io/{}", "a".repeat(256))).is_err());
}

#[test]
fn tags_of_referrers_are_told_from_those_of_images() {
    let hex = |length: usize| "0123456789abcdef".repeat(8)[..length].to_owned();
    let (short, middle, long) = (hex(64), hex(96), hex(128));
    for tag in [
        format!("sha256-{short}"),
        format!("sha256-{short}.sig"),
        format!("sha256-{short}.att"),
        format!("sha256-{short}.sbom"),
        format!("sha256-{short}.cosign.bundle"),
        format!("sha384-{middle}.sig"),
        format!("sha512-{short}"),
        format!("sha512-{long}"),
        format!("sha512-{long}.sbom"),
    ] {
        assert!(is_referrers_tag(&tag), "{tag}");
    }
    for tag in [
        "sha256-",
        "sha256-abc",
        "latest.sig",
        &short,
        &format!("sha-{short}"),
        &format!("sha256-{}", &short[1..]),
        &format!("sha256-{}", short.to_uppercase()),
        &format!("sha256-{short}0"),
        &format!("sha256-{short}."),
        &format!("sha256-{short}-sig"),
        &format!("sha256-{long}"),
        &format!("v1-sha256-{short}"),
    ] {
        assert!(!is_referrers_tag(tag), "{tag}");
    }
}

#[test]
fn digests_are_of_the_registered_algorithms() {
    for (algorithm, length) in [("sha256", 64), ("sha512", 128)] {
        let digest = |hex: String| Digest::parse(&format!("{algorithm}:{hex}"));
        assert!(digest("0".repeat(length)).is_ok());
        assert!(digest("0".repeat(length - 1)).is_err());
        assert!(digest("A".repeat(length)).is_err());
        assert!(digest("g".repeat(length)).is_err());
    }
    assert!(Digest::parse(&format!("md5:{}", "0".repeat(32))).is_err());
    assert!(Digest::parse("").is_err());
}

proptest! {
    #[test]
    fn tags_are_those_of_the_grammar(text in "[A-Za-z0-9_.{} \u{e9}\n-]{0,8}|[a.]{126,130}") {
        let grammar = regex::Regex::new(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\z").unwrap();
        prop_assert_eq!(is_tag(&text), grammar.is_match(&text));
        prop_assert_eq!(Tag::parse(&text).is_ok(), is_tag(&text));
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,24}|[a-z0-9:/@.\\[\\]-]{0,24}") {
        let _ = (Repository::parse(&text), Reference::parse(&text), Digest::parse(&text));
    }

    #[test]
    fn what_is_a_repository_is_a_reference_without_tag(text in "([a-z.]{1,6}(:[0-9]{1,4})?/)?[a-z0-9./_-]{0,8}(:[a-z.]{0,3})?") {
        match (Repository::parse(&text), Reference::parse(&text)) {
            (Ok(repository), reference) => {
                let reference = reference.unwrap();
                prop_assert_eq!(&reference.repository, &repository);
                prop_assert_eq!((reference.tag, reference.digest), (None, None));
                prop_assert_eq!(repository.to_string(), text);
            }
            (Err(Error::Malformed(_)), reference) => prop_assert!(reference.is_err()),
            (Err(_), _) => {}
        }
    }

    #[test]
    fn a_canonical_name_is_its_own(text in "([a-z]{1,4}\\.[a-z]{2,3}(:[0-9]{1,4})?/)?[a-z0-9]{2,5}(/[a-z0-9]{1,5}){0,2}") {
        let repository = Repository::parse(&text).unwrap();
        let canonical = Repository::parse(&repository.canonical()).unwrap();
        prop_assert_eq!(canonical.canonical(), repository.canonical());
    }
}
