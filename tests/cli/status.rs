//! `status`: tables and JSON, from what a bot has left.

use std::path::Path;

use serde_json::{Value, json};
use tagwright::store::{Opened, Store};

use crate::site::{SHOP, Site, native};
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
        "dataFailure": null,
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
             "findings": [{"code": "TW001", "file": "clusters/shop.yaml", "line": 11, "column": 5,
                           "message": "no policy \"default:ap\" is in scope", "hint": "name one"}],
             "moreFindings": 2,
             "message": "cannot fetch\nremote: \u{1b}[31mno"},
        ],
        "freezes": [],
        "registries": [],
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
NAME          TAG     LAST POLL   READY     MESSAGE
default:app   1.1.0   66m         True      selected 1.1.0 of 5 tags
shop:web      -       -           Unknown   -
shop:old      -       -           False     the policy is suspended

NAME           LAST RUN   FINDINGS   READY   MESSAGE
default/shop   3d         3          False   cannot fetch\nremote: \u{1b}[31mno

HELD          FIELD
default:app   clusters/shop.yaml:8: 1.2.0, not 1.1.0: 1.2.0 is newer and was
              selected before

FINDING   AUTOMATION     WHAT
TW001     default/shop   clusters/shop.yaml:11: no policy "default:ap" is in
                         scope; name one
and 2 more, for `tagwright check --remote`
-- stderr
note: no bot is running on state; this is what the last one wrote 60m ago, at TIME
"#);
    let one = masked(world.run(["status", "--data-dir=state", "shop/web"]));
    insta::assert_snapshot!(one.text(), @"
exit 0
-- stdout
NAME       TAG   LAST POLL   READY     MESSAGE
shop:web   -     -           Unknown   -
-- stderr
note: no bot is running on state; this is what the last one wrote 60m ago, at TIME
");
}

#[test]
fn wide_tables_have_all_columns() {
    let world = left(&document());
    insta::assert_snapshot!(masked(world.run(["status", "--data-dir", "state", "-o", "wide"])).stdout, @r#"
NAME          IMAGE              TAG     LAST POLL   NEXT        READY     MESSAGE
default:app   ghcr.io/team/app   1.1.0   66m         116m        True      selected 1.1.0 of 5 tags
shop:web      ghcr.io/team/web   -       -           now         Unknown   -
shop:old      ghcr.io/team/old   -       -           suspended   False     the policy is suspended

NAME           REMOTE                               BRANCH   LAST RUN   LAST COMMIT   NEXT   FINDINGS   READY   MESSAGE
default/shop   https://git.example.com/config.git   main     3d         0123456       116m   3          False   cannot fetch\nremote: \u{1b}[31mno

HELD          AUTOMATION     FILE                   CURRENT   WANTED   REASON
default:app   default/shop   clusters/shop.yaml:8   1.2.0     1.1.0    1.2.0 is newer and was selected before

FINDING   AUTOMATION     WHAT
TW001     default/shop   clusters/shop.yaml:11: no policy "default:ap" is in scope; name one
and 2 more, for `tagwright check --remote`
"#);
}

/// Names, images, tags, addresses and reasons as people have them.
#[test]
fn narrow_tables_fit_80_columns() {
    let mut document = document();
    for (at, name) in ["podinfo", "a-team-with-a-long-name-and-its-service", "x"].into_iter().enumerate() {
        let policy = &mut document["policies"][at];
        policy["name"] = json!(name);
        policy["namespace"] = json!("flux-system");
        policy["image"] = json!("123456789012.dkr.ecr.eu-central-1.amazonaws.com/platform/services/podinfo");
        policy["tag"] = json!("main-9b0c4d2f7a1e-1718200000-linux-amd64-nightly-build");
        policy["message"] = json!("none of 1200 tags can be selected: 1200 not matched by the filter, such as 'v1'");
    }
    let automation = &mut document["automations"][0];
    automation["name"] = json!("a-name-of-an-automation-that-is-longer-than-most-are");
    automation["message"] =
        json!("cannot fetch from https://git.example.com/a/very/long/path/to/a/repository/without/blanks.git");
    automation["holds"][0]["file"] =
        json!("clusters/production/eu-central-1/applications/podinfo/overlays/deployment.yaml");
    let world = left(&document);
    let shown = world.run(["status", "--data-dir=state"]).stdout;
    for line in shown.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(shown.contains("flux-system:podinfo") && shown.contains("1200 not matched by the filter"), "{shown}");
}

#[test]
fn states_have_colours_where_they_are_wanted() {
    let world = left(&document());
    let command = |more: &[&str], variables: &[(&str, &str)]| {
        let mut command = world.tagwright(["status", "--data-dir=state"].iter().chain(more));
        command.env_remove("NO_COLOR").envs(variables.iter().copied());
        world.finish(&mut command, b"").stdout
    };
    let plain = command(&[], &[]);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let colored = command(&["--color=always"], &[("NO_COLOR", "1")]);
    assert!(colored.contains("\u{1b}[32mTrue\u{1b}[0m") && colored.contains("\u{1b}[31mFalse\u{1b}[0m"), "{colored}");
    assert_eq!(
        colored.replace("\u{1b}[32m", "").replace("\u{1b}[31m", "").replace("\u{1b}[33m", "").replace("\u{1b}[0m", ""),
        plain
    );
    assert_eq!(command(&[], &[("CLICOLOR_FORCE", "1")]), colored);
    assert_eq!(command(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), plain);
    assert_eq!(command(&["--color=never"], &[("CLICOLOR_FORCE", "1")]), plain);
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
    world.run(["status", "--data-dir=state", "a:b:c"]).refuses(2, "\"a:b:c\" is not a name");
}

#[test]
fn what_answers_and_is_not_a_bot_is_told_so() {
    let site = Site::new(&["1.0.0"], SHOP);
    let host = site.registry.host();
    let run = site.masked(site.world.run(["status", &format!("--url=http://{host}")]));
    run.refuses(1, "error: http://REGISTRY answers 404 Not Found\n");
    run.refuses(1, "  caused by: what answers at http://REGISTRY is not a bot of this version");
    run.refuses(1, "\n  hint: name the address that the bot has in `run --listen`, or its folder: --data-dir DIR\n");
}

#[test]
fn a_port_that_is_taken_is_told_so() {
    let site = Site::new(&["1.0.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "", ""));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    let run = site.world.run(["run", "--config=config", "--data-dir=data", &listen]);
    run.refuses(1, "\n  hint: another process listens there: name another port with --listen, or stop it\n");
}

#[test]
fn a_url_that_nobody_listens_at_is_a_failure() {
    let world = World::new();
    // Nobody can listen there.
    world.run(["status", "--url=http://127.0.0.1:0"]).refuses(1, "the bot at http://127.0.0.1:0 does not answer");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = world.run(["status", &format!("--url=http://127.0.0.1:{port}")]).masked(&port.to_string(), "PORT");
    insta::assert_snapshot!(run.text(), @"
exit 1
-- stdout
-- stderr
error: the bot at http://127.0.0.1:PORT does not answer
  caused by: connection refused
  hint: nobody listens there: is the bot running, with `--listen` and this port?
");
    for url in ["127.0.0.1:8080", "file:///etc", ""] {
        world.run(["status", "--url", url]).refuses(2, "is not a URL");
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
