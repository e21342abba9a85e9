//! `history`: what a bot has kept, and what Git tells where it has not.

use jiff::{SignedDuration, Timestamp};
use tagwright::store::{Event, Record, Store, Toggle};
use tagwright::wire::{ChangedField, HeldField};

use crate::site::{FILE, SHOP, Site, native};
use crate::status::{document, left, store};
use crate::world::{Run, World};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Keeps a record of something so many seconds after the first of November.
fn keep(store: &Store, seconds: i64, event: Event, message: &str, fill: impl FnOnce(&mut Record)) {
    let first: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut record = Record {
        automation: "default/shop".to_owned(),
        url: "https://git.example.com/config.git".to_owned(),
        branch: "main".to_owned(),
        ..Record::of(first + SignedDuration::from_secs(seconds), event, message.to_owned())
    };
    fill(&mut record);
    store.record(vec![record]).unwrap();
}

fn change(policy: &str, line: usize, old: &str, new: &str) -> ChangedField {
    let [policy, file, old, new] = [policy, "clusters/shop.yaml", old, new].map(str::to_owned);
    ChangedField { policy, file, line, old, new }
}

/// A world whose folder `state` has a few records.
fn told() -> World {
    let world = World::new();
    let store = store(&world.path("state"));
    keep(&store, 0, Event::Failed, "cannot fetch from https://git.example.com/config.git: \u{1b}[31mno", |_| {});
    keep(
        &store,
        60,
        Event::Pushed { commit: COMMIT.to_owned(), missed: Some("staging is frozen".to_owned()) },
        "Update images",
        |record| {
            record.changes = vec![change("default:app", 8, "1.0.0", "1.1.0"), change("default:db", 9, "", "db-1")];
            record.left_out = 2;
        },
    );
    keep(&store, 3600, Event::Held, "", |record| {
        let [policy, file, current, wanted] =
            ["default:app", "clusters/shop.yaml", "1.1.0", "1.0.0"].map(str::to_owned);
        let (code, reason) = ("downgrade".to_owned(), "1.1.0 is newer".to_owned());
        record.holds = vec![HeldField { policy, file, line: 8, current, wanted, code, reason }];
    });
    keep(&store, 86_400, Event::Switched { name: "default:db".to_owned(), to: Toggle::Held }, "eats data", |record| {
        record.automation.clear();
    });
    world
}

fn history(world: &World, arguments: &[&str]) -> Run {
    world.run(["history", "--data-dir=state"].iter().chain(arguments))
}

