//! Redirects: followed, but alone.

use registry::{Error, Kind, Sent};

use crate::simulated::door::{Certificates, Clients};
use crate::simulated::{Account, Auth, Bearer, Fault, Links, Registry, World};
use crate::transports::identified;
use crate::{access, list, message, with_logins};

fn world() -> World {
    World::with("team/app", ["1.0"])
}

fn to(url: &str) -> Fault {
    Fault::header(307, "location", url)
}

#[tokio::test]
async fn another_host_gets_no_credentials() {
    let other = Registry::start(world()).await;
    let account = || vec![Account::new("me", "right")];
    for auth in [Auth::Basic(account()), Auth::Bearer(Bearer::of(account()))] {
        let registry = Registry::start(world().guarded(auth)).await;
        let access = with_logins(&[(&registry.host(), "me", "right")]);
        let client = crate::client();
        let repository = crate::repository(&registry.host(), "team/app");
        client.tags(&repository, &access).await.unwrap();
        let elsewhere = to(&format!("{}/v2/team/app/tags/list?moved=1", other.url()));
        registry.change(|world| world.faults.push_back(("tags/list".to_owned(), elsewhere)));
        assert_eq!(client.tags(&repository, &access).await.unwrap().tags, ["1.0"]);
        assert!(registry.seen().last().unwrap().authorization.is_some());
        let seen = other.seen();
        assert_eq!((seen.len(), seen[0].query.as_str(), &seen[0].authorization), (1, "moved=1", &None));
        other.take_lines();
    }
}

#[tokio::test]
async fn another_host_that_wants_credentials_gets_none() {
    let other = Registry::start(world().guarded(Auth::Basic(vec![Account::new("me", "right")]))).await;
    let registry =
        Registry::start(world().failing("tags/list", to(&format!("{}/v2/team/app/tags/list", other.url())))).await;
    let access = with_logins(&[(&registry.host(), "me", "right"), (&other.host(), "me", "right")]);
    let error = list(&registry, "team/app", &access).await.unwrap_err();
    let text = message(&error, &registry).replace(&other.host(), "OTHER");
    insta::assert_snapshot!(text, @"'OTHER' denied access: http://OTHER/v2/team/app/tags/list answered 401 (UNAUTHORIZED: authentication required); no credentials were sent, since none are configured for it");
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test]
async fn a_token_server_that_redirects_passes_no_password_on() {
    let account = || vec![Account::new("me", "right")];
    let other = Registry::start(world().guarded(Auth::Bearer(Bearer::of(account())))).await;
    let guarded = world().guarded(Auth::Bearer(Bearer::of(account())));
    let elsewhere = to(&format!("{}/token?scope=repository:team/app:pull", other.url()));
    let registry = Registry::start(guarded.failing("/token", elsewhere)).await;
    let error = list(&registry, "team/app", &with_logins(&[(&registry.host(), "me", "right")])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(other.seen()[0].authorization, None);
}

#[tokio::test]
async fn the_same_host_keeps_credentials() {
    let guarded = world().guarded(Auth::Basic(vec![Account::new("me", "right")]));
    let registry = Registry::start(guarded.failing("tags/list", to("/v2/team/app/tags/list?here=1"))).await;
    let access = with_logins(&[(&registry.host(), "me", "right")]);
    assert_eq!(list(&registry, "team/app", &access).await.unwrap().tags, ["1.0"]);
}

#[tokio::test]
async fn pages_behind_a_redirect_stay_there() {
    let other = Registry::start(World::with("team/app", ["1", "2", "3"]).paged(1, Links::Relative)).await;
    let registry =
        Registry::start(world().failing("tags/list", to(&format!("{}/v2/team/app/tags/list", other.url())))).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1", "2", "3"]);
    assert_eq!((registry.count("tags/list"), other.count("tags/list")), (1, 3));
}

#[tokio::test]
async fn pages_behind_a_redirect_get_no_credentials() {
    let account = || vec![Account::new("me", "right")];
    for auth in [Auth::Basic(account()), Auth::Bearer(Bearer::of(account()))] {
        let other = Registry::start(World::with("team/app", ["1", "2", "3"]).paged(1, Links::Relative)).await;
        let registry = Registry::start(world().guarded(auth)).await;
        let access = with_logins(&[(&registry.host(), "me", "right")]);
        let (client, repository) = (crate::client(), crate::repository(&registry.host(), "team/app"));
        client.tags(&repository, &access).await.unwrap();
        let elsewhere = to(&format!("{}/v2/team/app/tags/list", other.url()));
        registry.change(|world| world.faults.push_back(("tags/list".to_owned(), elsewhere)));
        assert_eq!(client.tags(&repository, &access).await.unwrap().tags, ["1", "2", "3"]);
        let shown: Vec<_> = other.seen().into_iter().map(|seen| seen.authorization).collect();
        assert_eq!(shown, [None, None, None]);
    }
}

#[tokio::test]
async fn what_was_not_sent_was_not_refused() {
    let guarded = || world().guarded(Auth::Basic(vec![Account::new("me", "right")]));
    let (registry, other) = (Registry::start(guarded()).await, Registry::start(guarded()).await);
    let access = with_logins(&[(&registry.host(), "me", "right")]);
    let (client, repository) = (crate::client(), crate::repository(&registry.host(), "team/app"));
    client.tags(&repository, &access).await.unwrap();
    let elsewhere = to(&format!("{}/v2/team/app/tags/list", other.url()));
    registry.change(|world| world.faults.push_back(("tags/list".to_owned(), elsewhere)));
    let error = client.tags(&repository, &access).await.unwrap_err();
    assert!(matches!(error, Error::Denied { sent: Sent::Nothing, .. }), "{error}");
}

#[tokio::test]
async fn another_host_gets_no_client_certificate() {
    let certificates = Certificates::new(Clients::Certified);
    let other = Registry::start_tls(world(), &certificates).await;
    let elsewhere = to(&format!("{}/v2/team/app/tags/list", other.url()));
    let registry = Registry::start_tls(world().failing("tags/list", elsewhere), &certificates).await;
    let error = list(&registry, "team/app", &identified(&certificates)).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert_eq!((registry.count("tags/list"), other.seen().len()), (1, 0));
}

#[tokio::test]
async fn redirects_that_are_not_followed() {
    let cases = [
        (
            "http://169.254.169.254/latest/meta-data",
            "http://REGISTRY/v2/team/app/tags/list redirects to http://169.254.169.254/latest/meta-data, which is a private address",
        ),
        (
            "file:///etc/passwd",
            "http://REGISTRY/v2/team/app/tags/list redirects to file:///etc/passwd, which is not an address of the web",
        ),
        ("http://[", "http://REGISTRY/v2/team/app/tags/list redirects to nowhere, which is not an address"),
    ];
    for (target, expect) in cases {
        let registry = Registry::start(world().failing("tags/list", to(target))).await;
        let error = list(&registry, "team/app", &access()).await.unwrap_err();
        assert_eq!((message(&error, &registry).as_str(), error.kind()), (expect, Kind::Denied));
    }
    let circle = (0..6).fold(world(), |world, _| world.failing("tags/list", to("/v2/team/app/tags/list")));
    let registry = Registry::start(circle).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"http://REGISTRY/v2/team/app/tags/list redirects to http://REGISTRY/v2/team/app/tags/list, which is one redirect too many");
}
