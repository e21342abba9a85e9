//! `run` as a bot: signals, new configurations, its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::registry::{Fault, World as Listed};
use crate::remote::Remote;
use crate::site::{SHOP, Site, native};

/// How long anything may take before the test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// A running bot; killed when dropped.
pub(crate) struct Bot {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Bot {
    pub(crate) fn start(site: &Site, arguments: &[&str]) -> Self {
        let all = ["run", "--config", "config", "--data-dir", "data"].iter().chain(arguments);
        let mut command = site.world.tagwright(all);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines, said: Vec::new() }
    }

    /// Waits until a line says this; returns the line.
    #[track_caller]
    pub(crate) fn says(&mut self, what: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(_) => panic!("it did not say {what:?}, but:\n{}", self.said.join("\n")),
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status =
            std::process::Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end; returns the exit code and everything it said.
    #[track_caller]
    pub(crate) fn ends(mut self) -> (i32, String) {
        let end = Instant::now() + LIMIT;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.said.push(line);
        }
        // stderr is closed, so the process is at its end.
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.said.join("\n"))
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn tagged(tags: &[&str]) -> Site {
    let site = Site::new(tags, SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    site
}

fn release(site: &Site, tag: &str) {
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push(tag.to_owned()));
}

/// A hook of the remote that says that it began, and waits until it may end.
fn slow_push(site: &Site) {
    let (began, may_end) = (site.world.path("began"), site.world.path("may-end"));
    let script = format!(
        "#!/bin/sh\ntouch '{}'\nwhile [ ! -e '{}' ]; do sleep 0.05; done\n",
        began.display(),
        may_end.display()
    );
    site.remote.hook("pre-receive", &script);
}

#[test]
fn it_commits_what_is_released_until_it_is_told_to_stop() {
    let site = tagged(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &[]);
    bot.says("started");
    bot.says("pushed a commit");
    release(&site, "1.2.0");
    bot.signal("USR1");
    bot.says("selects another tag");
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.2.0"));
    bot.signal("TERM");
    let (code, said) = bot.ends();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("stopping") && said.contains("stopped"), "{said}");
    assert_eq!((site.commits("main"), said.matches("pushed a commit").count()), (3, 2));
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    site.remote.fsck();
}

