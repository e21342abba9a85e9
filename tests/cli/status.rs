//! `status`: tables and JSON, from what a bot has left.

use std::path::Path;

use serde_json::{Value, json};
use tagwright::store::{Opened, Store};

use crate::world::{Run, World};

/// The store of a data folder.
pub(crate) fn store(folder: &Path) -> Store {
    match Store::open(folder) {
        Opened::Ready { store, notice: None } => store,
        other => panic!("{other:?}"),
    }
}

/// A time so many seconds ago, as documents have it.
fn ago(seconds: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string()
}

/// A status as a bot writes it.
pub(crate) fn document() -> Value {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    json!({
        "version": "0.1.0",
        "started": ago(7200),
        "written": ago(3630),
        "configuration": {"loaded": ago(7200), "failure": null},
        "policies": [
            {"namespace": "default", "name": "app", "image": "ghcr.io/team/app", "tag": "1.1.0", "lastPoll": ago(4000),
             "next": ago(-7000), "ready": "True", "suspended": false, "message": "selected 1.1.0 of 5 tags"},
            {"namespace": "shop", "name": "web", "image": "ghcr.io/team/web", "tag": null, "lastPoll": null,
             "next": ago(1), "ready": "Unknown", "suspended": false, "message": ""},
            {"namespace": "shop", "name": "old", "image": "ghcr.io/team/old", "tag": null, "lastPoll": null,
             "next": null, "ready": "False", "suspended": true, "message": "the policy is suspended"},
        ],
        "automations": [
            {"namespace": "default", "name": "shop", "remote": "https://git.example.com/config.git", "branch": "main",
             "lastRun": ago(260_000), "lastCommit": commit, "next": ago(-7000), "ready": "False", "suspended": false,
             "holds": [{"policy": "default:app", "file": "clusters/shop.yaml", "line": 8, "current": "1.2.0",
                        "wanted": "1.1.0", "code": "downgrade", "reason": "1.2.0 is newer and was selected before"}],
             "message": "cannot fetch\nremote: \u{1b}[31mno"},
        ],
        "work": [],
    })
}

/// A world whose folder `state` has what a bot has left.
pub(crate) fn left(document: &Value) -> World {
    let world = World::new();
    store(&world.path("state")).put_status(document.to_string().as_bytes()).unwrap();
    world
}

/// The time at which the status was written is another in each run.
fn masked(run: Run) -> Run {
    let moment = regex::Regex::new(r"ago, at \S+").unwrap();
    Run { stderr: moment.replace(&run.stderr, "ago, at TIME").into_owned(), ..run }
}

