//! Changes that are proposed: the life of a pull request, from the release of an image to the end of its branch, at a simulated forge that
//! stands on the real remote.

mod submitted;

use std::sync::Arc;

use forge::Product;
use jiff::Timestamp;
use tagwright::pass;
use tagwright::run::{Context, Edges, Memory, Mode, Report};
use tagwright::store::Store;
use tagwright_core::automation::Automation;

use crate::forges::{Checks, Forge, TOKEN};
use crate::support::{self, Behaviour, Server, git};
use crate::world::{Bot, STABLE};

const BRANCH: &str = "tagwright/default/shop";
pub(crate) const PRODUCTS: [Product; 6] = [
    Product::GitHub,
    Product::GitLab,
    Product::Gitea,
    Product::Bitbucket,
    Product::BitbucketDataCenter,
    Product::AzureDevOps,
];

/// A bot that proposes what it changes, and a clone in which a person works.
pub(crate) struct World {
    pub(crate) bot: Bot,
    pub(crate) forge: Forge,
    pub(crate) automations: Vec<Arc<Automation>>,
    /// The configuration.
    pub(crate) text: String,
    person: tempfile::TempDir,
    /// Serves the remote below its owner.
    pub(crate) server: (Server, tempfile::TempDir),
}

impl World {
    /// A forge with this in `pullRequest`; the remote has 1.1.0, and the registry these tags.
    pub(crate) async fn with(product: Product, more: &str, tags: &[&str]) -> Self {
        let bot = Bot::start(tags).await;
        let forge = Forge::start(product).await;
        forge.world().git = Some(bot.remote.bare());
        // The remote has the address that the product gives to repositories.
        let path = match product {
            Product::BitbucketDataCenter => "scm/acme/config.git",
            Product::AzureDevOps => "acme/shop/_git/config",
            _ => "acme/config.git",
        };
        let served = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(served.path().join(path).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(bot.remote.bare(), served.path().join(path)).unwrap();
        let server = Server::start(served.path(), Behaviour::default()).await;
        let url = format!("{}/{path}", server.base);
        let word = match product {
            Product::GitHub => "github",
            Product::GitLab => "gitlab",
            Product::Bitbucket => "bitbucket",
            Product::BitbucketDataCenter => "bitbucket-data-center",
            Product::AzureDevOps => "azure-devops",
            _ => "gitea",
        };
        let request = format!(
            "push: {{pullRequest: {{forge: {{kind: {word}, url: '{}'}}, secretRef: {{name: forge}}, {more}}}}}}}",
            forge.base
        );
        let text = bot
            .text("[]", STABLE)
            .replace(&bot.server.url(), &url)
            .replace("paths: []}", &format!("paths: [], {request}"));
        let secret =
            "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: forge, namespace: default}\nstringData: {token: ";
        let text = format!("{text}{secret}{TOKEN}}}\n");
        let automations =
            tagwright::config::parse("configuration.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
        let person = tempfile::tempdir().unwrap();
        git(person.path(), &["clone", "-q", "--branch", "main", bot.remote.bare().to_str().unwrap(), "."]);
        Self { bot, forge, automations: automations.automations, text, person, server: (server, served) }
    }

    /// After the bot has proposed 1.2.0.
    pub(crate) async fn proposed(product: Product, more: &str) -> Self {
        let world = Self::with(product, more, &["1.1.0", "1.2.0"]).await;
        world.check("pushed", "was opened").await;
        assert_eq!(world.bot.remote.show(&format!("{BRANCH}:app.yaml")), world.bot.file("1.2.0"));
        assert_eq!(world.bot.remote.show("main:app.yaml"), world.bot.file("1.1.0"), "nothing is written there");
        assert_eq!(world.forge.states(), [(1, "open")]);
        world.forge.asked();
        world
    }

    pub(crate) async fn run(&self) -> Report {
        self.bot.run(&self.automations).await.0
    }

    /// Runs, and checks how that ended and what was said of the request; empty is nothing.
    #[track_caller]
    pub(crate) fn check(&self, outcome: &'static str, said: &'static str) -> impl Future<Output = Report> {
        let at = std::panic::Location::caller();
        async move {
            let report = self.run().await;
            let found = &report.automations[0];
            assert_eq!(found.outcome.as_str(), outcome, "{at}: {found:?}");
            let request = found.request.as_deref().unwrap_or_default();
            assert!(request.contains(said) && said.is_empty() == request.is_empty(), "{at}: {request:?}");
            report
        }
    }

    pub(crate) fn lists(&self, tags: &[&str]) {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.bot.registry.change(|world| *world.repositories.get_mut("team/app").unwrap() = tags);
    }

    /// A person commits a file on a branch, and pushes it.
    pub(crate) fn commits(&self, branch: &str, file: &str, text: &str) {
        let git = |arguments: &[&str]| git(self.person.path(), arguments);
        git(&["fetch", "-q"]);
        git(&["checkout", "-q", "-B", branch, &format!("origin/{branch}")]);
        std::fs::write(self.person.path().join(file), text).unwrap();
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", "By hand"]);
        git(&["push", "-q", "origin", branch]);
    }

    /// A person makes a file of a branch executable.
    pub(crate) fn makes_executable(&self, branch: &str, file: &str) {
        let git = |arguments: &[&str]| git(self.person.path(), arguments);
        git(&["fetch", "-q"]);
        git(&["checkout", "-q", "-B", branch, &format!("origin/{branch}")]);
        git(&["update-index", "--chmod=+x", file]);
        git(&["commit", "-q", "-m", "By hand"]);
        git(&["push", "-q", "origin", branch]);
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.bot.remote.at(name)
    }

    pub(crate) fn has(&self, branch: &str) -> bool {
        !git(&self.bot.remote.bare(), &["for-each-ref", &format!("refs/heads/{branch}")]).is_empty()
    }

    /// The sentence of the only hold.
    fn hold(report: &Report) -> String {
        let [held] = report.automations[0].holds.as_slice() else { panic!("{report:?}") };
        assert_eq!(held.hold.code(), "declined");
        held.hold.to_string()
    }
}

/// Another process, with nothing but the configuration.
pub(crate) struct Replica {
    edges: Edges,
    memory: Memory,
    _data: tempfile::TempDir,
}

impl Replica {
    pub(crate) fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let git = git::Git::new(support::settings(data.path(), &[])).unwrap();
        let (registry, forges) = (crate::world::client(), forge::Forges::default());
        let edges = Edges { registry, git, forges, store: Store::in_memory() };
        Self { edges, memory: Memory::default(), _data: data }
    }

    /// It is started again on the same data.
    pub(crate) fn restarts(&mut self) {
        self.memory = Memory::default();
    }

    pub(crate) async fn run(&self, automations: &[Arc<Automation>], now: Timestamp) -> Report {
        let context =
            Context { edges: &self.edges, memory: &self.memory, mode: Mode::Push, now, summarise: false, gate: None };
        pass::once(context, automations).await
    }
}

#[tokio::test]
async fn a_request_is_opened_and_kept_current_in_place() {
    for product in PRODUCTS {
        let (has_labels, has_assignees) = match product {
            Product::Bitbucket | Product::BitbucketDataCenter => (false, false),
            product => (true, product != Product::AzureDevOps),
        };
        let labels = if has_labels { ", labels: [images]" } else { "" };
        let assignees = if has_assignees { ", assignees: [bob]" } else { "" };
        let world = World::proposed(product, &format!("reviewers: [ada]{labels}{assignees}")).await;
        let pull = world.forge.pull(1);
        assert_eq!(
            (pull.title.as_str(), pull.head.as_str(), pull.base.as_str()),
            ("Update app to 1.2.0", BRANCH, "main")
        );
        assert_eq!((pull.labels == ["images"], pull.assignees == ["bob"]), (has_labels, has_assignees));
        assert_eq!(pull.reviewers, ["ada"]);

        world.check("unchanged", "").await;
        assert_eq!(world.forge.changes(), [""; 0], "{product:?}: there is nothing to say");

        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        world.check("pushed", "was updated").await;
        let pull = world.forge.pull(1);
        assert_eq!(pull.title, "Update app to 1.3.0");
        assert!(pull.body.contains("| `1.1.0` | `1.3.0` |"), "all that it changes, not the last step:\n{}", pull.body);
        assert_eq!(world.at(&format!("{BRANCH}^")), world.at("main"), "one commit");

        world.commits("main", "notes.md", "Mind the carts.\n");
        world.check("pushed", "").await;
        assert_eq!(world.at(&format!("{BRANCH}^")), world.at("main"), "on the newest of what it goes to");
        assert_eq!(world.forge.states(), [(1, "open")], "{product:?}");
    }
}

#[tokio::test]
async fn what_it_says() {
    let world = World::proposed(Product::GitHub, "").await;
    let body = world.forge.pull(1).body.replace(&world.bot.image(), "registry.example.com/team/app");
    insta::assert_snapshot!(body);

    let more = "title: 'images: {{ .Summary }}', body: '{{ range .Changed.Changes }}{{ .OldValue }}{{ end }} <!-- tagwright: {} -->', draft: true";
    let world = World::proposed(Product::GitHub, more).await;
    let pull = world.forge.pull(1);
    assert!(pull.draft);
    assert_eq!(pull.title, "images: Update app to 1.2.0");
    let text = pull.body.split_once("\n\n<!-- tagwright: {\"automation\"").unwrap().0;
    assert_eq!(text, format!("{}:1.1.0  {{}} -->", world.bot.image()));
}

#[tokio::test]
async fn a_branch_on_which_a_person_works_is_left_to_them() {
    for product in PRODUCTS {
        let world = World::proposed(product, "").await;
        world.commits(BRANCH, "notes.md", "Mind the carts.\n");
        let before = world.at(BRANCH);
        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        world.commits("main", "more.md", "More.\n");
        let report = world.check("held", "").await;
        let said = format!("{:?}", report.automations[0].outcome);
        assert!(said.contains("has commits that are not a bot's, such as") && said.contains("by someone"), "{said}");
        assert_eq!((world.at(BRANCH), world.forge.changes().len()), (before, 0), "{product:?}");

        world.forge.merge(1);
        world.check("pushed", "was opened").await;
        assert_eq!(world.forge.states(), [(1, "merged"), (2, "open")]);
    }
}

#[tokio::test]
async fn what_a_person_closes_is_held_until_it_is_released_or_something_newer_comes() {
    for product in PRODUCTS {
        let mut world = World::proposed(product, "").await;
        world.forge.close(1, "ada");
        let report = world.check("held", "was closed without a merge").await;
        let hold = World::hold(&report);
        let noun = product.noun();
        assert!(hold.starts_with(&format!("ada closed {noun} {}1 (http", product.sigil())), "{hold}");
        assert!(hold.ends_with("or `tagwright release default:app` is called"), "{hold}");
        world.check("held", "").await;
        assert_eq!(world.forge.changes(), [""; 0], "{product:?}");

        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        world.check("pushed", "was opened").await;
        assert_eq!(world.forge.states(), [(1, "closed"), (2, "open")], "{product:?}");
        assert!(world.forge.pull(2).body.contains("| `1.1.0` | `1.3.0` |"));

        world.forge.close(2, "ada");
        world.check("held", "was closed without a merge").await;
        world.bot.later(1);
        world.bot.edges.store.release("default:app", world.bot.now).unwrap();
        world.bot.later(1);
        world.check("unchanged", "was opened").await;
        assert_eq!(world.forge.states(), [(1, "closed"), (2, "closed"), (3, "open")], "{product:?}");
    }
}

/// What somebody closed long ago, and is not selected any more, is not kept for ever.
#[tokio::test]
async fn what_was_closed_is_forgotten_a_month_after_something_else_was_selected() {
    let mut world = World::proposed(Product::GitHub, "").await;
    let declined = |world: &World| world.bot.edges.store.switches().unwrap().declined.values().flatten().count();
    world.forge.close(1, "ada");
    world.bot.later(24 * 40);
    world.check("held", "was closed without a merge").await;
    world.bot.later(24 * 40);
    world.check("held", "").await;
    assert_eq!(declined(&world), 1, "as long as it is selected");
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    world.check("pushed", "was opened").await;
    // A list that comes late has the one from before once more.
    world.lists(&["1.1.0", "1.2.0"]);
    world.bot.later(24);
    world.run().await;
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    world.bot.later(24 * 29);
    world.run().await;
    assert_eq!(declined(&world), 1);
    world.bot.later(24 * 31);
    world.run().await;
    assert_eq!(declined(&world), 0);
}

/// A hundred automations do not wait a hundred times for a forge that does not answer.
#[tokio::test]
async fn a_forge_that_is_down_is_asked_by_one_automation_of_a_run() {
    let world = World::with(Product::GitHub, "", &["1.1.0", "1.2.0"]).await;
    let text = world.text.replacen("name: shop", "name: second", 1).replace("name: app,", "name: other,");
    let (own, _) = world.text.split_once("\n---").unwrap();
    let both = tagwright::config::parse("configuration.yaml", &format!("{own}\n---\n{text}")).unwrap().automations;
    world.commits("main", "other.yaml", &world.bot.file("1.1.0").replace("default:app", "default:other"));
    world.forge.world().is_down = true;
    let report = world.bot.run(&both).await.0;
    for automation in &report.automations {
        assert_eq!(automation.outcome.as_str(), "pushed", "{automation:?}");
        assert!(automation.outcome.error().unwrap().chain().contains("HTTP 502"));
    }
    assert_eq!(world.forge.asked().len(), 3, "one question, three times");
    world.forge.world().is_down = false;
    world.bot.run(&both).await;
    assert_eq!(world.forge.states(), [(1, "open"), (2, "open")]);
}

/// However many requests a remote has, it is asked, fetched from and pushed to once; and a branch that the remote does not want costs the
/// others nothing.
#[tokio::test]
async fn many_requests_are_one_push() {
    const COUNT: usize = 12;
    let world = World::with(Product::GitHub, "", &["1.1.0", "1.2.0"]).await;
    let (own, secret) = world.text.split_once("\n---").unwrap();
    let one = |number: usize| {
        let text = own.replacen("name: shop", &format!("name: shop-{number}"), 1);
        text.replace("name: app,", &format!("name: app-{number},"))
    };
    let text: String = (0..COUNT).map(|number| format!("{}\n---\n", one(number))).collect();
    let all =
        tagwright::config::parse("configuration.yaml", &format!("{text}{}", secret.trim_start())).unwrap().automations;
    let file = |number: usize| world.bot.file("1.1.0").replace("default:app", &format!("default:app-{number}"));
    let lines: String = (0..COUNT).map(|number| format!("- {}", file(number))).collect();
    world.commits("main", "all.yaml", &lines);
    let pushed = |report: &Report| report.automations.iter().filter(|it| it.outcome.as_str() == "pushed").count();
    world.server.0.seen();
    let report = world.bot.run(&all).await.0;
    assert_eq!((pushed(&report), world.forge.states().len()), (COUNT, COUNT), "{report:?}");
    let seen = world.server.0.seen();
    let posts = seen.iter().filter(|seen| seen.line.starts_with("POST") && seen.line.contains("receive-pack"));
    assert_eq!(posts.count(), 1, "{seen:?}");
    let writes = world.forge.asked().into_iter().filter(|line| line.starts_with("POST"));
    assert_eq!(writes.count(), COUNT, "one new request each, and nothing else is written");
    world.bot.run(&all).await;
    let asked = world.forge.asked();
    assert_eq!(asked.len(), COUNT, "a look at each that is open: {asked:?}");

    world.bot.remote.hook("update", "case $1 in */shop-7) echo 'not this one'; exit 1;; esac");
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    let report = world.bot.run(&all).await.0;
    assert_eq!(pushed(&report), COUNT - 1, "{report:?}");
    let failed = report.automations[7].outcome.error().unwrap().chain();
    assert!(failed.contains("not this one"), "{failed}");
}

#[tokio::test]
async fn one_branch_is_one_automations() {
    let world = World::with(Product::GitHub, "branch: images", &["1.1.0", "1.2.0"]).await;
    let text = world.text.replacen("name: shop", "name: second", 1).replace("name: app,", "name: other,");
    let (own, _) = world.text.split_once("\n---").unwrap();
    let both = tagwright::config::parse("configuration.yaml", &format!("{own}\n---\n{text}")).unwrap().automations;
    let report = world.bot.run(&both).await.0;
    let errors: Vec<String> = report.automations.iter().map(|it| it.outcome.error().unwrap().to_string()).collect();
    assert!(
        errors[0].starts_with("images of http://") && errors[0].contains("push branch of default/second"),
        "{errors:?}"
    );
    assert!(errors[1].contains("push branch of default/shop"), "{errors:?}");
    assert_eq!(world.forge.asked().len(), 0);
}

/// What a person closed is known to the forge, so that a bot without a memory does not open it again.
#[tokio::test]
async fn a_bot_that_has_lost_its_state_knows_what_was_closed_and_what_is_open() {
    for product in PRODUCTS {
        let world = World::proposed(product, "").await;
        let replica = Replica::new();
        let report = replica.run(&world.automations, world.bot.now).await;
        assert_eq!(report.automations[0].outcome.as_str(), "unchanged", "{report:?}");
        assert_eq!(world.forge.states(), [(1, "open")], "{product:?}");

        world.forge.close(1, "ada");
        let report = Replica::new().run(&world.automations, world.bot.now).await;
        assert_eq!(report.automations[0].outcome.as_str(), "held", "{report:?}");
        assert!(World::hold(&report).starts_with("ada closed"));
        assert_eq!(world.forge.states(), [(1, "closed")], "{product:?}");
    }
}

#[tokio::test]
async fn two_replicas_at_once_open_one_request() {
    for product in PRODUCTS {
        let world = World::with(product, "", &["1.1.0", "1.2.0"]).await;
        world.forge.world().lag = 1;
        let (one, other) = (Replica::new(), Replica::new());
        let runs = [&one, &other].map(|replica| replica.run(&world.automations, world.bot.now));
        let reports = futures_util::future::join_all(runs).await;
        for report in &reports {
            assert!(matches!(report.automations[0].outcome.as_str(), "pushed" | "unchanged"), "{report:?}");
        }
        assert_eq!(world.forge.states(), [(1, "open")], "{product:?}");
        assert_eq!(world.at(&format!("{BRANCH}^")), world.at("main"));
    }
}

#[tokio::test]
async fn a_merge_is_noticed_and_the_branch_goes_where_that_is_asked_for() {
    for product in PRODUCTS {
        for delete in [false, true] {
            let world = World::proposed(product, &format!("deleteBranch: {delete}")).await;
            world.forge.merge(1);
            world.check("unchanged", "was merged").await;
            assert_eq!(world.has(BRANCH), !delete, "{product:?}");
            world.check("unchanged", "").await;
            assert_eq!(world.forge.states(), [(1, "merged")]);
            world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
            world.check("pushed", "was opened").await;
            assert_eq!(world.forge.states(), [(1, "merged"), (2, "open")]);
            assert_eq!(world.at(&format!("{BRANCH}^")), world.at("main"));
        }
    }
}

#[tokio::test]
async fn what_is_superseded_is_closed_with_a_comment() {
    for product in PRODUCTS {
        let world = World::proposed(product, "deleteBranch: true").await;
        world.commits("main", "app.yaml", &world.bot.file("1.2.0"));
        world.check("unchanged", "was closed, since nothing is left").await;
        let pull = world.forge.pull(1);
        assert_eq!(pull.state, "closed");
        assert!(pull.comments[0].starts_with("Closed by tagwright: nothing is left to propose."), "{pull:?}");
        assert!(!world.has(BRANCH), "{product:?}");
        // What a bot closed is turned down by nobody, for another replica either.
        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        let report = Replica::new().run(&world.automations, world.bot.now).await;
        assert_eq!(report.automations[0].outcome.as_str(), "pushed", "{report:?}");
        assert_eq!(world.forge.states(), [(1, "closed"), (2, "open")], "{product:?}");
    }
}

#[tokio::test]
async fn it_is_merged_by_itself_where_that_is_asked_for() {
    for product in PRODUCTS {
        for word in ["now", "whenChecksPass"] {
            if (product, word) == (Product::Bitbucket, "whenChecksPass") {
                continue;
            }
            let more = format!("autoMerge: {word}, mergeMethod: merge, deleteBranch: true");
            let world = World::with(product, &more, &["1.1.0", "1.2.0"]).await;
            world.forge.world().checks = Checks::Pending;
            world.check("pushed", "was opened").await;
            let is_auto = word == "whenChecksPass";
            assert_eq!((world.forge.states()[0].1, world.forge.pull(1).auto), ("open", is_auto), "{product:?} {word}");
            world.forge.world().checks = Checks::None;
            if is_auto {
                world.forge.merge(1);
            }
            world.check("unchanged", "was merged").await;
            assert_eq!(world.forge.states(), [(1, "merged")], "{product:?} {word}");
            assert_eq!(world.bot.remote.show("main:app.yaml"), world.bot.file("1.2.0"));
            assert!(!world.has(BRANCH), "{product:?} {word}");
        }
    }
}

#[tokio::test]
async fn a_forge_that_is_down_stops_no_push_and_gets_one_request_later() {
    for product in PRODUCTS {
        let world = World::with(product, "", &["1.1.0", "1.2.0"]).await;
        world.forge.world().is_down = true;
        let report = world.check("pushed", "").await;
        let missed = report.automations[0].outcome.error().unwrap().chain();
        assert!(missed.contains("HTTP 502"), "{missed}");
        assert_eq!(world.bot.remote.show(&format!("{BRANCH}:app.yaml")), world.bot.file("1.2.0"));
        world.check("failed", "").await;
        world.forge.world().is_down = false;
        world.check("unchanged", "was opened").await;
        world.check("unchanged", "").await;
        assert_eq!(world.forge.states(), [(1, "open")], "{product:?}");
    }
}

#[tokio::test]
async fn an_open_request_waits_for_a_hold_and_for_a_registry() {
    let world = World::proposed(Product::Gitea, "").await;
    world.bot.edges.store.hold("default:app", None, world.bot.now).unwrap();
    world.check("held", "pull request #1 stays as it is (default:app: held by hand since").await;
    world.bot.edges.store.unhold("default:app").unwrap();
    let before = world.at(BRANCH);
    world.bot.registry.change(|world| world.repositories.clear());
    let report = world.run().await;
    assert_eq!((report.automations[0].outcome.as_str(), world.at(BRANCH)), ("unchanged", before), "{report:?}");
    assert_eq!((world.forge.states(), world.forge.changes().len()), (vec![(1, "open")], 0));
}

#[tokio::test]
async fn a_dry_run_asks_no_forge() {
    let world = World::with(Product::GitHub, "", &["1.1.0", "1.2.0"]).await;
    let context = Context { mode: Mode::DryRun, ..world.bot.context() };
    let report = pass::once(context, &world.automations).await;
    assert_eq!(report.automations[0].outcome.as_str(), "would-push");
    assert_eq!((world.forge.asked().len(), world.has(BRANCH)), (0, false));
}
