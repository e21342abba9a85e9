//! Requests that stay as they are, since something of what they propose is held, suspended or frozen.

use forge::Product;

use super::*;

const BRANCH: &str = "tagwright/default/shop";
const NEWER: [&str; 3] = ["1.1.0", "1.2.0", "1.3.0"];

fn said(report: &Report) -> String {
    report.automations[0].request.clone().unwrap_or_default()
}

#[tokio::test]
async fn a_request_of_which_one_policy_is_held_is_not_planned_without_it() {
    for product in [Product::GitHub, Product::AzureDevOps] {
        let groups = Groups::proposed(product, "automation", "", 1).await;
        let world = &groups.world;
        let before = world.at(BRANCH);
        world.bot.edges.store.hold("default:app", Some("carts"), world.bot.now).unwrap();
        groups.lists_of_other(&NEWER);
        world.commits("main", "notes.md", "Mind the carts.\n");
        let report = groups.check("held").await;
        let said = said(&report);
        assert!(said.contains("1 stays as it is (default:app: held by hand since") && said.contains("carts"), "{said}");
        assert_eq!((world.at(BRANCH), world.forge.changes().len()), (before, 0), "{product:?}");
        world.bot.edges.store.unhold("default:app").unwrap();
        groups.check("pushed").await;
        assert_eq!(groups.show(BRANCH, "both.yaml"), groups.both("1.2.0", "1.3.0"));
    }
}

#[tokio::test]
async fn a_request_of_a_suspended_policy_is_not_closed() {
    // Alone, and beside one that goes on.
    for newer in [false, true] {
        let mut groups = Groups::proposed(Product::GitHub, "automation", "", 1).await;
        let before = groups.world.at(BRANCH);
        let suspended = if newer { 1 } else { 2 };
        groups.configure(|text| *text = text.replacen("policy: {semver", "suspend: true, policy: {semver", suspended));
        if newer {
            groups.lists_of_other(&NEWER);
        }
        let report = groups.check("unchanged").await;
        let said = said(&report);
        assert!(said.contains("pull request #1 stays as it is (default:app: the policy is suspended)"), "{said}");
        assert_eq!((groups.world.at(BRANCH), groups.world.forge.states()), (before, vec![(1, "open")]));
    }
}

#[tokio::test]
async fn an_order_by_a_comment_holds_its_group_alone() {
    let groups = Groups::proposed(Product::GitLab, "file", ", branch: 'images/{{ .Group }}'", 3).await;
    let world = &groups.world;
    let (other, both) = ("images/other.yaml", "images/both.yaml");
    let number = groups.number("images/app.yaml");
    world.forge.say(number, 71, "ada", "/hold");
    world.bot.memory.tell_comment(&world.automations[0].remote.url, number, 71);
    let before = world.at(both);
    groups.lists_of_other(&NEWER);
    let report = groups.check("pushed").await;
    let ended = ends(&report.automations[0]);
    let stays = |name: &str| {
        let is_it = |(group, _, said): &&(&str, &str, &str)| {
            *group == name && said.contains("stays as it is (default:app: held")
        };
        ended.iter().any(|it| is_it(&it))
    };
    assert!(stays("file app.yaml") && stays("file both.yaml") && !stays("file other.yaml"), "{ended:?}");
    assert_eq!((world.at(both), groups.show(other, "other.yaml")), (before, groups.other("1.3.0")));
}

#[tokio::test]
async fn a_freeze_is_told_of_groups() {
    let mut groups = Groups::with(Product::GitHub, "policy", "").await;
    groups.configure(|text| {
        *text = text.replace(
            "  interval: 5m\n",
            "  interval: 5m\n  freeze: [{from: 2020-01-01, to: 2999-01-01, reason: carts}]\n",
        )
    });
    let report = groups.check("held").await;
    let said = format!("{:?}", report.automations[0].outcome);
    assert!(said.contains("frozen") && said.contains("carts"), "{said}");
}