#[test]
fn what_a_bot_has_left_is_shown_when_none_runs() {
    let world = left(&document());
    let run = masked(world.run(["status", "--data-dir", "state"]));
    insta::assert_snapshot!(run.text(), @r#"
exit 0
-- stdout
NAME          IMAGE              TAG     LAST POLL   NEXT        READY     MESSAGE
default:app   ghcr.io/team/app   1.1.0   66m         116m        True      selected 1.1.0 of 5 tags
shop:web      ghcr.io/team/web   -       -           now         Unknown   -
shop:old      ghcr.io/team/old   -       -           suspended   False     the policy is suspended

NAME           REMOTE                               BRANCH   LAST RUN   LAST COMMIT   NEXT   READY   MESSAGE
default/shop   https://git.example.com/config.git   main     3d         0123456       116m   False   cannot fetch\nremote: \u{1b}[31mno

HELD          AUTOMATION     FILE                   CURRENT   WANTED   REASON
default:app   default/shop   clusters/shop.yaml:8   1.2.0     1.1.0    1.2.0 is newer and was selected before
-- stderr
note: no bot is running on state; this is what the last one wrote 60m ago, at TIME
"#);
    let one = masked(world.run(["status", "--data-dir=state", "shop/web"]));
    insta::assert_snapshot!(one.text(), @"
exit 0
-- stdout
NAME       IMAGE              TAG   LAST POLL   NEXT   READY     MESSAGE
shop:web   ghcr.io/team/web   -     -           now    Unknown   -
-- stderr
note: no bot is running on state; this is what the last one wrote 60m ago, at TIME
");
}

#[test]
fn json_is_the_document_and_names_choose_from_it() {
    let document = document();
    let world = left(&document);
    let all = world.run(["status", "--data-dir=state", "--output=json"]);
    assert_eq!((all.code, all.json()), (0, document.clone()));
    let some = world.run(["status", "--data-dir=state", "app", "default:shop", "--output=json"]).json();
    assert_eq!(some["policies"], json!([document["policies"][0]]));
    assert_eq!(some["automations"], document["automations"]);
}

#[test]
fn what_the_tables_do_not_say_is_a_warning() {
    let mut document = document();
    document["configuration"]["failure"] = json!({"since": ago(4000), "message": "error: x\n --> shop.yaml:3:1"});
    document["work"] = json!([
        {"subject": "default/shop", "stage": "fetch", "what": "https://git.example.com/config.git", "since": ago(4000)},
        {"subject": "default/app", "stage": "poll", "what": "ghcr.io", "since": ago(1)},
    ]);
    let world = left(&document);
    insta::assert_snapshot!(masked(world.run(["status", "--data-dir=state", "app"])).stderr, @"
note: no bot is running on state; this is what the last one wrote 60m ago, at TIME
warning: the configuration cannot be used as it is, for 66m; an older one is in use
  error: x
   --> shop.yaml:3:1
warning: default/shop: nothing has moved for 66m: fetch https://git.example.com/config.git
");
}

#[test]
fn where_nothing_is_it_is_said_what_to_do() {
    let world = World::new();
    insta::assert_snapshot!(world.run(["status"]).text(), @"
exit 1
-- stdout
-- stderr
error: no bot is running on WORLD/home/.local/state/tagwright, and none has left a status there
  hint: start a bot with `tagwright run --data-dir WORLD/home/.local/state/tagwright`, or name the folder of one that runs: --data-dir DIR
");
    insta::assert_snapshot!(world.run(["status", "--data-dir=nowhere"]).text(), @"
exit 1
-- stdout
-- stderr
error: no bot is running on nowhere, and none has left a status there
  hint: start a bot with `tagwright run --data-dir nowhere`, or name the folder of one that runs: --data-dir DIR
");
    assert!(!world.path("nowhere").exists(), "nothing is made");
    let mut elsewhere = world.tagwright(["status"]);
    elsewhere.env("XDG_STATE_HOME", world.path("xdg"));
    world.finish(&mut elsewhere, b"").refuses(1, "WORLD/xdg/tagwright");
    let world = left(&document());
    insta::assert_snapshot!(masked(world.run(["status", "--data-dir=state", "shop:wep"])).text(), @"
exit 1
-- stdout
-- stderr
note: no bot is running on state; this is what the last one wrote 60m ago, at TIME
error: there is no policy and no automation shop/wep
  hint: did you mean shop:web?
");
    world.run(["status", "--data-dir=state", "other/app"]).refuses(1, "there is policy default:app");
    world.run(["status", "--data-dir=state", "a:b:c"]).refuses(2, "\"a:b:c\" is no name");
}

#[test]
fn a_url_that_nobody_listens_at_is_a_failure() {
    let world = World::new();
    // Nobody can listen there.
    world.run(["status", "--url=http://127.0.0.1:0"]).refuses(1, "the bot at http://127.0.0.1:0 does not answer");
    for url in ["127.0.0.1:8080", "file:///etc", ""] {
        world.run(["status", "--url", url]).refuses(2, "is no URL");
    }
}

#[test]
fn a_folder_in_use_is_not_read() {
    let world = left(&document());
    let _busy = store(&world.path("state"));
    insta::assert_snapshot!(world.run(["status", "--data-dir=state"]).text(), @"
exit 1
-- stdout
-- stderr
error: state/state.redb is in use, and no bot answers at state/tagwright.sock
  hint: a bot that has just started answers soon; `run --once` ends by itself
");
}
