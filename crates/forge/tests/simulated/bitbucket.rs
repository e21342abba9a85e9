//! Bitbucket Cloud's REST below `/2.0`.

use serde_json::{Value, json};

use super::{Answered, Asked, Checks, Pull, World, text};

fn shown(world: &World, pull: &Pull) -> Value {
    json!({
        "id": pull.number,
        "links": { "html": { "href": format!("https://bitbucket.example.com/acme/config/pull-requests/{}", pull.number) } },
        "state": match pull.state { "open" => "OPEN", "merged" => "MERGED", _ => "DECLINED" },
        "title": pull.title,
        "description": pull.body,
        "draft": pull.draft,
        // Hashes are short ones.
        "source": { "branch": { "name": pull.head }, "commit": { "hash": world.tip(&pull.head).map(|tip| tip[..12].to_owned()) },
            "repository": { "full_name": if pull.is_of_a_fork { "eve/config" } else { "acme/config" } } },
        "destination": { "branch": { "name": pull.base }, "repository": { "full_name": "acme/config" } },
        "closed_by": pull.by.as_ref().map(|by| json!({ "nickname": by })),
        "reviewers": pull.reviewers.iter().map(|name| json!({ "uuid": name, "display_name": name })).collect::<Value>(),
    })
}

fn message(status: u16, message: &str) -> Answered {
    (status, json!({ "type": "error", "error": { "message": message } }))
}

pub(super) fn answer(world: &mut World, asked: &Asked) -> Answered {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    if let ["2.0", "workspaces", _, "permissions", "repositories", _] = path.as_slice() {
        let user = asked.query["q"].strip_prefix("user.uuid=\"").unwrap().trim_end_matches('"').to_owned();
        let permission = if world.may_write(&user) { "write" } else { "read" };
        return (200, json!({ "values": [{ "permission": permission, "user": { "uuid": user } }] }));
    }
    let ["2.0", "repositories", _, _, rest @ ..] = path.as_slice() else { return message(404, "Not found") };
    match (asked.method.as_str(), rest) {
        ("GET", ["pullrequests"]) => list(world, asked),
        ("POST", ["pullrequests"]) => create(world, &asked.body),
        ("DELETE", ["refs", "branches", branch @ ..]) => match world.delete(&branch.join("/")) {
            true => (204, Value::Null),
            false => message(404, "Branch not found"),
        },
        ("GET", ["pullrequests", number, "comments", id]) => {
            match world.note(id).filter(|it| it.pull.to_string() == *number) {
                Some(note) => {
                    let kind = if note.is_bot { "app_user" } else { "user" };
                    let user = json!({ "uuid": note.author, "nickname": note.author, "type": kind });
                    (
                        200,
                        json!({ "id": note.id, "content": { "raw": note.text }, "user": user, "deleted": false, "created_on": note.at.to_string() }),
                    )
                }
                None => message(404, "Not found"),
            }
        }
        (method, ["pullrequests", number, rest @ ..]) => match world.at(number) {
            Some(at) => one(world, at, (method, rest), &asked.body),
            None => message(404, "Not found"),
        },
        _ => message(404, "Not found"),
    }
}

fn list(world: &mut World, asked: &Asked) -> Answered {
    let filter = &asked.query["q"];
    let of = |name: &str| {
        let (_, rest) = filter.split_once(&format!("{name}.branch.name = \""))?;
        rest.split('"').next().map(str::to_owned)
    };
    let (head, base, is_open) = (of("source"), of("destination"), filter.contains("state = \"OPEN\""));
    let is_in = |pull: &Pull| {
        head.as_ref().is_none_or(|head| *head == pull.head)
            && base.as_ref() == Some(&pull.base)
            && (pull.state == "open") == is_open
    };
    let found = world.listed(is_in);
    let found = asked.page(found, ("page", "pagelen"), 10);
    (200, json!({ "values": found.iter().map(|pull| shown(world, pull)).collect::<Value>() }))
}

fn create(world: &mut World, body: &Value) -> Answered {
    let branch = |name: &str| text(&body[name]["branch"], "name");
    let (head, base) = (branch("source"), branch("destination"));
    if world.tip(&head).is_none() {
        return message(400, "Branch not found");
    }
    // What there is for these branches is given another title: no second one is made.
    let draft = body["draft"].as_bool() == Some(true);
    let at = match world.open(&head, &base) {
        Some(number) => usize::try_from(number - 1).unwrap(),
        None => world.add(Pull { head, base, draft, ..Pull::default() }),
    };
    (world.pulls[at].title, world.pulls[at].body) = (text(body, "title"), text(body, "description"));
    (201, shown(world, &world.pulls[at]))
}

fn one(world: &mut World, at: usize, (method, rest): (&str, &[&str]), body: &Value) -> Answered {
    match (method, rest) {
        ("GET", []) => (200, shown(world, &world.pulls[at])),
        ("PUT", []) if world.pulls[at].state != "open" => message(400, "This pull request is closed."),
        ("PUT", []) => {
            assert_eq!(
                text(&body["destination"]["branch"], "name"),
                world.pulls[at].base,
                "where it goes to is repeated"
            );
            let reviewers = body["reviewers"].as_array().cloned().unwrap_or_default();
            let name = |reviewer: &Value| {
                let name = reviewer.get("uuid").or_else(|| reviewer.get("account_id"))?;
                name.as_str().map(str::to_owned)
            };
            let reviewers: Vec<String> = reviewers.iter().filter_map(name).collect();
            if reviewers.iter().any(|name| !world.users.contains(name)) {
                return message(400, "reviewers: Malformed reviewers list");
            }
            let pull = &mut world.pulls[at];
            (pull.title, pull.body) = (text(body, "title"), text(body, "description"));
            // Those that are left out are removed.
            pull.reviewers = reviewers;
            (200, shown(world, &world.pulls[at]))
        }
        ("POST", ["comments"]) => {
            world.pulls[at].comments.push(text(&body["content"], "raw"));
            (201, json!({}))
        }
        ("POST", ["decline"]) => {
            (world.pulls[at].state, world.pulls[at].by) = ("closed", Some("tagwright".to_owned()));
            (200, shown(world, &world.pulls[at]))
        }
        ("POST", ["merge"]) if world.checks == Checks::Pending || world.pulls[at].draft => {
            message(400, "You can't merge until you resolve all merge checks.")
        }
        ("POST", ["merge"]) => {
            let head = world.pulls[at].head.clone();
            world.merge(at);
            if body["close_source_branch"].as_bool() == Some(true) {
                world.delete(&head);
            }
            (200, shown(world, &world.pulls[at]))
        }
        _ => message(404, "Not found"),
    }
}
