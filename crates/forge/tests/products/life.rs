//! What becomes of a request: opened once, kept current, merged, closed.

use forge::{Adornments, Error, Listed, Merge, Merged, Method, Opened, Product, Request, State, Wanted, When};

use crate::simulated::{Checks, Fault, Pull};
use crate::{Asking, BRANCHES, HEAD, PRODUCTS, TIP, wanted};

fn merge(when: When) -> Merge<'static> {
    Merge { when, method: None, tip: TIP, delete_branch: false }
}

#[tokio::test]
async fn a_request_is_opened_once() {
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        let client = asking.client();
        assert_eq!(client.find(BRANCHES).await.unwrap(), None);
        let request = asking.open().await;
        assert_eq!((request.number, &request.state), (1, &State::Open));
        assert!(request.tip.is_some_and(|tip| TIP.starts_with(&tip) && tip.len() >= 12));
        assert_eq!(client.find(BRANCHES).await.unwrap().unwrap().number, 1);
        assert_eq!(client.get(1).await.unwrap().unwrap().title, "Update web to 1.4.2");
        assert_eq!(client.get(2).await.unwrap(), None);
        let again = client.open(wanted("Another title")).await.unwrap();
        assert!(matches!(again, Opened::Found(found) if found.number == 1));
        assert_eq!(asking.forge.states(), [(1, "open")], "{product:?}");
    }
}

/// However many pages a forge needs for them; those of forks are left out.
#[tokio::test]
async fn all_requests_of_a_branch_are_listed() {
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        for number in 1..=230_u64 {
            let state = if number % 100 == 0 { "closed" } else { "open" };
            let (head, base) = (format!("images/{number}"), "main".to_owned());
            let body = "What changes. ".repeat(40);
            let is_of_a_fork = number == 7;
            asking.forge.world().pulls.push(Pull { number, state, head, base, body, is_of_a_fork, ..Pull::default() });
        }
        let elsewhere = Pull { number: 231, state: "open", base: "other".to_owned(), ..Pull::default() };
        asking.forge.world().pulls.push(elsewhere);
        let client = asking.client();
        let open = client.list("main", Listed::Open).await.unwrap();
        let mut numbers: Vec<u64> = open.iter().map(|request| request.number).collect();
        numbers.sort_unstable();
        let expect: Vec<u64> = (1..=230).filter(|number| number % 100 != 0 && *number != 7).collect();
        assert_eq!(numbers, expect, "{product:?}");
        let is_whole = |request: &Request| {
            request.head == format!("images/{}", request.number) && request.body == "What changes. ".repeat(40)
        };
        assert!(open.iter().all(is_whole), "{product:?}");
        let ended = client.list("main", Listed::Ended).await.unwrap();
        let numbers: Vec<u64> = ended.iter().map(|request| request.number).collect();
        assert_eq!(numbers, [200, 100], "{product:?}");
    }
}

/// Anybody may open one from a fork, whose branch has the name that they like.
#[tokio::test]
async fn a_request_from_a_fork_is_told_from_an_own_one() {
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        assert!(asking.open().await.is_own, "{product:?}");
        assert!(asking.client().get(1).await.unwrap().unwrap().is_own, "{product:?}");
        asking.forge.world().pulls[0].is_of_a_fork = true;
        assert!(!asking.client().get(1).await.unwrap().unwrap().is_own, "{product:?}");
        assert_eq!(asking.client().find(BRANCHES).await.unwrap(), None, "{product:?}");
        asking.forge.world().pulls[0].state = "closed";
        assert_eq!(asking.client().find_closed(BRANCHES).await.unwrap(), None, "{product:?}");
    }
}

/// However many others have the name within theirs.
#[tokio::test]
async fn who_may_write_is_found_among_many() {
    for product in PRODUCTS.into_iter().filter(|product| *product != Product::AzureDevOps) {
        let asking = Asking::of(product).await;
        asking.open().await;
        asking.forge.world().writers =
            (0..40).map(|number| format!("ada-{number}")).chain(["ada".to_owned()]).collect();
        asking.forge.say(1, 71, "ada", "/hold");
        let comment = asking.client().comment_of(1, 71).await.unwrap().unwrap();
        assert!(comment.at.is_some() && asking.client().may_write(&comment).await.unwrap(), "{product:?}");
    }
}

