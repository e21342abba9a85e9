//! `history`: what a bot has kept.

use jiff::{SignedDuration, Timestamp};
use tagwright::store::{Event, Record, RecordedChange, RecordedHold, Store, Toggle};

use crate::status::store;
use crate::world::{Run, World};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Keeps a record of something so many seconds after the first of November.
fn keep(store: &Store, seconds: i64, event: Event, message: &str, fill: impl FnOnce(&mut Record)) {
    let first: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut record = Record {
        time: first + SignedDuration::from_secs(seconds),
        automation: "default/shop".to_owned(),
        url: "https://git.example.com/config.git".to_owned(),
        branch: "main".to_owned(),
        event,
        message: message.to_owned(),
        changes: Vec::new(),
        holds: Vec::new(),
        left_out: 0,
    };
    fill(&mut record);
    store.record(record).unwrap();
}

fn change(policy: &str, line: usize, old: &str, new: &str) -> RecordedChange {
    let [policy, file, old, new] = [policy, "clusters/shop.yaml", old, new].map(str::to_owned);
    RecordedChange { policy, file, line, old, new }
}

/// A world whose folder `state` has a few records.
fn told() -> World {
    let world = World::new();
    let store = store(&world.path("state"));
    keep(&store, 0, Event::Failed, "cannot fetch from https://git.example.com/config.git: \u{1b}[31mno", |_| {});
    keep(&store, 60, Event::Pushed { commit: COMMIT.to_owned() }, "Update images", |record| {
        record.changes = vec![change("default:app", 8, "1.0.0", "1.1.0"), change("default:db", 9, "", "db-1")];
        record.left_out = 2;
    });
    keep(&store, 3600, Event::Held, "", |record| {
        let [policy, file, current, wanted] =
            ["default:app", "clusters/shop.yaml", "1.1.0", "1.0.0"].map(str::to_owned);
        let (code, reason) = ("downgrade".to_owned(), "1.1.0 is newer".to_owned());
        record.holds = vec![RecordedHold { policy, file, line: 8, current, wanted, code, reason }];
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
TIME                   AUTOMATION     POLICY        COMMIT    FILE                   CHANGE
2026-11-02T00:00:00Z   -              default:db    -         -                      held: eats data
2026-11-01T01:00:00Z   default/shop   default:app   -         clusters/shop.yaml:8   held 1.1.0, not 1.0.0: 1.1.0 is newer
2026-11-01T00:01:00Z   default/shop   default:app   0123456   clusters/shop.yaml:8   1.0.0 -> 1.1.0
2026-11-01T00:01:00Z   default/shop   default:db    0123456   clusters/shop.yaml:9   "" -> db-1
2026-11-01T00:01:00Z   default/shop   -             0123456   -                      and 2 fields more
2026-11-01T00:00:00Z   default/shop   -             -         -                      failed: cannot fetch from https://git.example.com/config.git: \u{1b}[31mno
-- stderr
"#);
}

#[test]
fn parts_of_it_can_be_asked_for() {
    let world = told();
    let times = |arguments: &[&str]| {
        let run = history(&world, arguments);
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
    history(&world, &["--since=yesterday"]).refuses(2, "--since: \"yesterday\" is no time");
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
      "subject": "default:db",
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
      "subject": "",
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
  ]
}
"#);
}
