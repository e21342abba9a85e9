//! Pages, links, and what is in them.

use std::sync::Arc;

use futures_util::StreamExt as _;
use image::Tag;
use registry::{Client, Kind, Limits, Settings};

use crate::simulated::{Fault, Links, Refusal, Registry, World, digest};
use crate::{access, client, list, message, repository, settings};

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("v1.0.{number}")).collect()
}

#[tokio::test]
async fn every_kind_of_link_leads_to_all_tags() {
    for links in [Links::Relative, Links::Absolute, Links::Opaque] {
        let registry = Registry::start(World::with("team/app", numbered(7)).paged(3, links.clone())).await;
        let listing = list(&registry, "team/app", &access()).await.unwrap();
        assert_eq!(listing.tags, numbered(7), "{links:?}");
        assert_eq!(registry.count("/v2/team/app/tags/list"), 3, "{links:?}");
        assert_eq!(registry.seen()[0].query, "n=1000");
    }
}

/// Callers run polls as tasks of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_run_as_tasks() {
    let registry = Registry::start(World::with("team/app", numbered(5)).paged(2, Links::Relative)).await;
    let (client, image) = (Arc::new(client()), repository(&registry.host(), "team/app"));
    let one = |_| {
        let (client, image) = (Arc::clone(&client), image.clone());
        tokio::spawn(async move {
            let digest = client.digest(&image, &Tag::parse("v1.0.1").unwrap(), &access()).await.unwrap();
            (client.tags(&image, &access()).await.unwrap().tags.len(), digest.as_str().to_owned())
        })
    };
    let all = futures_util::future::join_all((0..20).map(one)).await;
    assert!(all.into_iter().all(|result| result.unwrap() == (5, digest("team/app", "v1.0.1"))));
}

#[tokio::test]
async fn one_page_without_a_link_is_all() {
    let world = World::with("team/app", ["1.0"]).and("team/none", [] as [&str; 0]);
    let registry = Registry::start(world).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1.0"]);
    assert!(list(&registry, "team/none", &access()).await.unwrap().tags.is_empty(), "\"tags\": null");
    assert!(registry.seen().iter().all(|seen| seen.authorization.is_none()));
}

/// What it shows, the tags, how the registry links pages and how many tags one has at most, and the queries that are sent.
type Case<'a> = (&'a str, Vec<String>, Links, usize, &'a [&'a str]);

/// Nexus cuts a list where a page of a size is asked for, and says nothing. What is behind it is found in any case, with few
/// questions, also by registries that do not know `last`, whose pages are smaller, or whose order is their own.
#[tokio::test]
async fn a_list_that_is_cut_without_a_word_is_read_to_its_end() {
    let sorted = |count: usize| (0..count).map(|number| format!("v{number:05}")).collect::<Vec<_>>();
    let unsorted = |count: usize| sorted(count).into_iter().rev().collect::<Vec<_>>();
    let most = usize::MAX;
    let (last, whole) = ("n=1000&last=", "");
    let cases: [Case<'_>; 12] = [
        ("by last", sorted(1002), Links::Silent, most, &["n=1000", last]),
        ("by last, twice", sorted(2001), Links::Silent, most, &["n=1000", last, last]),
        ("complete by chance", sorted(1000), Links::Silent, most, &["n=1000", last]),
        ("twice complete by chance", sorted(2000), Links::Silent, most, &["n=1000", last, last]),
        ("without last", sorted(1002), Links::Deaf, most, &["n=1000", last, whole]),
        ("knows nothing, and is complete", sorted(1000), Links::Deaf, most, &["n=1000", last, whole]),
        ("in its own order", unsorted(2500), Links::Deaf, most, &["n=1000", whole]),
        ("in its own order, whole by pages", unsorted(1110), Links::Silent, 1000, &["n=1000", whole, last]),
        ("smaller pages", unsorted(120), Links::Silent, 50, &["n=1000", last, last]),
        ("smaller pages, complete by chance", sorted(100), Links::Silent, 100, &["n=1000", last]),
        ("nothing is cut", sorted(999), Links::Silent, most, &["n=1000"]),
        ("nothing is cut, on the last page either", sorted(1005), Links::Relative, 1000, &["n=1000", last]),
    ];
    for (name, tags, links, size, queries) in cases {
        let registry = Registry::start(World::with("team/app", tags.clone()).paged(size, links)).await;
        let listing = list(&registry, "team/app", &access()).await.unwrap();
        assert_eq!(listing.tags.len(), tags.len(), "{name}");
        assert_eq!(listing.validator, None, "{name}");
        let asked: Vec<String> = registry.seen().into_iter().map(|seen| seen.query).collect();
        let as_expected = asked.iter().zip(queries).all(|(asked, expect)| asked.starts_with(expect));
        assert!(as_expected && asked.len() == queries.len(), "{name}: {asked:?}");
    }
}

