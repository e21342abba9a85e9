//! Bots that have lost their data: what people have closed is known to the forge, as far as it can be asked.

use super::*;

/// What only the list of requests that have ended has in its address.
fn ended(product: Product) -> &'static str {
    match product {
        Product::GitHub | Product::GitLab | Product::Gitea => "state=closed",
        Product::BitbucketDataCenter => "state=DECLINED",
        Product::AzureDevOps => "status=abandoned",
        _ => "DECLINED",
    }
}

#[tokio::test]
async fn nothing_is_opened_before_the_ended_requests_are_known() {
    for product in PRODUCTS {
        let groups = Groups::proposed(product, "policy", "", 2).await;
        let world = &groups.world;
        world.forge.close(groups.number(OTHER), "ada");
        let mut replica = Replica::new();
        world.forge.world().is_down_for = Some(ended(product));
        for _ in 0..2 {
            let report = replica.run(&world.automations, world.bot.now).await;
            let error =
                report.automations[0].outcome.error().unwrap_or_else(|| panic!("{product:?}: {report:?}")).chain();
            assert!(error.contains("HTTP 502"), "{product:?}: {error}");
            assert_eq!(world.forge.states().len(), 2, "{product:?}");
            replica.restarts();
        }
        world.forge.world().is_down_for = None;
        let report = replica.run(&world.automations, world.bot.now).await;
        let holds: Vec<&str> = report.automations[0].holds.iter().map(|held| held.hold.code()).collect();
        assert_eq!((holds, world.forge.states().len()), (vec!["declined"; 2], 2), "{product:?}: {report:?}");

        // What has ended is looked at once.
        world.forge.asked();
        replica.restarts();
        replica.run(&world.automations, world.bot.now).await;
        let asked = world.forge.asked();
        assert!(!asked.iter().any(|line| line.contains(ended(product))), "{product:?}: {asked:?}");
    }
}

#[tokio::test]
async fn nothing_is_opened_before_the_last_request_of_a_branch_is_known() {
    for product in PRODUCTS {
        let world = World::proposed(product, "").await;
        world.forge.close(1, "ada");
        let mut replica = Replica::new();
        // Some are asked for all requests of the branch.
        let part = match product {
            Product::BitbucketDataCenter => "state=ALL",
            Product::GitLab => "state=all",
            Product::Gitea => "/pulls/main/",
            Product::AzureDevOps => "status=all",
            product => ended(product),
        };
        world.forge.world().is_down_for = Some(part);
        for _ in 0..2 {
            let report = replica.run(&world.automations, world.bot.now).await;
            assert!(report.automations[0].outcome.error().is_some(), "{product:?}: {report:?}");
            assert_eq!(world.forge.states(), [(1, "closed")], "{product:?}");
            replica.restarts();
        }
        world.forge.world().is_down_for = None;
        let report = replica.run(&world.automations, world.bot.now).await;
        assert_eq!((report.automations[0].outcome.as_str(), world.forge.states().len()), ("held", 1), "{product:?}");
    }
}

/// Many others may have ended since.
#[tokio::test]
async fn what_was_closed_is_found_behind_many_that_were_merged() {
    for product in PRODUCTS.into_iter().filter(|product| *product != Product::AzureDevOps) {
        let groups = Groups::proposed(product, "policy", "", 2).await;
        let world = &groups.world;
        world.forge.close(groups.number(OTHER), "ada");
        {
            let mut forge = world.forge.world();
            let pull = crate::forges::Pull {
                head: "feature".to_owned(),
                body: String::new(),
                state: "closed",
                ..forge.pulls[0].clone()
            };
            for number in 3..=150 {
                forge.pulls.push(crate::forges::Pull { number, ..pull.clone() });
            }
        }
        let report = Replica::new().run(&world.automations, world.bot.now).await;
        let holds: Vec<&str> = report.automations[0].holds.iter().map(|held| held.hold.code()).collect();
        assert_eq!((holds, groups.state(OTHER)), (vec!["declined"; 2], "closed"), "{product:?}: {report:?}");
    }
}
