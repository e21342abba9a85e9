//! Whole runs against a Git remote over smart HTTP on loopback, beside what a person would script.
//!
//! `cargo bench --bench git`; needs git, and curl for one row. Both sides talk to the same real `git http-backend`. What is measured is
//! the binary `tagwright run --once` from start to exit: it loads its configuration, polls a registry on loopback, fetches,
//! plans, commits and pushes. Script and tagwright take turns on one branch, so that each of our runs also has to fetch what
//! the script has just pushed.
//!
//! `cargo bench --bench git -- cycle`, `-- nothing`, `-- growth` measure one part alone.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

#[path = "support/child.rs"]
mod child;
#[path = "support/process.rs"]
mod process;
#[path = "support/remote.rs"]
mod remote;
#[path = "support/table.rs"]
mod table;
#[path = "support/web.rs"]
mod web;

use process::Process;
use remote::Remote;
use web::Web;

/// The largest memory wanted, in KiB.
const MEMORY: u64 = 64 << 10;

/// What a person would write: only the marked lines change, and only what is needed is cloned.
const SCRIPT: &str = r#"
git clone --quiet --depth 1 "$URL" "$DIR" && cd "$DIR"
git grep -lz -F '"$imagepolicy"' | xargs -0 sed -i "/imagepolicy/s/app:1\.0\.[0-9]*/app:$TAG/"
git commit --quiet -a -m "Update to $TAG"
git push --quiet
"#;

fn main() {
    let wanted = |part: &str| std::env::args().skip(1).filter(|it| !it.starts_with('-')).all(|it| it == part);
    table::head();
    let folder = tempfile::tempdir().unwrap();
    let world = World { web: Web::start(folder.path()), folder: folder.path().to_owned(), patch: Cell::new(0) };
    if wanted("cycle") {
        let place = Place::create(&world, "cycle", 20_000, 500);
        place.cycle("whole cycle, 500 changes in 20,000 files", 5);
        place.memory();
    }
    if wanted("nothing") {
        nothing(&Place::create(&world, "large", 20_000, 500), "20,000 files, 500 marked");
        nothing(&Place::create(&world, "small", 20, 1), "20 files, 1 marked");
    }
    if wanted("growth") {
        growth(&world);
    }
}

/// Prints how much longer a run takes in a larger repository, and how much of that is ours: what remains of the best run
/// without the time in which the server worked.
fn growth(world: &World) {
    let time = |files: usize, rounds| {
        let place = Place::create(world, &files.to_string(), files, 50);
        let whole = place.cycle(&format!("50 changes in {files} files"), rounds);
        (whole, place.alone.get())
    };
    let (small, middle, large) = (time(2_000, 9), time(20_000, 7), time(200_000, 5));
    for (what, to) in [("2,000 to 20,000", middle), ("2,000 to 200,000", large)] {
        table::growth(&format!("  from {what} files"), small.0, to.0, 1.5);
        table::growth(&format!("  from {what} files, without the server"), small.1, to.1, 1.5);
        let (first, last) = (small.0.saturating_sub(small.1), to.0.saturating_sub(to.1));
        table::growth(&format!("  from {what} files, the server alone"), first, last, f64::INFINITY);
    }
}

/// Prints what a run costs that finds nothing to do.
fn nothing(place: &Place<'_>, what: &str) {
    if !child::is_installed("curl") {
        return table::not_measured(what, "install the Debian package curl");
    }
    // The first run edits, the second finds that there is nothing left.
    place.world.next_tag();
    for _ in 0..2 {
        child::run(&mut place.tagwright());
    }
    let mirror = format!("registry.example.com={}", place.world.web.registry());
    let mirrors = vec![registry::Mirror::parse(&mirror).unwrap()];
    let process = Process::start(place.folder("config"), place.folder("data"), mirrors);
    let (ours, theirs) = table::turns(60, || process.run("unchanged"), || place.curl().1);
    table::row(&format!("nothing to do in {what}: the run"), ours, "curl's own total time", theirs, 1.5);
    let (ours, theirs) = table::turns(60, || child::run(&mut place.tagwright()), || place.curl().0);
    table::row("  the binary, from start to exit", ours, "curl, from start to exit", theirs, 1.5);
}

struct World {
    web: Web,
    folder: PathBuf,
    patch: Cell<usize>,
}