/// The other replica has opened it between our look and our question, and lists do not have it yet.
#[tokio::test]
async fn whoever_is_second_finds_the_first_ones() {
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        asking.forge.world().lag = 2;
        asking.open().await;
        let found = asking.client().open(wanted("The other's")).await.unwrap();
        assert_eq!(found.into_request().number, 1, "{product:?}");
        let asked = asking.forge.changes();
        assert_eq!(asked.iter().filter(|line| line.starts_with("POST")).count(), 2, "{product:?}: {asked:?}");
        assert_eq!(asking.forge.states(), [(1, "open")], "{product:?}");
    }
}

#[tokio::test]
async fn an_answer_that_got_lost_opens_no_second_one() {
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        let fault = Fault { at: "POST ", status: 502, headers: Vec::new(), body: "".into(), is_done: true };
        asking.forge.world().faults.push_back(fault);
        let found = asking.client().open(wanted("Mine")).await.unwrap();
        assert!(matches!(found, Opened::Found(found) if found.number == 1), "{product:?}");
        assert_eq!(asking.forge.states(), [(1, "open")]);
    }
}

#[tokio::test]
async fn it_has_its_labels_and_people() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        asking.forge.world().labels = (0..60).map(|number| format!("old {number}")).collect();
        let request = asking.open().await;
        let (mut labels, reviewers, mut assignees) = (names(&["old 55", "images"]), names(&["ada"]), names(&["bob"]));
        let is_bitbucket = matches!(product, Product::Bitbucket | Product::BitbucketDataCenter);
        if is_bitbucket || product == Product::AzureDevOps {
            let with = Adornments { assignees: &assignees, ..Adornments::default() };
            let error = asking.client().adorn(&request, with).await.unwrap_err();
            assert!(matches!(error, Error::Unsupported { what: "assignees", .. }), "{error}");
            assignees.clear();
        }
        if is_bitbucket {
            let with = Adornments { labels: &labels, ..Adornments::default() };
            let error = asking.client().adorn(&request, with).await.unwrap_err();
            assert!(matches!(error, Error::Unsupported { what: "labels", .. }), "{error}");
            labels.clear();
        }
        let with = Adornments { labels: &labels, reviewers: &reviewers, assignees: &assignees };
        asking.client().adorn(&request, with).await.unwrap();
        let pull = asking.forge.pull(1);
        assert_eq!(
            (pull.labels, pull.reviewers, pull.assignees),
            (labels, reviewers.clone(), assignees),
            "{product:?}"
        );
        // Another title costs nobody the review.
        asking.client().update(&request, "Second", "More.").await.unwrap();
        assert_eq!(asking.forge.pull(1).reviewers, reviewers, "{product:?}");

        let nobody = names(&["nobody\u{1b}"]);
        let with = Adornments { reviewers: &nobody, ..Adornments::default() };
        let error = asking.client().adorn(&request, with).await.unwrap_err();
        assert!(matches!(error, Error::Unknown { .. } | Error::Refused { .. } | Error::Denied { .. }), "{error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let asking = Asking::of(Product::GitHub).await;
    let request = asking.open().await;
    let reviewers = names(&["ada", "acme/platform"]);
    asking.client().adorn(&request, Adornments { reviewers: &reviewers, ..Adornments::default() }).await.unwrap();
    assert_eq!(asking.forge.pull(1).reviewers, ["ada", "team platform"]);
}

#[tokio::test]
async fn it_is_kept_current_and_closed() {
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        let client = asking.client();
        let Opened::New(request) = client.open(Wanted { draft: true, ..wanted("First") }).await.unwrap() else {
            panic!()
        };
        client.update(&request, "Second", "More.").await.unwrap();
        let pull = asking.forge.pull(1);
        let (title, is_draft) = match product {
            Product::GitLab => ("Draft: Second", true),
            Product::Gitea | Product::Forgejo => ("WIP: Second", true),
            _ => ("Second", pull.draft),
        };
        assert_eq!((pull.title.as_str(), pull.body.as_str()), (title, "More."));
        assert!(is_draft, "{product:?}");
        client.comment(&request, "Bye.").await.unwrap();
        client.close(&request, "The end.").await.unwrap();
        let pull = asking.forge.pull(1);
        assert_eq!((pull.state, pull.body.as_str(), pull.comments), ("closed", "The end.", vec!["Bye.".to_owned()]));
        assert_eq!(client.find(BRANCHES).await.unwrap(), None);
        let closed = client.find_closed(BRANCHES).await.unwrap().unwrap();
        assert_eq!(closed.state, State::Closed { by: Some("tagwright".to_owned()) }, "{product:?}");
        assert_eq!(client.get(1).await.unwrap().unwrap().state, closed.state);
    }
}

