//! Gitea's and Forgejo's REST below `/api/v1`.

use serde_json::{Value, json};

use super::{Answered, Asked, Checks, Pull, World, text, texts};

fn shown(world: &World, pull: &Pull) -> Value {
    json!({
        "number": pull.number,
        "html_url": format!("https://gitea.example.com/acme/config/pulls/{}", pull.number),
        "state": if pull.state == "open" { "open" } else { "closed" },
        "merged": pull.state == "merged",
        "title": pull.title,
        "body": pull.body,
        "head": { "ref": pull.head, "sha": world.tip(&pull.head), "repo_id": if pull.is_of_a_fork { 8 } else { 7 } },
        "base": { "ref": pull.base, "repo_id": 7 },
    })
}

fn message(status: u16, message: &str) -> Answered {
    (status, json!({ "message": message, "url": "https://gitea.example.com/api/swagger" }))
}

pub(super) fn answer(world: &mut World, asked: &Asked) -> Answered {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let rest = match path.as_slice() {
        ["api", "v1", "repos", _, _, rest @ ..] => rest,
        ["api", "v1", "orgs", _, "labels"] => return message(404, "GetOrgByName"),
        _ => return message(404, "Not Found"),
    };
    match (asked.method.as_str(), rest) {
        ("POST", ["pulls"]) => create(world, &asked.body),
        // Older ones do not know the filter by branch.
        ("GET", ["pulls"]) => {
            let is_open = asked.query["state"] == "open";
            let found = world.listed(|pull| (pull.state == "open") == is_open);
            let found = asked.page(found, ("page", "limit"), 30);
            (200, found.iter().map(|pull| shown(world, pull)).collect())
        }
        // Each branch is one part of the path, its slashes escaped.
        ("GET", ["pulls", base, head]) if base.parse::<u64>().is_err() => {
            let found = world.listed(|pull| pull.head == *head && pull.base == *base && !pull.is_of_a_fork);
            found.first().map_or_else(|| message(404, "pull request does not exist"), |pull| (200, shown(world, pull)))
        }
        ("GET", ["labels"]) => {
            let page = asked.query["page"].parse::<usize>().unwrap() - 1;
            let limit = asked.query["limit"].parse::<usize>().unwrap();
            let all = world.labels.iter().enumerate().skip(page * limit).take(limit);
            (200, all.map(|(id, name)| json!({ "id": id + 1, "name": name })).collect())
        }
        ("POST", ["labels"]) => {
            assert!(text(&asked.body, "color").starts_with('#'), "a label has a colour");
            world.labels.push(text(&asked.body, "name"));
            (201, json!({ "id": world.labels.len(), "name": asked.body["name"] }))
        }
        ("DELETE", ["branches", branch @ ..]) => match world.delete(&branch.join("/")) {
            true => (204, Value::Null),
            false => message(404, "branch does not exist"),
        },
        ("GET", ["issues", "comments", id]) => match world.note(id) {
            Some(note) => {
                let request = format!("https://gitea.example.com/acme/config/pulls/{}", note.pull);
                let user = json!({ "login": note.author });
                (
                    200,
                    json!({ "id": note.id, "body": note.text, "user": user, "issue_url": "", "pull_request_url": request, "created_at": note.at.to_string() }),
                )
            }
            None => message(404, "comment does not exist"),
        },
        ("GET", ["collaborators", user, "permission"]) => {
            let permission = if world.may_write(user) { "write" } else { "read" };
            (200, json!({ "permission": permission, "role_name": permission }))
        }
        (method, [kind @ ("pulls" | "issues"), number, rest @ ..]) => match world.at(number) {
            Some(at) => one(world, at, (method, kind, rest), &asked.body),
            None => message(404, "pull request does not exist"),
        },
        _ => message(404, "Not Found"),
    }
}

fn create(world: &mut World, body: &Value) -> Answered {
    let (head, base) = (text(body, "head"), text(body, "base"));
    if let Some(number) = world.open(&head, &base) {
        return message(409, &format!("pull request already exists for these targets [id: {number}]"));
    }
    if world.tip(&head).is_none() {
        return message(404, "The target couldn't be found.");
    }
    let at = world.add(Pull { title: text(body, "title"), body: text(body, "body"), head, base, ..Pull::default() });
    (201, shown(world, &world.pulls[at]))
}

fn one(world: &mut World, at: usize, (method, kind, rest): (&str, &str, &[&str]), body: &Value) -> Answered {
    match (method, kind, rest) {
        ("GET", "pulls", []) => (200, shown(world, &world.pulls[at])),
        ("GET", "issues", ["timeline"]) => {
            let by = world.pulls[at].by.iter().map(|by| json!({ "type": "close", "user": { "login": by } }));
            (200, std::iter::once(json!({ "type": "comment" })).chain(by).collect())
        }
        ("PATCH", "pulls", []) => {
            let pull = &mut world.pulls[at];
            if let Some(title) = body["title"].as_str() {
                title.clone_into(&mut pull.title);
            }
            if let Some(text) = body["body"].as_str() {
                text.clone_into(&mut pull.body);
            }
            pull.assignees.extend(texts(&body["assignees"]));
            if body["state"].as_str() == Some("closed") {
                (pull.state, pull.by) = ("closed", Some("tagwright".to_owned()));
            }
            (201, shown(world, &world.pulls[at]))
        }
        ("POST", "issues", ["labels"]) => {
            let ids =
                body["labels"].as_array().unwrap().iter().map(|id| usize::try_from(id.as_u64().unwrap()).unwrap());
            let names: Vec<String> = ids.map(|id| world.labels[id - 1].clone()).collect();
            world.pulls[at].labels.extend(names);
            (200, json!([]))
        }
        ("POST", "issues", ["comments"]) => {
            world.pulls[at].comments.push(text(body, "body"));
            (201, json!({}))
        }
        ("POST", "pulls", ["requested_reviewers"]) => {
            let reviewers = texts(&body["reviewers"]);
            if reviewers.iter().any(|name| !world.users.contains(name)) {
                return message(404, "User does not exist");
            }
            world.pulls[at].reviewers.extend(reviewers);
            (201, json!([]))
        }
        ("POST", "pulls", ["merge"]) => merge(world, at, body),
        _ => message(404, "Not Found"),
    }
}

fn merge(world: &mut World, at: usize, body: &Value) -> Answered {
    let pull = world.pulls[at].clone();
    assert!(["merge", "squash", "rebase"].contains(&text(body, "Do").as_str()), "{body}");
    if body["head_commit_id"].as_str().map(str::to_owned) != world.tip(&pull.head) {
        return message(409, "head out of date");
    }
    match (pull.title.starts_with("WIP: "), world.checks, body["merge_when_checks_succeed"].as_bool()) {
        (true, ..) => message(405, "Work in progress PRs cannot be merged"),
        (_, Checks::Pending, Some(true)) if pull.auto => {
            message(409, "The pull request is already scheduled to auto merge when checks succeed")
        }
        (_, Checks::Pending, Some(true)) => {
            world.pulls[at].auto = true;
            (201, Value::Null)
        }
        (_, Checks::Pending, _) => message(405, "Please try again later"),
        (_, Checks::None, _) => {
            world.merge(at);
            if body["delete_branch_after_merge"].as_bool() == Some(true) {
                world.delete(&pull.head);
            }
            (200, Value::Null)
        }
    }
}
