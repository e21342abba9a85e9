//! What has not changed costs one request, and what has changed is seen.

use std::sync::Arc;

use git::{Criteria, Want};
use tagwright::run::{Memory, Outcome, Scans};
use tagwright_core::marker::{self, Embedded};

use crate::world::{Bot, STABLE};

#[tokio::test]
async fn a_run_with_nothing_to_do_is_one_request_and_needs_no_mirror() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    bot.remote.commit(&[("other.yaml", "image: x:1 # {\"$imagepolicy\": \"default:nobody\"}\n")], "an orphan");
    let automations = bot.configuration(STABLE);
    let first = bot.run(&automations).await;
    // What the remote offers, its references, a fetch.
    bot.check(&first, "unchanged", 3);
    assert_eq!(first.0.automations[0].diagnostics.len(), 1);

    std::fs::remove_dir_all(bot.mirrors()).unwrap();
    let second = bot.run(&automations).await;
    bot.check(&second, "unchanged", 1);
    assert_eq!(second.0.automations[0].diagnostics, first.0.automations[0].diagnostics);
    assert!(!bot.mirrors().exists());
}

#[tokio::test]
async fn what_changed_is_seen() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let automations = bot.configuration(STABLE);
    bot.check(&bot.run(&automations).await, "unchanged", 3);

    // A commit that takes the tag back, and then one that changes nothing of interest.
    bot.commit("1.0.0");
    let back = bot.run(&automations).await;
    assert!(matches!(back.0.automations[0].outcome, Outcome::Pushed { .. }));
    bot.remote.fsck();
    assert_eq!(bot.remote.show("main:app.yaml"), bot.file("1.1.0"));
    bot.check(&bot.run(&automations).await, "unchanged", 1);
    bot.check(&bot.run(&automations).await, "unchanged", 1);

    // Another branch is not ours.
    bot.remote.push("HEAD:refs/heads/other");
    bot.check(&bot.run(&automations).await, "unchanged", 1);

    // A new tag.
    bot.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.2.0".to_owned()));
    assert_eq!(bot.run(&automations).await.0.automations[0].outcome.as_str(), "pushed");
    assert_eq!(bot.remote.show("main:app.yaml"), bot.file("1.2.0"));
    bot.check(&bot.run(&automations).await, "unchanged", 1);

    // A configuration that was read again and says the same, one that reads other files, and one that selects another tag.
    std::fs::remove_dir_all(bot.mirrors()).unwrap();
    bot.check(&bot.run(&bot.configuration(STABLE)).await, "unchanged", 1);
    let one_file = bot.reading("[app.yaml]", STABLE);
    bot.check(&bot.run(&one_file).await, "unchanged", 2);
    bot.check(&bot.run(&one_file).await, "unchanged", 1);
    let other = bot.configuration("policy: {semver: {range: '<1.2'}}");
    assert_eq!(bot.run(&other).await.0.automations[0].outcome.as_str(), "pushed");
    assert_eq!(bot.remote.show("main:app.yaml"), bot.file("1.1.0"));
}

#[tokio::test]
async fn the_next_process_on_the_same_data_knows_that_there_is_nothing_to_do() {
    let mut bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let automations = bot.configuration(STABLE);
    bot.check(&bot.run(&automations).await, "unchanged", 3);
    bot.memory = Memory::default();
    let mirror = std::fs::read_dir(bot.mirrors()).unwrap().map(|entry| entry.unwrap().path()).find(|it| it.is_dir());
    // Whoever opened the mirror would find it broken and fetch it anew.
    std::fs::remove_dir_all(mirror.unwrap().join("objects")).unwrap();
    bot.check(&bot.run(&automations).await, "unchanged", 1);

    bot.commit("1.0.0");
    assert_eq!(bot.run(&automations).await.0.automations[0].outcome.as_str(), "pushed");
}

#[tokio::test]
async fn files_that_stay_as_they_are_keep_their_markers() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let automations = bot.configuration(STABLE);
    bot.check(&bot.run(&automations).await, "unchanged", 3);
    // The same file at another place and another file: a new head, on which all three are found.
    bot.remote.commit(&[("copy.yaml", &bot.file("1.1.0")), ("old.yaml", &bot.file("1.0.0"))], "more files");
    let pushed = bot.run(&automations).await.0;
    assert_eq!(pushed.automations[0].edits.iter().map(|edit| edit.path.as_str()).collect::<Vec<_>>(), ["old.yaml"]);
    bot.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.2.0".to_owned()));
    let pushed = bot.run(&automations).await.0;
    let paths: Vec<_> = pushed.automations[0].edits.iter().map(|edit| edit.path.as_str()).collect();
    assert_eq!(paths, ["app.yaml", "copy.yaml", "old.yaml"]);
    bot.remote.fsck();
}

