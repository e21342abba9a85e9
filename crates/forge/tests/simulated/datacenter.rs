//! Bitbucket Data Center's REST below `/rest`.

use serde_json::{Value, json};

use super::{Answered, Asked, Checks, Pull, World, text};

fn shown(world: &World, pull: &Pull) -> Value {
    json!({
        "id": pull.number,
        "version": pull.version,
        "links": { "self": [{ "href": format!("https://bitbucket.example.com/projects/acme/repos/config/pull-requests/{}", pull.number) }] },
        "state": match pull.state { "open" => "OPEN", "merged" => "MERGED", _ => "DECLINED" },
        "title": pull.title,
        "description": pull.body,
        "draft": pull.draft,
        "fromRef": { "id": format!("refs/heads/{}", pull.head), "latestCommit": world.tip(&pull.head), "repository": { "id": if pull.is_of_a_fork { 8 } else { 7 } } },
        "toRef": { "id": format!("refs/heads/{}", pull.base), "repository": { "id": 7 } },
        "reviewers": pull.reviewers.iter().map(|name| json!({ "user": { "name": name }, "approved": false })).collect::<Value>(),
    })
}

fn message(status: u16, exception: &str, message: &str) -> Answered {
    let exception = format!("com.atlassian.bitbucket.pull.{exception}");
    (status, json!({ "errors": [{ "context": Value::Null, "message": message, "exceptionName": exception }] }))
}

fn none() -> Answered {
    message(404, "NoSuchPullRequestException", "There is no such thing.")
}

pub(super) fn answer(world: &mut World, asked: &Asked) -> Answered {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    if let ["rest", "api", "latest", "users"] = path.as_slice() {
        assert_eq!(
            (asked.query["permission.1"].as_str(), asked.query["permission.1.repositorySlug"].as_str()),
            ("REPO_WRITE", "config")
        );
        let limit = asked.query.get("limit").map_or(25, |limit| limit.parse().unwrap());
        let found = world.writers.iter().filter(|user| user.contains(&asked.query["filter"])).take(limit);
        return (
            200,
            json!({ "values": found.map(|user| json!({ "name": user, "active": true })).collect::<Value>() }),
        );
    }
    let ["rest", api, "latest", "projects", _, "repos", _, rest @ ..] = path.as_slice() else { return none() };
    match (asked.method.as_str(), *api, rest) {
        ("GET", "api", ["pull-requests"]) => list(world, asked),
        ("POST", "api", ["pull-requests"]) => create(world, &asked.body),
        ("DELETE", "branch-utils", ["branches"]) => {
            let branch = text(&asked.body, "name").trim_start_matches("refs/heads/").to_owned();
            let is_there = world.tip(&branch) == Some(text(&asked.body, "endPoint"));
            match is_there && world.delete(&branch) {
                true => (204, Value::Null),
                false => message(400, "x", "The branch has moved or is gone."),
            }
        }
        ("GET", "api", ["pull-requests", number, "comments", id]) => {
            match world.note(id).filter(|it| it.pull.to_string() == *number) {
                Some(note) => {
                    let author = json!({ "name": note.author, "type": if note.is_bot { "SERVICE" } else { "NORMAL" } });
                    (
                        200,
                        json!({ "id": note.id, "text": note.text, "author": author, "createdDate": note.at.as_millisecond() }),
                    )
                }
                None => none(),
            }
        }
        (method, "api", ["pull-requests", number, rest @ ..]) => match world.at(number) {
            Some(at) => one(world, at, (method, rest), asked),
            None => none(),
        },
        _ => none(),
    }
}

