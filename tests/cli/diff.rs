//! `check --diff-from`: what a change of markers or policies would have updated.

use crate::site::{FILE, SHOP, Site, native};

/// A checkout with its policies, committed once, whose image has a release that is out and one that no policy takes yet.
fn site() -> Site {
    let site = Site::new(&["1.0.0", "1.1.0", "2.0.0"], SHOP);
    site.world.git("", &["clone", "-q", site.remote.bare().to_str().unwrap(), "repository"]);
    site.write("policies/shop.yaml", &native("shop", "app", "branch: main", ""));
    site.write("clusters/plain.yaml", "image: REGISTRY/team/app:1.0.0\n");
    site.world.git("repository", &["add", "-A"]);
    site.world.git("repository", &["commit", "-q", "-m", "As it was"]);
    site
}

impl Site {
    fn write(&self, file: &str, text: &str) {
        let text = text.replace("REGISTRY", &self.registry.host()).replace("REMOTE", &self.remote.path());
        self.world.write(&format!("repository/{file}"), text);
    }

    fn check(&self, arguments: &[&str]) -> crate::world::Run {
        let mut command = self.world.tagwright(["check", "--diff-from", "HEAD"].iter().chain(arguments));
        self.masked(self.world.finish(command.current_dir(self.world.path("repository")), b""))
    }
}

#[test]
fn what_would_come_anyway_is_no_news() {
    let site = site();
    let run = site.check(&[]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    // Neither is what only stands elsewhere now.
    site.write(FILE, &format!("# More\n# words\n{SHOP}"));
    let run = site.check(&[]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
}

#[test]
fn a_policy_and_a_marker_that_change_are_told_what_they_bring_about() {
    let site = site();
    site.write("policies/shop.yaml", &native("shop", "app", "branch: main", "").replace("1.x", "'>=1'"));
    site.write("clusters/plain.yaml", "image: REGISTRY/team/app:1.0.0 # {\"$imagepolicy\": \"default:app\"}\n");
    insta::assert_snapshot!("markdown", site.check(&["--output", "markdown"]).text());
    let run = site.check(&["--output", "github"]);
    let notices: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("::notice file=")).collect();
    assert_eq!(notices.len(), 2, "{run:?}");
    assert!(notices[0].starts_with("::notice file=clusters/plain.yaml,line=1,"), "{run:?}");
    assert!(notices[1].contains("title=TW040::default:app would write REGISTRY/team/app:2.0.0 in place of"), "{run:?}");
    let run = site.check(&["--output", "json"]);
    let codes: Vec<String> =
        run.json()["findings"].as_array().unwrap().iter().map(|it| it["code"].to_string()).collect();
    assert_eq!(codes, ["\"TW040\"", "\"TW040\""]);
    let run = site.check(&["--output", "sarif"]);
    assert_eq!(run.stdout.matches("\"ruleId\": \"TW040\"").count(), 2, "{run:?}");
    let run = site.check(&[]);
    assert!(run.stdout.contains("note[TW040]") && run.stderr.contains("2 notes"), "{run:?}");
    assert_eq!(run.code, 0);
}

#[test]
fn a_marker_alone_brings_one_update() {
    let site = site();
    site.write("clusters/plain.yaml", "image: REGISTRY/team/app:1.0.0 # {\"$imagepolicy\": \"default:app\"}\n");
    let run = site.check(&["--output", "json"]);
    let findings = run.json()["findings"].clone();
    assert_eq!(findings.as_array().unwrap().len(), 1, "{run:?}");
    assert_eq!(
        findings[0]["message"],
        "default:app would write REGISTRY/team/app:1.1.0 in place of REGISTRY/team/app:1.0.0"
    );
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let site = site();
    let mut command = site.world.tagwright(["check", "--diff-from", "nowhere"]);
    let run = site.world.finish(command.current_dir(site.world.path("repository")), b"");
    run.refuses(2, "nowhere");
    site.registry.change(|world| world.repositories.clear());
    let run = site.check(&[]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("cannot poll"), "{run:?}");
}
