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
default/second: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
default/app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
error: default/broken: cannot render the commit message: template: commit message:1:3: executing "commit message" at <.Nope>: can't evaluate field Nope in type source.TemplateData
  hint: `tagwright message` renders a template with changes of your own
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
    insta::assert_snapshot!(site.run(&[]).text(), @r#"
exit 1
-- stdout
default/a: nothing to do on main of REMOTE
default/b: pushed SHORT to main of REMOTE, 1 change
  clusters/shop.yaml:8: REGISTRY/team/app:1.0.0 -> REGISTRY/team/app:1.1.0 (default:app)
-- stderr
default/b: selected none: cannot poll REGISTRY/team/b: 'REGISTRY' denied access: http://REGISTRY/v2/team/b/tags/list answered 403 (DENIED: not for you); no credentials were sent, since none are configured for it
default/app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
warning: clusters/shop.yaml:9:4: TW008 policy "default:b" has no selection: cannot poll REGISTRY/team/b: 'REGISTRY' denied access: http://REGISTRY/v2/team/b/tags/list answered 403 (DENIED: not for you); no credentials were sent, since none are configured for it
error: cannot poll REGISTRY/team/b: 'REGISTRY' denied access: http://REGISTRY/v2/team/b/tags/list answered 403 (DENIED: not for you); no credentials were sent, since none are configured for it
  hint: name a secret with `secretRef`, or log in with `docker login`
"#);
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
    insta::assert_snapshot!(run.stderr, @"error: cannot poll 127.0.0.1:PORT/team/app: cannot reach http://127.0.0.1:PORT/v2/: Connection refused (os error 111)");
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
