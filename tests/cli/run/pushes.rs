//! Where commits go, and what becomes of them when the remote does not want them.

use super::{TAGS, outcomes, shop};
use crate::remote::{Asks, Behaviour, Remote, Server, git};
use crate::site::{SHOP, Site, background, native};
use crate::world::text;

#[test]
fn several_automations_of_one_branch_are_one_push_of_several_commits() {
    let file = format!("{SHOP}again: REGISTRY/team/app:1.0.0 # {{\"$imagepolicy\": \"default:second\"}}\n");
    let site = Site::new(&TAGS, &file);
    site.remote.hook("post-receive", "cat >> pushes");
    site.configure("a.yaml", &native("first", "app", "branch: main", ""));
    site.configure("b.yaml", &native("second", "second", "", ""));
    let run = site.run(&["--output=json"]);
    assert_eq!(outcomes(&run.json()), [("first", "pushed"), ("second", "pushed")], "{run:?}");
    assert_eq!(site.commits("main"), 3);
    let pushes = std::fs::read_to_string(site.remote.bare().join("pushes")).unwrap();
    assert_eq!(pushes.lines().count(), 1, "{pushes}");
    assert_eq!(site.file("main"), file.replace("app:1.0.0", "app:1.1.0"));
    site.remote.fsck();
}