#[test]
fn it_keeps_its_state_in_the_user_s_folder() {
    let site = tagged(&["1.0.0", "1.1.0"]);
    let mut command = site.world.tagwright(["run", "--config", "config"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let folder = site.world.path("home/.local/state/tagwright");
    until("there is a state", || folder.join("state.redb").exists() && site.commits("main") == 2);
    let second = site.world.run(["run", "--config", "config"]);
    let first = format!("another tagwright (process {}) uses", child.id());
    let _ = child.kill();
    let _ = child.wait();
    second.refuses(2, &first);
    assert!(second.stderr.contains(".local/state/tagwright"), "{second:?}");
}

#[test]
fn a_wrong_configuration_at_the_start_is_refused() {
    let site = tagged(&["1.0.0"]);
    site.configure("shop.yaml", "kind: ImageAutomation\napiVersion: tagwright.dev/v1alpha1\nspec: {}\n");
    let run = site.world.run(["run", "--config", "config", "--data-dir", "data"]);
    run.refuses(2, "metadata");
    std::fs::remove_file(site.world.path("config/shop.yaml")).unwrap();
    let run = site.world.run(["run", "--config", "config", "--data-dir", "data"]);
    run.refuses(2, "no automation is configured");
    assert_eq!(site.world.run(["run", "--config", "config", "--dry-run"]).code, 2);
}

#[test]
fn a_new_configuration_is_used_and_a_wrong_one_is_not() {
    let site = tagged(&["1.0.0", "1.1.0", "2.0.0"]);
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    let second = native("shop", "app", "branch: main", "").replace("1.x", "2.x");

    site.configure("shop.yaml", &second);
    bot.says("uses the new configuration");
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:2.0.0"));

    site.configure("shop.yaml", &second.replace("range: 2.x", "range: two"));
    bot.says("cannot be used, and the one before goes on");
    bot.says("config/shop.yaml");
    release(&site, "2.1.0");
    bot.signal("USR1");
    bot.says("pushed a commit");

    std::fs::remove_file(site.world.path("config/shop.yaml")).unwrap();
    bot.says("no automation is configured");
    release(&site, "2.2.0");
    bot.signal("USR1");
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:2.2.0"));

    site.configure("shop.yaml", &second);
    bot.says("uses the new configuration");
    bot.signal("INT");
    let (code, said) = bot.ends();
    assert_eq!((code, said.matches("cannot be used").count()), (0, 2), "each mistake is told once:\n{said}");
}

/// A document that the configuration names belongs to it: it is read again when it changes, and a wrong one is not used.
#[test]
fn a_document_beside_the_configuration_is_read_again() {
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    let image = format!("{}/team/app", site.registry.host());
    let write = |text: &str| {
        std::fs::create_dir_all(site.world.path("security")).unwrap();
        std::fs::write(site.world.path("security/osv.json"), text).unwrap();
    };
    let osv = |fixed: &str| {
        let range = serde_json::json!({"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]});
        let affected = serde_json::json!({"package": {"ecosystem": "OCI", "name": image}, "ranges": [range]});
        serde_json::json!({"id": "CVE-2026-1234", "affected": [affected]}).to_string()
    };
    write(&osv("1.1.0"));
    let lane = "minimumAge: 72h\n      fastLane: {documents: [../security/osv.json]}";
    site.configure("shop.yaml", &native("shop", "app", "branch: main", lane));
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.1.0"));
    release(&site, "1.2.0");
    write("{");
    bot.says("cannot be used, and the one before goes on");
    bot.says("`../security/osv.json` is not JSON");
    write(&osv("1.2.0"));
    bot.says("uses the new configuration");
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.2.0"));
    bot.signal("INT");
    assert_eq!(bot.ends().0, 0);
    let history = site.world.run(["history", "--data-dir", "data", "--output=json"]).json();
    let remark = "default:app: it need not become older, since it fixes CVE-2026-1234, as ../security/osv.json says";
    assert_eq!(history["entries"][0]["remarks"][0], remark, "{history}");
}

#[test]
fn the_mirror_of_a_remote_that_is_not_configured_any_more_is_deleted() {
    let site = tagged(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    let mirrors = || std::fs::read_dir(site.world.path("data/mirrors")).unwrap().count();
    let before = mirrors();
    let elsewhere = Remote::with(&[("a.yaml", "a: 1\n")]);
    let text = native("shop", "app", "branch: main", "").replace("REMOTE", &elsewhere.path());
    site.configure("shop.yaml", &text);
    bot.signal("HUP");
    bot.says("deleted mirrors");
    assert!(mirrors() <= before, "{} of {before}", mirrors());
    bot.signal("TERM");
    assert_eq!(bot.ends().0, 0);
}

#[test]
fn sighup_reads_the_configuration_at_once() {
    let site = tagged(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    for _ in 0..3 {
        bot.signal("HUP");
        bot.says("told to read the configuration again");
        bot.says("uses the new configuration");
    }
    bot.signal("TERM");
    assert_eq!((bot.ends().0, site.commits("main")), (0, 2));
}

#[test]
fn a_push_under_way_may_finish() {
    let site = tagged(&["1.0.0", "1.1.0"]);
    slow_push(&site);
    let mut bot = Bot::start(&site, &[]);
    until("the push began", || site.world.path("began").exists());
    bot.signal("TERM");
    bot.says("stopping");
    site.world.write("may-end", "");
    let (code, said) = bot.ends();
    assert_eq!((code, site.commits("main")), (0, 2), "{said}");
    assert!(said.contains("pushed a commit") && !said.contains("stopped before it was done"), "{said}");
    site.remote.fsck();
}

#[test]
fn a_push_that_takes_too_long_is_dropped() {
    let site = tagged(&["1.0.0", "1.1.0"]);
    slow_push(&site);
    let bot = Bot::start(&site, &["--grace", "1"]);
    until("the push began", || site.world.path("began").exists());
    bot.signal("TERM");
    let (code, said) = bot.ends();
    assert_eq!(code, 0, "{said}");
    let dropped = said.lines().find(|line| line.contains("stopped before it was done")).unwrap();
    assert!(dropped.contains("push"), "{dropped}");
    site.world.write("may-end", "");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let site = tagged(&["1.0.0", "1.1.0"]);
    slow_push(&site);
    let mut bot = Bot::start(&site, &["--grace", "3600"]);
    until("the push began", || site.world.path("began").exists());
    bot.signal("TERM");
    bot.says("stopping");
    bot.signal("INT");
    let (code, said) = bot.ends();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("told to stop twice"), "{said}");
    site.world.write("may-end", "");
}

#[test]
fn a_registry_that_hangs_stops_no_other() {
    let mut listed = Listed::with("team/app", ["1.0.0", "1.1.0"]);
    for _ in 0..8 {
        listed = listed.failing("team/stuck/tags/list", Fault::Stall);
    }
    let site = Site::with(listed, SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    let elsewhere = Remote::with(&[("a.yaml", "a: 1\n")]);
    let other = native("other", "stuck", "branch: main", "").replace("team/app", "team/stuck");
    site.configure("other.yaml", &other.replace("REMOTE", &elsewhere.path()));
    let mut bot = Bot::start(&site, &[]);
    bot.says("pushed a commit");
    release(&site, "1.2.0");
    bot.signal("USR1");
    bot.says("selects another tag");
    until("the release is committed", || site.file("main").contains("app:1.2.0"));
    bot.signal("TERM");
    let (code, said) = bot.ends();
    assert_eq!(code, 0, "a poll that hangs holds up no shutdown:\n{said}");
}