/// What is behind a page of exactly the size that was asked for must be known; a refusal is a failure, and not the end.
#[tokio::test]
async fn a_full_page_is_no_list_when_nobody_says_what_comes_behind() {
    let tags: Vec<String> = (0..1000).map(|number| format!("v{number:05}")).collect();
    for status in [400, 404, 422, 503] {
        let body = serde_json::json!({"tags": tags}).to_string();
        let world = World { broken: [("tags/list".to_owned(), Fault::status(status))].into(), ..World::default() };
        let registry = Registry::start(world.failing("tags/list", Fault::body(body.clone()))).await;
        let error = list(&registry, "team/app", &access()).await.unwrap_err();
        assert!(error.to_string().contains(&status.to_string()), "{status}: {error}");

        // Of a page that is only round it is not known.
        let hundred = serde_json::json!({"tags": tags[..100]}).to_string();
        let registry = Registry::start(World::default().failing("tags/list", Fault::body(hundred))).await;
        assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags.len(), 100, "404 is no failure");
    }
}

/// A registry that invents tags with each answer costs as much as one that has them.
#[tokio::test]
async fn lists_that_never_end_are_bounded() {
    let page = |from: usize| {
        let tags: Vec<String> = (from..from + 1000).map(|number| format!("v{number:07}")).collect();
        Fault::body(serde_json::json!({"tags": tags}).to_string())
    };
    let world = (0..20).fold(World::default(), |world, number| world.failing("tags/list", page(number * 1000)));
    let registry = Registry::start(world).await;
    let bounded = Client::new(Settings { limits: Limits { pages: 9, ..Limits::default() }, ..settings() }).unwrap();
    let error = bounded.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap_err();
    assert_eq!(message(&error, &registry), "http://REGISTRY/v2/team/app/tags/list answered with more than 9 pages");
    assert!(registry.count("tags/list") <= 10);
}

/// A registry that is refused with this message.
async fn refused(world: World, expect: &str) {
    let registry = Registry::start(world).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    assert_eq!(message(&error, &registry), expect);
    assert_eq!(error.kind(), Kind::Denied);
    assert!(registry.seen().len() < 20, "it gave up early");
}

#[tokio::test]
async fn links_that_lead_nowhere_are_refused() {
    let page = "http://REGISTRY/v2/team/app/tags/list";
    let world = |links| World::with("team/app", numbered(9)).paged(2, links);
    let say = |what: &str| format!("the link to the next page of {page} {what}");
    refused(world(Links::Loop), &say("leads back to an earlier page")).await;
    refused(world(Links::Endless), &say("leads on and on to pages with nothing new")).await;
    let fixed = |link: &str| world(Links::Fixed(link.to_owned()));
    let other = "leads to another server, https://evil.example.com/v2/x";
    refused(fixed("<https://evil.example.com/v2/x>; rel=next"), &say(other)).await;
    refused(fixed("<https://evil.example.com/v2/x?n=2>; rel=next"), &say("leads back to an earlier page")).await;
    let other = "leads to another server, http://127.0.0.1:1/v2/x";
    refused(fixed("<//127.0.0.1:1/v2/x>; rel=\"next\""), &say(other)).await;
    refused(fixed("</v2/x; rel=\"next\""), &say("has no '>'")).await;
    refused(fixed("next page"), &say("does not start with '<'")).await;
    refused(fixed("<http://[>"), &say("is not an address")).await;
}