#[tokio::test]
async fn digests_that_the_registry_gave_are_asked_for_again() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let automations = bot.configuration(&format!("digestReflectionPolicy: Always, interval: 5m, {STABLE}"));
    assert_eq!(bot.run(&automations).await.0.automations[0].outcome.as_str(), "pushed");
    let manifest = "/v2/team/app/manifests/1.1.0";
    for looked_up in 2..4 {
        assert_eq!(bot.run(&automations).await.0.automations[0].outcome.as_str(), "unchanged");
        assert_eq!(bot.registry.count(manifest), looked_up);
    }
}

/// Somebody else writes the same between the fetch and the push.
#[tokio::test]
async fn a_race_that_leaves_nothing_to_do_reports_no_edits() {
    let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    let other = {
        std::fs::write(bot.remote.work().join("app.yaml"), bot.file("1.2.0")).unwrap();
        crate::support::git(&bot.remote.work(), &["commit", "-q", "-a", "-m", "By hand"]);
        bot.remote.push("HEAD:refs/heads/other");
        bot.remote.head()
    };
    bot.remote.hook(
        "pre-receive",
        "unset GIT_QUARANTINE_PATH GIT_QUARANTINE_ENVIRONMENT; git update-ref refs/heads/main refs/heads/other",
    );
    let (report, _) = bot.run(&automations).await;
    assert_eq!(bot.remote.at("main"), other);
    let automation = &report.automations[0];
    assert_eq!(automation.outcome.as_str(), "unchanged", "{automation:?}");
    assert!(automation.edits.is_empty() && automation.message.is_empty(), "{automation:?}");
}

#[tokio::test]
async fn what_is_configured_no_more_leaves_nothing_behind() {
    let bot = Bot::start(&["1.1.0"]).await;
    let automations = bot.configuration(STABLE);
    bot.run(&automations).await;
    let key = tagwright::observe::image_key(&automations[0].policies[0].repository);
    let mirrors = || std::fs::read_dir(bot.mirrors()).unwrap().count();
    let (image, url) = (Arc::clone(&automations[0].policies[0].repository), automations[0].remote.url.clone());
    tagwright::observe::forget(bot.context(), &[image], &[url]).await;
    assert!(mirrors() > 0 && bot.edges.store.image(&key).unwrap().is_some());
    // What is in use stays until the next time: a child that another test is starting holds the lock, too, until it runs.
    for _ in 0..1_000 {
        tagwright::observe::forget(bot.context(), &[], &[]).await;
        if mirrors() == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(mirrors() == 0 && bot.edges.store.image(&key).unwrap().is_none());
}

/// What is known of marked files is beside the mirror; a file that is damaged, or of another program, is as good as none.
#[tokio::test]
async fn another_process_need_not_read_marked_files_again() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let embedded = "kind: ConfigMap\ndata:\n  values.yaml: |\n    tag: 1.0 # {\"$imagepolicy\": \"default:app:tag\"}\n";
    bot.remote.commit(&[("apps/values.yaml", embedded), ("apps/README", "nothing")], "embedded YAML");
    let automation = &bot.configuration(STABLE)[0];
    let mirror = bot.edges.git.open(&automation.remote.url, &automation.remote.access).unwrap();
    let advertisement = mirror.advertise().await.unwrap();
    let head = mirror.fetch(&advertisement, &[Want::DefaultBranch]).await.unwrap()[0].commit;
    let snapshot = mirror.snapshot(head).await.unwrap();
    let (is_candidate, contains) = (marker::is_candidate_path, marker::contains_token);
    let criteria =
        Criteria { rule: "a test", is_candidate, contains, max_bytes: marker::MAX_FILE_BYTES, max_total: 32 << 20 };
    let marked = async |scans: &Scans| {
        let found = scans.marked_files(&mirror, &snapshot, &[], criteria, Embedded::Everywhere).await;
        let (mut files, found) = found.unwrap();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        (format!("{files:?}"), files.len(), found.blobs_read)
    };
    let first = Scans::default();
    let read = marked(&first).await;
    assert_eq!((read.1, read.2), (2, 2));
    assert_eq!(marked(&first).await, (read.0.clone(), 2, 0));
    assert_eq!(marked(&Scans::default()).await, read);
    first.save(&mirror).await;
    assert_eq!(marked(&Scans::default()).await, (read.0.clone(), 2, 0));
    // In another way to read them, they are read.
    let (files, found) =
        Scans::default().marked_files(&mirror, &snapshot, &[], criteria, Embedded::Annotated).await.unwrap();
    assert_eq!((files.len(), found.blobs_read), (2, 2));

    let notes = mirror.folder().join("tagwright-notes");
    let whole = std::fs::read(&notes).unwrap();
    let middle = whole.len() / 2;
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for damaged in [changed(3), changed(20), changed(middle), whole[..middle].to_vec(), Vec::new()] {
        std::fs::write(&notes, damaged).unwrap();
        assert_eq!(marked(&Scans::default()).await, read);
    }
    std::fs::write(&notes, &whole).unwrap();
    assert_eq!(marked(&Scans::default()).await, (read.0, 2, 0));
}
