//! Where the commit goes, and what happens when the remote does not want it or others push as well.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::configuration::{FILE, Native, deployment, shop};
use crate::registry::Registry;
use crate::remote::Remote;
use crate::web::{self, Transport, Web};
use crate::world::{Run, World};

/// The shop behind a web server with a password, with lines added to `spec.git`.
fn behind_web<'w>(world: &'w World, git: &[&str]) -> (Registry, Web, Remote<'w>, String) {
    let registry = Registry::open(world);
    registry.push("shop/app", &["1.0.0", "1.2.0"]);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(world, &image);
    let web = Web::start(world, &Transport::Plain);
    world.secret("git", &[("username", web::USER), ("password", web::PASSWORD)]);
    let git: Vec<&str> = [&["secretRef: {name: git}"], git].concat();
    Native { url: &web.url("config.git"), image: &image, git: &git, images: &["insecure: true"] }.write(world);
    (registry, web, remote, image)
}

#[test]
fn a_hook_that_rejects_is_a_failure_in_its_own_words() {
    let world = World::new();
    let (_registry, _web, remote, _image) = behind_web(&world, &[]);
    remote.hook("pre-receive", "echo 'no deployments on Friday' >&2; exit 1");
    let head = remote.head("main");
    let run = world.run();
    let automation = run.expect(1, "failed");
    let error = automation["error"].as_str().unwrap_or_default();
    assert!(error.contains("no deployments on Friday"), "{error}");
    run.fails(1, "no deployments on Friday");
    assert_eq!(remote.head("main"), head);
}

#[test]
fn a_hook_that_rejects_one_branch_is_named_with_it() {
    let world = World::new();
    let (_registry, _web, remote, _image) = behind_web(&world, &[]);
    remote.hook("update", "echo 'protected' >&2; exit 1");
    world.run().fails(1, "protected");
    assert_eq!(remote.commits("main"), 1);
}

#[test]
fn another_branch_is_pushed_and_the_checkout_branch_stays() {
    let world = World::new();
    let (_registry, _web, remote, image) = behind_web(&world, &["branch: main", "push: {branch: updates}"]);
    let head = remote.head("main");
    let automation = world.run().expect(0, "pushed");
    assert_eq!(automation["branch"], "updates");
    assert_eq!(remote.head("main"), head);
    assert_eq!(remote.commits("updates"), 2);
    assert_eq!(remote.file("updates", FILE), deployment(&image, "1.2.0"));
}

#[test]
fn push_options_arrive() {
    let world = World::new();
    let options = "push: {options: {ci.skip: '', merge_request.title: 'New tags'}}";
    let (_registry, _web, remote, _image) = behind_web(&world, &[options]);
    remote.hook("pre-receive", "env | grep ^GIT_PUSH_OPTION_ | sort > options");
    world.run().expect(0, "pushed");
    let options = std::fs::read_to_string(remote.path().join("options")).unwrap();
    assert!(options.contains("GIT_PUSH_OPTION_COUNT=2\n"), "{options}");
    assert!(options.contains("=merge_request.title=New tags\n"), "{options}");
}

#[test]
fn two_runs_at_once_lose_nothing() {
    let world = World::new();
    let (_registry, _web, remote, image) = behind_web(&world, &[]);
    let runs = ["one", "two"].map(|data| {
        let mut command = world.command(env!("CARGO_BIN_EXE_tagwright"));
        command.args(["run", "--once", "--config", "config", "--secrets", "secrets", "--output", "json"]);
        command.args(["--data-dir", data]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    for run in runs {
        let run = Run::from(run.wait_with_output().unwrap());
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    assert!((2..=3).contains(&remote.commits("main")));
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.2.0"));
    remote.is_sound();
}

#[test]
fn two_runs_at_once_may_share_their_data() {
    let world = World::new();
    let (_registry, _web, remote, image) = behind_web(&world, &[]);
    let start = || world.tagwright().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let runs = [start(), start()];
    for run in runs {
        let run = Run::from(run.wait_with_output().unwrap());
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    assert!((2..=3).contains(&remote.commits("main")));
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.2.0"));
    remote.is_sound();
}

#[test]
fn what_a_person_pushes_meanwhile_stays() {
    let world = World::new();
    let (registry, _web, remote, image) = behind_web(&world, &[]);
    world.run().expect(0, "pushed");
    remote.commit("main", &[("README.md", b"by hand\n")]);
    registry.push("shop/app", &["1.3.0"]);
    world.run().expect(0, "pushed");
    assert_eq!(remote.file("main", "README.md"), "by hand\n");
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.3.0"));
    assert_eq!(remote.commits("main"), 4);
}

#[test]
fn a_second_destination_gets_the_commit_too() {
    let world = World::new();
    let refspec = "push: {refspec: 'refs/heads/main:refs/heads/staging'}";
    let (_registry, _web, remote, _image) = behind_web(&world, &["branch: main", refspec]);
    world.run().expect(0, "pushed");
    assert_eq!(remote.commits("main"), 2);
    assert_eq!(remote.head("staging"), remote.head("main"));
    world.run().expect(0, "unchanged");
}

#[test]
fn a_run_that_is_killed_while_it_pushes_needs_no_repair() {
    let world = World::new();
    let (_registry, _web, remote, image) = behind_web(&world, &[]);
    let [started, go] = ["started", "go"].map(|name| remote.path().join(name));
    // Holds the push until the test lets it go, for ten seconds at most.
    remote.hook("pre-receive", "touch started; for i in $(seq 100); do [ -e go ] && exit 0; sleep 0.1; done");
    let mut first = world.tagwright().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !started.exists() {
        assert!(Instant::now() < deadline, "the push did not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    std::fs::write(go, "").unwrap();

    let run = world.run();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(remote.commits("main"), 2);
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.2.0"));
    remote.is_sound();
    world.run().expect(0, "unchanged");
}
