//! Finds and edits 500 marked files in a commit of 20,000, beside `git grep -l` on the same commit in the same mirror.
//!
//! `cargo bench --bench edit`. The first pass knows nothing: it walks all trees, reads all blobs, parses the marked files,
//! edits them, and verifies every edit with the second parser. The second pass is that of a run on a head that has moved
//! while the marked files stayed as they are (where the head has not moved either, there is no pass at all): the mirror is
//! opened again, the trees are walked as far as they may hold markers, and the plan is made on what is known: in the memory
//! of the process, or in the notes that an earlier one has left beside the mirror.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use git::{CommitId, Criteria, Git, Mirror, Settings, Want};
use image::Reference;
use tagwright::run::Scans;
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::marker::{self, Embedded};
use tagwright_core::plan::{self, Plan};
use tokio::runtime::Runtime;

#[path = "support/child.rs"]
mod child;
#[path = "support/remote.rs"]
mod remote;
#[path = "support/table.rs"]
mod table;

use remote::Remote;

const FILES: usize = 20_000;
const MARKED: usize = 500;
const ROUNDS: usize = 15;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let remote = Remote::create(folder.path(), "config.git", FILES, MARKED);
    let runtime = Runtime::new().unwrap();
    let settings = Settings::of_machine(folder.path());
    let bench = Bench { git: Git::new(settings).unwrap(), url: remote.path.to_str().unwrap().to_owned() };
    let head = runtime.block_on(bench.fetch());
    let mirror = bench.mirror().folder().to_owned();

    table::head();
    let mut round = 0;
    let first = || {
        round += 1;
        let (took, plan) = runtime.block_on(bench.pass(head, rule(round), "1.0.1", &Scans::default()));
        assert_eq!((plan.edits.len(), plan.diagnostics.len()), (MARKED, 0));
        took
    };
    let (ours, theirs) = table::turns(ROUNDS, first, || grep(folder.path(), &mirror, head));
    table::row("find and edit 500 in 20,000 files, verified", ours, "git grep -l on the same commit", theirs, 1.5);

    let again = |scans: &Scans| {
        let (took, plan) = runtime.block_on(bench.pass(head, rule(ROUNDS), "1.0.0", scans));
        assert!(plan.edits.is_empty() && plan.diagnostics.is_empty());
        took
    };
    let scans = Scans::default();
    again(&scans);
    let same = (0..ROUNDS).map(|_| again(&scans)).min().unwrap();
    table::bounded("second pass, nothing changed", same, Duration::from_millis(15));
    runtime.block_on(scans.save(&bench.mirror()));
    let other = (0..ROUNDS).map(|_| again(&Scans::default())).min().unwrap();
    table::bounded("second pass of a process that has just started", other, Duration::from_millis(15));
}

struct Bench {
    git: Git,
    url: String,
}

impl Bench {
    fn mirror(&self) -> Mirror {
        let (login, tls) = (access::GitLogin::Machine, access::Tls::default());
        let access = access::Git { login, tls, proxy: None, timeout: Duration::from_secs(60) };
        self.git.open(&self.url, &access).unwrap()
    }

    async fn fetch(&self) -> CommitId {
        let mirror = self.mirror();
        let advertisement = mirror.advertise().await.unwrap();
        mirror.fetch(&advertisement, &[Want::DefaultBranch]).await.unwrap()[0].commit
    }

    /// One pass as `run` makes it, on a mirror that is opened for it.
    async fn pass(&self, head: CommitId, rule: &'static str, tag: &str, scans: &Scans) -> (Duration, Plan) {
        let selections = selections(tag);
        let start = Instant::now();
        let mirror = self.mirror();
        let snapshot = mirror.snapshot(head).await.unwrap();
        let (is_candidate, contains) = (marker::is_candidate_path, marker::contains_token);
        let criteria =
            Criteria { rule, is_candidate, contains, max_bytes: marker::MAX_FILE_BYTES, max_total: 32 << 20 };
        let found = scans.marked_files(&mirror, &snapshot, &[], criteria, Embedded::Annotated).await;
        let plan = plan::edits(&found.unwrap().0, &selections);
        (start.elapsed(), plan)
    }
}

/// What mirrors know of files is kept under the rule's name, so that another name knows nothing.
fn rule(round: usize) -> &'static str {
    format!("bench {round}").leak()
}

fn selections(tag: &str) -> Selections {
    let (name, _) = remote::FIRST.rsplit_once(':').unwrap();
    let mut selections = Selections::new();
    let reference = Reference::parse(&format!("{name}:{tag}")).unwrap();
    selections.insert(remote::POLICY.to_owned(), Selection::Selected(reference));
    selections
}

fn grep(home: &Path, mirror: &Path, head: CommitId) -> Duration {
    let mut command = child::command("git", home);
    child::run(command.current_dir(mirror).args(["grep", "-l", "--fixed-strings", marker::TOKEN]).arg(head.to_string()))
}