fn list(world: &mut World, asked: &Asked) -> Answered {
    let query = |name: &str| asked.query.get(name).cloned().unwrap_or_default();
    let (at, state) = (query("at"), query("state"));
    // Unless told otherwise, it is the branch that they go to.
    let is_outgoing = query("direction") == "OUTGOING";
    let is_in = |pull: &Pull| {
        let branch = if is_outgoing { &pull.head } else { &pull.base };
        at == format!("refs/heads/{branch}")
            && !(is_outgoing && pull.is_of_a_fork)
            && match state.as_str() {
                "ALL" => true,
                "MERGED" => pull.state == "merged",
                "DECLINED" => pull.state == "closed",
                _ => pull.state == "open",
            }
    };
    let found = world.listed(is_in);
    let number = |name: &str, default| query(name).parse::<usize>().unwrap_or(default);
    let (start, limit) = (number("start", 0), number("limit", 25));
    let page = found.iter().skip(start).take(limit).map(|pull| shown(world, pull)).collect::<Value>();
    let next = start + limit;
    match next < found.len() {
        true => (200, json!({ "values": page, "isLastPage": false, "nextPageStart": next })),
        false => (200, json!({ "values": page, "isLastPage": true })),
    }
}

fn create(world: &mut World, body: &Value) -> Answered {
    let branch = |name: &str| text(&body[name], "id").strip_prefix("refs/heads/").unwrap().to_owned();
    let (head, base) = (branch("fromRef"), branch("toRef"));
    if world.open(&head, &base).is_some() {
        return message(
            409,
            "DuplicatePullRequestException",
            "Only one pull request may be open for a given source and target branch",
        );
    }
    if world.tip(&head) == world.tip(&base) {
        return message(409, "EmptyPullRequestException", "The branches are already up-to-date");
    }
    let draft = body["draft"].as_bool() == Some(true);
    let at = world.add(Pull {
        title: text(body, "title"),
        body: text(body, "description"),
        head,
        base,
        draft,
        ..Pull::default()
    });
    (201, shown(world, &world.pulls[at]))
}

fn one(world: &mut World, at: usize, (method, rest): (&str, &[&str]), asked: &Asked) -> Answered {
    let body = &asked.body;
    let is_newest = |version: Option<u64>| version == Some(world.pulls[at].version);
    let of_query = asked.query.get("version").and_then(|version| version.parse().ok());
    let stale = || {
        message(
            409,
            "PullRequestOutOfDateException",
            "You are attempting to modify a pull request based on out-of-date information.",
        )
    };
    match (method, rest) {
        ("GET", []) => (200, shown(world, &world.pulls[at])),
        ("GET", ["activities"]) => {
            let by = world.pulls[at].by.iter().map(|by| json!({ "action": "DECLINED", "user": { "name": by } }));
            (
                200,
                json!({ "values": by.chain([json!({ "action": "OPENED", "user": { "name": "x" } })]).collect::<Value>() }),
            )
        }
        ("PUT", []) if !is_newest(body["version"].as_u64()) => stale(),
        ("PUT", []) => {
            let reviewers = body["reviewers"].as_array().into_iter().flatten();
            let reviewers: Vec<String> = reviewers.map(|reviewer| text(&reviewer["user"], "name")).collect();
            if reviewers.iter().any(|name| !world.users.contains(name)) {
                return message(
                    409,
                    "InvalidPullRequestReviewersException",
                    "Errors encountered while adding some reviewers",
                );
            }
            let pull = &mut world.pulls[at];
            (pull.title, pull.body) = (text(body, "title"), text(body, "description"));
            // Those that are left out are removed.
            (pull.reviewers, pull.version) = (reviewers, pull.version + 1);
            (200, shown(world, &world.pulls[at]))
        }
        ("POST", ["comments"]) => {
            world.pulls[at].comments.push(text(body, "text"));
            (201, json!({}))
        }
        ("POST", ["decline" | "merge"]) if !is_newest(of_query) => stale(),
        ("POST", ["decline"]) => {
            (world.pulls[at].state, world.pulls[at].by) = ("closed", Some("tagwright".to_owned()));
            (200, shown(world, &world.pulls[at]))
        }
        ("POST", ["merge"]) => match (world.checks, body["autoMerge"].as_bool() == Some(true)) {
            (Checks::Pending, false) => {
                message(409, "PullRequestMergeVetoedException", "Not all required builds are successful yet")
            }
            (Checks::Pending, true) => {
                world.pulls[at].auto = true;
                (200, shown(world, &world.pulls[at]))
            }
            (Checks::None, _) => {
                world.merge(at);
                (200, shown(world, &world.pulls[at]))
            }
        },
        _ => none(),
    }
}
