//! Orders that people give by comments on requests, told of by a webhook: whose count, what comes of them, and that each is obeyed once.

use forge::Product;

use crate::requests::{PRODUCTS, World};

const BRANCH: &str = "tagwright/default/shop";

/// The products that tell what a person may do.
fn products() -> impl Iterator<Item = Product> {
    PRODUCTS.into_iter().filter(|product| *product != Product::AzureDevOps)
}

/// Somebody writes a comment on the request, and a webhook tells of it.
fn says(world: &World, (pull, id): (u64, u64), author: &str, text: &str) {
    world.forge.say(pull, id, author, text);
    told(world, pull, id);
}

fn told(world: &World, pull: u64, id: u64) {
    world.bot.memory.tell_comment(&world.automations[0].remote.url, pull, id);
}

fn held(world: &World) -> Option<String> {
    let switches = world.bot.edges.store.switches().unwrap();
    switches.held.get("default:app").map(|held| held.reason.clone().unwrap_or_default())
}

#[tokio::test]
async fn a_request_is_held_and_released_by_whoever_may_write() {
    for product in products() {
        let world = World::proposed(product, "").await;
        says(&world, (1, 71), "ada", "/hold it breaks carts\n\nSee the dashboard.");
        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        let report = world.check("held", "1 stays as it is (default:app: held by hand since").await;
        assert_eq!(report.automations[0].holds[0].hold.code(), "manual", "{product:?}");
        assert_eq!(held(&world).as_deref(), Some("it breaks carts"));
        let (noun, sigil) = (product.noun(), product.sigil());
        let expect = format!("Held for `ada, {noun} {sigil}1`: `default:app` stays as it is");
        assert!(world.forge.pull(1).comments[0].starts_with(&expect), "{:?}", world.forge.pull(1).comments);
        let history = world.bot.edges.store.records(&tagwright::store::Filter::default()).unwrap();
        assert!(history.iter().any(|record| record.by == format!("ada, {noun} {sigil}1")), "{history:?}");

        // Told again, also to a process that has just started, it is known.
        told(&world, 1, 71);
        world.bot.edges.store.unhold("default:app").unwrap();
        world.check("pushed", "was updated").await;
        assert_eq!((held(&world), world.forge.pull(1).comments.len()), (None, 1), "{product:?}");

        says(&world, (1, 72), "ada", "/hold");
        world.run().await;
        assert_eq!(held(&world).as_deref(), Some(""));
        says(&world, (1, 73), "ada", "/release");
        world.lists(&["1.1.0", "1.2.0", "1.3.0", "1.4.0"]);
        world.check("pushed", "was updated").await;
        assert_eq!((held(&world), world.forge.pull(1).comments.len()), (None, 3), "{product:?}");
        assert!(world.forge.pull(1).comments[2].starts_with("Released for `ada"), "{product:?}");
    }
}

#[tokio::test]
async fn nobody_else_is_obeyed() {
    for product in products() {
        let world = World::proposed(product, "").await;
        // Who may only read, a stranger, a machine, what is no order, and a comment of another request or none.
        says(&world, (1, 71), "bob", "/hold");
        says(&world, (1, 72), "eve", "/hold");
        says(&world, (1, 73), "ada", "I would /hold it");
        world.forge.world().notes.push(crate::forges::Note {
            id: 74,
            pull: 1,
            author: "ada".to_owned(),
            text: "/hold".to_owned(),
            is_bot: product != Product::Gitea,
            at: world.bot.now,
        });
        if product != Product::Gitea {
            told(&world, 1, 74);
        }
        world.forge.say(2, 75, "ada", "/hold");
        told(&world, 1, 75);
        told(&world, 1, 76);
        world.run().await;
        assert_eq!((held(&world), world.forge.changes().len()), (None, 0), "{product:?}");
    }
}

/// Whoever opens a request from a fork writes what they like into it, and somebody who may write comments on it in good faith.
#[tokio::test]
async fn no_mark_is_believed_but_of_a_request_of_ours() {
    for product in products() {
        let world = World::proposed(product, "").await;
        {
            let mut forge = world.forge.world();
            let forged = forge.pulls[0].clone();
            let forged = |number| crate::forges::Pull { number, title: "Evil".to_owned(), ..forged.clone() };
            forge.pulls.push(crate::forges::Pull { is_of_a_fork: true, ..forged(2) });
            // Of this repository, on a branch that is not the bot's.
            forge.pulls.push(crate::forges::Pull { head: "feature".to_owned(), ..forged(3) });
        }
        says(&world, (2, 71), "ada", "/hold");
        says(&world, (3, 72), "ada", "/hold");
        world.run().await;
        assert_eq!((held(&world), world.forge.changes().len()), (None, 0), "{product:?}");
        // One that was taken for ours is not obeyed either.
        let automation = world.automations[0].id.to_string();
        world.forge.world().pulls[0].is_of_a_fork = true;
        says(&world, (1, 73), "ada", "/hold");
        world.forge.close(1, "eve");
        world.run().await;
        let declined = world.bot.edges.store.switches().unwrap().declined;
        assert_eq!((held(&world), declined.get(&automation)), (None, None), "{product:?}");
    }
}

