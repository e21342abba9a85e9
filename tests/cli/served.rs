//! `status`, `history`, `poll` and orders, to a bot that runs.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::bot::{Bot, until};
use crate::site::{SHOP, Site, native};
use crate::world::{Run, list};

/// A site whose bot keeps its state in `data`.
fn shop(tags: &[&str]) -> Site {
    let site = Site::new(tags, SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    site
}

fn ask(site: &Site, arguments: &[&str]) -> Run {
    site.masked(site.world.run(arguments.iter().chain(&["--data-dir=data"])))
}

fn release(site: &Site, tag: &str) {
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push(tag.to_owned()));
}

#[test]
fn a_running_bot_answers() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &["--listen=127.0.0.1:0"]);
    let started = bot.says("started");
    let address = started.split_whitespace().find_map(|word| word.strip_prefix("listen=")).unwrap();
    bot.says("pushed a commit");

    // The run ends a moment after its push.
    let mut status = json!(null);
    until("the commit shows", || {
        let run = ask(&site, &["status", "--output=json"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        status = run.json();
        status["automations"][0]["lastCommit"] != json!(null)
    });
    assert_eq!((&status["policies"][0]["tag"], &status["policies"][0]["ready"]), (&json!("1.1.0"), &json!("True")));
    assert_eq!(status["automations"][0]["lastCommit"], json!("HASH"));
    let url = format!("--url=http://{address}");
    let same = site.masked(site.world.run(["status", "--output=json", &url])).json();
    assert_eq!(same["started"], status["started"]);

    let history = ask(&site, &["history", "--output=json"]).json();
    let entries = list(&history["entries"]);
    assert_eq!((entries.len(), &entries[0]["event"], &entries[0]["commit"]), (1, &json!("pushed"), &json!("HASH")));
    let same = site.masked(site.world.run(["history", "--output=json", &url])).json();
    assert_eq!(same, history);
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
    assert!(!site.world.path("data/tagwright.sock").exists());
    let after = ask(&site, &["status"]);
    assert!(after.code == 0 && after.stderr.starts_with("note: no bot is running on data; "), "{after:?}");
    assert_eq!(ask(&site, &["history", "--output=json"]).json(), history, "the same without a bot");
}

/// What a bot says is in use is what the command finds by itself, for all registries and for one.
#[test]
fn a_running_bot_tells_what_git_references() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &["--listen=127.0.0.1:0"]);
    let started = bot.says("started");
    let address = started.split_whitespace().find_map(|word| word.strip_prefix("listen=")).unwrap();
    bot.says("pushed a commit");
    let by_command = |flags: &[&str]| {
        let run = site.world.run(["images", "--config=config", "--output=json"].iter().chain(flags));
        assert_eq!(run.code, 0, "{}", run.text());
        run.json()
    };
    let all = by_command(&[]);
    assert_eq!((list(&all["images"]).len(), &all["missing"]), (2, &json!([])), "{all:#}");
    assert_eq!(get(address, "/api/v1/images", ""), all);
    let now = by_command(&["--now"]);
    assert_eq!((list(&now["images"]).len(), &get(address, "/api/v1/images?commits=1", "")), (1, &now));
    let host = list(&all["images"])[0]["image"].as_str().unwrap().split('/').next().unwrap().to_owned();
    assert_eq!(get(address, &format!("/api/v1/images?registry={host}"), ""), all);
    let none = get(address, "/api/v1/images?registry=ghcr.io", "");
    assert_eq!((&none["images"], &none["commits"]), (&json!([]), &all["commits"]));
    for wrong in ["commits=0", "commits=10001", "commits=x", "more=1"] {
        let (head, body) = answer(address, &format!("/api/v1/images?{wrong}"), "");
        assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("error"), "{wrong}: {head}: {body}");
    }
    // A list that is not whole says so.
    std::fs::rename(site.remote.bare(), site.remote.bare().with_extension("away")).unwrap();
    let missing = get(address, "/api/v1/images", "");
    assert_eq!((list(&missing["images"]).len(), list(&missing["missing"]).len()), (0, 1), "{missing:#}");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
}

