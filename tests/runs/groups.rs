//! Changes that are proposed in groups: each policy, image or file of an automation has a branch, a commit and a request of its own.

mod branches;
mod lost;
mod stays;

use forge::Product;
use tagwright::pass;
use tagwright::run::{AutomationReport, Context, Mode, Report};

use crate::requests::{PRODUCTS, Replica, World};

const APP: &str = "tagwright/default/shop--default--app";
const OTHER: &str = "tagwright/default/shop--default--other";
const OLD: [&str; 2] = ["1.1.0", "1.2.0"];

/// `app.yaml` has the image app, `other.yaml` the image other, `both.yaml` one of each.
struct Groups {
    world: World,
}

impl Groups {
    async fn with(product: Product, group: &str, more: &str) -> Self {
        let mut world = World::with(product, &format!("group: {group}{more}"), &OLD).await;
        world.bot.registry.change(|registry| {
            registry.repositories.insert("team/other".to_owned(), OLD.map(str::to_owned).to_vec());
        });
        let image = world.bot.image();
        let other = image.replace("team/app", "team/other");
        let app = format!("- {{name: app, image: {image}, ");
        let line = world.text.lines().find(|line| line.trim_start().starts_with("- {name: app")).unwrap().to_owned();
        let second = line.replace(&app, &format!("- {{name: other, image: {other}, "));
        world.text = world.text.replace(&line, &format!("{line}\n{second}"));
        let mut groups = Self { world };
        groups.configure(|_| {});
        groups.world.commits("main", "other.yaml", &groups.other("1.1.0"));
        groups.world.commits("main", "both.yaml", &groups.both("1.1.0", "1.1.0"));
        groups
    }

    /// After the first run, which opens all.
    async fn proposed(product: Product, group: &str, more: &str, count: usize) -> Self {
        let groups = Self::with(product, group, more).await;
        groups.check("pushed").await;
        assert_eq!(groups.world.forge.states().len(), count, "{product:?}");
        groups.world.forge.asked();
        groups
    }

    /// Reads the configuration anew, changed like this.
    fn configure(&mut self, change: impl Fn(&mut String)) {
        change(&mut self.world.text);
        let read = tagwright::config::parse("configuration.yaml", &self.world.text);
        self.world.automations = read.unwrap_or_else(|error| panic!("{error}")).automations;
    }

    fn app(&self, tag: &str) -> String {
        self.world.bot.file(tag)
    }

    fn other(&self, tag: &str) -> String {
        self.world.bot.file(tag).replace("team/app", "team/other").replace("default:app", "default:other")
    }

    fn both(&self, app: &str, other: &str) -> String {
        let item = |line: String| format!("- {}\n", line.trim_end());
        item(self.app(app)) + &item(self.other(other))
    }

    fn show(&self, branch: &str, file: &str) -> String {
        self.world.bot.remote.show(&format!("{branch}:{file}"))
    }

    /// What the registry lists of the image other.
    fn lists_of_other(&self, tags: &[&str]) {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.world.bot.registry.change(|registry| *registry.repositories.get_mut("team/other").unwrap() = tags);
    }

    /// Runs, and checks how the automation ended.
    #[track_caller]
    fn check(&self, outcome: &'static str) -> impl Future<Output = Report> {
        let at = std::panic::Location::caller();
        async move {
            let report = self.world.run().await;
            assert_eq!(report.automations[0].outcome.as_str(), outcome, "{at}: {report:?}");
            report
        }
    }

    /// The request of a branch that was opened last: its number.
    fn number(&self, branch: &str) -> u64 {
        let forge = self.world.forge.world();
        forge
            .pulls
            .iter()
            .rev()
            .find(|pull| pull.head == branch)
            .unwrap_or_else(|| panic!("{branch}: {forge:?}"))
            .number
    }

    fn state(&self, branch: &str) -> &'static str {
        self.world.forge.pull(self.number(branch)).state
    }

    /// Whether a branch is one commit on the newest commit of what it goes to.
    fn is_on_main(&self, branch: &str) -> bool {
        self.world.at(&format!("{branch}^")) == self.world.at("main")
    }
}

