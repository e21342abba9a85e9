//! Lists that have not changed, and when tags were pushed.

use jiff::Timestamp;
use registry::{Client, Error, Fresh, Kind, Listing, Mirror, Settings};

use crate::simulated::{Account, Auth, Bearer, Etags, Fault, Links, Registry, World};
use crate::{access, client, list, message, repository, settings, with_logins};

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("1.0.{number}")).collect()
}

async fn since(registry: &Registry, validator: Option<&str>) -> Result<Fresh, Error> {
    let client = client();
    client.tags_since(&repository(&registry.host(), "team/app"), &access(), validator, &client.place()).await
}

/// A list that must have been sent.
async fn sent(registry: &Registry, validator: Option<&str>) -> Listing {
    match since(registry, validator).await.unwrap() {
        Fresh::Listing(listing) => listing,
        Fresh::Unchanged => panic!("unchanged since {validator:?}"),
    }
}

#[tokio::test]
async fn a_list_is_sent_when_it_has_changed() {
    for etags in [Etags::Strong, Etags::Weak] {
        let registry = Registry::start(World { etags, ..World::with("team/app", ["1.0", "1.1"]) }).await;
        let first = sent(&registry, None).await;
        let validator = first.validator.as_deref().expect("a validator");
        assert_eq!(since(&registry, Some(validator)).await.unwrap(), Fresh::Unchanged);

        registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.2".to_owned()));
        let second = sent(&registry, Some(validator)).await;
        assert_eq!(second.tags, ["1.0", "1.1", "1.2"]);
        assert!(second.validator.is_some() && second.validator.as_deref() != Some(validator));
        let asked: Vec<_> = registry.seen().into_iter().map(|seen| seen.if_none_match).collect();
        assert_eq!(asked, [None, Some(validator.to_owned()), Some(validator.to_owned())]);
    }
}

#[tokio::test]
async fn the_validator_goes_with_the_login() {
    let bearer = Bearer::of(vec![Account::new("ann", "secret")]);
    let world = World { etags: Etags::Strong, ..World::with("team/app", ["1.0"]) };
    let registry = Registry::start(world.guarded(Auth::Bearer(bearer))).await;
    let (client, image) = (client(), repository(&registry.host(), "team/app"));
    let access = with_logins(&[(&registry.host(), "ann", "secret")]);
    let validator = client.tags(&image, &access).await.unwrap().validator.expect("a validator");
    registry.revoke();
    let fresh = client.tags_since(&image, &access, Some(&validator), &client.place()).await.unwrap();
    assert_eq!(fresh, Fresh::Unchanged);
}

#[tokio::test]
async fn what_no_list_can_be_recognised_by_is_not_kept() {
    let with = |etags, count| World { etags, ..World::with("team/app", numbered(count)) };
    let fixed = |text: &str| Etags::Fixed(text.to_owned());
    let cases = [
        ("no validator", with(Etags::None, 3)),
        ("several pages", with(Etags::Strong, 7).paged(3, Links::Relative)),
        ("a page that may be full", with(Etags::Strong, 100)),
        ("nothing", with(Etags::Strong, 0)),
        ("not in quotes", with(fixed("abc"), 3)),
        ("anything", with(fixed("*"), 3)),
        ("too long", with(fixed(&format!("\"{}\"", "x".repeat(300))), 3)),
    ];
    for (what, world) in cases {
        let registry = Registry::start(world).await;
        assert_eq!(sent(&registry, None).await.validator, None, "{what}");
    }
}

#[tokio::test]
async fn a_validator_that_is_none_is_not_sent() {
    let registry = Registry::start(World { etags: Etags::Strong, ..World::with("team/app", ["1.0"]) }).await;
    for validator in ["*", "", "abc", "\"a\r\nX: y\""] {
        assert_eq!(sent(&registry, Some(validator)).await.tags, ["1.0"], "{validator}");
    }
    assert!(registry.seen().iter().all(|seen| seen.if_none_match.is_none()));
}

#[tokio::test]
async fn a_list_that_has_got_a_second_page_is_read() {
    // The validator stays, as the first page does; the registry sends the link all the same.
    let world = World { etags: Etags::Fixed("\"1\"".to_owned()), ..World::with("team/app", numbered(9)) };
    let registry = Registry::start(world.paged(7, Links::Relative)).await;
    let listing = sent(&registry, Some("\"1\"")).await;
    assert_eq!(listing.tags, numbered(9));
    assert_eq!(listing.validator, None);
    let asked: Vec<_> = registry.seen().into_iter().map(|seen| seen.if_none_match).collect();
    assert_eq!(asked, [Some("\"1\"".to_owned()), None, None]);
}

