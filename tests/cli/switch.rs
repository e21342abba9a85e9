//! `hold`, `release`, `suspend`, `resume` where no bot runs: the next one finds what was ordered.

use serde_json::json;
use tagwright::store::Filter;

use crate::status::{document, left, store};
use crate::world::World;

#[test]
fn orders_wait_for_the_next_bot() {
    let world = left(&document());
    let order = |arguments: &[&str]| world.run(arguments.iter().chain(&["--data-dir=state"]));
    insta::assert_snapshot!(order(&["hold", "default:app", "--reason", "1.2 eats data"]).text(), @"
exit 0
-- stdout
policy default:app held
-- stderr
note: no bot is running on state; the next one that starts will obey
");
    order(&["hold", "app"]).prints(0, "policy default:app held already\n");
    order(&["hold", "shop/web"]).prints(0, "policy shop:web held\n");
    order(&["release", "shop:web"]).prints(0, "policy shop:web released\n");
    // The first time that lifts the hold; reverts are lifted each time.
    let again = "policy shop:web was not held by hand; what was taken back until now may be written again\n";
    order(&["release", "shop:web"]).prints(0, again);
    order(&["suspend", "shop", "--reason=moving"]).prints(0, "automation default/shop suspended\n");
    order(&["suspend", "default:shop"]).prints(0, "automation default/shop suspended already\n");
    let switches = store(&world.path("state")).switches().unwrap();
    assert_eq!(switches.held.keys().collect::<Vec<_>>(), ["default:app"]);
    assert_eq!(switches.held["default:app"].reason.as_deref(), Some("1.2 eats data"));
    assert_eq!(switches.suspended["default/shop"].reason.as_deref(), Some("moving"));
    assert!(switches.released.contains_key("shop:web"));
    order(&["resume", "default/shop"]).prints(0, "automation default/shop resumed\n");
    order(&["resume", "default/shop"]).prints(0, "automation default/shop was not suspended\n");
    let records = store(&world.path("state")).records(&Filter::default()).unwrap();
    assert_eq!(records.len(), 6, "each change once: {records:?}");
}

#[test]
fn what_cannot_wait_is_let_through_with_a_reason() {
    let world = left(&document());
    let order = |arguments: &[&str]| world.run(arguments.iter().chain(&["--data-dir=state"]));
    let hurried = "policy default:app hurried: what is there by now need not be known for longer\n";
    order(&["release", "app", "--now", "--reason", "fixes CVE-2026-1234"]).prints(0, hurried);
    let switches = store(&world.path("state")).switches().unwrap();
    assert_eq!(switches.hurried["default:app"].reason.as_deref(), Some("fixes CVE-2026-1234"));
    assert!(switches.released.is_empty() && switches.held.is_empty(), "nothing else is released: {switches:?}");
    let history = world.run(["history", "--data-dir=state", "--output=json"]).json();
    let entry = &history["entries"][0];
    assert_eq!(
        (&entry["event"], &entry["message"]),
        (&"policyHurried".into(), &"fixes CVE-2026-1234".into()),
        "{history}"
    );
    // Nobody hurries without saying why, nor everything.
    assert_eq!(order(&["release", "app", "--now"]).code, 2);
    order(&["release", "app", "--now", "--reason", " "]).refuses(2, "--reason is empty");
    assert_eq!(order(&["release", "--all", "--now", "--reason=x"]).code, 2);
    assert_eq!(order(&["release", "app", "--reason=x"]).code, 2);
}

#[test]
fn all_is_what_the_last_bot_knew_and_what_was_ordered() {
    let world = left(&document());
    let order = |arguments: &[&str]| world.run(arguments.iter().chain(&["--data-dir=state"]));
    assert_eq!(order(&["hold", "default:later"]).code, 0);
    let held = "policy default:app held\npolicy shop:web held\npolicy shop:old held\n";
    order(&["hold", "--all", "--reason=the fair"]).prints(0, held);
    let released = held.replace(" held", " released") + "policy default:later released\n";
    order(&["release", "--all"]).prints(0, &released);
    assert!(store(&world.path("state")).switches().unwrap().held.is_empty());
    let world = left(&json!({}));
    world.run(["suspend", "--all", "--data-dir=state"]).refuses(1, "no automation is known here");
}

#[test]
fn a_name_that_the_last_bot_did_not_know_is_a_warning() {
    let world = left(&document());
    let said = |arguments: &[&str]| {
        let run = world.run(arguments.iter().chain(&["--data-dir=state"]));
        assert_eq!(run.code, 0, "{run:?}");
        run.stderr.lines().last().unwrap_or_default().to_owned()
    };
    insta::assert_snapshot!(said(&["hold", "default:shop"]), @"
warning: the last bot knew no policy default:shop; default/shop is an automation: `tagwright suspend default/shop`
");
    insta::assert_snapshot!(said(&["resume", "shop:web"]), @"
warning: the last bot knew no automation shop/web; shop:web is a policy: `tagwright release shop:web`
");
    insta::assert_snapshot!(said(&["release", "default:ap"]), @"
warning: the last bot knew no policy default:ap; did you mean default:app?
");
    insta::assert_snapshot!(said(&["suspend", "nothing/alike"]), @"
warning: the last bot knew no automation nothing/alike
");
}

#[test]
fn orders_go_nowhere_where_no_bot_ever_ran() {
    let world = World::new();
    insta::assert_snapshot!(world.run(["hold", "default:app", "--data-dir=nowhere"]).text(), @"
exit 1
-- stdout
-- stderr
error: no bot is running on nowhere, and none has ever run there
  hint: start a bot with `tagwright run --data-dir nowhere`, or name the folder of one that runs: --data-dir DIR
");
    assert!(!world.path("nowhere").exists(), "nothing is made");
    world.run(["hold", "--data-dir=nowhere"]).refuses(2, "<NS:NAME>");
    world.run(["suspend", "a/b/c", "--data-dir=nowhere"]).refuses(2, "\"a/b/c\" is not a name");
    let long = format!("--reason={}", "x".repeat(2000));
    world.run(["hold", "app", &long]).refuses(2, "longer than 1024 bytes");
    world.run(["hold", "app", "--reason=a\nb"]).refuses(2, "control characters");
}

#[test]
fn orders_show_in_the_history() {
    let world = left(&json!({}));
    for arguments in [["hold", "app"], ["suspend", "shop"], ["release", "app"]] {
        assert_eq!(world.run(arguments.iter().chain(&["--data-dir=state"])).code, 0);
    }
    let history = world.run(["history", "--data-dir=state", "--output=json"]).json();
    let told: Vec<_> = history["entries"].as_array().unwrap().iter().map(|it| (&it["event"], &it["subject"])).collect();
    assert_eq!(
        told,
        [
            (&json!("policyReleased"), &json!("default:app")),
            (&json!("automationSuspended"), &json!("default/shop")),
            (&json!("policyHeld"), &json!("default:app")),
        ]
    );
    let policy = world.run(["history", "--data-dir=state", "--policy=app", "--output=json"]).json();
    assert_eq!(policy["entries"].as_array().unwrap().len(), 2);
}

/// Whoever cannot take the lock cannot know either whether a bot has it.
#[test]
fn a_folder_whose_lock_cannot_be_looked_at_is_not_said_to_have_no_bot() {
    let world = World::new();
    world.write("state/state.redb", "");
    std::fs::create_dir(world.path("state/state.lock")).unwrap();
    for command in [&["hold", "default:app"][..], &["status"]] {
        let run = world.run(command.iter().chain(&["--data-dir=state"]));
        run.refuses(1, "cannot tell whether a bot is running on state: ");
        assert!(!run.stderr.contains("no bot is running"), "{run:?}");
    }
}

#[test]
fn freezes_wait_for_the_next_bot() {
    let world = left(&document());
    let order = |arguments: &[&str]| world.run(arguments.iter().chain(&["--data-dir=state"]));
    order(&["freeze", "--until=2999-01-01T00:00:00Z", "--reason=the fair"])
        .prints(0, "everything frozen until 2999-01-01T00:00:00Z\n");
    order(&["freeze", "--until=2999-01-01T00:00:00Z"])
        .prints(0, "everything frozen already until 2999-01-01T00:00:00Z\n");
    order(&["freeze", "shop/*", "default:app"]).prints(0, "shop/* frozen\ndefault:app frozen\n");
    let freezes = store(&world.path("state")).switches().unwrap().freezes;
    assert_eq!(freezes.frozen.len(), 3);
    let unfrozen = order(&["unfreeze"]);
    assert_eq!(unfrozen.stdout, "everything no longer frozen by hand\n");
    assert!(unfrozen.stderr.contains("note: there is another freeze: shop/* is frozen by hand since "), "{unfrozen:?}");
    order(&["unfreeze", "shop/web"]).prints(0, "shop/web was not frozen by hand\n");
    let broken = order(&["unfreeze", "default:app", "--break-glass", "--reason=CVE-2026-4242"]);
    assert!(broken.stdout.starts_with("default:app written until ") && broken.code == 0, "{broken:?}");
    let history = order(&["history"]);
    assert!(history.stdout.contains("written although frozen: CVE-2026-4242, until"), "{history:?}");
    assert!(order(&["unfreeze", "--all"]).stdout.contains("shop/* no longer frozen by hand\n"));
    order(&["unfreeze", "--all"]).prints(0, "nothing was frozen by hand\n");

    for (arguments, says) in [
        (&["freeze", "web"][..], "\"web\" is no selector: write NS/NAME"),
        (&["freeze", "--until=yesterday"], "--until: \"yesterday\" is not a time"),
        (&["freeze", "--until=2001-01-01"], "is over already"),
        (&["unfreeze", "--break-glass"], "--reason"),
        (&["unfreeze", "--break-glass", "--reason= "], "takes a reason"),
        (&["unfreeze", "--break-glass", "--reason=x", "--until=2d"], "counts for a day at most"),
        (&["unfreeze", "--all", "shop/web"], "cannot be used with"),
    ] {
        let refused = order(arguments);
        assert!(refused.code == 2 && refused.stderr.contains(says), "{arguments:?}: {refused:?}");
    }
}
