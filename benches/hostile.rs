//! What remotes cost that mean harm: the peak memory of `tagwright run --once`, alone with each and beside a good one, held against
//! the 256 MiB of the shipped manifests.
//!
//! `cargo bench --bench hostile`; needs git. Each remote is a few kilobytes to a few megabytes that unfold to far more. Beside a
//! good remote, what counts as well is that the good one gets its commit. `cargo bench --bench hostile -- names` measures those with
//! `names` in their title.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::process::{Command, Stdio};

#[path = "support/child.rs"]
mod child;
#[path = "../tests/support/hostile.rs"]
mod hostile;
#[path = "../tests/support/git.rs"]
mod remote;
#[path = "../tests/support/registry.rs"]
mod simulated;
#[path = "support/table.rs"]
mod table;

use hostile::{BLOB, COMMIT, Delta, Hostile, Id, Pack, TREE, commit, entry};
use remote::Remote;
use simulated::{Registry, World};

/// The memory limit of the manifests in `deploy/`, in KiB.
const LIMIT: u64 = 256 << 10;

const MIB: usize = 1 << 20;

const MARKER: &str = "# {\"$imagepolicy\": \"default:app\"}";

/// A remote that means harm.
struct Case {
    title: &'static str,
    tip: Id,
    pack: Vec<u8>,
}

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registry = runtime.block_on(Registry::start(World::with("team/app", ["1.0.0", "1.1.0"])));
    let image = format!("{}/team/app", registry.host());
    table::head();
    let nothing = measure(&image, &[]);
    table::amount("a good remote alone", nothing.peak, LIMIT, "KiB");
    for (title, make) in CASES.iter().filter(|(title, _)| title.contains(&filter)) {
        let Case { title, tip, pack } = case(title, *make, &image);
        let bytes = pack.len();
        let server = runtime.block_on(Hostile::start(&tip, pack));
        let alone = measure_with(&image, &[&server.url], false);
        table::amount(&format!("{title} ({} KiB)", bytes >> 10), alone.peak, LIMIT, "KiB");
        let beside = measure_with(&image, &[&server.url], true);
        table::amount("  beside a good one", beside.peak, LIMIT, "KiB");
        if !beside.good {
            println!("  the good one did not get its commit: over");
        }
    }
}

/// What was seen of a run.
struct Seen {
    /// In KiB.
    peak: u64,
    /// Whether the good remote has its commit.
    good: bool,
}

fn measure(image: &str, urls: &[&str]) -> Seen {
    measure_with(image, urls, true)
}

/// Runs once with automations on these remotes, and on a good one.
fn measure_with(image: &str, urls: &[&str], with_good: bool) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let good = Remote::with(&[("app.yaml", &format!("image: {image}:1.0.0 {MARKER}\n"))]);
    let path = good.path();
    let remotes = urls.iter().copied().chain(with_good.then_some(path.as_str()));
    for (n, url) in remotes.enumerate() {
        let text = format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: of-{n}, namespace: default}}\n\
             spec:\n  git: {{url: '{url}', branch: main, timeout: 60s}}\n  images:\n  \
             - {{name: app{}, image: {image}, policy: {{semver: {{range: 1.x}}}}}}\n",
            if url == path { String::new() } else { format!("-{n}") },
        );
        fs::write(folder.path().join(format!("{n}.yaml")), text).unwrap();
    }
    let mut command = child::command(env!("CARGO_BIN_EXE_tagwright"), folder.path());
    command.args(["run", "--once", "--config"]).arg(folder.path()).arg("--data-dir").arg(folder.path().join("data"));
    let peak = peak(&mut command);
    Seen { peak, good: good.show("main:app.yaml").contains(":1.1.0") }
}