#[tokio::test]
async fn unchanged_without_a_question_is_no_answer() {
    let registry = Registry::start(World::with("team/app", ["1.0"]).failing("tags/list", Fault::status(304))).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"http://REGISTRY/v2/team/app/tags/list answered with 304, without having been asked whether anything has changed");
    assert_eq!((error.kind(), registry.seen().len()), (Kind::Transient, 1));
}

#[tokio::test]
async fn failures_are_the_same_with_a_validator() {
    let faults = (0..2).fold(World::with("team/app", ["1.0"]), |w, _| w.failing("tags/list", Fault::status(503)));
    let registry = Registry::start(World { etags: Etags::Strong, ..faults }).await;
    assert_eq!(sent(&registry, Some("\"old\"")).await.tags, ["1.0"]);
    let client = client();
    let image = repository(&registry.host(), "team/none");
    let missing = client.tags_since(&image, &access(), Some("\"old\""), &client.place()).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}

#[tokio::test]
async fn mirrors_have_no_validators() {
    let world = || World { etags: Etags::Fixed("\"1\"".to_owned()), ..World::with("team/app", ["1.0"]) };
    let (mirror, upstream) = (Registry::start(world()).await, Registry::start(world()).await);
    let mirrors = vec![Mirror::parse(&format!("{}={}", upstream.host(), mirror.url())).unwrap()];
    let client = Client::new(Settings { mirrors, ..settings() }).unwrap();
    let image = repository(&upstream.host(), "team/app");
    let fresh = client.tags_since(&image, &access(), Some("\"1\""), &client.place()).await.unwrap();
    let Fresh::Listing(listing) = fresh else { panic!("unchanged, says a server that was never asked before") };
    assert_eq!(listing.tags, ["1.0"]);
    assert_eq!(listing.validator, None);
}

#[tokio::test]
async fn when_tags_were_pushed() {
    let mut world = World::with("team/app", numbered(5)).paged(2, Links::Relative);
    world.pushed = [("1.0.0", 1_700_000_000_123), ("1.0.3", 1_700_000_009_000), ("1.0.4", 0)]
        .map(|(tag, time)| (format!("team/app:{tag}"), time))
        .into();
    let registry = Registry::start(world).await;
    let listing = list(&registry, "team/app", &access()).await.unwrap();
    let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
    let pushed: Vec<_> = listing.pushed.iter().map(|(tag, time)| (tag.as_str(), *time)).collect();
    assert_eq!(listing.tags, numbered(5));
    assert_eq!(pushed, [("1.0.0", at(1_700_000_000_123)), ("1.0.3", at(1_700_000_009_000))]);
    let digests: Vec<_> = listing.digests.iter().map(|(tag, digest)| (tag.as_str(), digest.as_str().len())).collect();
    assert_eq!(digests, [("1.0.0", 71), ("1.0.3", 71)], "of the same tags");
}

#[tokio::test]
async fn times_of_nothing_and_garbage_do_not_matter() {
    let times = |tag: &str, time: &str| format!(r#"{{"tag": ["{tag}"], "timeUploadedMs": {time}}}"#);
    let twice = format!(r#"{{"a": {}, "b": {}, "c": {}}}"#, times("1.0", "9"), times("1.0", "5"), times("2.0", "5"));
    for (manifest, expect) in [(twice.as_str(), Some(9)), ("[1, {}]", None), ("\"x\"", None), ("null", None)] {
        let body = format!(r#"{{"tags": ["1.0"], "manifest": {manifest}, "child": []}}"#);
        let registry = Registry::start(World::with("team/app", [""; 0]).failing("tags/list", Fault::body(body))).await;
        let listing = list(&registry, "team/app", &access()).await.unwrap();
        let pushed: Vec<_> = listing.pushed.iter().map(|(tag, time)| (tag.as_str(), time.as_millisecond())).collect();
        assert_eq!(listing.tags, ["1.0"]);
        assert_eq!(pushed, expect.map(|time| ("1.0", time)).into_iter().collect::<Vec<_>>());
    }
}