#[test]
fn what_was_done_is_a_table() {
    insta::assert_snapshot!(history(&told(), &[]).text(), @r#"
exit 0
-- stdout
TIME                   COMMIT    CHANGE
2026-11-02T00:00:00Z   -         held: eats data (default:db)
2026-11-01T01:00:00Z   -         clusters/shop.yaml:8: held 1.1.0, not 1.0.0:
                                 1.1.0 is newer (default:app, default/shop)
2026-11-01T00:01:00Z   0123456   clusters/shop.yaml:8: 1.0.0 -> 1.1.0
                                 (default:app, default/shop)
2026-11-01T00:01:00Z   0123456   clusters/shop.yaml:9: "" -> db-1 (default:db,
                                 default/shop)
2026-11-01T00:01:00Z   0123456   missed: staging is frozen (default/shop)
2026-11-01T00:01:00Z   0123456   and 2 fields more (default/shop)
2026-11-01T00:00:00Z   -         failed: cannot fetch from
                                 https://git.example.com/config.git:
                                 \u{1b}[31mno (default/shop)
-- stderr
"#);
}

#[test]
fn a_wide_table_has_a_line_for_each_field() {
    insta::assert_snapshot!(history(&told(), &["-o", "wide"]).text(), @r#"
exit 0
-- stdout
TIME                   AUTOMATION     POLICY        COMMIT    FILE                   CHANGE
2026-11-02T00:00:00Z   -              default:db    -         -                      held: eats data
2026-11-01T01:00:00Z   default/shop   default:app   -         clusters/shop.yaml:8   held 1.1.0, not 1.0.0: 1.1.0 is newer
2026-11-01T00:01:00Z   default/shop   default:app   0123456   clusters/shop.yaml:8   1.0.0 -> 1.1.0
2026-11-01T00:01:00Z   default/shop   default:db    0123456   clusters/shop.yaml:9   "" -> db-1
2026-11-01T00:01:00Z   default/shop   -             0123456   -                      missed: staging is frozen
2026-11-01T00:01:00Z   default/shop   -             0123456   -                      and 2 fields more
2026-11-01T00:00:00Z   default/shop   -             -         -                      failed: cannot fetch from https://git.example.com/config.git: \u{1b}[31mno
-- stderr
"#);
}

#[test]
fn parts_of_it_can_be_asked_for() {
    let world = told();
    let times = |arguments: &[&str]| {
        let run = history(&world, &[arguments, &["-o", "wide"]].concat());
        assert_eq!(run.code, 0, "{run:?}");
        let mut times: Vec<_> = run.stdout.lines().skip(1).map(|line| line[..16].to_owned()).collect();
        times.dedup();
        times.join(" ")
    };
    assert_eq!(times(&["--policy=db"]), "2026-11-02T00:00 2026-11-01T00:01");
    assert_eq!(times(&["--automation=default:shop", "--limit=2"]), "2026-11-01T01:00 2026-11-01T00:01");
    assert_eq!(times(&["--since=2026-11-02"]), "2026-11-02T00:00");
    assert_eq!(times(&["--since=2026-11-01T01:00:00Z"]), "2026-11-02T00:00 2026-11-01T01:00");
    assert_eq!(times(&["--since=2026-11-03"]), "");
    assert_eq!(history(&world, &["--since=2026-11-03"]).stderr, "nothing was found\n");
    assert_eq!(history(&world, &["--limit=1"]).stderr, "note: these are the newest 1; --limit N shows more\n");
    history(&world, &["--since=yesterday"]).refuses(2, "--since: \"yesterday\" is not a time");
}

#[test]
fn a_name_that_there_is_not_is_said() {
    let world = left(&document());
    insta::assert_snapshot!(history(&world, &["--policy=default:ap"]).text(), @"
exit 1
-- stdout
-- stderr
error: there is no policy default:ap, and nothing is told of one
  hint: did you mean default:app?
");
    let json = history(&world, &["--automation=shopp", "--output=json"]);
    assert!(json.code == 1 && json.stderr.contains("there is no automation default/shopp"), "{json:?}");
    assert_eq!(json.json()["entries"], serde_json::json!([]), "programs get their document all the same");
    let none = history(&world, &["--policy=default:app"]);
    assert_eq!((none.code, none.stderr.as_str()), (0, "nothing was found\n"));
}

#[test]
fn json_has_the_documented_shape() {
    insta::assert_snapshot!(history(&told(), &["--output=json", "--limit=2"]).stdout, @r#"
{
  "source": "store",
  "entries": [
    {
      "time": "2026-11-02T00:00:00Z",
      "event": "policyHeld",
      "automation": "",
      "remote": "https://git.example.com/config.git",
      "branch": "main",
      "commit": "",
      "message": "eats data",
      "missed": "",
      "subject": "default:db",
      "by": "",
      "remarks": [],
      "changes": [],
      "holds": [],
      "leftOut": 0
    },
    {
      "time": "2026-11-01T01:00:00Z",
      "event": "held",
      "automation": "default/shop",
      "remote": "https://git.example.com/config.git",
      "branch": "main",
      "commit": "",
      "message": "",
      "missed": "",
      "subject": "",
      "by": "",
      "remarks": [],
      "changes": [],
      "holds": [
        {
          "policy": "default:app",
          "file": "clusters/shop.yaml",
          "line": 8,
          "current": "1.1.0",
          "wanted": "1.0.0",
          "code": "downgrade",
          "reason": "1.1.0 is newer"
        }
      ],
      "leftOut": 0
    }
  ],
  "next": null
}
"#);
}

/// A commit to the shop's file as a person, or another bot, would make it.
fn commit(site: &Site, author: &str, message: &str, file: &str) {
    let file = file.replace("REGISTRY", &site.registry.host());
    std::fs::write(site.remote.work().join(FILE), file).unwrap();
    let author = format!("--author={author}");
    crate::remote::git_at(&site.remote.work(), crate::remote::TIME, &["commit", "-qam", message, &author], b"");
    site.remote.push("HEAD");
}

/// Puts placeholders in place of times and hashes.
fn steady(site: &Site, run: Run) -> Run {
    let time = regex::Regex::new(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    let hash = regex::Regex::new(r"\b[0-9a-f]{7}\b").unwrap();
    let stdout = time.replace_all(&run.stdout, "2026-11-20T00:00:00Z");
    let stdout = hash.replace_all(&stdout, "COMMIT").into_owned();
    site.masked(Run { stdout, ..run })
}

const FLUX: &str = "Flux <flux@example.com>";

#[test]
fn git_tells_where_no_history_is_kept() {
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    let at = |version: &str| SHOP.replace("app:1.0.0", &format!("app:{version}"));
    commit(&site, "Ada <ada@example.com>", "Go back\n\nUpdate image automatically. It was bad.", &at("0.9.0"));
    commit(&site, FLUX, "Update image automatically.\nImage: app:1.0.5", &at("1.0.5"));
    commit(&site, FLUX, "Tidy up", &at("1.0.4"));
    assert_eq!(site.run(&[]).code, 0);
    let run = site.world.run(["history", "--config=config"]);
    insta::assert_snapshot!(steady(&site, run).text(), @"
exit 0
-- stdout
TIME                   COMMIT    CHANGE
2026-11-20T00:00:00Z   COMMIT   clusters/shop.yaml:8:
                                 REGISTRY/team/app:1.0.4 ->
                                 REGISTRY/team/app:1.1.0 (default:app,
                                 default/shop)
2026-11-20T00:00:00Z   COMMIT   clusters/shop.yaml:8:
                                 REGISTRY/team/app:0.9.0 ->
                                 REGISTRY/team/app:1.0.5 (default:app)
-- stderr
");
    let json = site.world.run(["history", "--config=config", "--limit=1", "--output=json"]).json();
    assert_eq!(json["source"], "git");
    assert_eq!(json["entries"].as_array().unwrap().len(), 1);
    assert_eq!(json["entries"][0]["automation"], "default/shop");
    assert_eq!(json["entries"][0]["commit"], site.remote.at("main").as_str());
    for (argument, count) in
        [("--policy=default:app", 2), ("--policy=other:app", 0), ("--automation=shop", 1), ("--since=1h", 1)]
    {
        let json = site.world.run(["history", "--config=config", argument, "--output=json"]).json();
        assert_eq!(json["entries"].as_array().unwrap().len(), count, "{argument}");
    }
}

#[test]
fn the_authors_of_the_configuration_are_known() {
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    let author = "commit: {author: {name: Flux, email: flux@example.com}}";
    site.configure("shop.yaml", &native("shop", "app", author, ""));
    commit(&site, FLUX, "Tidy up", &SHOP.replace("app:1.0.0", "app:1.1.0"));
    let json = site.world.run(["history", "--config=config", "--output=json"]).json();
    assert_eq!(json["entries"][0]["automation"], "default/shop", "{json}");
}

#[test]
fn git_is_asked_as_far_back_as_needed() {
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    assert_eq!(site.run(&[]).code, 0);
    crate::remote::git(&site.remote.work(), &["pull", "-q", "origin", "main"]);
    for number in 0..150 {
        let message = format!("other {number}");
        crate::remote::git(&site.remote.work(), &["commit", "-q", "--allow-empty", "-m", &message]);
    }
    site.remote.push("HEAD");
    let run = site.world.run(["history", "--config=config", "--output=json"]);
    assert_eq!((run.json()["entries"].as_array().unwrap().len(), run.stderr.as_str()), (1, ""), "{run:?}");
}

#[test]
fn one_remote_that_fails_does_not_hide_the_others() {
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    assert_eq!(site.run(&[]).code, 0);
    let gone = native("gone", "gone", "", "").replace("REMOTE", "/nonexistent/repository");
    site.configure("gone.yaml", &gone);
    let run = site.world.run(["history", "--config=config"]);
    insta::assert_snapshot!(steady(&site, run).text(), @"
exit 1
-- stdout
TIME                   COMMIT    CHANGE
2026-11-20T00:00:00Z   COMMIT   clusters/shop.yaml:8:
                                 REGISTRY/team/app:1.0.0 ->
                                 REGISTRY/team/app:1.1.0 (default:app,
                                 default/shop)
-- stderr
error: cannot read /nonexistent/repository: it does not exist on this machine
  hint: check the path
");
}

#[test]
fn where_nothing_is_known_it_is_said_what_to_do() {
    let site = Site::new(&["1.0.0"], SHOP);
    insta::assert_snapshot!(site.world.run(["history", "--data-dir=nowhere"]).text(), @"
exit 1
-- stdout
-- stderr
error: no bot is running on nowhere, and no history is kept there
  hint: start a bot with `tagwright run --data-dir nowhere`, or name the folder of one that runs: --data-dir DIR; or name its configuration, --config PATH, to look into Git
");
    site.configure("shop.yaml", &native("shop", "app", "", ""));
    let mut command = site.world.tagwright(["history", "--data-dir=nowhere"]);
    let run = site.world.finish(command.env("TAGWRIGHT_CONFIG", "config"), b"");
    insta::assert_snapshot!(run.text(), @"
exit 0
-- stdout
-- stderr
note: no history is kept on nowhere; this is what the commits in Git tell
nothing was found
");
    assert!(!site.world.path("nowhere").exists());
}
