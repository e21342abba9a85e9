//! Large answers: one at a time, in whatever order they come.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::simulated::{Fault, Links, Registry, World};
use crate::{access, client, repository};

/// More than needs no room.
const LARGE: usize = 20_001;

fn many(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

#[tokio::test]
async fn a_large_list_waits_and_a_small_one_does_not() {
    let long = serde_json::json!({"tags": many(&"t".repeat(100), 10_999)}).to_string();
    let world = World::with("team/many", many("v", LARGE)).and("team/long", ["1"]).and("team/few", ["1"]);
    let registry = Registry::start(world.failing("team/long/tags/list", Fault::body(long))).await;
    let (client, access) = (client(), access());
    for image in ["team/many", "team/long"] {
        let image = repository(&registry.host(), image);
        let (inside, place) = (client.place(), client.place());
        inside.take().await;
        let mut large = pin!(client.tags_since(&image, &access, None, &place));
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut large).await.is_err(), "{image} waits");
        let few = client.tags(&repository(&registry.host(), "team/few"), &access).await.unwrap();
        assert_eq!(few.tags, ["1"], "what is small goes past");
        drop(inside);
        large.await.unwrap();
        assert!(place.is_taken(), "{image}");
    }
}

/// All entrances to the host are wanted by those that wait, and the one inside has to come back for its next page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_large_lists_than_entrances_to_a_host() {
    let registry = Registry::start(World::with("team/many", many("v", LARGE)).paged(LARGE - 1, Links::Relative)).await;
    let (client, image) = (Arc::new(client()), repository(&registry.host(), "team/many"));
    let one = |_| {
        let (client, image) = (Arc::clone(&client), image.clone());
        tokio::spawn(async move { client.tags(&image, &access()).await.unwrap().tags.len() })
    };
    let all = futures_util::future::join_all((0..24).map(one)).await;
    assert!(all.into_iter().all(|tags| tags.unwrap() == LARGE));
}