impl World {
    /// Makes the next tag the newest one.
    fn next_tag(&self) -> String {
        self.patch.set(self.patch.get() + 1);
        self.web.offer(self.patch.get());
        format!("1.0.{}", self.patch.get())
    }
}

/// A remote, and a configuration and mirrors for it.
struct Place<'w> {
    world: &'w World,
    remote: Remote,
    url: String,
    marked: usize,
    /// The shortest run without what the server took of it.
    alone: Cell<Duration>,
}

impl<'w> Place<'w> {
    fn create(world: &'w World, name: &str, files: usize, marked: usize) -> Self {
        let name = format!("{name}.git");
        let remote = Remote::create(&world.folder, &name, files, marked);
        let alone = Cell::new(Duration::MAX);
        let place = Self { world, remote, url: world.web.git(&name), marked, alone };
        fs::create_dir(place.folder("config")).unwrap();
        fs::write(place.folder("config").join("automation.yaml"), configuration(&place.url)).unwrap();
        place
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.world.folder.join(format!("{name}-{}", self.remote.path.file_stem().unwrap().display()))
    }

    fn tagwright(&self) -> Command {
        let mut command = child::command(env!("CARGO_BIN_EXE_tagwright"), &self.world.folder);
        command.args(["run", "--once", "--output", "json", "--config"]).arg(self.folder("config"));
        command.arg("--data-dir").arg(self.folder("data"));
        command.arg(format!("--registry-mirror=registry.example.com={}", self.world.web.registry()));
        command
    }

    /// Lets the script and us take turns; prints the row and returns our time.
    fn cycle(&self, what: &str, rounds: usize) -> Duration {
        self.world.next_tag();
        child::run(&mut self.tagwright());
        let ours = || {
            self.world.next_tag();
            self.world.web.take_busy();
            let took = child::run(&mut self.tagwright());
            self.alone.set(self.alone.get().min(took.saturating_sub(self.world.web.take_busy())));
            assert_eq!(self.remote.changed(), self.marked);
            took
        };
        let theirs = || {
            let tag = self.world.next_tag();
            let clone = self.folder(&format!("clone-{tag}"));
            let mut script = child::command("sh", &self.world.folder);
            script.args(["-e", "-c", SCRIPT]).env("URL", &self.url).env("DIR", clone).env("TAG", tag);
            let took = child::run(&mut script);
            assert_eq!(self.remote.changed(), self.marked);
            took
        };
        let (ours, theirs) = table::turns(rounds, ours, theirs);
        table::row(what, ours, "clone, sed, commit, push", theirs, 1.0 / 3.0);
        ours
    }

    /// Prints the memory that a whole cycle needs.
    fn memory(&self) {
        self.world.next_tag();
        let warm = child::peak(&mut self.tagwright());
        table::amount("  its peak memory", warm, MEMORY, "KiB");
        self.world.next_tag();
        fs::rename(self.folder("data"), self.folder("old")).unwrap();
        let cold = child::peak(&mut self.tagwright());
        table::amount("  the same without a mirror", cold, MEMORY, "KiB");
    }

    /// Asks for the references with curl: from start to exit, and what curl says of it, which leaves out its own start.
    fn curl(&self) -> (Duration, Duration) {
        let url = format!("{}/info/refs?service=git-upload-pack", self.url);
        let mut command = child::command("curl", &self.world.folder);
        command.args(["--silent", "--fail", "--output", "/dev/null", "--write-out", "%{time_total}", &url]);
        let start = Instant::now();
        let seconds: f64 = child::text(&mut command).parse().unwrap();
        (start.elapsed(), Duration::from_secs_f64(seconds))
    }
}

fn configuration(url: &str) -> String {
    format!(
        "apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {{name: shop, namespace: default}}
spec:
  interval: 5m
  git:
    url: {url}
    branch: main
    commit:
      author: {{name: tagwright, email: tagwright@users.noreply.example.com}}
      message: |
        Update image automatically.

        {{{{ range .Changed.Changes }}}}{{{{ .OldValue }}}} -> {{{{ .NewValue }}}}
        {{{{ end }}}}
  images:
    - name: app
      image: registry.example.com/shop/app
      policy: {{semver: {{range: 1.x}}}}
"
    )
}
