//! `doctor`: one line for each thing that a bot needs, and an exit code.

use serde_json::json;

use crate::registry::Fault;
use crate::remote::{Behaviour, Remote, Server};
use crate::site::{SHOP, Site, background, native};
use crate::world::{Run, World};

fn shop() -> Site {
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    site
}

/// The time is another in each run.
fn doctor(site: &Site, arguments: &[&str]) -> Run {
    let all = ["doctor", "--config=config"].iter().chain(arguments);
    let run = site.masked(site.world.run(all));
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC").unwrap();
    Run { stdout: time.replace(&run.stdout, "TIME").into_owned(), ..run }
}

#[test]
fn all_is_well() {
    let site = shop();
    insta::assert_snapshot!(doctor(&site, &["--data-dir=data"]).text(), @"
    exit 0
    -- stdout
    ok       configuration  config: 1 automation, 1 policy
    ok       registry       REGISTRY: lists 2 tags of 1 image repository
    ok       remote         REMOTE: may be read and pushed to; commits go to main
    ok       clock          TIME: as 127.0.0.1 has it
    ok       data folder    data: does not exist yet, and can be made
    -- stderr
    ");
    assert!(!site.world.path("data").exists(), "nothing is made");
    let document = doctor(&site, &["--data-dir=data", "--output=json"]).json();
    assert_eq!(
        document["checks"][1],
        json!({"state": "ok", "check": "registry", "subject": "REGISTRY", "message": "lists 2 tags of 1 image repository"})
    );
}

#[test]
fn what_a_registry_says_is_left_is_shown() {
    let site = shop();
    let headers = vec![("ratelimit-limit", "100;w=21600".to_owned()), ("ratelimit-remaining", "97;w=21600".to_owned())];
    let list = Fault::Answer(200, headers, br#"{"tags": ["1.0.0"]}"#.to_vec());
    site.registry.change(|world| drop(world.broken.insert("tags/list".to_owned(), list)));
    let run = doctor(&site, &["--data-dir=data"]);
    let line = "REGISTRY: lists 1 tag of 1 image repository; it says that 97 of 100 are left for 6 h\n";
    assert!(run.stdout.contains(line), "{run:?}");
}

#[test]
fn states_have_colours() {
    let site = shop();
    let run = doctor(&site, &["--data-dir=data", "--color=always"]);
    assert!(run.stdout.starts_with("\u{1b}[32mok\u{1b}[0m       configuration  config: "), "{run:?}");
}

#[test]
fn a_configuration_that_is_not_there() {
    let run = World::new().run(["doctor", "--config=nowhere", "--data-dir=data"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stdout.starts_with("FAILED   configuration  nowhere: does not exist\n"), "{run:?}");
}

#[test]
fn what_fails_is_said_with_its_reason_and_the_rest_is_tried() {
    let site = shop();
    site.configure("gone.yaml", &native("gone", "gone", "branch: main", "").replace("team/app", "team/gone"));
    site.configure("far.yaml", &native("far", "far", "branch: main", "").replace("url: REMOTE", "url: /no/where.git"));
    let run = doctor(&site, &["--data-dir=config/shop.yaml/data"]);
    assert_eq!(run.code, 1);
    let line = |check: &str| {
        let line = run.stdout.lines().find(|line| line.contains(check));
        line.unwrap_or_else(|| panic!("{check}: {run:?}")).to_owned()
    };
    let registry = line("registry");
    assert!(registry.starts_with("FAILED   registry       REGISTRY: cannot list the tags of REGISTRY/team/gone: "));
    assert!(line("/no/where.git").starts_with("FAILED   remote         /no/where.git: cannot be read: "));
    assert!(line("REMOTE:").starts_with("ok "));
    assert!(
        line("data folder").starts_with("FAILED   data folder    config/shop.yaml/data: cannot write a file there: ")
    );
}

#[test]
fn what_a_remote_lacks_is_said_before_a_run_needs_it() {
    let site = shop();
    let line = |url: &str, checkout: &str| {
        site.configure("shop.yaml", &native("shop", "app", checkout, "").replace("REMOTE", url));
        let run = doctor(&site, &["--data-dir=data"]).masked(url, "REMOTE");
        let line = run.stdout.lines().find(|line| line.contains("remote  ")).unwrap_or_else(|| panic!("{run:?}"));
        let (state, message) = line.split_once("remote         REMOTE: ").unwrap_or_else(|| panic!("{line}"));
        assert_eq!(run.code == 0, state.starts_with("ok "), "{run:?}");
        format!("{}: {message}", state.trim_end())
    };
    let at = |checkout: &str| line("REMOTE", checkout);
    assert_eq!(at("branch: mian"), "FAILED: it has no branch mian; its branches: main");
    assert_eq!(at("branch: mian\n    push: {branch: images}"), "FAILED: it has no branch mian; its branches: main");
    assert_eq!(at("ref: {tag: v1}\n    push: {branch: images}"), "FAILED: it has no tag v1");
    assert_eq!(
        at("branch: main\n    push: {branch: images}"),
        "ok: may be read and pushed to; commits go to images",
        "it need not be there"
    );
    let empty = Remote::empty();
    for checkout in ["branch: main", ""] {
        assert_eq!(line(&empty.path(), checkout), "FAILED: is empty; push a first commit", "{checkout}");
    }
}

#[test]
fn a_remote_that_may_only_be_read_is_found() {
    let site = shop();
    let runtime = background();
    site.remote.config("http.receivepack", "false");
    let server = runtime.block_on(Server::start(site.remote.root.path(), Behaviour::default()));
    site.configure("shop.yaml", &native("shop", "app", "branch: main", "").replace("REMOTE", &server.url()));
    let run = doctor(&site, &["--data-dir=data"]);
    let line = run.stdout.lines().find(|line| line.contains("remote")).unwrap();
    assert!(run.code == 1 && line.contains("/repo.git: cannot be pushed to: "), "{run:?}");
    let seen: Vec<String> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert!(seen.iter().all(|line| !line.starts_with("POST")), "nothing is sent: {seen:?}");
    site.remote.config("http.receivepack", "true");
    assert_eq!(doctor(&site, &["--data-dir=data"]).code, 0);
}

#[test]
fn a_wrong_configuration_is_exit_code_2() {
    let site = shop();
    site.configure("wrong.yaml", &native("wrong", "w", "branch: main", "policy: 1"));
    let run = doctor(&site, &["--data-dir=."]);
    assert_eq!(run.code, 2);
    assert!(run.stdout.starts_with("FAILED   configuration  config: it cannot be used as it is\n"), "{run:?}");
    assert!(run.stdout.contains("ok       data folder    .: can be written\n"), "{run:?}");
    assert!(run.stderr.contains("policy"), "{run:?}");
    let empty = World::new();
    empty.write("policies/none.yaml", "");
    let run = empty.run(["doctor", "--data-dir=data"]);
    assert!(run.code == 2 && run.stdout.contains("no automation is configured"), "{run:?}");
}

#[test]
fn a_folder_that_everybody_may_write_is_a_warning() {
    let site = shop();
    let folder = site.world.path("data");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let run = doctor(&site, &["--data-dir=data"]);
    assert!(
        run.code == 0 && run.stdout.contains("warning  data folder    data: can be written by everybody"),
        "{run:?}"
    );
}
