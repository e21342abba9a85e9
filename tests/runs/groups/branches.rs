//! Branches of requests: names that Git takes, and no two automations on one.

use tagwright_core::automation::Grouping;
use tagwright_core::group::{Group, valid};

use super::*;

#[test]
fn git_takes_the_names() {
    let names = [
        "a.lock-",
        "a.lock.",
        "-a.lock",
        "a/.lock",
        "a/b.lock.lock-/c",
        "HEAD",
        "@",
        "@{",
        "a..b",
        "...",
        "a\u{7f}b",
        "ünï code",
        "a//b/",
        "~^:?*[\\",
        "-",
        "a-0123abcd",
    ];
    for name in names {
        let group = Group { grouping: Grouping::File, name: name.to_owned() };
        for made in [group.slug(), format!("x/{}", valid(name)).trim_end_matches('/').to_owned()] {
            let git = std::process::Command::new("git").args(["check-ref-format", "--branch", &made]).output().unwrap();
            assert!(git.status.success(), "{name:?}: {made:?}");
        }
    }
}

impl Groups {
    /// Adds an automation of the same image with the same template, whose files are its own. It logs in otherwise, so that it has a wave of
    /// its own.
    fn add_second(&mut self) {
        self.world.commits("main", "second.yaml", &self.app("1.1.0").replace("default:app", "default:second"));
        let text = self.world.text.clone();
        let (own, rest) = text.split_once("\n---").unwrap();
        let line = own.lines().find(|line| line.trim_start().starts_with("- {name: other")).unwrap();
        let second = own.replace(&format!("\n{line}"), "").replacen("name: shop", "name: second", 1);
        let second =
            second.replace("name: app,", "name: second,").replace("paths: [],", "paths: [], secretRef: {name: login},");
        let login = "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: default}\nstringData: {username: x, password: y}";
        self.configure(|text| *text = format!("{own}\n---\n{second}\n---\n{login}\n---{rest}"));
    }
}

#[tokio::test]
async fn two_automations_do_not_fight_over_a_branch() {
    for group in ["image", "file"] {
        let mut groups = Groups::with(Product::GitHub, group, ", branch: 'images/{{ .Group }}'").await;
        groups.add_second();
        if group == "file" {
            // Both read all files.
            groups.world.commits(
                "main",
                "app.yaml",
                &groups.both("1.1.0", "1.1.0").replace("default:other", "default:second"),
            );
        }
        let report = groups.world.run().await;
        for (automation, other) in report.automations.iter().zip(["default/second", "default/shop"]) {
            let error = automation.outcome.error().unwrap_or_else(|| panic!("{group}: {automation:?}")).chain();
            assert!(error.contains(&format!("push branch of {other}")), "{group}: {error}");
        }
        let states = groups.world.forge.states().len();
        assert_eq!(
            states,
            if group == "image" { 1 } else { 0 },
            "what one alone has: {:?}",
            groups.world.forge.world().pulls
        );
        let own = |text: &mut String| *text = text.replace("images/{{", "{{ .AutomationObject.Name }}/{{");
        groups.configure(own);
        let report = groups.world.run().await;
        assert!(report.automations.iter().all(|it| it.outcome.error().is_none()), "{report:?}");
    }
}

#[tokio::test]
async fn who_has_an_open_request_keeps_its_branch() {
    let mut groups = Groups::proposed(Product::GitHub, "image", ", branch: 'images/{{ .Group }}'", 2).await;
    groups.add_second();
    groups.world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    let report = groups.world.run().await;
    let outcomes: Vec<&str> = report.automations.iter().map(|it| it.outcome.as_str()).collect();
    assert_eq!(outcomes, ["pushed", "failed"], "{report:?}");
    let error = report.automations[1].outcome.error().unwrap().chain();
    assert!(error.contains("push branch of default/shop"), "{error}");
    assert_eq!(groups.world.forge.states(), [(1, "open"), (2, "open")]);
}

/// Another bot, or one that has lost its data, has opened it: whose it is, its mark says.
#[tokio::test]
async fn a_request_of_another_automation_is_not_taken() {
    let mut groups = Groups::with(Product::GitHub, "automation", ", branch: images").await;
    groups.check("pushed").await;
    groups.add_second();
    groups.configure(|text| {
        // The first one has another branch by now.
        *text = text.replacen("branch: images", "branch: other", 1);
    });
    let title = groups.world.forge.pull(1).title;
    let replica = Replica::new();
    let report = replica.run(&groups.world.automations, groups.world.bot.now).await;
    let error = report.automations[1].outcome.error().unwrap_or_else(|| panic!("{report:?}")).chain();
    assert!(error.contains("push branch of default/shop"), "{error}");
    assert_eq!(groups.world.forge.pull(1).title, title);
}
