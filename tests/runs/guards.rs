//! What holds an update back, in whole runs: registry, remote, history and store.

use std::sync::Arc;

use jiff::Timestamp;
use tagwright::act::act;
use tagwright::observe::{self, Polls};
use tagwright::run::{Memory, Outcome, Progress, Queue, Report};
use tagwright_core::automation::Automation;

use crate::simulated::{self, Fault};
use crate::support::git_at;
use crate::world::{Bot, STABLE};

impl Bot {
    /// Makes the registry list these tags.
    pub(crate) fn list(&self, tags: &[&str]) {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.registry.change(|world| *world.repositories.get_mut("team/app").unwrap() = tags);
    }

    /// Somebody commits this tag in the marked file now, with a message.
    pub(crate) fn somebody(&self, tag: &str, message: &str) {
        self.somebody_writes(&self.file(tag), message);
    }

    /// Somebody commits this text of the marked file now, with a message.
    pub(crate) fn somebody_writes(&self, text: &str, message: &str) {
        self.somebody_writes_at(self.now.as_second(), text, message);
    }

    /// The same with another date of the commit, in seconds since 1970.
    pub(crate) fn somebody_writes_at(&self, seconds: i64, text: &str, message: &str) {
        let work = tempfile::tempdir().unwrap();
        let bare = self.remote.bare();
        crate::support::git(work.path(), &["clone", "-q", "--branch", "main", bare.to_str().unwrap(), "."]);
        std::fs::write(work.path().join("app.yaml"), text).unwrap();
        let commit = ["commit", "-q", "--allow-empty", "-a", "-F", "-"];
        git_at(work.path(), seconds, &commit, message.as_bytes());
        crate::support::git(work.path(), &["push", "-q", "origin", "HEAD:main"]);
    }

    pub(crate) async fn once(&self, automations: &[Arc<Automation>]) -> Report {
        self.run(automations).await.0
    }
}

/// The outcome, the tag in the remote, and the codes of what is held.
#[track_caller]
pub(crate) fn check(bot: &Bot, report: &Report, outcome: &str, tag: &str, holds: &[&str]) {
    let automation = &report.automations[0];
    let codes: Vec<&str> = automation.holds.iter().map(|held| held.hold.code()).collect();
    assert_eq!((automation.outcome.as_str(), codes.as_slice()), (outcome, holds), "{automation:?}");
    assert_eq!(bot.remote.show("main:app.yaml"), bot.file(tag));
}

