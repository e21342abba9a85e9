//! Follows a page as its reader would: writes the files that it shows, runs its commands, and reads what they print.
//!
//! - A block whose first line is a comment with nothing but a path is the file at that path.
//! - `$ ` begins a command of a `console` block. It ends with 0, or as a comment `exits with N` behind it says. What follows is
//!   all that it prints, where anything follows; a line `…` stands for any lines.
//! - A command that ends in ` &` is a bot, and goes on until the page has been read; what it says is in `bot.log`.
//! - `<!-- tags: NAME TAG… -->` lets the registry have these tags from there on.
//!
//! `fixtures/guides/PAGE/` has the remotes, each a folder with its files, and `tags.json`. The remote `config` is
//! `https://git.example.com/acme/config.git`. With `UPDATE_FIXTURES=1`, what is printed is written into the page.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use regex::Regex;

use crate::page::Page;
use crate::registry::World as Listed;
use crate::remote::Remote;
use crate::site::Live;
use crate::world::{Run, World};

/// Where a reader's remotes seem to be.
const FORGE: &str = "https://git.example.com/acme";

/// How long a bot may take to listen.
const START: Duration = Duration::from_secs(30);

/// Who pushes by hand.
const ADA: &str = "[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n";

/// A reader with a machine, a registry and remotes.
pub(crate) struct Reader {
    world: World,
    registry: Live,
    /// Removes the remotes at the end.
    _remotes: Vec<Remote>,
    /// The `export` and `cd` commands so far.
    before: Vec<String>,
    /// What each command has printed.
    pub(crate) printed: Vec<String>,
    /// Whether what is printed is written into the page.
    update: bool,
}