/// Whoever sends a webhook again has nothing obeyed again, whatever the bot has forgotten.
#[tokio::test]
async fn an_old_comment_is_not_obeyed() {
    for product in products() {
        let mut world = World::proposed(product, "").await;
        says(&world, (1, 71), "ada", "/hold");
        let now = world.bot.now;
        world.bot.later(25);
        world.run().await;
        assert_eq!((held(&world), world.forge.pull(1).comments.len()), (None, 0), "{product:?}");
        world.bot.now = now;
        world.bot.later(23);
        told(&world, 1, 71);
        world.run().await;
        assert_eq!(held(&world).as_deref(), Some(""), "{product:?}");
    }
}

#[tokio::test]
async fn a_rebase_is_answered_by_what_became_of_the_branch() {
    for product in products() {
        let world = World::proposed(product, "").await;
        says(&world, (1, 71), "ada", "/rebase");
        world.check("unchanged", "").await;
        world.commits("main", "notes.md", "Mind the carts.\n");
        says(&world, (1, 72), "ada", "/rebase");
        world.check("pushed", "").await;
        assert_eq!(world.at(&format!("{BRANCH}^")), world.at("main"));
        world.commits(BRANCH, "more.md", "More.\n");
        says(&world, (1, 73), "ada", "/rebase");
        world.check("held", "").await;
        let comments = world.forge.pull(1).comments;
        let [first, second, third] = comments.as_slice() else { panic!("{comments:?}") };
        assert_eq!(first, "Nothing to do: the branch is one commit on the newest commit of `main` already.");
        assert_eq!(second, "Done: the branch is one commit on the newest commit of `main`.");
        assert!(third.starts_with("Not done: the branch") && third.contains("commits that are not a bot's"), "{third}");
    }
}

#[tokio::test]
async fn what_was_closed_is_released_on_it() {
    let world = World::proposed(Product::GitLab, "").await;
    world.forge.close(1, "ada");
    world.check("held", "was closed without a merge").await;
    for (id, order) in [(69, "/hold"), (70, "/rebase")] {
        says(&world, (1, id), "ada", order);
        world.check("held", "").await;
        let answer = world.forge.pull(1).comments.pop().unwrap();
        assert!(answer.starts_with("Not done: the request is not open any more."), "{order}: {answer}");
    }
    assert_eq!((held(&world), world.forge.pull(1).comments.len()), (None, 2));
    says(&world, (1, 71), "ada", "/release");
    world.check("unchanged", "was opened").await;
    assert_eq!(world.forge.states(), [(1, "closed"), (2, "open")]);
}

/// Whoever has removed a policy, or submits files, has a request with nothing that could be held.
#[tokio::test]
async fn where_no_policy_is_behind_a_request_there_is_nothing_to_hold() {
    let mut world = World::proposed(Product::GitHub, "").await;
    let text = world.text.replace("name: app, image", "name: web, image");
    world.automations = tagwright::config::parse("configuration.yaml", &text).unwrap().automations;
    says(&world, (1, 71), "ada", "/hold");
    says(&world, (1, 72), "ada", "/release");
    world.run().await;
    let orders: Vec<String> = world.forge.pull(1).comments.into_iter().take(2).collect();
    assert!(orders.iter().all(|answer| answer.starts_with("Nothing to do: what the request proposes")), "{orders:?}");
    assert_eq!((orders.len(), world.bot.edges.store.switches().unwrap().held.len()), (2, 0));
}

/// Whoever may write to one repository orders nothing in another.
#[tokio::test]
async fn a_policy_that_other_repositories_have_too_is_left_out() {
    let mut world = World::proposed(Product::GitHub, "").await;
    let text =
        world.text.replacen("name: shop", "name: production", 1).replace("acme/config.git", "acme/production.git");
    world.automations.extend(tagwright::config::parse("configuration.yaml", &text).unwrap().automations);
    says(&world, (1, 71), "ada", "/hold");
    says(&world, (1, 72), "ada", "/release");
    world.run().await;
    let answers = world.forge.pull(1).comments;
    assert_eq!(
        answers,
        ["hold", "release"].map(|order| format!(
            "Left out: `default:app`, which belongs to automations of other repositories, too; call `tagwright {order} default:app`."
        ))
    );
    let switches = world.bot.edges.store.switches().unwrap();
    assert_eq!((switches.held.len(), switches.released.len()), (0, 0));
}

/// An order that the store has no room for is not lost with it.
#[tokio::test]
async fn an_order_that_cannot_be_written_down_is_given_again() {
    let world = World::proposed(Product::GitHub, "").await;
    let store = &world.bot.edges.store;
    for number in 0..tagwright::store::MAX_SWITCHES {
        store.hold(&format!("other:{number}"), None, world.bot.now).unwrap();
    }
    says(&world, (1, 71), "ada", "/hold");
    world.run().await;
    assert_eq!((held(&world), world.forge.pull(1).comments.len()), (None, 0));
    store.unhold("other:1").unwrap();
    world.run().await;
    assert_eq!((held(&world).as_deref(), world.forge.pull(1).comments.len()), (Some(""), 1));
}

/// A forge that is down is asked again by the next runs, and not for ever.
#[tokio::test]
async fn a_comment_waits_for_the_forge() {
    let world = World::proposed(Product::GitHub, "").await;
    says(&world, (1, 71), "ada", "/hold");
    world.forge.world().is_down = true;
    world.run().await;
    world.forge.world().is_down = false;
    world.run().await;
    assert_eq!(held(&world).as_deref(), Some(""));
    says(&world, (1, 72), "ada", "/release");
    world.forge.world().is_down = true;
    for _ in 0..3 {
        world.run().await;
    }
    world.forge.world().is_down = false;
    world.run().await;
    assert_eq!(held(&world).as_deref(), Some(""), "it has been asked three times");
}
