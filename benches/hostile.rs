//! What remotes and registries cost that mean harm: the peak memory of `tagwright run --once`, alone with each, beside a good one,
//! and with two of the same at once, held against the 256 MiB of the shipped manifests.
//!
//! `cargo bench --bench hostile`; needs git. Each remote is a few kilobytes to a few megabytes that unfold to far more; registries
//! have as many tags as they may, and more. Beside a good one, what counts as well is that the good one gets its commit. Registries
//! are asked twice, since the second time the tags of the first are there to be compared with. `cargo bench --bench hostile -- names` measures those with
//! `names` in their title.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::process::{Command, Stdio};

#[path = "support/child.rs"]
mod child;
#[path = "../tests/support/hostile.rs"]
mod hostile;
#[path = "../tests/support/image.rs"]
mod image;
#[path = "../tests/support/git.rs"]
mod remote;
#[path = "../tests/support/registry.rs"]
mod simulated;
#[path = "support/table.rs"]
mod table;

use hostile::{BLOB, COMMIT, Delta, Hostile, Id, Pack, TREE, commit, entry};
use remote::Remote;
use simulated::{Fault, Registry, World};

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
    for (title, images, answer) in LISTS.iter().filter(|(title, ..)| title.contains(&filter)) {
        let world = World { broken: [("tags/list".to_owned(), Fault::body(answer()))].into(), ..World::default() };
        let hostile = runtime.block_on(Registry::start(world));
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..*images).map(|n| format!("{}/team/app-{n}", hostile.host())).collect();
        for round in ["the first time", "the second time"] {
            let seen = poll(folder.path(), &image, &names);
            table::amount(&format!("{title}, {round}"), seen.peak, LIMIT, "KiB");
            if !seen.good {
                println!("  the good one did not get its commit: over");
            }
        }
    }
    for (title, make) in CASES.iter().filter(|(title, _)| title.contains(&filter)) {
        let Case { title, tip, pack } = case(title, *make, &image);
        let bytes = pack.len();
        let servers = [pack.clone(), pack].map(|pack| runtime.block_on(Hostile::start(&tip, pack)));
        let [one, other] = servers.each_ref().map(|server| server.url.as_str());
        let alone = measure_with(&image, &[one], false);
        table::amount(&format!("{title} ({} KiB)", bytes >> 10), alone.peak, LIMIT, "KiB");
        for (what, urls) in [("beside a good one", &[one][..]), ("two of them, beside a good one", &[one, other][..])] {
            let beside = measure_with(&image, urls, true);
            table::amount(&format!("  {what}"), beside.peak, LIMIT, "KiB");
            if !beside.good {
                println!("  the good one did not get its commit: over");
            }
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

/// Runs once in a folder, with an automation that is good and has policies for these images besides.
fn poll(folder: &std::path::Path, good: &str, images: &[String]) -> Seen {
    let remote = Remote::with(&[("app.yaml", &format!("image: {good}:1.0.0 {MARKER}\n"))]);
    let policy =
        |name: &str, image: &str| format!("  - {{name: {name}, image: {image}, policy: {{numerical: {{}}}}}}\n");
    let mut text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: good, namespace: default}}\n\
         spec:\n  git: {{url: '{}', branch: main}}\n  images:\n  \
         - {{name: app, image: {good}, policy: {{semver: {{range: 1.x}}}}}}\n",
        remote.path(),
    );
    text.extend(images.iter().enumerate().map(|(n, image)| policy(&format!("app-{n}"), image)));
    fs::write(folder.join("good.yaml"), text).unwrap();
    let mut command = child::command(env!("CARGO_BIN_EXE_tagwright"), folder);
    command
        .args(["run", "--once", "--config"])
        .arg(folder.join("good.yaml"))
        .arg("--data-dir")
        .arg(folder.join("data"));
    let peak = peak(&mut command);
    Seen { peak, good: remote.show("main:app.yaml").contains(":1.1.0") }
}

/// The largest resident memory of a command, which may fail.
fn peak(command: &mut Command) -> u64 {
    let mut child = command.envs(image::allocator()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
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

/// What a registry answers to the question for a list.
type Answer = fn() -> String;

fn tags(numbers: std::ops::Range<u32>) -> String {
    let tags: Vec<String> = numbers.map(|number| format!("\"{number}\"")).collect();
    format!("{{\"tags\":[{}]}}", tags.join(","))
}

/// Registries: how many images each has, and what it says of each.
const LISTS: &[(&str, usize, Answer)] = &[
    ("a list of 900,000 tags", 1, || tags(100_000..1_000_000)),
    ("12 lists of 900,000 tags", 12, || tags(100_000..1_000_000)),
    ("12 pages of 30 MiB with 6 million tags", 12, || format!("{{\"tags\":[{}\"0\"]}}", "\"ab\",".repeat(6 * MIB))),
    ("12 pages of 30 MiB with as many images of Google's", 12, || {
        let images: Vec<String> = (0..1_900_000).map(|number| format!("\"{number}\":{{}}")).collect();
        format!("{{\"tags\":[\"1\"],\"manifest\":{{{}}}}}", images.join(","))
    }),
];

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
