//! The second destination of commits: what it has in the end, whatever comes in between.

use super::{TAGS, outcomes};
use crate::remote::git;
use crate::site::{SHOP, Site, native};

/// Kills what has started the `git receive-pack` that runs the hook, once, before it answers.
const KILL: &str = "[ -e killed ] || { touch killed; kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); sleep 1; exit 1; }";

/// Breaks the connection off, once.
const BREAK: &str = "[ -e killed ] || { touch killed; kill -9 $PPID; sleep 1; }";

/// A site whose second destination is level with its branch.
fn level() -> Site {
    let site = Site::new(&TAGS, SHOP);
    let push = "branch: main\n    push: {refspec: 'refs/heads/main:refs/heads/third'}";
    site.configure("shop.yaml", &native("shop", "app", push, ""));
    assert_eq!(run(&site), (0, "pushed".to_owned()));
    assert_eq!(site.remote.at("third"), site.remote.at("main"));
    site
}

fn run(site: &Site) -> (i32, String) {
    let run = site.run(&["--data-dir=state", "--output=json"]);
    let json = run.json();
    (run.code, outcomes(&json)[0].1.to_owned())
}

fn tag(site: &Site, tag: &str) {
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push(tag.into()));
}

/// Somebody commits to the branch, so many times.
fn commit(site: &Site, times: usize) {
    git(&site.remote.work(), &["pull", "-q", "origin", "main"]);
    for _ in 0..times {
        site.remote.commit(&[], "by somebody else");
    }
}

#[test]
fn it_follows_over_what_people_have_committed() {
    let site = level();
    // With what a mirror has that was there before, and with one that has to look deeper.
    for (n, arguments) in [&["--data-dir=state"][..], &["--data-dir=another"], &[]].into_iter().enumerate() {
        commit(&site, 70);
        tag(&site, &format!("1.{}.0", 3 + n));
        let dry = site.run(&[arguments, &["--dry-run"]].concat());
        assert_eq!(dry.code, 3, "{dry:?}");
        let run = site.run(&[arguments, &["--output=json"]].concat());
        assert_eq!((run.code, outcomes(&run.json())), (0, vec![("shop", "pushed")]), "{run:?}");
        assert_eq!(site.remote.at("third"), site.remote.at("main"));
    }
    site.remote.fsck();
}

#[test]
fn a_dry_run_says_when_it_would_not_be_moved() {
    let site = level();
    git(&site.remote.work(), &["checkout", "-q", "-b", "third"]);
    commit(&site, 1);
    tag(&site, "1.3.0");
    let dry = site.run(&["--data-dir=state", "--dry-run"]);
    let expect =
        "error: default/shop: refs/heads/third of REMOTE has moved on its own, and is not overwritten\n  hint: ";
    assert!(dry.code == 1 && dry.stderr.contains(expect), "{dry:?}");
    assert!(dry.stdout.contains("+++ b/clusters/shop.yaml"), "{dry:?}");
    // As the hint says, with the commits that were missed as well.
    assert_eq!(run(&site), (1, "pushed".to_owned()));
    git(&site.remote.bare(), &["branch", "-D", "third"]);
    assert_eq!(site.run(&["--data-dir=state", "--dry-run"]).code, 0);
    assert_eq!(run(&site), (0, "unchanged".to_owned()));
    assert_eq!(site.remote.at("third"), site.remote.at("main"));
}

#[test]
fn a_source_that_is_another_branch_is_moved_on_as_well() {
    let site = level();
    git(&site.remote.bare(), &["branch", "copy", "main~1"]);
    site.configure("shop.yaml", &native("shop", "app", "push: {refspec: 'refs/heads/third:refs/heads/copy'}", ""));
    tag(&site, "1.3.0");
    assert_eq!(run(&site), (0, "pushed".to_owned()));
    assert_eq!((site.remote.at("copy"), site.commits("copy")), (site.remote.at("third"), 2));
}

#[test]
fn a_run_that_is_cut_off_after_its_push_is_made_up_for() {
    for (script, people) in [(KILL, 0), (KILL, 1), (BREAK, 0), (BREAK, 1)] {
        let site = level();
        tag(&site, "1.3.0");
        site.remote.hook("reference-transaction", &format!("[ $1 != committed ] || {script}"));
        let cut = site.run(&["--data-dir=state"]);
        assert_ne!(cut.code, 0, "{cut:?}");
        assert_eq!((site.commits("main"), site.commits("third")), (3, 2), "{cut:?}");
        if people > 0 {
            commit(&site, people);
        }
        assert_eq!(run(&site), (0, "unchanged".to_owned()), "{script}");
        assert_eq!(site.remote.at("third"), site.remote.at("main"), "{script}");
        site.remote.fsck();
    }
}

/// A push that has not happened is owed to nobody, and takes nothing from what was owed before.
#[test]
fn a_run_that_is_cut_off_before_its_push_owes_what_it_did_before() {
    let site = level();
    let third = site.remote.at("third");
    site.remote.hook("pre-receive", KILL);
    tag(&site, "1.3.0");
    assert_ne!(site.run(&["--data-dir=state"]).code, 0);
    commit(&site, 1);
    site.remote.hook("pre-receive", "exit 1");
    assert_eq!(run(&site), (1, "failed".to_owned()));
    assert_eq!(site.remote.at("third"), third, "what people have committed alone is not promoted");

    // Of two commits, one that the second destination declines, and one that comes to nothing.
    site.remote.hook("pre-receive", "exit 0");
    site.remote.hook("update", "[ $1 != refs/heads/third ]");
    assert_eq!(run(&site), (1, "pushed".to_owned()));
    std::fs::remove_file(site.remote.bare().join("killed")).unwrap();
    site.remote.hook("update", &format!("[ $1 != refs/heads/third ] || exit 1; {KILL}"));
    tag(&site, "1.4.0");
    assert_ne!(site.run(&["--data-dir=state"]).code, 0);
    assert_eq!((site.remote.at("third"), site.commits("main")), (third, 4));
    site.configure(
        "shop.yaml",
        &std::fs::read_to_string(site.world.path("config/shop.yaml")).unwrap().replace("1.x", "<1.4"),
    );
    site.remote.hook("update", "exit 0");
    assert_eq!(run(&site), (0, "unchanged".to_owned()));
    assert_eq!((site.remote.at("third"), site.commits("main")), (site.remote.at("main"), 4));
}
