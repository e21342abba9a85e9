//! Manners: how much a registry is asked for, and what becomes of one that says it is too much.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use registry::{Allowance, Budget, Budgets, Client, Error, Settings};

use crate::simulated::{Fault, Registry, World};
use crate::{access, client, message, repository, settings};

const TAGS: &str = r#"{"tags": ["1.0"]}"#;

fn with(budget: Budget) -> Client {
    Client::new(Settings { budgets: Budgets::of_each(budget), ..settings() }).unwrap()
}

/// A good list with headers.
fn list(headers: &[(&'static str, &str)]) -> Fault {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Fault::Answer(200, headers, TAGS.as_bytes().to_vec())
}

#[tokio::test]
async fn a_host_is_asked_no_more_than_its_budget_in_any_second() {
    let registry = Registry::start(World::with("team/app", ["1.0"])).await;
    let client = with(Budget { at_once: 50, a_second: 5 });
    let (image, access) = (repository(&registry.host(), "team/app"), access());
    let start = Instant::now();
    let lists = join_all((0..14).map(|_| client.tags(&image, &access))).await;
    assert!(lists.iter().all(Result::is_ok));
    let asked = registry.count("");
    assert!(asked >= 14, "{asked}");
    assert!(start.elapsed() >= Duration::from_secs((asked as u64 - 1) / 5), "{:?} for {asked}", start.elapsed());
}

/// Of many that are refused none fails: each is asked again, or has waited meanwhile.
#[tokio::test]
async fn a_registry_that_refuses_some_requests_answers_all_in_the_end() {
    let mut world = World::with("team/app", ["1.0"]);
    for (number, header) in [Some("1"), None, Some("1")].into_iter().enumerate() {
        let fault = header.map_or(Fault::status(429), |wait| Fault::header(429, "retry-after", wait));
        world = world.failing("tags/list", if number == 0 { Fault::body(TAGS) } else { fault });
    }
    let registry = Registry::start(world).await;
    let (client, image, access) = (client(), repository(&registry.host(), "team/app"), access());
    let lists = join_all((0..8).map(|_| client.tags(&image, &access))).await;
    for list in lists {
        assert_eq!(list.unwrap().tags, ["1.0"]);
    }
}

#[tokio::test]
async fn a_host_that_throttles_slows_only_itself() {
    let limited = World::with("team/app", ["1.0"]).failing("tags/list", Fault::header(429, "retry-after", "600"));
    let (throttled, other) = (Registry::start(limited).await, Registry::start(World::with("team/app", ["1.0"])).await);
    let (client, access) = (client(), access());
    let ask = |registry: &Registry| {
        let (client, image, access) = (&client, repository(&registry.host(), "team/app"), &access);
        async move { client.tags(&image, access).await }
    };
    let refused = ask(&throttled).await.unwrap_err();
    assert!(matches!(refused, Error::Throttled { .. }), "{refused}");
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(ask(&other).await.unwrap().tags, ["1.0"]);
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert!(matches!(ask(&throttled).await.unwrap_err(), Error::Paused { .. }));
    assert_eq!(throttled.count("tags/list"), 1);
}

#[tokio::test]
async fn a_registry_that_has_nothing_left_is_left_alone() {
    let nothing = [("ratelimit-limit", "60;w=600"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "500")];
    let registry = Registry::start(World::default().failing("tags/list", list(&nothing))).await;
    let (client, image, access) = (client(), repository(&registry.host(), "team/app"), access());
    assert_eq!(client.tags(&image, &access).await.unwrap().tags, ["1.0"], "this one it has answered");
    let refused = client.tags(&image, &access).await.unwrap_err();
    let said = message(&refused, &registry);
    assert!(said.starts_with("'REGISTRY' is not asked for ") && said.ends_with(" of what it allows"), "{said}");
    assert!(refused.retry_after().is_some_and(|wait| wait > Duration::from_secs(400)), "{refused:?}");
    assert_eq!(registry.count("tags/list"), 1);
}

/// Docker Hub counts pulls, in six hours, and says how many are left with a list's and a digest's answer alike; neither is one.
#[tokio::test]
async fn docker_hub_s_budget_of_pulls_is_known_and_holds_up_no_lists() {
    let spent = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")];
    let world = World::default().failing("tags/list", list(&spent)).failing("tags/list", list(&spent));
    let registry = Registry::start(world).await;
    let (client, image, access) = (client(), repository(&registry.host(), "team/app"), access());
    for _ in 0..2 {
        assert_eq!(client.tags(&image, &access).await.unwrap().tags, ["1.0"]);
    }
    let allowances = client.allowances();
    let Allowance { limit, remaining, window, reset, .. } = allowances[&registry.host()];
    assert_eq!((limit, remaining, window, reset), (Some(100), 0, Some(Duration::from_secs(6 * 60 * 60)), None));
}