#[test]
fn a_hook_that_rejects_is_a_failure_in_its_own_words() {
    let site = shop();
    site.remote.hook("pre-receive", "echo 'no deployments on Friday' >&2; printf '\\033[31mred' >&2; exit 1");
    let before = site.remote.at("main");
    let run = site.run(&[]);
    insta::assert_snapshot!(run.text(), @"
exit 1
-- stdout
default/shop: failed
-- stderr
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default/shop: REMOTE refused the push to branch main: pre-receive hook declined (remote: no deployments on Friday; red)
  hint: let the bot's user push there, or name another branch in `push.branch` and merge it as you merge other changes
");
    let json = site.run(&["--output=json"]);
    assert_eq!((json.code, outcomes(&json.json())), (1, vec![("shop", "failed")]));
    assert!(text(&json.json()["automations"][0], "error").contains("no deployments on Friday"));
    assert_eq!(site.remote.at("main"), before);
}

#[test]
fn another_branch_takes_the_commits_and_the_first_one_stays() {
    let site = Site::new(&TAGS, SHOP);
    site.configure("shop.yaml", &native("shop", "app", "push: {branch: updates}", ""));
    let before = site.remote.at("main");
    let run = site.run(&["--output=json"]);
    assert_eq!(run.json()["automations"][0]["branch"], "updates", "{run:?}");
    assert_eq!((site.remote.at("main"), site.commits("updates")), (before.clone(), 2));
    assert_eq!(outcomes(&site.run(&["--output=json"]).json()), [("shop", "unchanged")]);
    // The next tag is built upon the first.
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.3.0".into()));
    assert_eq!(outcomes(&site.run(&["--output=json"]).json()), [("shop", "pushed")]);
    assert_eq!((site.remote.at("main"), site.commits("updates")), (before, 3));
}

#[test]
fn a_refspec_is_a_second_destination_and_may_be_up_to_date() {
    let site = Site::new(&TAGS, SHOP);
    let push = "push: {refspec: 'refs/heads/main:refs/heads/staging'}";
    site.configure("shop.yaml", &native("shop", "app", push, ""));
    assert_eq!(outcomes(&site.run(&["--output=json"]).json()), [("shop", "pushed")]);
    assert_eq!(site.remote.at("staging"), site.remote.at("main"));
    let same = "push: {refspec: 'refs/heads/staging:refs/heads/copy'}";
    site.configure("shop.yaml", &native("shop", "app", same, ""));
    git(&site.remote.bare(), &["branch", "copy", "staging"]);
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.3.0".into()));
    let run = site.run(&["--output=json"]);
    assert_eq!((run.code, outcomes(&run.json())), (0, vec![("shop", "pushed")]), "{run:?}");

    site.configure("shop.yaml", &native("shop", "app", "push: {refspec: 'refs/heads/nope:refs/heads/x'}", ""));
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.4.0".into()));
    let before = site.remote.at("main");
    let run = site.run(&[]);
    insta::assert_snapshot!(run.text(), @"
exit 2
-- stdout
default/shop: failed
-- stderr
default:app: REGISTRY/team/app has 7 tags, selected REGISTRY/team/app:1.4.0
error: default/shop: the source of the refspec refs/heads/nope:refs/heads/x does not exist on REMOTE
");
    assert_eq!(site.remote.at("main"), before, "nothing is pushed");
}

#[test]
fn a_refspec_whose_destination_went_its_own_way_is_not_overwritten() {
    let site = Site::new(&TAGS, SHOP);
    git(&site.remote.work(), &["checkout", "-q", "-b", "staging"]);
    site.remote.commit(&[("x", "x")], "their own");
    let theirs = site.remote.at("staging");
    site.configure("shop.yaml", &native("shop", "app", "push: {refspec: 'refs/heads/main:refs/heads/staging'}", ""));
    let run = site.run(&[]);
    let text = run.text();
    assert!(
        text.starts_with("exit 1\n-- stdout\ndefault/shop: pushed SHORT to main of REMOTE, 1 change, but not to the second destination\n"),
        "{text}"
    );
    let why =
        "error: default/shop: refs/heads/staging of REMOTE has moved on its own, and is not overwritten\n  hint: ";
    assert!(run.stderr.contains(why), "{run:?}");
    assert_eq!(site.remote.at("staging"), theirs);
}

/// The branch has the commit, whatever becomes of the second destination; that is made up for by the next run.
#[test]
fn a_commit_that_the_second_destination_declined_is_told_and_comes_with_the_next_run() {
    let site = Site::new(&TAGS, SHOP);
    site.configure("shop.yaml", &native("shop", "app", "push: {refspec: 'refs/heads/main:refs/heads/staging'}", ""));
    let run = |arguments: &[&str]| site.run(&[&["--data-dir=state"], arguments].concat());
    site.remote.hook("update", "[ $1 != refs/heads/staging ] || { echo frozen; exit 1; }");
    let ran = run(&["--output=json"]);
    let main = site.remote.at("main");
    assert_eq!((ran.code, site.commits("main")), (1, 2), "{ran:?}");
    let automation = &ran.json()["automations"][0];
    let of = |key: &str| automation[key].as_str().unwrap().to_owned();
    assert_eq!(
        (of("outcome"), of("commit"), of("branch")),
        ("pushed".to_owned(), "HASH".to_owned(), "main".to_owned())
    );
    assert_eq!(automation["changes"].as_array().unwrap().len(), 1, "{automation}");
    assert!(of("error").contains("refused the push to branch staging"), "{automation}");

    // As long as it declines, each run fails and commits nothing.
    let ran = run(&[]);
    assert_eq!((ran.code, site.remote.at("main")), (1, main.clone()), "{ran:?}");
    assert!(ran.stdout.starts_with("default/shop: failed\n"), "{ran:?}");
    assert!(ran.stderr.contains("refused the push to branch staging"), "{ran:?}");

    site.remote.hook("update", "exit 0");
    let ran = run(&["--output=json"]);
    assert_eq!((ran.code, outcomes(&ran.json())), (0, vec![("shop", "unchanged")]), "{ran:?}");
    assert_eq!((site.remote.at("staging"), site.remote.at("main")), (main.clone(), main));

    // Two commits that it declines, and then both.
    site.remote.hook("update", "[ $1 != refs/heads/staging ]");
    for tag in ["1.3.0", "1.4.0"] {
        site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push(tag.into()));
        let ran = run(&["--output=json"]);
        assert_eq!((ran.code, outcomes(&ran.json())), (1, vec![("shop", "pushed")]), "{ran:?}");
    }
    site.remote.hook("update", "exit 0");
    assert_eq!(run(&[]).code, 0);
    assert_eq!((site.remote.at("staging"), site.commits("main")), (site.remote.at("main"), 4));

    // Once it is there it is not our business any more.
    git(&site.remote.bare(), &["update-ref", "-d", "refs/heads/staging"]);
    assert_eq!(run(&[]).code, 0);
    assert!(!site.remote.bare().join("refs/heads/staging").exists());
}

#[test]
fn push_options_reach_the_remote() {
    let site = Site::new(&TAGS, SHOP);
    site.remote.hook("pre-receive", "echo \"$GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1\" > options");
    site.configure("shop.yaml", &native("shop", "app", "push: {options: {ci.skip: '', topic: images}}", ""));
    assert_eq!(outcomes(&site.run(&["--output=json"]).json()), [("shop", "pushed")]);
    assert_eq!(std::fs::read_to_string(site.remote.bare().join("options")).unwrap(), "ci.skip topic=images\n");
    site.remote.config("receive.advertisePushOptions", "false");
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.3.0".into()));
    let run = site.run(&[]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr.contains("error: default/shop: cannot push to REMOTE: it does not support push-options"),
        "{run:?}"
    );
}

#[test]
fn without_a_reference_it_is_the_remote_s_default_branch() {
    let site = Site::new(&TAGS, SHOP);
    git(&site.remote.bare(), &["branch", "-m", "main", "trunk"]);
    site.configure("shop.yaml", &native("shop", "app", "", ""));
    let run = site.world.run(["run", "--once", "--config=config", "--output=json"]);
    assert_eq!(run.json()["automations"][0]["branch"], "trunk", "{run:?}");
    assert_eq!(site.commits("trunk"), 2);
}

#[test]
fn what_is_not_there_is_named() {
    let site = shop();
    site.configure("shop.yaml", &native("shop", "app", "branch: nope", ""));
    insta::assert_snapshot!(site.run(&[]).text(), @"
exit 1
-- stdout
default/shop: failed
-- stderr
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default/shop: cannot fetch from REMOTE: it has no branch nope; its branches: main
");
    site.configure("shop.yaml", &native("shop", "app", "ref: {tag: v1}\n    push: {branch: x}", ""));
    insta::assert_snapshot!(site.run(&[]).stderr, @"
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default/shop: cannot fetch from REMOTE: it has no tag v1
");
    site.configure("shop.yaml", &native("shop", "app", "ref: {tag: v1}", ""));
    insta::assert_snapshot!(site.run(&[]).stderr, @"
error: push spec not provided, and cannot be inferred from .spec.git.checkout.ref or GitRepository .spec.ref
 --> config/shop.yaml:7:5
  |
7 |     ref: {tag: v1}
  |     ^^^
  |
  = help: name the branch to push to in `push.branch`
");
    site.configure("shop.yaml", &native("shop", "app", "ref: {semver: '>=9'}\n    push: {branch: x}", ""));
    insta::assert_snapshot!(site.run(&[]).stderr, @"
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default/shop: no tag of REMOTE is in the range >=9
");
    site.configure("shop.yaml", &native("shop", "app", "", "").replace("REMOTE", "REMOTE/nowhere"));
    insta::assert_snapshot!(site.run(&[]).stderr, @"
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default/shop: cannot read REMOTE/nowhere: it does not exist on this machine
  hint: check the path
");
    let empty = Remote::empty();
    site.configure("shop.yaml", &native("shop", "app", "", "").replace("REMOTE", &empty.path()));
    insta::assert_snapshot!(site.run(&[]).masked(&empty.path(), "EMPTY").text(), @"
exit 1
-- stdout
default/shop: failed
-- stderr
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default/shop: cannot fetch from EMPTY: it is empty: it has no branch yet
  hint: push a first commit
");
}

/// A login that may read is enough to find out what there is to push, and not to push it.
#[test]
fn a_dry_run_asks_for_the_right_to_push() {
    let site = Site::new(&TAGS, SHOP);
    let runtime = background();
    let server = |asks| {
        let authorization = Some("Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=".to_owned());
        let behaviour = Behaviour { authorization, asks, refuses_with: Some(403), ..Behaviour::default() };
        runtime.block_on(Server::start(site.remote.root.path(), behaviour))
    };
    let run = |server: &Server, variables: &[(&str, &str)], arguments: &[&str]| {
        site.configure("shop.yaml", &native("shop", "app", "", "").replace("REMOTE", &server.url()));
        let mut command = site.world.tagwright(["run", "--once", "--config", "config"]);
        command.args(arguments).envs(variables.iter().copied());
        site.masked(site.world.finish(&mut command, b"")).masked(&server.url(), "URL")
    };
    let reads_alone = server(Asks::Pushers);
    for (variables, with) in [
        (&[][..], "no login, and wants one"),
        (
            &[("TAGWRIGHT_GIT_TOKEN", "wrong")],
            "TAGWRIGHT_GIT_TOKEN (user 'x-access-token'), which lacks the right to push",
        ),
    ] {
        let dry = run(&reads_alone, variables, &["--dry-run"]);
        let expect =
            format!("error: default/shop: cannot push to URL: it denied access with {with}: who are you?\n  hint: ");
        assert!(dry.code == 1 && dry.stderr.contains(&expect), "{dry:?}");
        assert!(dry.stdout.contains("+++ b/clusters/shop.yaml"), "{dry:?}");
        let real = run(&reads_alone, variables, &[]);
        assert!(real.code == 1 && real.stderr.contains(&expect), "{real:?}");
    }
    let dry = run(&reads_alone, &[("TAGWRIGHT_GIT_TOKEN", "t0ken")], &["--dry-run"]);
    assert!(
        dry.code == 3 && dry.stderr.contains("would push to main of URL, 1 change; the login may push\n"),
        "{dry:?}"
    );
    assert_eq!(site.commits("main"), 1);
    // Nothing to push, nothing to ask.
    let reads = reads_alone.seen().len();
    assert_eq!(run(&reads_alone, &[("TAGWRIGHT_GIT_TOKEN", "t0ken")], &[]).code, 0);
    reads_alone.seen();
    assert_eq!(run(&reads_alone, &[], &["--dry-run"]).code, 0);
    assert!(reads_alone.seen().iter().all(|seen| !seen.line.contains("receive-pack")) && reads > 0);
}

/// Two groups change one file, each on a branch of its own.
#[test]
fn a_dry_run_shows_each_group_by_itself() {
    let site = Site::new(
        &TAGS,
        &format!("{SHOP}        other: 'REGISTRY/team/app:1.0.0' # {{\"$imagepolicy\": \"default:other\"}}\n"),
    );
    let served = tempfile::tempdir().unwrap();
    std::fs::create_dir(served.path().join("acme")).unwrap();
    std::os::unix::fs::symlink(site.remote.bare(), served.path().join("acme/config.git")).unwrap();
    let runtime = background();
    let server = runtime.block_on(Server::start(served.path(), Behaviour::default()));
    let url = format!("{}/acme/config.git", server.base);
    let request = "push: {pullRequest: {group: policy, forge: {kind: github, url: 'https://forge.example.com'}, secretRef: {name: forge}}}";
    let text = native("shop", "app", &format!("branch: main\n    {request}"), "");
    let other = "    - {name: other, image: REGISTRY/team/app, policy: {semver: {range: 1.x}}}\n";
    let secret =
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: forge, namespace: default}\nstringData: {token: x}\n";
    site.configure("shop.yaml", &format!("{text}{other}{secret}").replace("REMOTE", &url));
    let dry = site.run(&["--dry-run"]).masked(&url, "REMOTE");
    insta::assert_snapshot!(dry.text());
    let apart: Vec<&str> = dry.stdout.split("# default/shop: ").skip(1).collect();
    assert_eq!(apart.len(), 2);
    let own = "+        image:   'REGISTRY/team/app:1.1.0'";
    assert!(apart[0].contains(own) && !apart[1].contains(own), "each has its own change alone");
}
