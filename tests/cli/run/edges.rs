//! One failure never stops another.

use super::{TAGS, outcomes, shop};
use crate::registry::{Fault, World as Listed};
use crate::site::{SHOP, Site, native};

#[test]
fn one_failing_remote_does_not_stop_another() {
    let site = shop();
    site.configure("broken.yaml", &native("broken", "other", "", "").replace("REMOTE", "REMOTE/nowhere"));
    let run = site.run(&["--output=json"]);
    assert_eq!((run.code, outcomes(&run.json())), (1, vec![("broken", "failed"), ("shop", "pushed")]), "{run:?}");
    assert!(run.stderr.contains("error: default/broken: cannot read REMOTE/nowhere: "), "{run:?}");
}

#[test]
fn one_failing_message_does_not_stop_another() {
    let site = shop();
    let broken = native("broken", "second", "commit: {message: '{{ .Nope }}'}", "");
    site.configure("broken.yaml", &broken);
    site.remote.commit(&[("b.yaml", "a: REGISTRY/team/app:1.0.0 # {\"$imagepolicy\": \"default:second\"}\n")], "b");
    let run = site.run(&[]);
    insta::assert_snapshot!(run.text(), @r#"
exit 2
-- stdout
default/broken: failed
default/shop: pushed SHORT to main of REMOTE, 1 change
  clusters/shop.yaml:8: REGISTRY/team/app:1.0.0 -> REGISTRY/team/app:1.1.0 (default:app)
-- stderr
default:second: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default/broken: cannot render the commit message: template: commit message:1:3: executing "commit message" at <.Nope>: can't evaluate field Nope in type source.TemplateData
  hint: the fields there are `AutomationObject`, `Changed`, `Group`, `Images`, `Summary`, `Updated`, `Values`
"#);
    assert_eq!(site.commits("main"), 3, "the shop's commit is pushed");
}

#[test]
fn one_failing_registry_does_not_stop_another_automation() {
    let listed = Listed::with("team/app", TAGS)
        .and("team/b", ["1.0.0"])
        .failing("team/b/tags/list", Fault::error(403, "DENIED", "not for you"));
    let file = format!("{SHOP}b: x # {{\"$imagepolicy\": \"default:b\"}}\n");
    let site = Site::with(listed, &file);
    site.configure("a.yaml", &native("a", "b", "", "").replace("team/app", "team/b"));
    site.configure("b.yaml", &native("b", "app", "", ""));
    insta::assert_snapshot!(site.run(&[]).text(), @"
exit 1
-- stdout
default/a: nothing to do on main of REMOTE; 1 policy could not be polled
default/b: pushed SHORT to main of REMOTE, 1 change
  clusters/shop.yaml:8: REGISTRY/team/app:1.0.0 -> REGISTRY/team/app:1.1.0 (default:app)
-- stderr
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default:b: cannot poll REGISTRY/team/b: 'REGISTRY' denied access: http://REGISTRY/v2/team/b/tags/list answered 403 (DENIED: not for you); no credentials were sent, since none are configured for it
  hint: name a secret with `secretRef`, or log in with `docker login`
");
    assert_eq!(site.file("main"), file.replace("app:1.0.0", "app:1.1.0"));
}

#[test]
fn a_registry_that_is_down_is_a_failure() {
    let site = shop();
    // Nobody listens on this port: it was taken and given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let down = native("down", "gone", "", "").replace("REGISTRY", &format!("127.0.0.1:{port}"));
    site.configure("down.yaml", &down);
    let run = site.run(&["--output=json"]).masked(&port.to_string(), "PORT");
    assert_eq!((run.code, outcomes(&run.json())), (1, vec![("down", "unchanged"), ("shop", "pushed")]), "{run:?}");
    insta::assert_snapshot!(run.stderr, @"
error: default:gone: cannot poll 127.0.0.1:PORT/team/app: cannot reach http://127.0.0.1:PORT/v2/: connection refused
  hint: nobody listens there, or a firewall says so: check the host and the port, and that the server runs
");
}

#[test]
fn what_is_wrong_with_a_name_or_an_address_has_a_hint() {
    let site = shop();
    // No resolver asks for a name with a part as long as this one.
    let nowhere = format!("http://{}.example/config.git", "x".repeat(64));
    site.configure("image.yaml", &native("image", "no-image", "", "").replace("team/app", "team/gone"));
    site.configure("git.yaml", &native("git", "git", "", "").replace("REMOTE", &nowhere));
    let missing =
        native("lost", "lost", "", "").replace("REMOTE", &format!("http://{}/lost.git", site.registry.host()));
    site.configure("lost.yaml", &missing);
    let run = site.run(&[]);
    let hint = |of: &str| {
        let mut lines = run.stderr.lines().skip_while(|line| !line.starts_with("error: ") || !line.contains(of));
        lines.nth(1).unwrap_or_else(|| panic!("{of}: {run:?}")).to_owned()
    };
    assert_eq!(
        hint("default:no-image"),
        "  hint: check the name; of a private image a registry may say so to those who have no login"
    );
    assert_eq!(
        hint("default/git"),
        "  hint: check the spelling of the host and the DNS of this machine; behind a proxy, name it in HTTPS_PROXY"
    );
    assert!(hint("default/lost").starts_with("  hint: check the path; a host says so, too, where"), "{run:?}");
}

#[test]
fn images_that_a_registry_does_not_have_are_one_message() {
    let site = shop();
    for name in ["cart", "gone", "till"] {
        let missing = native(name, name, "", "").replace("team/app", &format!("team/{name}"));
        site.configure(&format!("{name}.yaml"), &missing);
    }
    insta::assert_snapshot!(site.run(&[]).stderr, @"
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
warning: TW016 no marker in its paths names a policy of this automation
  hint: `tagwright mark` puts markers on images
error: cannot poll 3 images of REGISTRY: it answered 404, as for what does not exist
  images: REGISTRY/team/cart, REGISTRY/team/gone, REGISTRY/team/till
  concerns: default:cart, default:gone, default:till
  hint: check the name; of a private image a registry may say so to those who have no login
");
}

#[test]
fn images_that_a_registry_denies_are_one_message() {
    let not_for_you = |name: &str| Fault::error(403, "DENIED", &format!("you may not pull {name}"));
    let listed = Listed::with("team/app", TAGS)
        .failing("team/b/tags/list", not_for_you("team/b"))
        .failing("team/c/tags/list", not_for_you("team/c"));
    let site = Site::with(listed, SHOP);
    for name in ["b", "c"] {
        let denied = native(name, name, "", "").replace("team/app", &format!("team/{name}"));
        site.configure(&format!("{name}.yaml"), &denied);
    }
    insta::assert_snapshot!(site.run(&[]).stderr, @r#"
warning: clusters/shop.yaml:8:18: TW001 no policy "default:app" is in scope
  hint: name a policy that an automation of this remote has, as `namespace:name`
error: cannot poll 2 images of REGISTRY: 'REGISTRY' denied access: http://REGISTRY answered 403 (DENIED: you may not pull …); no credentials were sent, since none are configured for it
  images: REGISTRY/team/b, REGISTRY/team/c
  concerns: default:b, default:c
  hint: name a secret with `secretRef`, or log in with `docker login`
"#);
}

/// More than are listed.
#[test]
fn of_many_images_some_are_named() {
    let site = shop();
    for number in 0..22 {
        let name = format!("n{number}");
        let missing = native(&name, &name, "", "").replace("team/app", &format!("team/{name}"));
        site.configure(&format!("{name}.yaml"), &missing);
    }
    let run = site.run(&[]);
    let lists = run.stderr.lines().filter(|line| line.ends_with(" and 2 more")).count();
    assert_eq!(lists, 2, "{run:?}");
}

/// Changes that wait would only become more, so that a message that is too long for them stops none.
#[test]
fn a_message_that_cannot_tell_of_all_changes_says_so() {
    let site = shop();
    let message = r#"commit: {message: '{{range untilStep 0 100 1}}{{repeat 20000 "x"}}{{end}}'}"#;
    site.configure("shop.yaml", &native("shop", "app", message, ""));
    let run = site.run(&[]);
    assert_eq!((run.code, site.commits("main")), (0, 2), "{run:?}");
    insta::assert_snapshot!(site.remote.show("main").lines().skip(5).collect::<Vec<_>>().join("\n"), @r#"
    Update from image update automation

    The message template exceeds a limit with what this commit changes: template: commit message:1:29: executing "commit message" at <{{repeat 20000 "x"}}>: the output is longer than 1048576 bytes

    Tagwright-Automation: default/shop
    Tagwright-Policy: default:app
    "#);
}

#[test]
fn a_configuration_can_come_from_standard_input() {
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    let text = native("shop", "app", "branch: main", "")
        .replace("REGISTRY", &site.registry.host())
        .replace("REMOTE", &site.remote.path());
    let run = site.world.feed(&text, ["run", "--once", "--dry-run", "--config=-"]);
    assert!(run.code == 3 && run.stdout.contains("team/app:1.1.0"), "{run:?}");
    // The same twice is read once, and a file beside it counts, too.
    site.configure("web.yaml", &native("web", "web", "branch: main", ""));
    let run = site.world.feed(&text, ["doctor", "--config=-", "--config=-", "--config=config", "--data-dir=data"]);
    assert!(
        run.stdout.starts_with("ok       configuration  standard input, standard input, config: 2 automations"),
        "{run:?}"
    );
    let run = site.world.feed("kind: [", ["check", ".", "--config=-"]);
    assert!(run.code == 2 && run.stderr.contains("standard input:1:"), "{run:?}");
    site.world.feed("", ["mark", ".", "--config=-"]).refuses(2, "leave --config out");
}
