//! Azure DevOps' REST below the organisation.

use serde_json::{Value, json};

use super::{Answered, Asked, Checks, Pull, World, text};

/// The GUID of a user.
fn guid(name: &str) -> String {
    format!(
        "00000000-0000-0000-0000-{:012x}",
        name.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte)) & 0xffff_ffff
    )
}

fn shown(world: &World, pull: &Pull) -> Value {
    json!({
        "pullRequestId": pull.number,
        "status": match pull.state { "open" => "active", "merged" => "completed", _ => "abandoned" },
        "title": pull.title,
        "description": pull.body,
        "isDraft": pull.draft,
        "forkSource": if pull.is_of_a_fork { json!({ "name": "refs/heads/x" }) } else { Value::Null },
        "sourceRefName": format!("refs/heads/{}", pull.head),
        "targetRefName": format!("refs/heads/{}", pull.base),
        "lastMergeSourceCommit": { "commitId": world.tip(&pull.head) },
        "closedBy": pull.by.as_ref().map(|by| json!({ "uniqueName": by })),
    })
}

fn message(status: u16, message: &str) -> Answered {
    (status, json!({ "$id": "1", "message": message, "typeKey": "GitPullRequestException" }))
}

pub(super) fn answer(world: &mut World, asked: &Asked) -> Answered {
    assert_eq!(asked.query.get("api-version").map(String::as_str), Some("7.1"), "each question says its version");
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (asked.method.as_str(), path.as_slice()) {
        ("GET", [_, "_apis", "identities"]) => {
            let name = &asked.query["filterValue"];
            let found = world.users.iter().filter(|user| *user == name).map(|user| json!({ "id": guid(user) }));
            (200, json!({ "value": found.collect::<Value>() }))
        }
        ("GET", [_, "_apis", "connectionData"]) => (200, json!({ "authenticatedUser": { "id": guid("tagwright") } })),
        (method, [_, _, "_apis", "git", "repositories", _, rest @ ..]) => repository(world, (method, rest), asked),
        _ => message(404, "Not found"),
    }
}

fn repository(world: &mut World, (method, rest): (&str, &[&str]), asked: &Asked) -> Answered {
    match (method, rest) {
        ("GET", ["pullrequests"]) => list(world, asked),
        ("POST", ["pullrequests"]) => create(world, &asked.body),
        ("POST", ["refs"]) => {
            let update = &asked.body[0];
            let branch = text(update, "name").strip_prefix("refs/heads/").unwrap().to_owned();
            assert_eq!(text(update, "newObjectId"), "0".repeat(40));
            // What became of each is in the answer, whose status says nothing of it.
            let is_there = world.tip(&branch) == Some(text(update, "oldObjectId")) && world.delete(&branch);
            (200, json!({ "value": [{ "success": is_there }] }))
        }
        (method, ["pullrequests", number, rest @ ..]) => match world.at(number) {
            Some(at) => one(world, at, (method, rest), &asked.body),
            None => message(404, "TF401180: The requested pull request was not found."),
        },
        _ => message(404, "Not found"),
    }
}

fn list(world: &mut World, asked: &Asked) -> Answered {
    let query = |name: &str| asked.query.get(&format!("searchCriteria.{name}")).cloned().unwrap_or_default();
    let (head, base, status) = (query("sourceRefName"), query("targetRefName"), query("status"));
    let is_in = |pull: &Pull| {
        let shown = match pull.state {
            "open" => "active",
            "merged" => "completed",
            _ => "abandoned",
        };
        (head.is_empty() || head == format!("refs/heads/{}", pull.head))
            && base == format!("refs/heads/{}", pull.base)
            && (status == "all" || status == shown)
    };
    let mut found = world.listed(is_in);
    let number = |name: &str, default| asked.query.get(name).and_then(|it| it.parse::<usize>().ok()).unwrap_or(default);
    let (skip, top) = (number("$skip", 0), number("$top", 101));
    // Lists have the beginnings of texts.
    found.iter_mut().for_each(|pull| pull.body = pull.body.chars().take(400).collect());
    let page = found.iter().skip(skip).take(top).map(|pull| shown(world, pull)).collect::<Value>();
    (200, json!({ "value": page }))
}

fn create(world: &mut World, body: &Value) -> Answered {
    let branch = |name: &str| text(body, name).strip_prefix("refs/heads/").unwrap().to_owned();
    let (head, base) = (branch("sourceRefName"), branch("targetRefName"));
    if world.open(&head, &base).is_some() {
        return message(409, "TF401179: An active pull request for the source and target branch already exists.");
    }
    let description = text(body, "description");
    if description.encode_utf16().count() > 4000 {
        return message(400, "TF401186: A description can have at most 4000 characters.");
    }
    let draft = body["isDraft"].as_bool() == Some(true);
    let at = world.add(Pull { title: text(body, "title"), body: description, head, base, draft, ..Pull::default() });
    (201, shown(world, &world.pulls[at]))
}

fn one(world: &mut World, at: usize, (method, rest): (&str, &[&str]), body: &Value) -> Answered {
    match (method, rest) {
        ("GET", []) => (200, shown(world, &world.pulls[at])),
        ("PATCH", []) => change(world, at, body),
        ("POST", ["labels"]) => {
            world.pulls[at].labels.push(text(body, "name"));
            (200, json!({}))
        }
        ("PUT", ["reviewers", id]) => {
            let found = world.users.iter().find(|user| guid(user) == *id).cloned();
            world.pulls[at].reviewers.extend(found);
            (200, json!({}))
        }
        ("POST", ["threads"]) => {
            world.pulls[at].comments.push(text(&body["comments"][0], "content"));
            (200, json!({}))
        }
        _ => message(404, "Not found"),
    }
}

fn change(world: &mut World, at: usize, body: &Value) -> Answered {
    if world.pulls[at].state != "open" {
        return message(400, "TF401181: The pull request cannot be edited due to its state.");
    }
    if let Some(title) = body["title"].as_str() {
        title.clone_into(&mut world.pulls[at].title);
    }
    if let Some(text) = body["description"].as_str() {
        text.clone_into(&mut world.pulls[at].body);
    }
    match body["status"].as_str() {
        Some("abandoned") => (world.pulls[at].state, world.pulls[at].by) = ("closed", Some("tagwright".to_owned())),
        Some("completed") => {
            let head = world.pulls[at].head.clone();
            if text(&body["lastMergeSourceCommit"], "commitId") != world.tip(&head).unwrap_or_default() {
                return message(409, "TF401192: The source branch has been modified since the last merge attempt.");
            }
            if world.checks == Checks::Pending {
                return message(409, "TF402456: The pull request does not satisfy its policies.");
            }
            world.merge(at);
            if body["completionOptions"]["deleteSourceBranch"].as_bool() == Some(true) {
                world.delete(&head);
            }
        }
        _ if body["autoCompleteSetBy"]["id"].as_str() == Some(&guid("tagwright")) => match world.checks {
            Checks::Pending => world.pulls[at].auto = true,
            // It is completed behind the scenes, and the answer still says that it is active.
            Checks::None => {
                let shown = shown(world, &world.pulls[at]);
                world.merge(at);
                return (200, shown);
            }
        },
        _ => {}
    }
    (200, shown(world, &world.pulls[at]))
}