/// The word for how each group ended, with what was said of its request.
fn ends(report: &AutomationReport) -> Vec<(&str, &'static str, &str)> {
    let end = |group: &'static str| group;
    let groups = report.groups.iter();
    groups
        .map(|group| (group.name.as_str(), end(group.outcome), group.request.as_deref().unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn each_policy_has_a_request_of_its_own() {
    for product in PRODUCTS {
        let groups = Groups::proposed(product, "policy", "", 2).await;
        let world = &groups.world;
        assert_eq!(groups.show(APP, "both.yaml"), groups.both("1.2.0", "1.1.0"), "{product:?}");
        assert_eq!(groups.show(OTHER, "both.yaml"), groups.both("1.1.0", "1.2.0"), "both are planned on the base");
        assert_eq!(
            (groups.show(APP, "app.yaml"), groups.show(APP, "other.yaml")),
            (groups.app("1.2.0"), groups.other("1.1.0"))
        );
        assert!(groups.is_on_main(APP) && groups.is_on_main(OTHER));
        let pull = world.forge.pull(groups.number(APP));
        assert_eq!((pull.title.as_str(), pull.base.as_str()), ("Update app to 1.2.0", "main"));
        assert!(pull.body.contains("It has what changes for the policy `default:app`."), "{}", pull.body);

        groups.check("unchanged").await;
        let asked = world.forge.asked();
        assert!(asked.iter().all(|line| line.starts_with("GET ")), "{product:?}: there is nothing to say: {asked:?}");
        // Azure cuts texts in lists, so that it is asked for each.
        assert_eq!(
            asked.len(),
            if product == Product::AzureDevOps { 3 } else { 1 },
            "{product:?}: one list: {asked:?}"
        );

        let before = world.at(OTHER);
        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        let report = groups.check("pushed").await;
        let ended = ends(&report.automations[0]);
        assert!(
            matches!(ended.as_slice(), [("policy default:app", "pushed", said), ("policy default:other", "unchanged", "")] if said.contains("was updated")),
            "{ended:?}"
        );
        assert_eq!((world.at(OTHER), groups.show(APP, "both.yaml")), (before, groups.both("1.3.0", "1.1.0")));
        assert_eq!(world.forge.pull(groups.number(APP)).title, "Update app to 1.3.0");
        assert_eq!(world.forge.states().len(), 2, "{product:?}");
    }
}

#[tokio::test]
async fn what_is_merged_closed_or_superseded_concerns_its_own_group() {
    for product in PRODUCTS {
        let groups = Groups::proposed(product, "policy", ", deleteBranch: true", 2).await;
        let world = &groups.world;
        world.forge.close(groups.number(OTHER), "ada");
        let report = groups.check("held").await;
        let [first, second] = report.automations[0].holds.as_slice() else { panic!("{report:?}") };
        assert_eq!([first.hold.code(), second.hold.code()], ["declined", "declined"], "in two files");
        assert_eq!((groups.state(APP), groups.state(OTHER)), ("open", "closed"), "{product:?}");
        assert!(report.automations[0].request.as_deref().unwrap().contains("was closed without a merge"), "{report:?}");

        // The other one goes on.
        world.forge.merge(groups.number(APP));
        groups.check("held").await;
        assert_eq!(world.bot.remote.show("main:both.yaml"), groups.both("1.2.0", "1.1.0"));
        assert!(!world.has(APP), "{product:?}");
        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        groups.check("pushed").await;
        assert_eq!((world.forge.states().len(), groups.state(APP), groups.is_on_main(APP)), (3, "open", true));

        // What is newer is proposed again, and closed where somebody else has written it.
        groups.lists_of_other(&["1.1.0", "1.2.0", "1.3.0"]);
        groups.check("pushed").await;
        assert_eq!((world.forge.states().len(), groups.state(OTHER)), (4, "open"), "{product:?}");
        world.commits("main", "other.yaml", &groups.other("1.3.0"));
        world.commits("main", "both.yaml", &groups.both("1.2.0", "1.3.0"));
        let report = groups.check("pushed").await;
        let said = ends(&report.automations[0])
            .iter()
            .any(|(name, _, said)| *name == "policy default:other" && said.contains("nothing is left"));
        assert!(said, "{report:?}");
        let pull = world.forge.pull(groups.number(OTHER));
        assert_eq!((pull.state, pull.comments.len(), world.has(OTHER)), ("closed", 1, false), "{product:?}");
        assert_eq!((groups.state(APP), groups.is_on_main(APP)), ("open", true), "on the newest of what it goes to");
    }
}

#[tokio::test]
async fn a_group_is_an_image_or_a_file() {
    let groups = Groups::proposed(Product::GitHub, "image", ", title: '{{ .Group }}'", 2).await;
    let titles: Vec<String> = [1, 2].map(|number| groups.world.forge.pull(number).title).to_vec();
    assert!(titles[0].ends_with("/team/app") && titles[1].ends_with("/team/other"), "{titles:?}");

    let branch = ", branch: 'images/{{ .Group }}', title: '{{ .Group }}: {{ .Summary }}'";
    let groups = Groups::proposed(Product::GitLab, "file", branch, 3).await;
    let (one, both) = ("images/app.yaml", "images/both.yaml");
    assert_eq!(groups.show(both, "both.yaml"), groups.both("1.2.0", "1.2.0"));
    assert_eq!(
        (groups.show(both, "app.yaml"), groups.show(one, "app.yaml")),
        (groups.app("1.1.0"), groups.app("1.2.0"))
    );
    assert_eq!(groups.world.forge.pull(groups.number(one)).title, "app.yaml: Update app to 1.2.0");
    // What is turned down in one file is none of the others'.
    groups.world.forge.close(groups.number(one), "ada");
    let report = groups.check("held").await;
    let held: Vec<&str> = report.automations[0].holds.iter().map(|held| held.file.as_str()).collect();
    assert_eq!((held, groups.state(one), groups.state(both)), (vec!["app.yaml"], "closed", "open"));
    groups.world.commits("main", "notes.md", "Mind the carts.\n");
    groups.check("pushed").await;
    assert!(groups.is_on_main(both) && groups.state(both) == "open");
    // A file that is gone has nothing left.
    groups.world.commits("main", "both.yaml", "nothing: here\n");
    groups.check("pushed").await;
    assert_eq!(groups.state(both), "closed");
}

/// Policies that move only together are proposed together.
#[tokio::test]
async fn policies_that_move_together_are_one_group() {
    let mut groups = Groups::with(Product::GitHub, "policy", "").await;
    groups.configure(|text| {
        *text = text.replace("policy: {semver: {range: 1.x}}", "policy: {semver: {range: 1.x}}, together: all")
    });
    groups.check("pushed").await;
    assert_eq!(groups.world.forge.states(), [(1, "open")]);
    assert_eq!(groups.show(APP, "both.yaml"), groups.both("1.2.0", "1.2.0"));
}

#[tokio::test]
async fn a_branch_on_which_a_person_works_is_left_to_them_and_the_others_go_on() {
    let groups = Groups::proposed(Product::Gitea, "policy", "", 2).await;
    let world = &groups.world;
    world.commits(APP, "notes.md", "Mind the carts.\n");
    let before = world.at(APP);
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    groups.lists_of_other(&["1.1.0", "1.2.0", "1.3.0"]);
    let report = groups.check("pushed").await;
    let ended: Vec<_> = ends(&report.automations[0]).into_iter().map(|(name, word, _)| (name, word)).collect();
    assert_eq!(ended, [("policy default:app", "held"), ("policy default:other", "pushed")]);
    assert_eq!((world.at(APP), groups.show(OTHER, "other.yaml")), (before, groups.other("1.3.0")));
}

/// However many groups there are, the remote is fetched from and pushed to once, and the forge has one list and one new request each.
#[tokio::test]
async fn many_groups_are_one_fetch_and_one_push() {
    const COUNT: usize = 12;
    let mut groups = Groups::with(Product::GitHub, "policy", "").await;
    let line = groups.world.text.lines().find(|line| line.trim_start().starts_with("- {name: app")).unwrap().to_owned();
    let lines = (0..COUNT).map(|number| line.replace("name: app,", &format!("name: app-{number},")) + "\n");
    let lines: String = lines.collect();
    groups.configure(|text| *text = text.replace(&format!("{line}\n"), &lines));
    let file: String = (0..COUNT)
        .map(|number| format!("- {}", groups.app("1.1.0").replace("default:app", &format!("default:app-{number}"))))
        .collect();
    groups.world.commits("main", "all.yaml", &file);
    groups.lists_of_other(&["1.1.0"]);
    let world = &groups.world;
    let posts = || {
        let seen = world.server.0.seen();
        let of = |service: &str| {
            seen.iter().filter(|seen| seen.line.starts_with("POST") && seen.line.contains(service)).count()
        };
        (of("receive-pack"), of("upload-pack"))
    };
    posts();
    groups.check("pushed").await;
    assert_eq!(world.forge.states().len(), COUNT);
    let (pushes, reads) = posts();
    let asked = world.forge.asked();
    assert_eq!(pushes, 1);
    let lists = asked.iter().filter(|line| line.starts_with("GET ")).count();
    assert_eq!(
        (asked.len() - lists, lists),
        (COUNT, 2),
        "one list of those that are open, and one of others, once: {asked:?}"
    );

    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    groups.check("pushed").await;
    let (pushes, again) = posts();
    assert!(again <= reads && pushes == 1, "{reads} {again}");
    let asked = world.forge.asked();
    assert_eq!(asked.len(), 1 + COUNT, "one list, one new text each: {asked:?}");

    world.bot.remote.hook("update", "case $1 in */shop--default--app-7) echo 'not this one'; exit 1;; esac");
    world.lists(&["1.1.0", "1.2.0", "1.3.0", "1.4.0"]);
    let report = groups.check("pushed").await;
    let pushed = report.automations[0].groups.iter().filter(|group| group.outcome == "pushed").count();
    assert_eq!(pushed, COUNT - 1, "{report:?}");
    let missed = report.automations[0].outcome.error().unwrap().chain();
    assert!(missed.contains("not this one"), "{missed}");
}

#[tokio::test]
async fn replicas_have_one_request_for_each_group_between_them() {
    for product in PRODUCTS {
        let groups = Groups::with(product, "policy", "").await;
        let world = &groups.world;
        world.forge.world().lag = 1;
        let (one, other) = (Replica::new(), Replica::new());
        let runs = [&one, &other].map(|replica| replica.run(&world.automations, world.bot.now));
        for report in futures_util::future::join_all(runs).await {
            assert!(matches!(report.automations[0].outcome.as_str(), "pushed" | "unchanged"), "{report:?}");
        }
        assert_eq!(world.forge.states(), [(1, "open"), (2, "open")], "{product:?}");
    }
}

#[tokio::test]
async fn a_bot_that_has_lost_its_state_knows_what_each_group_has() {
    for product in PRODUCTS {
        let groups = Groups::proposed(product, "policy", "", 2).await;
        let world = &groups.world;
        world.forge.close(groups.number(OTHER), "ada");
        let replica = Replica::new();
        let report = replica.run(&world.automations, world.bot.now).await;
        let holds = &report.automations[0].holds;
        assert!(
            !holds.is_empty() && holds.iter().all(|held| held.hold.to_string().starts_with("ada closed")),
            "{report:?}"
        );
        let states: Vec<&str> = [APP, OTHER].map(|branch| groups.state(branch)).to_vec();
        assert_eq!((states, world.forge.states().len()), (vec!["open", "closed"], 2), "{product:?}");
        // And keeps the one that is open current.
        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        replica.run(&world.automations, world.bot.now).await;
        assert_eq!(
            (world.forge.states().len(), world.forge.pull(groups.number(APP)).title.as_str()),
            (2, "Update app to 1.3.0")
        );
    }
}

#[tokio::test]
async fn other_groups_take_the_place_of_those_that_were() {
    let mut groups = Groups::proposed(Product::GitHub, "policy", ", deleteBranch: true", 2).await;
    groups.configure(|text| *text = text.replace("group: policy", "group: automation"));
    groups.check("pushed").await;
    let states: Vec<&str> = groups.world.forge.states().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["closed", "closed", "open"]);
    assert!(!groups.world.has(APP) && groups.world.has("tagwright/default/shop"));
    groups.configure(|text| *text = text.replace("group: automation", "group: file"));
    groups.check("pushed").await;
    let states: Vec<&str> = groups.world.forge.states().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["closed", "closed", "closed", "open", "open", "open"]);
    // A policy that is gone has nothing left.
    groups.configure(|text| *text = text.replace("group: file", "group: policy"));
    groups.check("pushed").await;
    groups.configure(|text| {
        let line = text.lines().find(|line| line.trim_start().starts_with("- {name: other")).unwrap().to_owned();
        *text = text.replace(&format!("{line}\n"), "");
    });
    groups.world.run().await;
    assert_eq!((groups.state(APP), groups.state(OTHER)), ("open", "closed"));
}

/// Whoever may open a request from a fork may write any mark into it.
#[tokio::test]
async fn a_request_of_a_fork_is_nobody_of_ours() {
    for product in PRODUCTS {
        let groups = Groups::proposed(product, "policy", "", 2).await;
        let world = &groups.world;
        {
            let mut forge = world.forge.world();
            let forged = forge.pulls[0].clone();
            let number = forge.pulls.len() as u64 + 1;
            forge.pulls[0].state = "merged";
            forge.pulls.push(crate::forges::Pull { number, is_of_a_fork: true, title: "Evil".to_owned(), ..forged });
        }
        Replica::new().run(&world.automations, world.bot.now).await;
        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        Replica::new().run(&world.automations, world.bot.now).await;
        assert_eq!(world.forge.pull(3).title, "Evil", "{product:?}");
    }
}

#[tokio::test]
async fn a_forge_that_is_down_stops_no_push_and_gets_all_requests_later() {
    let groups = Groups::with(Product::GitLab, "policy", "").await;
    let world = &groups.world;
    world.forge.world().is_down = true;
    let report = groups.check("pushed").await;
    let missed = report.automations[0].outcome.error().unwrap().chain();
    assert!(missed.contains("HTTP 502"), "{missed}");
    assert_eq!(world.forge.asked().len(), 3, "one question, three times");
    assert!(world.has(APP) && world.has(OTHER));
    world.forge.world().is_down = false;
    groups.check("unchanged").await;
    assert_eq!(world.forge.states(), [(1, "open"), (2, "open")]);
    groups.check("unchanged").await;
    assert_eq!(world.forge.states().len(), 2);
}

#[tokio::test]
async fn a_rebase_of_a_group_is_answered_also_where_all_of_it_fails() {
    let groups = Groups::proposed(Product::GitHub, "policy", "", 2).await;
    let world = &groups.world;
    let number = groups.number(OTHER);
    let tell = |id| {
        world.forge.say(number, id, "ada", "/rebase");
        world.bot.memory.tell_comment(&world.automations[0].remote.url, number, id);
    };
    tell(71);
    groups.check("unchanged").await;
    let bare = world.bot.remote.bare();
    let away = bare.with_extension("away");
    std::fs::rename(&bare, &away).unwrap();
    tell(72);
    groups.check("failed").await;
    std::fs::rename(&away, &bare).unwrap();
    let comments = world.forge.pull(number).comments;
    assert!(
        comments[0].starts_with("Nothing to do:") && comments[1].starts_with("Not done: the run failed"),
        "{comments:?}"
    );
}

/// Several remotes' worth of runs may pass until the automation of a comment is due.
#[tokio::test]
async fn a_comment_waits_for_its_automation() {
    let groups = Groups::proposed(Product::GitHub, "policy", "", 2).await;
    let world = &groups.world;
    let automation = &world.automations[0];
    let text = world.text.replacen("name: shop", "name: other", 1);
    let other = tagwright::config::parse("configuration.yaml", &text).unwrap().automations;
    let number = groups.number(OTHER);
    world.forge.say(number, 71, "ada", "/hold");
    world.bot.memory.tell_comment(&automation.remote.url, number, 71);
    for _ in 0..4 {
        pass::once(world.bot.context(), &other).await;
    }
    groups.world.run().await;
    assert!(world.bot.edges.store.switches().unwrap().held.contains_key("default:other"));
}

#[tokio::test]
async fn an_open_request_waits_for_a_hold_and_for_a_registry() {
    let groups = Groups::proposed(Product::Gitea, "policy", "", 2).await;
    let world = &groups.world;
    world.bot.edges.store.hold("default:app", None, world.bot.now).unwrap();
    groups.lists_of_other(&["1.1.0", "1.2.0", "1.3.0"]);
    groups.check("pushed").await;
    assert_eq!((groups.state(APP), groups.show(OTHER, "other.yaml")), ("open", groups.other("1.3.0")));
    world.bot.edges.store.unhold("default:app").unwrap();
    let before = (world.at(APP), world.at(OTHER));
    world.bot.registry.change(|registry| registry.repositories.clear());
    let report = world.run().await;
    assert_eq!((world.at(APP), world.at(OTHER)), before, "{report:?}");
    assert_eq!((groups.state(APP), groups.state(OTHER)), ("open", "open"));
}

#[tokio::test]
async fn a_dry_run_tells_each_group_and_asks_no_forge() {
    let groups = Groups::with(Product::GitHub, "policy", "").await;
    let world = &groups.world;
    let context = Context { mode: Mode::DryRun, ..world.bot.context() };
    let report = pass::once(context, &world.automations).await;
    let ended: Vec<_> = ends(&report.automations[0]).into_iter().map(|(name, word, _)| (name, word)).collect();
    assert_eq!(ended, [("policy default:app", "would-push"), ("policy default:other", "would-push")]);
    assert_eq!((report.automations[0].outcome.as_str(), report.automations[0].changes().count()), ("would-push", 4));
    assert_eq!((world.forge.asked().len(), world.has(APP)), (0, false));
}
