//! What the client of GitHub asks, held against what GitHub publishes: each request of a whole life is an operation of its OpenAPI
//! description, with parameters and a body as that has them, of github.com and of the oldest and newest Enterprise Server described; the
//! mutation is one of its GraphQL schema.
//!
//! Needs what `tests/forges/provide` prints, in `TAGWRIGHT_TEST_FORGES`; `tests/run` sets it, or says loudly that these tests do not run.

#![allow(clippy::unwrap_used)]

mod openapi;
#[path = "../../crates/forge/tests/simulated.rs"]
mod simulated;

use std::collections::BTreeSet;
use std::path::PathBuf;

use forge::{
    Adornments, Branches, File, Forges, Listed, Mark, Merge, Method, NewCommit, Opened, Place, Product, Proof, Wanted,
    Way, When,
};
use serde_json::{Value, json};

use openapi::{Description, Sent};
use simulated::{Checks, Forge, TOKEN};

const DESCRIPTIONS: [&str; 3] = ["api.github.com", "ghes-3.17", "ghes-3.19"];
const HEAD: &str = "tagwright/shop/all";
const TIP: &str = "1111111111111111111111111111111111111111";

fn published(package: &str) -> Value {
    let folder = PathBuf::from(std::env::var("TAGWRIGHT_TEST_FORGES").expect("tests/forges/provide prints it"));
    let path = folder.join("node_modules/@octokit").join(package);
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

/// All that a client asks of GitHub, from the first look to the end of the branch.
async fn asked() -> Vec<Sent> {
    let forge = Forge::start(Product::GitHub).await;
    let branches = [("main", "0000"), (HEAD, TIP)].map(|(name, tip)| (name.to_owned(), tip.to_owned()));
    forge.world().branches.extend(branches);
    let place = Place::of("https://git.example.com/acme/config.git", Some(Product::GitHub), Some(&forge.base)).unwrap();
    let (forges, proof) = (Forges::default(), Proof::Token(TOKEN.to_owned().into()));
    let client = forges.at(&place, &proof, Way::default());
    let branches = Branches { head: HEAD, base: "main" };
    let wanted = Wanted { branches, title: "Update web", body: "What changes.", draft: false, delete_branch: true };
    let Opened::New(request) = client.open(wanted).await.unwrap() else { panic!() };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let (labels, reviewers, assignees) = (names(&["images"]), names(&["ada", "acme/platform"]), names(&["bob"]));
    client.adorn(&request, Adornments { labels: &labels, reviewers: &reviewers, assignees: &assignees }).await.unwrap();
    client.update(&request, "Update web and api", "More.").await.unwrap();
    client.list("main", Listed::Open).await.unwrap();
    forge.say(1, 71, "ada", "/hold");
    let comment = client.comment_of(1, 71).await.unwrap().unwrap();
    assert!(client.may_write(&comment).await.unwrap());
    client.comment(&request, "Held.").await.unwrap();
    let how = |when, method| Merge { when, method: Some(method), tip: TIP, delete_branch: true };
    forge.world().checks = Checks::Pending;
    for method in [Method::Merge, Method::Squash, Method::Rebase] {
        client.merge(&request, how(When::ChecksPass, method)).await.unwrap();
    }
    client.close(&request, "Nothing is left.").await.unwrap();
    client.list("main", Listed::Ended).await.unwrap();
    client.find_closed(branches).await.unwrap().unwrap();
    forge.world().checks = Checks::None;
    let again = client.open_unlisted(Wanted { draft: true, ..wanted }).await.unwrap().into_request();
    forge.world().pulls[1].draft = false;
    client.merge(&again, how(When::Now, Method::Squash)).await.unwrap();
    client.get(again.number).await.unwrap().unwrap();
    client.delete_branch(HEAD, TIP).await.unwrap();
    let mark = Mark { context: "tagwright", description: "deployed to prod by 1111111", address: Some(&forge.base) };
    client.mark(TIP, mark).await.unwrap();
    client.check(TIP, mark).await.unwrap();
    make(&forge).await;
    forge.asked().iter().map(|line| Sent::read(line)).collect()
}

/// A commit that GitHub makes, with a file that is no text and one that goes.
async fn make(forge: &Forge) {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
        let output = std::process::Command::new("git")
            .current_dir(folder.path())
            .args(identity)
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    for name in ["app.yaml", "gone.yaml"] {
        std::fs::write(folder.path().join(name), "tag: 1").unwrap();
    }
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "First"]);
    let (parent, base_tree) = (git(&["rev-parse", "HEAD"]), git(&["rev-parse", "HEAD^{tree}"]));
    std::fs::write(folder.path().join("app.yaml"), "tag: 2").unwrap();
    std::fs::write(folder.path().join("logo.bin"), [0xff]).unwrap();
    std::fs::remove_file(folder.path().join("gone.yaml")).unwrap();
    git(&["add", "-A"]);
    let tree = git(&["write-tree"]);
    forge.world().git = Some(folder.path().join(".git"));
    let files = [
        File { path: "app.yaml", mode: "100644", bytes: Some(b"tag: 2") },
        File { path: "gone.yaml", mode: "100644", bytes: None },
        File { path: "logo.bin", mode: "100644", bytes: Some(&[0xff]) },
    ];
    let place = Place::of("https://git.example.com/acme/config.git", Some(Product::GitHub), Some(&forge.base)).unwrap();
    let (forges, proof) = (Forges::default(), Proof::Token(TOKEN.to_owned().into()));
    let commit =
        NewCommit { parent: &parent, base_tree: &base_tree, tree: &tree, message: "Update app", files: &files };
    let made = forges.at(&place, &proof, Way::default()).make(commit).await.unwrap();
    assert_eq!(made.unsigned, None);
}

