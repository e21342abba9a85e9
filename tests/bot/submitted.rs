//! A bot that commits new tags while resources are submitted to the same remote: both arrive, and never two write at once.

use std::time::{Duration, Instant};

use serde_json::Value;
use tagwright::config;
use tagwright::schedule::Trigger;
use tagwright::server::Server;

use crate::support;
use crate::world::{IMAGES, World};

/// How long anything may take before the test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// How often all images have a new tag, and something else is submitted by each.
const ROUNDS: usize = 4;

const SUBMITTERS: [&str; 2] = ["left", "right"];

#[tokio::test(flavor = "multi_thread")]
async fn runs_and_submissions_take_turns_at_a_remote() {
    let world = World::start().await;
    let url = world.server.url();
    let syncs: Vec<String> = SUBMITTERS
        .iter()
        .map(|name| {
            format!(
                "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: {name}}}\nspec: {{url: '{url}', branch: main, path: {name}, prune: true}}\n"
            )
        })
        .collect();
    let syncs = config::parse("syncs.yaml", &syncs.join("---\n")).unwrap().syncs;
    let (shop, web) =
        (world.automation("shop", &url, 0..IMAGES / 2), world.automation("web", &url, IMAGES / 2..IMAGES));
    let (bot, handle) = world.bot([shop, web].concat(), world.settings());
    handle.take_syncs(syncs);
    let server = Server::bind(world.data.path(), Some("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let socket = world.data.path().join(tagwright::server::SOCKET);
    let client = reqwest::Client::builder().no_proxy().unix_socket(socket).timeout(LIMIT).build().unwrap();
    let server = tokio::spawn(server.serve(handle.clone(), std::future::pending()));
    let before = world.commits();
    let _earlier = world.server.seen();
    world.remote.config("core.logAllRefUpdates", "always");

    for round in 1..=ROUNDS {
        let tag = format!("1.{round}.0");
        (0..IMAGES).for_each(|number| world.release(number, &tag));
        let submissions: Vec<_> = SUBMITTERS
            .iter()
            .map(|name| {
                let map = format!(
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: round-{round}, namespace: shop}}\ndata: {{by: {name}}}\n"
                );
                let post = client.post(format!("http://localhost/api/v1/submit?sync={name}")).body(map);
                tokio::spawn(async move { post.send().await.unwrap().json::<Value>().await.unwrap() })
            })
            .collect();
        let poll = || {
            for number in 0..IMAGES {
                handle.trigger(&Trigger::Image(world.image(number)));
            }
        };
        poll();
        for submission in submissions {
            let done = submission.await.unwrap();
            assert_eq!(done["outcome"].as_str(), Some("pushed"), "{done}");
        }
        let end = Instant::now() + LIMIT;
        while (0..IMAGES).any(|number| world.tag(number) != tag) {
            assert!(Instant::now() < end, "not all is committed: {:#?}", handle.status());
            // A poll that was begun before the release has not seen it.
            poll();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    handle.shutdown();
    bot.await.unwrap();
    server.abort();

    for name in SUBMITTERS {
        let files =
            support::git(&world.remote.bare(), &["ls-tree", "-r", "--name-only", "main", "--", &format!("{name}/")]);
        let last = format!("{name}/.tagwright/default_{name}\n{name}/shop/configmap-round-{ROUNDS}.yaml\n");
        assert_eq!(files, last, "what each submitted before is pruned, and nothing of the other's");
        let author = format!("--grep=Tagwright-Automation: default/{name}");
        let own = support::git(&world.remote.bare(), &["rev-list", "--count", &author, "main"]);
        assert_eq!(own.trim(), ROUNDS.to_string());
    }
    // Had two written at once, a push would have been in vain. Automations share one.
    let pushes = world.server.seen();
    let pushes =
        pushes.iter().filter(|it| it.line.starts_with("POST") && it.line.ends_with("/git-receive-pack")).count();
    let moves = support::git(&world.remote.bare(), &["log", "-g", "--format=%h", "main"]).lines().count();
    assert_eq!(pushes, moves, "each push moved the branch");
    assert!(pushes <= world.commits() - before);
    world.remote.fsck();
}