#[test]
fn a_running_bot_obeys_at_once() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    ask(&site, &["hold", "app", "--reason", "1.2 eats data"]).prints(0, "policy default:app held\n");
    ask(&site, &["hold", "app"]).prints(0, "policy default:app held already\n");
    release(&site, "1.2.0");
    ask(&site, &["poll", "default/app"]).prints(0, "policy default:app is due now\n");
    bot.says("holds an update");
    let held = ask(&site, &["status"]).stdout;
    assert!(held.contains("HELD") && held.contains("1.2 eats data"), "{held}");
    assert_eq!(site.commits("main"), 2);

    ask(&site, &["release", "app"]).prints(0, "policy default:app released\n");
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.2.0"));

    // An automation's repositories are polled, and then it runs.
    release(&site, "1.2.1");
    ask(&site, &["poll", "default/shop", "app"])
        .prints(0, "automation default/shop is due now\npolicy default:app is due now\n");
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.2.1"));

    ask(&site, &["suspend", "shop"]).prints(0, "automation default/shop suspended\n");
    release(&site, "1.3.0");
    ask(&site, &["poll"]).prints(0, "everything is due now\n");
    bot.says("selects another tag");
    ask(&site, &["resume", "shop"]).prints(0, "automation default/shop resumed\n");
    bot.says("pushed a commit");
    assert_eq!(site.commits("main"), 5);
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
}