#[tokio::test]
async fn a_list_that_lost_the_tag_in_use_is_doubted_and_then_nothing_goes_backwards() {
    let bot = Bot::start(&["1.0.0", "1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    bot.list(&["1.0.0", "1.1.0"]);
    let doubted = bot.once(&automations).await;
    check(&bot, &doubted, "unchanged", "1.2.0", &[]);
    let hold = doubted.policies[0].hold.as_ref().unwrap();
    assert_eq!(hold.code(), "shrunk");
    assert_eq!(doubted.policies[0].selection.as_ref().unwrap_err().to_string(), hold.to_string());
    // It says the same twice: the list is believed, and the field is guarded by itself.
    check(&bot, &bot.once(&automations).await, "held", "1.2.0", &["downgrade"]);
    check(&bot, &bot.once(&automations).await, "held", "1.2.0", &["downgrade"]);
    bot.list(&["1.0.0", "1.1.0", "1.2.0"]);
    check(&bot, &bot.once(&automations).await, "unchanged", "1.2.0", &[]);
    bot.list(&["1.0.0", "1.1.0", "1.3.0"]);
    assert_eq!(bot.once(&automations).await.policies[0].hold.as_ref().unwrap().code(), "shrunk");
    check(&bot, &bot.once(&automations).await, "pushed", "1.3.0", &[]);
}

/// A build number behind the version, which the policy does not look at.
const BUILDS: &str = "policy: {semver: {range: 1.x}}, filterTags: {pattern: '^([0-9]+([.][0-9]+){2})[.]', extract: $1}";

#[tokio::test]
async fn of_tags_that_rank_equal_the_one_in_use_stays() {
    let bot = Bot::start(&["1.27.2.5929", "1.28.0.5999"]).await;
    let automations = bot.configuration(BUILDS);
    check(&bot, &bot.once(&automations).await, "pushed", "1.28.0.5999", &[]);
    let tip = bot.remote.at("main");
    for listed in [["1.28.0.5999", "1.28.0.6001"], ["1.28.0.6001", "1.28.0.7000"], ["1.28.0.0001", "1.28.0.5999"]] {
        bot.list(&listed);
        bot.once(&automations).await;
        check(&bot, &bot.once(&automations).await, "unchanged", "1.28.0.5999", &[]);
    }
    assert_eq!(bot.remote.at("main"), tip);
    bot.list(&["1.28.1.0001", "1.28.0.5999"]);
    bot.once(&automations).await;
    check(&bot, &bot.once(&automations).await, "unchanged", "1.28.1.0001", &[]);
}

#[tokio::test]
async fn the_selection_of_a_bot_stays_while_nothing_better_is_listed() {
    let bot = Bot::start(&["1.27.2.5929", "1.28.0.5999"]).await;
    let automations = bot.configuration(BUILDS);
    let policies = &automations[0].policies;
    let mut polls = Polls::default();
    let mut selected = Vec::new();
    for listed in
        [&["1.28.0.5999"][..], &["1.28.0.5999", "1.28.0.6001"], &["1.28.0.6001", "1.28.0.7000"], &["1.28.1.1"]]
    {
        bot.list(listed);
        // What is not listed any more is believed at the second poll.
        for _ in 0..2 {
            let polled = observe::poll(bot.context(), &policies[0].repository, policies, &polls).await;
            polled.policies.iter().filter(|report| report.selection.is_ok()).for_each(|report| polls.take(report));
        }
        let tag = polls.of(&policies[0]).unwrap().selection.as_ref().unwrap().tag.clone();
        selected.push(tag.unwrap().as_str().to_owned());
    }
    assert_eq!(selected, ["1.28.0.5999", "1.28.0.5999", "1.28.0.7000", "1.28.1.1"]);
}

#[tokio::test]
async fn a_field_goes_to_the_tag_that_is_in_use_of_those_that_rank_equal() {
    let bot = Bot::start(&["1.27.2.5929", "1.28.0.5999", "1.28.0.6001"]).await;
    let two = |first: &str, second: &str| bot.file(first) + &bot.file(second);
    let automations = bot.configuration(BUILDS);
    bot.somebody_writes(&two("1.28.0.5999", "1.27.2.5929"), "by hand");
    bot.once(&automations).await;
    assert_eq!(bot.remote.show("main:app.yaml"), two("1.28.0.5999", "1.28.0.5999"));
    // What is in use and not listed any more is nowhere to go to.
    bot.list(&["1.27.2.5929", "1.28.0.6001"]);
    bot.somebody_writes(&two("1.28.0.4000", "1.27.2.5929"), "by hand");
    bot.once(&automations).await;
    bot.once(&automations).await;
    assert_eq!(bot.remote.show("main:app.yaml"), two("1.28.0.4000", "1.28.0.6001"));
}

/// A digest without a tag, in the file of a bot that has lost its state: the registry tells which of the equals is in use.
#[tokio::test]
async fn of_digests_alone_the_one_of_an_equal_tag_stays() {
    const TAGS: [&str; 4] = ["1.27.2.5929", "1.28.0.5999", "1.28.0.6001", "1.28.0.7000"];
    let digest = |tag: &str| simulated::digest("team/app", tag);
    let field = |name: &str, digest: &str| format!("{name}: {digest} # {{\"$imagepolicy\": \"default:app:digest\"}}\n");
    let one = |tag: &str| field("digest", &digest(tag));
    let moved = format!("sha256:{}", "0".repeat(64));
    for reflection in ["Always", "IfNotPresent"] {
        for (before, outcome, after) in [
            (one("1.28.0.5999"), "unchanged", one("1.28.0.5999")),
            (one("1.28.0.6001"), "unchanged", one("1.28.0.6001")),
            (one("1.28.0.7000"), "unchanged", one("1.28.0.7000")),
            (one("1.27.2.5929"), "pushed", one("1.28.0.7000")),
            (field("digest", &moved), "pushed", one("1.28.0.7000")),
            // Others go to the one in use, and of two in use neither to the other.
            (
                field("a", &digest("1.28.0.5999")) + &field("b", &moved),
                "pushed",
                field("a", &digest("1.28.0.5999")) + &field("b", &digest("1.28.0.5999")),
            ),
            (
                field("a", &digest("1.28.0.5999")) + &field("b", &digest("1.28.0.6001")),
                "unchanged",
                field("a", &digest("1.28.0.5999")) + &field("b", &digest("1.28.0.6001")),
            ),
        ] {
            let bot = Bot::start(&TAGS).await;
            let automations = bot.configuration(&format!("digestReflectionPolicy: {reflection}, {BUILDS}"));
            bot.remote.commit(&[("app.yaml", &before)], "somebody's");
            bot.registry.take_lines();
            let report = bot.once(&automations).await;
            assert_eq!(report.automations[0].outcome.as_str(), outcome, "{reflection}, {before}: {report:?}");
            assert_eq!(bot.remote.show("main:app.yaml"), after, "{reflection}, {before}");
            let asked: Vec<String> =
                bot.registry.take_lines().into_iter().filter(|line| line.starts_with("HEAD ")).collect();
            assert!(asked.len() <= 3 && !asked.iter().any(|line| line.ends_with(TAGS[0])), "{asked:?}");
            if before == one("1.28.0.7000") {
                assert_eq!(asked.len(), 1, "the selected one has it: {asked:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_tag_with_its_digest_behind_it_is_guarded_as_a_tag_is() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let pinned = |tag: &str, digest: &str| {
        format!("tag: {tag}@sha256:{} # {{\"$imagepolicy\": \"default:app:tag\"}}\n", digest.repeat(64))
    };
    let state = |report: &Report| {
        let automation = &report.automations[0];
        let holds: Vec<&str> = automation.holds.iter().map(|held| held.hold.code()).collect();
        let findings: Vec<&str> = automation.diagnostics.iter().map(|it| it.code.as_str()).collect();
        (automation.outcome.as_str(), holds.join(" "), findings.join(" "))
    };
    let none = String::new;
    let without = bot.configuration(STABLE);
    let with = bot.configuration(&format!("digestReflectionPolicy: IfNotPresent, {STABLE}"));
    bot.somebody_writes(&pinned("1.2.0", "a"), "Pin it");
    assert_eq!(state(&bot.once(&without).await), ("held", "downgrade".to_owned(), "TW025".to_owned()));
    assert_eq!(state(&bot.once(&with).await), ("held", "downgrade".to_owned(), none()));
    bot.somebody_writes(&pinned("1.0.0", "b"), "Pin an older one");
    assert_eq!(state(&bot.once(&without).await), ("unchanged", none(), "TW025".to_owned()));
    assert_eq!(bot.remote.show("main:app.yaml"), pinned("1.0.0", "b"));
    // The digest that is there is the one to keep.
    bot.somebody_writes(&pinned("1.1.0", "c"), "Pin the one that is selected");
    assert_eq!(state(&bot.once(&with).await), ("unchanged", none(), none()));
    bot.somebody_writes(&pinned("1.0.0", "b"), "Pin an older one again");
    assert_eq!(state(&bot.once(&with).await).0, "pushed");
    let text = bot.remote.show("main:app.yaml");
    assert!(text.starts_with("tag: 1.1.0@sha256:") && text.ends_with("tag\"}\n"), "{text}");
}

#[tokio::test]
async fn whoever_means_it_goes_backwards() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    bot.commit("1.2.0");
    check(&bot, &bot.once(&bot.configuration(STABLE)).await, "held", "1.2.0", &["downgrade"]);
    let excluded = bot.configuration(&format!("exclude: [1.2.0], {STABLE}"));
    check(&bot, &bot.once(&excluded).await, "pushed", "1.1.0", &[]);
    bot.somebody("1.2.0", "Forward again");
    let allowed = bot.configuration(&format!("allowDowngrade: true, {STABLE}"));
    // It was somebody who wrote 1.2.0 over what the bot had written.
    check(&bot, &bot.once(&allowed).await, "held", "1.2.0", &["reverted"]);
    bot.list(&["1.0.0"]);
    bot.once(&allowed).await;
    check(&bot, &bot.once(&allowed).await, "pushed", "1.0.0", &[]);
}

#[tokio::test]
async fn what_a_person_took_back_stays_until_there_is_something_else() {
    let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    bot.somebody("1.1.0", "Back to 1.1.0\n\n1.2.0 loses carts.\n");
    let held = bot.once(&automations).await;
    check(&bot, &held, "held", "1.1.0", &["reverted"]);
    let sentence = held.automations[0].holds[0].hold.to_string();
    assert!(sentence.starts_with("someone undid "), "{sentence}");
    // A bot without memory, store and mirror sees the same.
    bot.memory = Memory::default();
    std::fs::remove_dir_all(bot.mirrors()).unwrap();
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
    let requests = bot.run(&automations).await.1;
    assert_eq!(requests, 1, "what is held costs no more than the references");
    bot.list(&["1.1.0", "1.2.0", "1.2.1"]);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.1", &[]);
}

#[tokio::test]
async fn what_people_ask_for_by_hand() {
    let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    let store = bot.edges.store.clone();
    store.suspend("default/shop", Some("audit"), Timestamp::now()).unwrap();
    let suspended = bot.once(&automations).await;
    check(&bot, &suspended, "held", "1.1.0", &[]);
    let Outcome::Held { reason } = &suspended.automations[0].outcome else { panic!() };
    assert!(reason.contains("(audit); `tagwright resume default/shop` lifts it"), "{reason}");
    store.resume("default/shop").unwrap();
    store.hold("default:app", Some("a bad week"), Timestamp::now()).unwrap();
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["manual"]);
    store.release("default:app", Timestamp::now()).unwrap();
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    bot.later(1);
    bot.somebody("1.1.0", "Back to 1.1.0\n");
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
    bot.edges.store.release("default:app", bot.now).unwrap();
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    let events: Vec<_> =
        bot.edges.store.records(&Default::default()).unwrap().into_iter().map(|record| record.message).collect();
    assert_eq!(events.len(), 5, "{events:?}");
}

#[tokio::test]
async fn a_tag_has_to_be_known_for_a_while() {
    let mut bot = Bot::start(&["1.1.0"]).await;
    let automations = bot.configuration(&format!("minimumAge: 72h, {STABLE}"));
    let first = bot.once(&automations).await;
    check(&bot, &first, "unchanged", "1.1.0", &[]);
    assert!(first.policies[0].selection.as_ref().unwrap_err().to_string().contains("too young"));
    bot.later(80);
    check(&bot, &bot.once(&automations).await, "unchanged", "1.1.0", &[]);
    bot.list(&["1.1.0", "1.2.0"]);
    let waiting = bot.once(&automations).await;
    check(&bot, &waiting, "unchanged", "1.1.0", &[]);
    assert_eq!(waiting.policies[0].hold.as_ref().unwrap().code(), "too-young");
    // Nothing of it is lost with the process.
    bot.memory = Memory::default();
    bot.later(71);
    check(&bot, &bot.once(&automations).await, "unchanged", "1.1.0", &[]);
    bot.later(1);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
}

/// A registry in trouble that answers 200 all the same has not lost its tags, however often it says so.
#[tokio::test]
async fn an_answer_that_is_no_list_takes_nothing_from_what_is_known() {
    let mut bot = Bot::start(&["1.1.0"]).await;
    let automations = bot.configuration(&format!("minimumAge: 72h, {STABLE}"));
    bot.once(&automations).await;
    bot.list(&["1.1.0", "1.2.0"]);
    bot.later(80);
    bot.once(&automations).await;
    for body in [r#"{"errors": [{"code": "UNAUTHORIZED", "message": "log in"}]}"#, r#"{"name": "team/app"}"#, "<html>"]
    {
        for _ in 0..3 {
            bot.registry.change(|world| world.faults.push_back(("tags/list".to_owned(), Fault::body(body))));
            let broken = bot.once(&automations).await;
            assert_eq!(broken.failures.len(), 1, "{body}");
        }
    }
    bot.later(72);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
}

#[tokio::test]
async fn commits_wait_for_their_window() {
    let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    bot.now = "2026-11-20T12:00:00Z".parse().unwrap();
    let text = bot
        .text("[]", STABLE)
        .replace("interval: 5m\n", "interval: 5m\n  windows: [{schedule: '0 14 * * *', duration: 2h}]\n");
    let automations = tagwright::config::parse("configuration.yaml", &text).unwrap().automations;
    let closed = bot.once(&automations).await;
    check(&bot, &closed, "held", "1.1.0", &["window"]);
    let sentence = closed.automations[0].holds[0].hold.to_string();
    assert_eq!(
        sentence,
        "no window for commits is open, so the change waits; the next one opens at 2026-11-20T14:00:00Z"
    );
    bot.later(2);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    bot.list(&["1.1.0", "1.2.0", "1.3.0"]);
    bot.later(2);
    check(&bot, &bot.once(&automations).await, "held", "1.2.0", &["window"]);
}

#[tokio::test]
async fn a_revert_on_the_branch_that_is_checked_out_counts_for_a_push_branch_that_is_gone() {
    let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let text = bot.text("[]", STABLE).replace("paths: []}", "paths: [], push: {branch: images}}");
    let automations = tagwright::config::parse("configuration.yaml", &text).unwrap().automations;
    let pushed = bot.once(&automations).await;
    assert_eq!(pushed.automations[0].outcome.as_str(), "pushed");
    // Merged, deleted, and then taken back.
    crate::support::git(&bot.remote.bare(), &["branch", "-f", "main", "images"]);
    crate::support::git(&bot.remote.bare(), &["branch", "-D", "images"]);
    bot.somebody("1.1.0", "Back to 1.1.0\n");
    for _ in 0..20 {
        bot.somebody("1.1.0", "Something else\n");
    }
    std::fs::remove_dir_all(bot.mirrors()).unwrap();
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
}

/// Until the next poll, nobody knows what a policy selects that was changed.
#[tokio::test]
async fn what_another_policy_selected_is_not_written() {
    let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let before = bot.configuration(STABLE);
    let policies = &before[0].policies;
    let polled = observe::poll(bot.context(), &policies[0].repository, policies, &Polls::default()).await;
    let mut polls = Polls::default();
    polled.policies.iter().for_each(|report| polls.take(report));
    let after = bot.configuration(&format!("exclude: [1.2.0], {STABLE}"));
    bot.memory.retain(&after);
    polls.retain(|policy| after[0].policies.iter().any(|kept| kept.id == *policy));
    let due = [after[0].id.clone()].into();
    let acted = act(bot.context(), &Queue::of_remotes(&after)[0], &due, &polls, &Progress::default()).await;
    assert_eq!(acted.automations[0].outcome.as_str(), "unchanged", "{acted:?}");
    assert_eq!(bot.remote.show("main:app.yaml"), bot.file("1.1.0"));
    // The same policy, read anew, is still known.
    let same = bot.configuration(STABLE);
    let acted = act(bot.context(), &Queue::of_remotes(&same)[0], &due, &polls, &Progress::default()).await;
    assert_eq!(acted.automations[0].outcome.as_str(), "pushed", "{acted:?}");
}

/// Files that two automations edit. `CART` stands for a value that the first one gives another length in lines or characters,
/// `1.x` and `2.x` for values of the second one.
const SHARED: [(&str, &str); 8] = [
    (
        "a line less",
        "cart: CART # {\"$imagepolicy\": \"default:cart\"}\ntill: 1.x # {\"$imagepolicy\": \"default:till:tag\"}\n",
    ),
    (
        "two fields alike, of which the second one was taken back",
        "cart: CART # {\"$imagepolicy\": \"default:cart\"}\ntills:\n- 2.x # {\"$imagepolicy\": \"default:till:tag\"}\n\
         - 1.x # {\"$imagepolicy\": \"default:till:tag\"}\n",
    ),
    (
        "two fields alike, of which the first one was taken back",
        "cart: CART # {\"$imagepolicy\": \"default:cart\"}\ntills:\n- 1.x # {\"$imagepolicy\": \"default:till:tag\"}\n\
         - 2.x # {\"$imagepolicy\": \"default:till:tag\"}\n",
    ),
    (
        "several fields of the first one between those of the second one",
        "till: 1.x # {\"$imagepolicy\": \"default:till:tag\"}\ncart: CART # {\"$imagepolicy\": \"default:cart\"}\n\
         other: 1.x # {\"$imagepolicy\": \"default:till:tag\"}\nmore: CART # {\"$imagepolicy\": \"default:cart\"}\n\
         last: 1.x # {\"$imagepolicy\": \"default:till:tag\"}\n",
    ),
    (
        "a flow collection",
        "all: {cart: CART, # {\"$imagepolicy\": \"default:cart\"}\n  till: 1.x, # {\"$imagepolicy\": \"default:till:tag\"}\n  \
         more: x}\n",
    ),
    (
        "embedded YAML",
        "metadata: {name: x, annotations: {tagwright.dev/embedded: 'true'}}\ndata:\n  values.yaml: |\n    \
         cart: CART # {\"$imagepolicy\": \"default:cart\"}\n    till: 1.x # {\"$imagepolicy\": \"default:till:tag\"}\n",
    ),
    (
        "two documents",
        "kind: A\ncart: CART # {\"$imagepolicy\": \"default:cart\"}\n---\nkind: B\n\
         till: 1.x # {\"$imagepolicy\": \"default:till:tag\"}\n",
    ),
    (
        "an object that is named by the first one",
        "kind: Job\nmetadata:\n  name: CART # {\"$imagepolicy\": \"default:cart\"}\nspec:\n  \
         till: 1.x # {\"$imagepolicy\": \"default:till:tag\"}\n",
    ),
];

#[tokio::test]
async fn what_a_person_took_back_stays_when_another_automation_edits_the_file() {
    for (name, shape) in SHARED {
        for (end, batch) in [("\n", "perAutomation"), ("\r\n", "perBranch")] {
            taken_back_in_a_shared_file(&format!("{name}, {batch}"), &shape.replace('\n', end), end, batch).await;
        }
    }
}

async fn taken_back_in_a_shared_file(name: &str, shape: &str, end: &str, batch: &str) {
    let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let document = |name: &str, range: &str| {
        let text = bot.text("[app.yaml]", &format!("policy: {{semver: {{range: '{range}'}}}}"));
        let text = text.replace("name: shop", &format!("name: {name}")).replace("name: app", &format!("name: {name}"));
        text.replace("interval: 5m", &format!("interval: 5m\n  batch: {batch}"))
    };
    let text = [document("cart", ">=1"), document("till", "1.x")].join("---\n");
    let automations = tagwright::config::parse("configuration.yaml", &text).unwrap().automations;
    let long = format!("\"{}:\\{end}        1.2.0\"", bot.image());
    let short = |tag: &str| format!("\"{}:{tag}\"", bot.image());
    let file = |cart: &str, taken: &str| shape.replace("CART", cart).replace("1.x", taken).replace("2.x", "1.2.0");
    bot.somebody_writes(&file(&long, "1.1.0"), "a file for both");
    let report = bot.once(&automations).await;
    assert_eq!(report.automations[1].outcome.as_str(), "pushed", "{name}: {report:?}");
    assert_eq!(bot.remote.show("main:app.yaml"), file(&long, "1.2.0"), "{name}");
    bot.somebody_writes(&file(&long, "1.1.0"), "Back to 1.1.0");
    bot.list(&["1.1.0", "1.2.0", "2.0.0"]);
    let held = shape.matches("1.x").count();
    let expect = file(&short("2.0.0"), "1.1.0");
    // In the wave that gives the other field its value, and in the one after it.
    for outcome in ["pushed", "unchanged"] {
        let report = bot.once(&automations).await;
        let [cart, till] = [&report.automations[0], &report.automations[1]];
        assert_eq!((cart.outcome.as_str(), till.outcome.as_str()), (outcome, "held"), "{name}: {report:?}");
        let codes: Vec<&str> = till.holds.iter().map(|held| held.hold.code()).collect();
        assert_eq!(codes, vec!["reverted"; held], "{name}");
        assert_eq!(bot.remote.show("main:app.yaml"), expect, "{name}");
    }
}