/// The largest resident memory of a command, which may fail.
fn peak(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        peak = peak.max(child::high_water(&status));
        if child.try_wait().unwrap().is_some() {
            return peak;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Fills a pack; returns the tree of its commit, or the commit itself.
type Make = fn(&mut Pack, &str) -> End;

/// What a pack ends in.
enum End {
    Tree(Id),
    Commit(Id),
}

fn case(title: &'static str, make: Make, image: &str) -> Case {
    let mut pack = Pack::new();
    let tip = match make(&mut pack, image) {
        End::Tree(tree) => pack.object(COMMIT, &commit(&tree, "hostile")),
        End::Commit(commit) => commit,
    };
    Case { title, tip, pack: pack.finish() }
}

fn marked(image: &str) -> String {
    format!("image: {image}:1.0.0 {}\n", MARKER.replace("app", "app-0"))
}

/// A tree of files or folders that are the same object.
fn same(pack: &mut Pack, mode: &str, names: impl IntoIterator<Item = String>, id: &Id) -> Id {
    let entries: Vec<u8> = names.into_iter().flat_map(|name| entry(mode, name.as_bytes(), id)).collect();
    pack.object(TREE, &entries)
}

/// Copies of a base, one behind the other.
fn copies(base: usize, times: usize) -> Vec<u8> {
    let delta = Delta::new(base, base * times);
    (0..times).fold(delta, |delta, _| delta.copy(0, base as u32)).bytes()
}

const CASES: &[(&str, Make)] = &[
    ("a difference that makes 1.2 GB", |pack, _| {
        let base = pack.object(BLOB, &vec![b'x'; MIB]);
        pack.named(&base, &copies(MIB, 1_200));
        End::Tree(same(pack, "100644", ["a.yaml".to_owned()], &base))
    }),
    ("1,000 differences that make the same 30 MiB", |pack, _| {
        let base = pack.object(BLOB, &vec![b'x'; MIB]);
        let delta = copies(MIB, 30);
        (0..1_000).for_each(|_| pack.named(&base, &delta));
        End::Tree(same(pack, "100644", ["a.yaml".to_owned()], &base))
    }),
    ("100 differences of 30 MiB, each from the one before", |pack, _| {
        let mut last = vec![b'x'; 30 * MIB];
        let first = pack.object(BLOB, &last);
        for n in 0..100 {
            let delta = Delta::new(last.len(), last.len()).copy(0, (8 * MIB) as u32);
            let delta = delta.copy((8 * MIB) as u32, (8 * MIB) as u32).copy((16 * MIB) as u32, (8 * MIB) as u32);
            let delta = delta.copy((24 * MIB) as u32, (6 * MIB - 1) as u32).insert(&[n]);
            let base = hostile::id(BLOB, &last);
            pack.named(&base, &delta.bytes());
            *last.last_mut().unwrap() = n;
        }
        End::Tree(same(pack, "100644", ["a.yaml".to_owned()], &first))
    }),
    ("390,000 objects", |pack, _| {
        let mut last = [0; 20];
        for n in 0..390_000 {
            last = pack.object(BLOB, format!("{n}").as_bytes());
        }
        End::Tree(same(pack, "100644", ["a.yaml".to_owned()], &last))
    }),
    ("one marked file of 15 MB under 400 names", |pack, image| {
        let file = pack.repeated(BLOB, marked(image).as_bytes(), &[&[b'#'; 999], b"\n".as_slice()].concat(), 15_000);
        End::Tree(same(pack, "100644", (0..400).map(|n| format!("{n:03}.yaml")), &file))
    }),
    ("one marked file of 15 MB under two names", |pack, image| {
        let file = pack.repeated(BLOB, marked(image).as_bytes(), &[&[b'#'; 999], b"\n".as_slice()].concat(), 15_000);
        End::Tree(same(pack, "100644", (0..2).map(|n| format!("{n:03}.yaml")), &file))
    }),
    ("a marked file of 1.2 GB", |pack, image| {
        let file = pack.repeated(BLOB, marked(image).as_bytes(), &[b'#'; 1 << 16], 1_200 << 4);
        End::Tree(same(pack, "100644", ["a.yaml".to_owned()], &file))
    }),
    ("names of 60 KB in 2^20 folders", |pack, _| {
        let file = pack.object(BLOB, b"a: 1\n");
        let mut tree = same(pack, "100644", ["a.yaml".to_owned()], &file);
        for _ in 0..20 {
            tree = same(pack, "40000", ["a", "b"].map(|name| name.repeat(60_000)), &tree);
        }
        End::Tree(tree)
    }),
    ("10^10 marked files in folders of ten", |pack, image| {
        let file = pack.object(BLOB, marked(image).as_bytes());
        let mut tree = same(pack, "100644", (0..10).map(|n| format!("{n}.yaml")), &file);
        for _ in 0..9 {
            tree = same(pack, "40000", (0..10).map(|n| format!("{n}")), &tree);
        }
        End::Tree(tree)
    }),
    ("a million symbolic links", |pack, _| {
        let file = pack.object(BLOB, b"/etc/passwd");
        let tree = same(pack, "120000", (0..1_000).map(|n| format!("{n:04}.yaml")), &file);
        End::Tree(same(pack, "40000", (0..1_000).map(|n| format!("{n:04}")), &tree))
    }),
    ("a million different files in 200 folders", |pack, _| {
        let file = pack.object(BLOB, b"a: 1\n");
        let folders: Vec<Id> = (0..200)
            .map(|folder| same(pack, "100644", (0..5_000).map(|n| format!("{folder}-{n}.yaml")), &file))
            .collect();
        let entries = folders.iter().enumerate().flat_map(|(n, id)| entry("40000", format!("{n:03}").as_bytes(), id));
        let entries: Vec<u8> = entries.collect();
        End::Tree(pack.object(TREE, &entries))
    }),
    ("a tree of 700 MB", |pack, _| {
        let file = pack.object(BLOB, b"a: 1\n");
        let piece = entry("100644", &[b'n'; 200], &file).repeat(1_000);
        let times = 700_000_000 / piece.len();
        End::Tree(pack.repeated(TREE, b"", &piece, times))
    }),
    ("a commit of 700 MB", |pack, image| {
        let file = pack.object(BLOB, marked(image).as_bytes());
        let tree = same(pack, "100644", ["a.yaml".to_owned()], &file);
        End::Commit(pack.repeated(COMMIT, &commit(&tree, "m"), &[b'm'; 1 << 16], 700 << 4))
    }),
];