/// What is at a path of a bot, as JSON.
fn get(address: &str, path: &str, token: &str) -> serde_json::Value {
    let (head, body) = answer(address, path, token);
    assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

/// The head and the body of what a bot answers.
fn answer(address: &str, path: &str, token: &str) -> (String, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_bot_with_tokens_tells_what_it_would_write_and_why() {
    use sha2::{Digest as _, Sha256};
    let site = shop(&["1.0.0", "1.1.0"]);
    let hash: String = Sha256::digest("asks").iter().map(|byte| format!("{byte:02x}")).collect();
    site.world.write("tokens", format!("grafana read {hash}\n"));
    let mut bot = Bot::start(&site, &["--listen=127.0.0.1:0", "--api-token-file=tokens"]);
    let started = bot.says("started");
    let address = started.split_whitespace().find_map(|word| word.strip_prefix("listen=")).unwrap().to_owned();
    bot.says("pushed a commit");
    ask(&site, &["freeze"]).prints(0, "everything frozen\n");
    release(&site, "1.2.0");
    ask(&site, &["poll"]).prints(0, "everything is due now\n");
    bot.says("holds an update");
    let pending = get(&address, "/api/v1/automations/default/shop/pending", "asks");
    assert_eq!((&pending["automation"]["outcome"], &pending["diff"]), (&json!("held"), &json!("")), "{pending}");
    assert_eq!(pending["automation"]["holds"][0]["code"], "frozen");
    let tags = get(&address, "/api/v1/policies/default/app/tags", "asks");
    assert_eq!((&tags["selected"], &tags["listed"]), (&json!("1.2.0"), &json!(3)), "{tags}");
    assert_eq!(get(&address, "/api/v1/holds", "asks")["holds"][0]["automation"], "default/shop");

    // What a suspended automation would write is its diff, once it is not frozen.
    ask(&site, &["hold", "app"]).prints(0, "policy default:app held\n");
    ask(&site, &["unfreeze"]).prints(0, "everything no longer frozen by hand\n");
    until("it is held by hand", || {
        get(&address, "/api/v1/automations/default/shop/pending", "asks")["automation"]["holds"][0]["code"] == "manual"
    });
    assert_eq!(site.commits("main"), 2);

    // The commands bring a token along.
    let url = format!("--url=http://{address}");
    let status = |token: &str| {
        let mut command = site.world.tagwright(["status", &url]);
        site.world.finish(command.env("TAGWRIGHT_API_TOKEN", token), b"")
    };
    assert_eq!(status("asks").code, 0);
    let refused = status("nobody");
    assert!(refused.code == 1 && refused.stderr.contains("a token is needed"), "{refused:?}");
    assert!(!refused.stderr.contains("nobody"), "{refused:?}");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
    site.world.write("tokens", "grafana read secret-in-the-open\n");
    let wrong = site.world.run(["run", "--config=config", "--data-dir=data", "--api-token-file=tokens"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("line 1 of tokens is no token"), "{wrong:?}");
    assert!(!wrong.stderr.contains("secret-in-the-open"), "{wrong:?}");
}

#[test]
fn a_running_bot_freezes_and_goes_on_to_after_a_restart() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    ask(&site, &["freeze", "--reason", "the fair"]).prints(0, "everything frozen\n");
    release(&site, "1.2.0");
    ask(&site, &["poll"]).prints(0, "everything is due now\n");
    bot.says("holds an update");
    let status = ask(&site, &["status"]);
    assert!(status.stderr.contains("note: everything is frozen by hand since "), "{status:?}");
    assert!(status.stdout.contains("(the fair); `tagwright unfreeze` lifts it"), "{status:?}");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);

    // The next one is frozen from its first run on, and a run that somebody makes meanwhile is told why it writes nothing.
    let frozen = site.run(&["--data-dir=data"]);
    assert!(frozen.code == 0 && frozen.stdout.contains("frozen by hand since "), "{frozen:?}");
    let mut bot = Bot::start(&site, &[]);
    bot.says("started");
    until("it has run", || ask(&site, &["status"]).stdout.contains("the fair"));
    assert_eq!(site.commits("main"), 2);
    ask(&site, &["unfreeze", "--all"]).prints(0, "everything no longer frozen by hand\n");
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.2.0"));

    // The glass is broken for one run.
    ask(&site, &["freeze"]).prints(0, "everything frozen\n");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
    release(&site, "1.3.0");
    assert_eq!(site.run(&["--data-dir=data", "--break-glass", "--reason=CVE-2026-4242"]).code, 0);
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.3.0"));
    let history = ask(&site, &["history", "-o", "wide"]).stdout;
    assert!(history.contains("written although frozen: CVE-2026-4242"), "{history}");
    let refused = site.run(&["--break-glass"]);
    assert!(refused.code == 2 && refused.stderr.contains("--reason"), "{refused:?}");
}

#[test]
fn a_calendar_is_a_file_that_is_read_again() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let calendar = |until: &str| {
        let text = format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20200101T000000Z\r\nDTEND:{until}T000000Z\r\nSUMMARY:the fair\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        std::fs::write(site.world.path("fair.ics"), text).unwrap();
    };
    calendar("29990101");
    let mut bot = Bot::start(&site, &["--freeze-calendar=fair.ics"]);
    bot.says("holds an update");
    let status = ask(&site, &["status"]);
    assert!(
        status.stderr.contains("everything is frozen by the calendar until 2999-01-01T00:00:00Z (the fair)"),
        "{status:?}"
    );
    let explained =
        ask(&site, &["explain", "default:app", "--remote", "--freeze-calendar=fair.ics", "--config=config"]);
    assert!(explained.stdout.contains("frozen by the calendar until 2999-01-01T00:00:00Z (the fair)"), "{explained:?}");
    assert_eq!(site.commits("main"), 1);
    // One that cannot be read leaves the one before in use.
    std::fs::write(site.world.path("fair.ics"), "BEGIN:VCALENDAR\r\n").unwrap();
    bot.says("the configuration as it is now cannot be used");
    assert_eq!(site.commits("main"), 1);
    calendar("20210101");
    bot.says("pushed a commit");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
    let refused = site.run(&["--freeze-calendar=nowhere.ics"]);
    assert!(
        refused.code == 2
            && refused.stderr.contains("cannot read the calendar: no such file")
            && refused.stderr.contains("nowhere.ics"),
        "{refused:?}"
    );
}

#[test]
fn a_running_bot_lets_through_what_cannot_wait() {
    let site = shop(&["1.0.0", "1.1.0"]);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", "minimumAge: 72h\n      pin: digest"));
    let mut bot = Bot::start(&site, &[]);
    let status = || ask(&site, &["status", "--output=json"]).stdout;
    until("the tag waits", || status().contains("has not been known for 72h yet"));
    let hurried = "policy default:app hurried: what is there by now need not be known for longer\n";
    ask(&site, &["release", "app", "--now", "--reason", "fixes CVE-2026-1234"]).prints(0, hurried);
    bot.says("pushed a commit");
    assert!(site.file("main").contains("app:1.1.0@sha256:"), "{}", site.file("main"));
    let status = status();
    assert!(status.contains("it need not become older, as ordered by hand at 20"), "{status}");
    assert!(status.contains("(fixes CVE-2026-1234)"), "{status}");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
}