#[tokio::test]
async fn each_request_is_one_that_github_describes() {
    let asked = asked().await;
    let rest: Vec<&Sent> = asked.iter().filter(|sent| sent.path != "/api/graphql").collect();
    for name in DESCRIPTIONS {
        let description = Description::new(published(&format!("openapi/generated/{name}.json")));
        let mut operations = BTreeSet::new();
        for sent in &rest {
            match description.check(sent) {
                Ok(operation) => _ = operations.insert(operation),
                Err(problem) => panic!("{name}: {sent:?}: {problem}"),
            }
        }
        // Whatever the client asks is among them, so that nothing is checked that is never asked.
        let expected = [
            "checks/create",
            "issues/add-assignees",
            "issues/add-labels",
            "issues/create-comment",
            "issues/get",
            "issues/get-comment",
            "git/create-blob",
            "git/create-commit",
            "git/create-tree",
            "git/delete-ref",
            "pulls/create",
            "pulls/get",
            "pulls/list",
            "pulls/merge",
            "pulls/request-reviewers",
            "pulls/update",
            "repos/create-commit-status",
            "repos/get-collaborator-permission-level",
        ];
        assert_eq!(operations, expected.map(str::to_owned).into(), "{name}");
    }
}

/// What is wrong is found: a path, a method, a parameter, a field, a type, a word, something that is missing.
#[test]
fn what_github_does_not_describe_is_refused() {
    let description = Description::new(published("openapi/generated/api.github.com.json"));
    let pulls = "/api/v3/repos/acme/config/pulls";
    let body = json!({ "title": "Update web", "head": "images", "base": "main" });
    description.check(&Sent::read(&format!("POST {pulls} {body}"))).unwrap();
    for wrong in [
        format!("POST {pulls}s {body}"),
        format!("PUT {pulls} {body}"),
        format!("GET {pulls}?state=opened"),
        format!("GET {pulls}?source_branch=images"),
        format!("GET {pulls}?per_page=many"),
        format!("POST {pulls} {}", json!({ "title": 1, "head": "images", "base": "main" })),
        format!("POST {pulls} {}", json!({ "title": "Update web", "head": "images" })),
        format!("POST {pulls} {}", json!({ "title": "", "head": "images", "base": "main", "reviewers": ["ada"] })),
        format!("POST {pulls}"),
        format!("PUT {pulls}/1/merge {}", json!({ "merge_method": "fast-forward" })),
        format!("POST /api/v3/repos/acme/config/issues/1/labels {}", json!({ "label": ["images"] })),
    ] {
        assert!(description.check(&Sent::read(&wrong)).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn the_mutation_is_one_of_githubs_schema() {
    let schema = published("graphql-schema/schema.json");
    let types = schema.pointer("/__schema/types").or_else(|| schema.pointer("/data/__schema/types")).unwrap();
    let named = |name: &str| {
        types.as_array().unwrap().iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no type {name}"))
    };
    let has = |of: &Value, list: &str, name: &str| of[list].as_array().unwrap().iter().any(|it| it["name"] == name);
    let asked = asked().await;
    let mutations: Vec<&Value> =
        asked.iter().filter(|it| it.path == "/api/graphql").map(|it| it.body.as_ref().unwrap()).collect();
    assert_eq!(mutations.len(), 3);
    let mutation = named("Mutation")["fields"].as_array().unwrap();
    let mutation = mutation.iter().find(|it| it["name"] == "enablePullRequestAutoMerge").unwrap();
    let argument = &mutation["args"][0];
    assert_eq!(
        (&argument["name"], &argument["type"]["ofType"]["name"]),
        (&json!("input"), &json!("EnablePullRequestAutoMergeInput"))
    );
    let (input, payload) = (named("EnablePullRequestAutoMergeInput"), named("EnablePullRequestAutoMergePayload"));
    let (methods, request) = (named("PullRequestMergeMethod"), named("PullRequest"));
    assert!(has(payload, "fields", "pullRequest") && has(request, "fields", "id"), "what the mutation asks for");
    let mut words = BTreeSet::new();
    for body in mutations {
        let query = body["query"].as_str().unwrap();
        assert!(
            query.contains("$input: EnablePullRequestAutoMergeInput!") && query.contains("{ pullRequest { id } }"),
            "{query}"
        );
        let given = body["variables"]["input"].as_object().unwrap();
        for name in given.keys() {
            assert!(has(input, "inputFields", name), "{name}");
        }
        let required = input["inputFields"].as_array().unwrap().iter().filter(|it| it["type"]["kind"] == "NON_NULL");
        for field in required {
            assert!(given.contains_key(field["name"].as_str().unwrap()), "{field}");
        }
        let word = given["mergeMethod"].as_str().unwrap();
        assert!(has(methods, "enumValues", word), "{word}");
        words.insert(word);
    }
    assert_eq!(words, ["MERGE", "REBASE", "SQUASH"].into());
}
