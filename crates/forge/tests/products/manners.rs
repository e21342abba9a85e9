//! How forges are asked: as often as they like, with the token for them alone.

use forge::{Error, Forges, Kind, Place, Product, Proof, Way};
use serde_json::json;

use crate::simulated::{Fault, Forge};
use crate::{Asking, BRANCHES, PRODUCTS, wanted};

fn fault(at: &'static str, status: u16, headers: &[(&'static str, &str)], body: serde_json::Value) -> Fault {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Fault { at, status, headers, body, is_done: false }
}

#[tokio::test]
async fn a_forge_that_asks_for_time_gets_it() {
    let later = (jiff::Timestamp::now().as_second() + 600).to_string();
    let cases = [
        fault("GET", 429, &[("retry-after", "120")], json!({ "message": "Too many" })),
        fault("GET", 403, &[("retry-after", "60")], json!({ "message": "You have exceeded a secondary rate limit" })),
        fault(
            "GET",
            403,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &later)],
            json!({ "message": "API rate limit exceeded" }),
        ),
        fault("GET", 403, &[], json!({ "message": "You have exceeded a secondary rate limit. Please wait" })),
    ];
    for case in cases {
        let asking = Asking::of(Product::GitHub).await;
        asking.forge.world().faults.push_back(case.clone());
        for _ in 0..2 {
            let error = asking.client().find(BRANCHES).await.unwrap_err();
            assert!(matches!(error, Error::Paused { .. }), "{case:?}: {error}");
            assert_eq!(error.kind(), Kind::Transient);
        }
        assert_eq!(asking.forge.asked().len(), 1, "whoever comes next is told without a question: {case:?}");
    }
}

#[tokio::test]
async fn what_is_read_is_tried_again_and_what_changes_something_is_not() {
    let asking = Asking::of(Product::Gitea).await;
    let request = asking.open().await;
    asking.forge.asked();
    asking.forge.world().faults.push_back(fault("GET", 503, &[], json!({})));
    assert_eq!(asking.client().find(BRANCHES).await.unwrap().unwrap().number, 1);
    asking.forge.world().faults.push_back(fault("PATCH", 503, &[], json!({ "message": "busy" })));
    let error = asking.client().update(&request, "T", "B").await.unwrap_err();
    assert!(
        matches!(&error, Error::Status { status: 503, message: Some(message), .. } if message == "busy"),
        "{error}"
    );
    let asked = asking.forge.asked();
    assert_eq!(asked.iter().filter(|line| line.starts_with("PATCH")).count(), 1, "{asked:?}");
}

#[tokio::test]
async fn the_token_goes_along_no_redirect_and_comes_back_in_no_message() {
    for product in PRODUCTS {
        let asking = Asking::of(product).await;
        let other = Forge::start(product).await;
        let to = [("location", other.base.as_str())];
        asking.forge.world().faults.push_back(fault("GET", 302, &to, json!({})));
        let error = asking.client().find(BRANCHES).await.unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{error}");
        assert!(other.asked().is_empty());

        let wrong = Proof::Token("s3cret-token-0815".to_owned().into());
        let error = asking.forges.at(&asking.place, &wrong, Way::default()).find(BRANCHES).await.unwrap_err();
        assert!(matches!(error, Error::Denied { status: 401, .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret-token"), "{error}");
    }
}

#[tokio::test]
async fn the_token_does_not_go_over_plain_http() {
    let place = Place::of("http://git.acme.example/a/b", Some(Product::Gitea), None).unwrap();
    let (forges, proof) = (Forges::default(), Proof::Token("t".to_owned().into()));
    let error = forges.at(&place, &proof, Way::default()).find(BRANCHES).await.unwrap_err();
    assert!(matches!(&error, Error::Way { reason, .. } if reason.contains("plain HTTP")), "{error}");
}

#[tokio::test]
async fn an_endless_answer_and_one_that_is_no_json_end() {
    let asking = Asking::of(Product::GitLab).await;
    let long = json!("x".repeat(5 << 20));
    asking.forge.world().faults.push_back(fault("GET", 200, &[], long));
    let error = asking.client().find(BRANCHES).await.unwrap_err();
    assert!(matches!(&error, Error::Malformed { reason, .. } if reason == "more than 4 MiB"), "{error}");
    let error = asking.client().open(wanted("")).await;
    assert!(error.is_ok(), "{error:?}");
}

/// What is asked of each product, as it is sent.
#[tokio::test]
async fn questions() {
    let products = [
        ("github", Product::GitHub),
        ("gitlab", Product::GitLab),
        ("gitea", Product::Gitea),
        ("bitbucket", Product::Bitbucket),
        ("bitbucket-data-center", Product::BitbucketDataCenter),
        ("azure-devops", Product::AzureDevOps),
    ];
    for (name, product) in products {
        let asking = Asking::of(product).await;
        let client = asking.client();
        let request = asking.open().await;
        client.update(&request, "Second", "More.").await.unwrap();
        client.find_closed(BRANCHES).await.unwrap();
        client.get(1).await.unwrap();
        client.comment(&request, "Bye.").await.unwrap();
        client.close(&request, "The end.").await.unwrap();
        client.delete_branch(BRANCHES.head, "1").await.unwrap();
        insta::assert_snapshot!(name, asking.forge.asked().join("\n"));
    }
}
