//! What the log of a bot says: each change once, in words that somebody can act on.

use std::process::Stdio;

use crate::bot::Bot;
use crate::registry::{Fault, World as Listed};
use crate::site::{SHOP, Site, native};

/// Two images of one registry, and an automation for both.
const BOTH: &str = "image: REGISTRY/team/app:1.0.0 # {\"$imagepolicy\": \"default:app\"}
image: REGISTRY/team/web:2.0.0 # {\"$imagepolicy\": \"default:web\"}
";

fn both() -> Site {
    let site = Site::with(Listed::with("team/app", ["1.0.0"]).and("team/web", ["2.0.0"]), BOTH);
    let text = native("shop", "app", "branch: main", "");
    let web = "    - {name: web, image: REGISTRY/team/web, policy: {semver: {range: 2.x}}}\n";
    site.configure("shop.yaml", &format!("{text}{web}"));
    site
}

/// A registry that cannot do anything now.
fn down() -> Fault {
    Fault::status(503)
}

/// A line without its time.
fn told(line: &str) -> &str {
    line.split_once("Z ").map_or(line, |(_, rest)| rest.trim_start())
}

#[test]
fn a_finding_is_named_when_it_begins_and_when_it_ends() {
    let site = Site::new(&["1.0.0"], &SHOP.replace("default:app", "default:ap"));
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    let mut bot = Bot::start(&site, &[]);
    let finding = bot.says("new finding");
    assert!(told(&finding).starts_with("WARN new finding automation=\"default/shop\""), "{finding}");
    for part in ["code=\"TW001\"", "file=\"clusters/shop.yaml\"", "line=8", "hint="] {
        assert!(finding.contains(part), "{finding}");
    }
    bot.says("1 policy polled, nothing to do; findings: 1");
    let status = site.world.run(["status", "--data-dir=data", "--output=json"]).json();
    let row = &status["automations"][0];
    assert_eq!(row["ready"], "False");
    assert_eq!(row["findings"][0]["code"], "TW001");
    assert_eq!(
        row["message"],
        "nothing can be written: no marker in its paths names a policy that there is; 1 finding, first TW001 \
         clusters/shop.yaml:8"
    );

    let text = SHOP.replace("REGISTRY", &site.registry.host());
    site.remote.commit(&[("clusters/shop.yaml", text.as_str())], "mended");
    bot.signal("USR1");
    assert!(bot.says("finding gone").contains("code=\"TW001\""));
    bot.signal("TERM");
    let (_, said) = bot.ends();
    assert_eq!((said.matches("new finding").count(), said.matches("finding gone").count()), (1, 1), "{said}");
}

/// Two lines of which the same is said are two findings, in the log as in the status.
#[test]
fn findings_that_are_alike_are_counted_each() {
    let wrong = "a: REGISTRY/team/app:1.0.0 # {\"$imagepolicy\": \"default:none\"}\n";
    let site = Site::new(&["1.0.0"], &format!("{wrong}{}", wrong.replace("a:", "b:")));
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    let mut bot = Bot::start(&site, &[]);
    bot.says("nothing to do; findings: 2");
    let row = &site.world.run(["status", "--data-dir=data", "--output=json"]).json()["automations"][0];
    assert_eq!(row["findings"].as_array().map(Vec::len), Some(2), "{row}");
    site.remote.commit(
        &[("clusters/shop.yaml", format!("# moved\n{wrong}").replace("REGISTRY", &site.registry.host()).as_str())],
        "mended",
    );
    bot.signal("USR1");
    bot.says("finding gone");
    bot.signal("TERM");
    let (_, said) = bot.ends();
    assert_eq!((said.matches("new finding").count(), said.matches("finding gone").count()), (2, 1), "{said}");
}

#[test]
fn the_first_round_is_summed_up_and_a_commit_says_its_changes() {
    let site = both();
    let mut bot = Bot::start(&site, &[]);
    assert_eq!(told(&bot.says("polled,")), "INFO 2 policies polled, nothing to do");
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.1.0".to_owned()));
    bot.signal("USR1");
    let host = site.registry.host();
    let selects = bot.says("selects another tag");
    assert!(selects.contains("policy.name=\"default:app\""), "{selects}");
    let pushed = bot.says("pushed a commit").replace(&host, "REGISTRY");
    let changes = "changes=\"clusters/shop.yaml:1: REGISTRY/team/app:1.0.0 -> REGISTRY/team/app:1.1.0 (default:app)\"";
    assert!(pushed.contains(changes) && pushed.contains("automation=\"default/shop\""), "{pushed}");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
}

/// A log on a disk that is full, or that nobody reads any more.
#[test]
fn a_log_that_cannot_be_written_stops_nobody() {
    let site = both();
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.1.0".to_owned()));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = site.world.tagwright(["run", "--config", "config", "--data-dir", "data"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full).spawn().unwrap();
    crate::bot::until("it commits", || site.commits("main") == 2);
    let status = site.world.run(["status", "--data-dir=data"]);
    let ended = child.try_wait().unwrap();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!((status.code, ended), (0, None), "{status:?}");
}

/// Who looks on sees a wait and no program that hangs. It is a warning, which `run --once` shows, too.
#[test]
fn a_registry_that_asks_for_a_long_wait_is_named_once() {
    let site = both();
    let throttled = Fault::header(429, "retry-after", "30");
    site.registry.change(|world| drop(world.broken.insert(String::new(), throttled)));
    let mut bot = Bot::start(&site, &[]);
    let host = site.registry.host();
    let waits = bot.says("asks to wait");
    assert!(told(&waits).starts_with(&format!("WARN {host} asks to wait 30 s; trying again at ")), "{waits}");
    site.registry.change(|world| world.broken.clear());
    bot.signal("TERM");
    let (_, said) = bot.ends();
    assert_eq!(said.matches("trying again").count(), 1, "{said}");
}

#[test]
fn a_registry_that_is_down_is_one_message() {
    let site = both();
    let mut bot = Bot::start(&site, &[]);
    bot.says("2 policies polled");
    site.registry.change(|world| drop(world.broken.insert(String::new(), down())));
    bot.signal("USR1");
    let fails = bot.says("failed, will retry");
    assert!(fails.contains(&format!("host=\"{}\"", site.registry.host())), "{fails}");
    // The sooner of the two is tried again after 15 s; all of them are asked now.
    let failing = || {
        let status = site.world.run(["status", "--data-dir=data", "--output=json"]).json();
        status["policies"].as_array().unwrap().iter().filter(|it| it["ready"] == "False").count()
    };
    crate::bot::until("both fail", || failing() == 2);
    site.registry.change(|world| world.broken.clear());
    bot.signal("USR1");
    bot.says("works again");
    bot.signal("TERM");
    let (_, said) = bot.ends();
    assert_eq!((said.matches("WARN").count(), said.matches("works again").count()), (1, 1), "{said}");
}

#[test]
fn a_registry_that_is_down_is_one_message_of_one_pass() {
    let site = both();
    site.registry.change(|world| drop(world.broken.insert(String::new(), down())));
    let run = site.run(&[]);
    insta::assert_snapshot!(run.text(), @"
exit 1
-- stdout
default/shop: nothing to do on main of REMOTE; 2 policies could not be polled
-- stderr
error: cannot poll 2 image repositories of REGISTRY: http://REGISTRY answered 503
  concerns: default:app, default:web
");
    let json = site.run(&["--output=json"]).json();
    assert_eq!(json["automations"][0]["diagnostics"].as_array().unwrap().len(), 0, "{json}");
    assert!(json["policies"][1]["error"].as_str().unwrap().contains("503"), "{json}");
}