#[test]
fn a_running_bot_obeys_about_several_and_about_all() {
    let site = shop(&["1.0.0", "1.1.0"]);
    site.configure("web.yaml", &native("web", "web", "branch: main", ""));
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    let both = "policy default:web held\npolicy default:app held\n";
    ask(&site, &["hold", "web", "app", "web", "--reason=the fair"]).prints(0, both);
    // One wrong name, and nothing is ordered.
    ask(&site, &["release", "app", "nobody"]).refuses(1, "there is no policy default:nobody");
    let status = ask(&site, &["status"]).stdout;
    assert_eq!(status.matches("held by hand").count(), 2, "{status}");
    let run = ask(&site, &["release", "--all"]);
    let mut lines: Vec<&str> = run.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!((run.code, lines), (0, vec!["policy default:app released", "policy default:web released"]));
    let run = ask(&site, &["suspend", "--all"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 2), "{run:?}");
    ask(&site, &["suspend", "--all", "web"]).refuses(2, "cannot be used with");
    let run = ask(&site, &["resume", "shop", "web"]);
    run.prints(0, "automation default/shop resumed\nautomation default/web resumed\n");

    // The status is shown again and again until its reader goes away.
    let mut watching = site.world.tagwright(["status", "--watch=1", "--data-dir=data"]);
    let mut child = watching.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let seen: Vec<String> = lines.filter(|line| line.starts_with("at ")).take(2).collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    ask(&site, &["status", "--watch", "--output=json"]).refuses(2, "--watch shows text");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
}

#[test]
fn a_running_bot_knows_what_there_is() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    insta::assert_snapshot!(ask(&site, &["hold", "default:ap"]).text(), @"
exit 1
-- stdout
-- stderr
error: there is no policy default:ap
  hint: did you mean default:app?
");
    insta::assert_snapshot!(ask(&site, &["hold", "default:shop"]).text(), @"
exit 1
-- stdout
-- stderr
error: there is no policy default:shop
  hint: default/shop is an automation: `tagwright suspend default/shop`
");
    insta::assert_snapshot!(ask(&site, &["resume", "app"]).text(), @"
exit 1
-- stdout
-- stderr
error: there is no automation default/app
  hint: default:app is a policy: `tagwright release default:app`
");
    insta::assert_snapshot!(ask(&site, &["poll", "other:app"]).text(), @"
exit 1
-- stdout
-- stderr
error: there is no policy other:app
  hint: there is policy default:app
");
    ask(&site, &["status", "nothing:alike"]).refuses(1, "there is no policy and no automation nothing/alike");
}

#[test]
fn a_bot_that_was_killed_leaves_nothing_in_the_way() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    bot.signal("KILL");
    bot.ends();
    assert!(site.world.path("data/tagwright.sock").exists(), "a killed process cleans nothing up");
    ask(&site, &["hold", "app"]).prints(0, "policy default:app held\n");
    let mut bot = Bot::start(&site, &[]);
    bot.says("started");
    assert_eq!(ask(&site, &["release", "app"]).code, 0);
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
}

#[test]
fn an_address_that_cannot_be_had_is_said_at_the_start() {
    let site = shop(&["1.0.0"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = site.world.run(["run", "--config=config", "--data-dir=data", "--listen", &address]);
    run.masked(&address, "ADDRESS").refuses(1, "cannot listen on ADDRESS");
    site.world.run(["run", "--listen=localhost"]).refuses(2, "write a port, :8080");
    site.world.run(["run", "--once", "--listen=:0"]).refuses(2, "cannot be used with");
    ask(&site, &["poll"]).refuses(1, "no bot is running on data");
}

#[test]
fn a_running_bot_knows_what_is_suspended_in_its_configuration() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let idle = native("idle", "rarely", "branch: other", "").replace("spec:\n", "spec:\n  suspend: true\n");
    site.configure("idle.yaml", &idle);
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    ask(&site, &["hold", "rarely", "--reason", "later"]).prints(0, "policy default:rarely held\n");
    ask(&site, &["suspend", "idle"]).prints(0, "automation default/idle suspended\n");
    let status = ask(&site, &["status", "-o", "wide"]).stdout;
    let row = status.lines().find(|line| line.starts_with("default:rarely ")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert!(words.contains(&"suspended") && words.contains(&"Unknown"), "{row}");
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
}