/// Behind a proxy a registry knows neither its host, its port, its scheme nor its path. Nobody but itself is asked.
#[tokio::test]
async fn a_link_to_what_a_registry_takes_for_itself_leads_to_the_next_page() {
    let elsewhere = Registry::start(World::with("team/app", ["6.6.6"])).await;
    let port: &'static str = format!("{}/v2/team/app/tags/list", elsewhere.url()).leak();
    for place in [
        "https://registry.internal.svc:5000/v2/team/app/tags/list",
        "http://127.0.0.1/v2/team/app/tags/list",
        "http://127.0.0.1:8081/repository/docker-proxy/v2/team/app/tags/list",
        "/v2/app/tags/list",
        "/artifactory/api/docker/x/v2/team/app/tags/list",
        port,
    ] {
        let registry = Registry::start(World::with("team/app", numbered(9)).paged(4, Links::Inside(place))).await;
        assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, numbered(9), "{place}");
        assert_eq!(registry.count("/v2/team/app/tags/list"), 3, "{place}");
    }
    assert_eq!(elsewhere.seen(), []);
}

/// The repository is there, since its first page is, and the failure says which page it is about.
#[tokio::test]
async fn a_failure_of_a_later_page_says_so() {
    let mut texts = Vec::new();
    for (status, kind) in [(404, Kind::Denied), (403, Kind::Denied), (503, Kind::Transient)] {
        let links = Links::Astray(status, "no such page");
        let registry = Registry::start(World::with("team/app", numbered(5)).paged(2, links)).await;
        let error = list(&registry, "team/app", &access()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        texts.push(message(&error, &registry));
    }
    insta::assert_snapshot!(texts.join("\n"), @"
    page 2 of the list of tags, to which the registry itself leads: http://REGISTRY/v2/team/app/tags/list answered 404 (UNKNOWN: no such page)
    page 2 of the list of tags, to which the registry itself leads: 'REGISTRY' denied access: http://REGISTRY/v2/team/app/tags/list answered 403 (UNKNOWN: no such page); no credentials were sent, since none are configured for it
    page 2 of the list of tags, to which the registry itself leads: http://REGISTRY/v2/team/app/tags/list answered 503 (UNKNOWN: no such page)
    ");
}

/// An empty page may lead on to itself, and a link may be empty: there is nothing behind either.
#[tokio::test]
async fn links_that_mean_the_end() {
    let world = World::with("team/app", ["1", "2"]).paged(2, Links::Fixed("<>; rel=\"next\"".to_owned()));
    let registry = Registry::start(world).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1", "2"]);
    let own = "</v2/team/app/tags/list?last=2>; rel=\"next\"";
    let (full, empty) = (br#"{"tags": ["1", "2"]}"#.to_vec(), br#"{"tags": []}"#.to_vec());
    let page = |body: Vec<u8>| Fault::Answer(200, vec![("link", own.to_owned())], body);
    let world = World::default().failing("tags/list", page(full)).failing("tags/list", page(empty));
    let registry = Registry::start(world).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1", "2"]);
}

#[tokio::test]
async fn a_link_to_another_relation_ends_the_list() {
    let world = World::with("team/app", ["1", "2"]).paged(2, Links::Fixed("</v2/x>; rel=\"prev\"".to_owned()));
    let registry = Registry::start(world).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1", "2"]);
}

#[tokio::test]
async fn a_hundred_thousand_tags_in_pages_of_a_thousand() {
    let tags: Vec<String> = (0..100_000).map(|number| format!("main-{number:x}-{}", 1_600_000_000 + number)).collect();
    // The simulated registry finds opaque positions at once, where `last` makes it search.
    let registry = Registry::start(World::with("team/app", tags.clone()).paged(1000, Links::Opaque)).await;
    let listing = list(&registry, "team/app", &access()).await.unwrap();
    assert_eq!(listing.tags, tags);
    assert_eq!(registry.count("tags/list"), 100);
}

#[tokio::test]
async fn only_tags_that_oci_allows_come_out_and_each_once() {
    let long = "a".repeat(128);
    let hostile: Vec<String> =
        ["1.0", "{{ .Values.x }}", "a\nb", "a\u{1b}[31m", "-x", ".y", "", "é", "a b", "a:b", "1.0"]
            .iter()
            .map(|tag| (*tag).to_owned())
            .chain([long.clone(), format!("{long}a"), "\u{202e}0.1".to_owned(), "_ok".to_owned()])
            .collect();
    let registry = Registry::start(World::with("team/app", hostile)).await;
    let listing = list(&registry, "team/app", &access()).await.unwrap();
    assert_eq!(listing.tags, ["1.0".to_owned(), long, "_ok".to_owned()]);
    assert_eq!(listing.refused, 11);
    assert_eq!(listing.refused_sample, ["", "-x", ".y", "a\\nb", "a\\u{1b}[31m"], "sorted, escaped, and only some");
}

#[tokio::test]
async fn more_than_the_bounds_is_an_error() {
    let bounded = |limits| Client::new(Settings { limits, ..settings() }).unwrap();
    let world = || World::with("team/app", numbered(100)).paged(10, Links::Relative);
    let cases = [
        (
            Limits { pages: 9, ..Limits::default() },
            "http://REGISTRY/v2/team/app/tags/list answered with more than 9 pages",
        ),
        (
            Limits { tags: 99, ..Limits::default() },
            "http://REGISTRY/v2/team/app/tags/list answered with more than 99 tags",
        ),
        (
            Limits { page_bytes: 50, ..Limits::default() },
            "http://REGISTRY/v2/team/app/tags/list answered with more than 50 bytes",
        ),
    ];
    for (limits, expect) in cases {
        let registry = Registry::start(world()).await;
        let error = bounded(limits).tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap_err();
        assert_eq!(message(&error, &registry), expect);
    }
    let registry = Registry::start(world()).await;
    let enough = bounded(Limits { pages: 10, tags: 100, ..Limits::default() });
    assert_eq!(enough.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap().tags.len(), 100);
}

#[tokio::test]
async fn a_registry_that_cannot_send_large_pages_is_asked_for_small_ones() {
    for status in [400, 500, 502, 504] {
        let world = World::with("team/app", numbered(250)).failing("tags/list", Fault::status(status));
        let registry = Registry::start(world.paged(100, Links::Relative)).await;
        assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags.len(), 250, "{status}");
        let queries: Vec<String> = registry.seen().into_iter().map(|seen| seen.query).collect();
        assert_eq!(queries[..2], ["n=1000", "n=100"], "{status}");
        assert_eq!(queries.len(), 4, "{status}");
    }
}

/// ECR answers 405, others 413, 416, 422 or 501; some refuse any size. A status that has another meaning has to say in words
/// what it is about.
#[tokio::test]
async fn a_registry_that_refuses_a_size_is_asked_for_another_and_then_for_none() {
    let plain = |above, status| Refusal { above, status, message: "" };
    let said = |above, status, message| Refusal { above, status, message };
    let cases = [
        plain(100, 405),
        plain(100, 416),
        plain(100, 422),
        plain(0, 400),
        plain(0, 405),
        plain(0, 413),
        plain(0, 501),
        said(0, 404, "page size is not supported"),
        said(0, 200, "invalid number of results requested"),
        said(0, 403, "n exceeds the limit"),
        said(0, 409, "Invalid parameter at 'maxResults'"),
    ];
    for refusal in cases {
        for links in [Links::Inside("/v2/team/app/tags/list"), Links::Silent] {
            let world = World::with("team/app", numbered(250)).paged(100, links.clone()).refusing(refusal);
            let registry = Registry::start(world).await;
            let found = list(&registry, "team/app", &access()).await.unwrap().tags.len();
            let queries: Vec<String> = registry.seen().into_iter().map(|seen| seen.query).collect();
            assert_eq!(found, 250, "{refusal:?} {links:?} {queries:?}");
            assert_eq!(queries[..2], ["n=1000", "n=100"], "{refusal:?}");
        }
    }
    // A repository that is not there is one question.
    let registry = Registry::start(World::default()).await;
    list(&registry, "team/app", &access()).await.unwrap_err();
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn many_repositories_share_few_connections_and_nobody_pings() {
    let world = (0..200).fold(World::default(), |world, n| world.and(&format!("team/app{n}"), ["1", "2"]));
    let registry = Registry::start(world).await;
    let client = client();
    let slots = futures_util::stream::iter(0..200).map(|n| {
        let repository = repository(&registry.host(), &format!("team/app{n}"));
        let client = &client;
        async move { client.tags(&repository, &access()).await.unwrap().tags.len() }
    });
    let counts: Vec<usize> = slots.buffer_unordered(8).collect().await;
    assert_eq!(counts, vec![2; 200]);
    assert_eq!(registry.seen().len(), 200);
    // One for each slot, those by which it was found that no TLS is spoken, and a few more, since a connection is free a
    // moment after its answer.
    assert!(registry.connections() <= 40, "{}", registry.connections());
}