impl Reader {
    /// A reader with the fixtures of a page.
    pub(crate) fn of(page: Page) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::with(&root.join("fixtures/guides").join(Path::new(page.path).file_stem().unwrap()))
    }

    fn with(fixtures: &Path) -> Self {
        let world = World::new();
        let tags = std::fs::read_to_string(fixtures.join("tags.json")).unwrap_or_else(|_| "{}".to_owned());
        let tags: BTreeMap<String, Vec<String>> = serde_json::from_str(&tags).unwrap();
        let listed = tags.into_iter().fold(Listed::default(), |listed, (name, tags)| listed.and(&name, tags));
        let registry = Live::start(listed);
        let mut config = ADA.to_owned();
        let mut remotes = Vec::new();
        let folders = std::fs::read_dir(fixtures).into_iter().flatten().map(|entry| entry.unwrap().path());
        for folder in folders.filter(|path| path.is_dir()) {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let files = files(&folder);
            let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            let remote = Remote::with(&files);
            config.push_str(&format!("[url \"{}\"]\n\tinsteadOf = {FORGE}/{name}.git\n", remote.path()));
            remotes.push(remote);
        }
        world.write("home/.gitconfig", config);
        // Apart from the mirror, commands run as they are written.
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in run*|mark*|explain*|select*--image*) set -- \"$@\" --registry-mirror=ghcr.io={} ;; esac\nexec '{}' \"$@\"\n",
            registry.url(),
            env!("CARGO_BIN_EXE_tagwright")
        );
        let shim = world.write("bin/tagwright", script);
        std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
        world.write("here/.keep", "");
        Self {
            world,
            registry,
            _remotes: remotes,
            before: Vec::new(),
            printed: Vec::new(),
            update: std::env::var_os("UPDATE_FIXTURES").is_some(),
        }
    }

    /// Follows a page, or a section of one, from top to bottom.
    pub(crate) fn follow(&mut self, page: Page) {
        for part in parts(page.text) {
            match part {
                Part::File { path, text } => drop(self.world.write(&format!("here/{path}"), format!("{text}\n"))),
                Part::Tags { name, tags } => self.tag(name, &tags),
                Part::Step { command, prints } => {
                    if let Some(printed) = self.step(page, command, prints) {
                        assert!(self.update, "{}: $ {command}\nprints\n{printed}\nand not\n{prints}", page.path);
                        page.replace(&format!("$ {command}\n{prints}"), &format!("$ {command}\n{printed}"));
                    }
                }
            }
        }
    }

    /// The text of a file that is there by now.
    pub(crate) fn read(&self, path: &str) -> String {
        self.world.read(&format!("here/{path}"))
    }

    fn tag(&self, name: &str, tags: &[&str]) {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.registry.change(|world| drop(world.repositories.insert(name.to_owned(), tags)));
    }

    /// Runs a command, and returns what it prints where that is something else than the page says.
    fn step(&mut self, page: Page, command: &str, prints: &str) -> Option<String> {
        if command.starts_with("export ") || command.starts_with("cd ") {
            self.before.push(command.to_owned());
            return None;
        }
        let run = self.bash(command);
        if command.ends_with(" &") {
            self.wait_for_the_bot();
        }
        let code =
            Regex::new(r"# .*exits with (\d+)").unwrap().captures(command).map_or(0, |found| found[1].parse().unwrap());
        assert_eq!(run.code, code, "{}: $ {command}\n{}", page.path, run.stdout);
        let printed = settled(&run.stdout);
        self.printed.push(printed.clone());
        (!prints.is_empty() && !matches(&printed, &settled(prints))).then_some(printed)
    }

    /// Runs a command as the reader would.
    pub(crate) fn bash(&self, command: &str) -> Run {
        let command = match command.strip_suffix(" &") {
            Some(command) => format!("{command} > bot.log 2>&1 & echo $! >> '{}'", self.pids().display()),
            None => command.to_owned(),
        };
        let path = format!("{}:{}", self.world.path("bin").display(), std::env::var("PATH").unwrap());
        let script = format!("exec 2>&1\n{}\n{command}", self.before.join("\n"));
        let mut bash = self.world.program("bash");
        bash.env("PATH", path).current_dir(self.world.path("here")).args(["-c", &script]);
        self.world.finish(&mut bash, b"").masked(&self.registry.host(), "ghcr.io")
    }

    /// Until a bot can be asked.
    fn wait_for_the_bot(&self) {
        let folders = || std::fs::read_dir(self.world.path("here")).unwrap().map(|entry| entry.unwrap().path());
        let end = Instant::now() + START;
        while !folders().any(|folder| folder.join("tagwright.sock").exists()) {
            assert!(Instant::now() < end, "no bot: {}", self.world.read("here/bot.log"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn pids(&self) -> PathBuf {
        self.world.path("pids")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for pid in std::fs::read_to_string(self.pids()).unwrap_or_default().lines() {
            let _ = std::process::Command::new("kill").arg(pid).status();
        }
    }
}

/// What a page asks its reader to do.
enum Part<'a> {
    File { path: &'a str, text: &'a str },
    Tags { name: &'a str, tags: Vec<&'a str> },
    Step { command: &'a str, prints: &'a str },
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let part = Regex::new(r"(?ms)^```(\w+)\n(.*?\n)```$|^<!-- tags: (\S+) (.*?) -->$").unwrap();
    let path = Regex::new(r"^(?:#|//) ([\w./-]+)\n").unwrap();
    let mut parts = Vec::new();
    for found in part.captures_iter(text) {
        let group = |index| found.get(index).map(|group| group.as_str());
        match (group(1), group(2), group(3), group(4)) {
            (Some("console"), Some(block), ..) => parts.extend(steps(block)),
            (Some(_), Some(block), ..) => {
                let file = path.captures(block).map(|found| found.get(1).unwrap().as_str());
                parts.extend(file.map(|path| Part::File { path, text: block.trim_end() }));
            }
            (_, _, Some(name), Some(tags)) => parts.push(Part::Tags { name, tags: tags.split(' ').collect() }),
            _ => unreachable!(),
        }
    }
    parts
}

/// The commands of a block; one that ends a line in a bar or a backslash goes on in the next.
fn steps(block: &str) -> Vec<Part<'_>> {
    let step = Regex::new(r"(?m)^\$ ((?:.*[|\\]\n)*.*)\n((?:[^$\n].*\n|\$[^ ].*\n|\n)*)").unwrap();
    let part = |found: regex::Captures<'_>| (found.get(1).unwrap().range(), found.get(2).unwrap().range());
    let ranges = step.captures_iter(block).map(part);
    ranges.map(|(command, prints)| Part::Step { command: &block[command], prints: &block[prints] }).collect()
}

/// A text without what differs from run to run: hashes are one that pages show, ends of lines have no blanks.
fn settled(text: &str) -> String {
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let replaced = [
        (r"\b[0-9a-f]{40}\b", "8c1f2ab3d4e5f60718293a4b5c6d7e8f90a1b2c3"),
        (r"\b(pushed|commit|to) [0-9a-f]{7}\b", "$1 8c1f2ab"),
        (r"(?m)^[0-9a-f]{7} ", "8c1f2ab "),
        (r"\[main [0-9a-f]{7}\]", "[main 8c1f2ab]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-05-01T08:00:00Z"),
        (r"\b\d+(ms|s)\b", "1$1"),
    ];
    let settle = |text: String, (pattern, shown): (&str, &str)| {
        Regex::new(pattern).unwrap().replace_all(&text, shown).into_owned()
    };
    let text = replaced.into_iter().fold(text, settle);
    if text.is_empty() { text } else { format!("{}\n", text.trim_end()) }
}

/// Whether a text is as a page shows it.
fn matches(printed: &str, shown: &str) -> bool {
    let pattern = shown.lines().map(|line| match line.trim() {
        "…" => "(?:.*\n)*".to_owned(),
        _ => format!("{}\n", regex::escape(line)),
    });
    Regex::new(&format!("^{}$", pattern.collect::<String>())).unwrap().is_match(printed)
}

/// All files of a folder, by their paths from it.
fn files(folder: &Path) -> Vec<(String, String)> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = folders.pop() {
        for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Pages that are followed by other tests, each with the one that does.
const ELSEWHERE: [(&str, &str); 2] =
    [("README.md", "documents::five_minutes_are_as_written"), ("docs/reference/findings.md", "tests/check.rs")];

#[test]
fn every_page_with_commands_is_as_written() {
    let pages = Page::all().into_iter().filter(|page| page.text.contains("```console\n"));
    // One page alone, while it is written.
    let only = std::env::var("PAGE").unwrap_or_default();
    let elsewhere = |page: &Page| ELSEWHERE.iter().any(|(path, _)| *path == page.path);
    std::thread::scope(|scope| {
        for page in pages.filter(|page| page.path.contains(&only) && !elsewhere(page)) {
            scope.spawn(move || Reader::of(page).follow(page));
        }
    });
}