#[tokio::test]
async fn it_is_merged_at_once_or_not_yet() {
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        let client = asking.client();
        let request = asking.open().await;
        asking.forge.world().checks = Checks::Pending;
        let waits = client.merge(&request, merge(When::Now)).await.unwrap();
        assert!(matches!(waits, Merged::NotYet(_)), "{product:?}: {waits:?}");
        let moved = client.merge(&request, Merge { tip: "2222", ..merge(When::Now) }).await.unwrap();
        assert!(matches!(moved, Merged::NotYet(_)), "{product:?}: {moved:?}");
        asking.forge.world().checks = Checks::None;
        let how = Merge { method: Some(Method::Squash), delete_branch: true, ..merge(When::Now) };
        assert_eq!(client.merge(&request, how).await.unwrap(), Merged::Now, "{product:?}");
        assert_eq!(client.get(1).await.unwrap().unwrap().state, State::Merged);
        client.delete_branch(HEAD, TIP).await.unwrap();
        assert_eq!(asking.forge.world().tip(HEAD), None, "{product:?}");
        client.delete_branch(HEAD, TIP).await.unwrap();
    }
}

#[tokio::test]
async fn the_forge_merges_it_once_checks_pass_and_at_once_where_there_are_none() {
    for product in PRODUCTS {
        for (checks, expect) in [(Checks::Pending, Merged::Later), (Checks::None, Merged::Now)] {
            let asking = Asking::of(product).await;
            let request = asking.open().await;
            asking.forge.world().checks = checks;
            let merged = asking.client().merge(&request, merge(When::ChecksPass)).await;
            if product == Product::Bitbucket {
                assert!(matches!(merged, Err(Error::Unsupported { .. })), "{merged:?}");
                continue;
            }
            // Azure DevOps does it behind the scenes.
            let expect = if product == Product::AzureDevOps { Merged::Later } else { expect };
            assert_eq!(merged.unwrap(), expect, "{product:?} {checks:?}");
            let is_merged = asking.client().get(1).await.unwrap().unwrap().state == State::Merged;
            assert_eq!(is_merged, checks == Checks::None, "{product:?}");
            assert_eq!(asking.forge.pull(1).auto, checks == Checks::Pending, "{product:?}");
        }
    }
}

/// Asked right after it was made, GitLab does not know yet whether it can be merged.
#[tokio::test]
async fn gitlab_is_asked_until_it_knows() {
    let asking = Asking::of(Product::GitLab).await;
    asking.forge.world().undecided = 2;
    let request = asking.open().await;
    assert_eq!(asking.client().merge(&request, merge(When::Now)).await.unwrap(), Merged::Now);
    let asking = Asking::of(Product::GitLab).await;
    asking.forge.world().undecided = usize::MAX;
    let request = asking.open().await;
    let never = asking.client().merge(&request, merge(When::Now)).await.unwrap();
    assert_eq!(never, Merged::NotYet("405 Method Not Allowed".to_owned()));
}

/// The check ends between the two questions: what was clean waits again, or the other way round.
#[tokio::test]
async fn github_may_change_its_mind() {
    let asking = Asking::of(Product::GitHub).await;
    let request = asking.open().await;
    asking.forge.world().checks = Checks::Pending;
    let clean = serde_json::json!({ "errors": [{ "message": "Pull request is in clean status" }] });
    let fault = Fault { at: "POST /api/graphql", status: 200, headers: Vec::new(), body: clean, is_done: false };
    asking.forge.world().faults.push_back(fault);
    assert_eq!(asking.client().merge(&request, merge(When::ChecksPass)).await.unwrap(), Merged::Later);

    asking.forge.world().auto_is_allowed = false;
    let never = asking.client().merge(&request, merge(When::ChecksPass)).await.unwrap();
    assert!(matches!(never, Merged::NotYet(reason) if reason.contains("not allowed")));
}
