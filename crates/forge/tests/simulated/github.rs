//! GitHub Enterprise Server's REST below `/api/v3`, and its GraphQL at `/api/graphql`.

#[path = "github/objects.rs"]
mod objects;

use serde_json::{Value, json};

use super::{Answered, Asked, Checks, Pull, World, git_fed, text, texts};

fn shown(world: &World, pull: &Pull) -> Value {
    let is_merged = pull.state == "merged";
    json!({
        "number": pull.number,
        "node_id": format!("PR_{}", pull.number),
        "html_url": format!("https://github.example.com/acme/config/pull/{}", pull.number),
        "state": if pull.state == "open" { "open" } else { "closed" },
        "merged": is_merged,
        "merged_at": if is_merged { json!("2026-01-02T03:04:05Z") } else { Value::Null },
        "title": pull.title,
        "body": pull.body,
        "draft": pull.draft,
        "head": { "ref": pull.head, "sha": world.tip(&pull.head), "repo": { "id": if pull.is_of_a_fork { 8 } else { 7 } } },
        "base": { "ref": pull.base, "repo": { "id": 7 } },
    })
}

fn message(status: u16, message: &str) -> Answered {
    (status, json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }))
}

fn invalid(message: &str) -> Answered {
    let error = json!({ "resource": "PullRequest", "code": "custom", "message": message });
    (422, json!({ "message": "Validation Failed", "errors": [error] }))
}

pub(super) fn answer(world: &mut World, asked: &Asked) -> Answered {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    if path == ["api", "graphql"] {
        return graphql(world, &asked.body);
    }
    let ["api", "v3", "repos", owner, _, rest @ ..] = path.as_slice() else { return message(404, "Not Found") };
    match (asked.method.as_str(), rest) {
        ("GET", ["pulls"]) => list(world, owner, asked),
        ("POST", ["pulls"]) => create(world, &asked.body),
        ("DELETE", ["git", "refs", "heads", branch @ ..]) => match world.delete(&branch.join("/")) {
            true => (204, Value::Null),
            false => message(422, "Reference does not exist"),
        },
        ("POST", ["git", kind]) => match objects::answer(world, kind, &asked.body) {
            Ok(answered) => answered,
            Err(said) => message(422, &said),
        },
        ("GET", ["issues", "comments", id]) => match world.note(id) {
            Some(note) => {
                let kind = if note.is_bot { "Bot" } else { "User" };
                let issue = format!("https://github.example.com/api/v3/repos/acme/config/issues/{}", note.pull);
                let user = json!({ "login": note.author, "type": kind });
                (
                    200,
                    json!({ "id": note.id, "body": note.text, "user": user, "issue_url": issue, "created_at": note.at.to_string() }),
                )
            }
            None => message(404, "Not Found"),
        },
        ("POST", ["statuses", _] | ["check-runs"]) => (201, json!({ "id": 1 })),
        ("GET", ["collaborators", user, "permission"]) => {
            let permission = if world.may_write(user) { "write" } else { "read" };
            (200, json!({ "permission": permission, "role_name": permission, "user": { "login": user } }))
        }
        (method, [kind @ ("pulls" | "issues"), number, rest @ ..]) => match world.at(number) {
            Some(at) => one(world, at, (method, kind, rest), &asked.body),
            None => message(404, "Not Found"),
        },
        _ => message(404, "Not Found"),
    }
}

fn list(world: &mut World, owner: &str, asked: &Asked) -> Answered {
    let query = |name: &str| asked.query.get(name).cloned().unwrap_or_default();
    // Without the owner in front, the filter is ignored.
    let head = query("head").strip_prefix(&format!("{owner}:")).map(str::to_owned);
    let (base, state) = (query("base"), query("state"));
    let is_in = |pull: &Pull| {
        head.as_ref().is_none_or(|head| *head == pull.head && !pull.is_of_a_fork)
            && (base.is_empty() || base == pull.base)
            && (state == "all" || (state == "open") == (pull.state == "open"))
    };
    let found = world.listed(is_in);
    let found = asked.page(found, ("page", "per_page"), 30);
    (200, found.iter().map(|pull| shown(world, pull)).collect())
}

fn create(world: &mut World, body: &Value) -> Answered {
    let (head, base) = (text(body, "head"), text(body, "base"));
    if world.open(&head, &base).is_some() {
        return invalid(&format!("A pull request already exists for acme:{head}."));
    }
    if world.tip(&head).is_none() {
        return invalid("head is invalid");
    }
    if world.tip(&head) == world.tip(&base) {
        return invalid(&format!("No commits between {base} and {head}"));
    }
    let draft = body["draft"].as_bool() == Some(true);
    let at =
        world.add(Pull { title: text(body, "title"), body: text(body, "body"), head, base, draft, ..Pull::default() });
    (201, shown(world, &world.pulls[at]))
}

fn one(world: &mut World, at: usize, (method, kind, rest): (&str, &str, &[&str]), body: &Value) -> Answered {
    match (method, kind, rest) {
        ("GET", "pulls", []) => {
            // A list of one pull request does not say by whom it was closed; the issue does.
            (200, shown(world, &world.pulls[at]))
        }
        ("GET", "issues", []) => {
            (200, json!({ "closed_by": world.pulls[at].by.as_ref().map(|by| json!({ "login": by })) }))
        }
        ("PATCH", "pulls", []) => {
            let pull = &mut world.pulls[at];
            if let Some(title) = body["title"].as_str() {
                title.clone_into(&mut pull.title);
            }
            if let Some(text) = body["body"].as_str() {
                text.clone_into(&mut pull.body);
            }
            if body["state"].as_str() == Some("closed") {
                (pull.state, pull.by) = ("closed", Some("tagwright".to_owned()));
            }
            (200, shown(world, &world.pulls[at]))
        }
        ("POST", "issues", ["labels"]) => {
            // Those that are missing are made.
            world.pulls[at].labels.extend(texts(&body["labels"]));
            (200, json!([]))
        }
        ("POST", "issues", ["assignees"]) => {
            world.pulls[at].assignees.extend(texts(&body["assignees"]));
            (201, json!({}))
        }
        ("POST", "issues", ["comments"]) => {
            world.pulls[at].comments.push(text(body, "body"));
            (201, json!({}))
        }
        ("POST", "pulls", ["requested_reviewers"]) => {
            let reviewers = texts(&body["reviewers"]);
            if reviewers.iter().any(|name| !world.users.contains(name)) {
                return message(422, "Reviews may only be requested from collaborators.");
            }
            let teams = texts(&body["team_reviewers"]).into_iter().map(|team| format!("team {team}"));
            world.pulls[at].reviewers.extend(reviewers.into_iter().chain(teams));
            (201, json!({}))
        }
        ("PUT", "pulls", ["merge"]) => merge(world, at, body),
        _ => message(404, "Not Found"),
    }
}

fn merge(world: &mut World, at: usize, body: &Value) -> Answered {
    let tip = world.tip(&world.pulls[at].head.clone());
    match () {
        () if world.pulls[at].draft => message(405, "Pull Request is still a draft"),
        () if world.checks == Checks::Pending => message(405, "Required status check \"ci\" is expected."),
        () if body["sha"].as_str().map(str::to_owned) != tip => {
            message(409, "Head branch was modified. Review and try the merge again.")
        }
        () => {
            world.merge(at);
            (200, json!({ "merged": true, "sha": tip }))
        }
    }
}

fn graphql(world: &mut World, body: &Value) -> Answered {
    let fail =
        |text: &str| (200, json!({ "data": Value::Null, "errors": [{ "type": "UNPROCESSABLE", "message": text }] }));
    assert!(text(body, "query").contains("enablePullRequestAutoMerge(input: $input)"), "{body}");
    let input = &body["variables"]["input"];
    let Some(at) = text(input, "pullRequestId").strip_prefix("PR_").and_then(|number| world.at(number)) else {
        return fail("Could not resolve to a node");
    };
    match () {
        () if !world.auto_is_allowed => fail("Pull request Auto merge is not allowed for this repository"),
        () if world.checks == Checks::None => fail("Pull request Pull request is in clean status"),
        () if input["expectedHeadOid"].as_str().map(str::to_owned) != world.tip(&world.pulls[at].head.clone()) => {
            fail("Head sha was changed")
        }
        () => {
            world.pulls[at].auto = true;
            (
                200,
                json!({ "data": { "enablePullRequestAutoMerge": { "pullRequest": { "id": input["pullRequestId"] } } } }),
            )
        }
    }
}
