//! GitLab's REST below `/api/v4`.

use serde_json::{Value, json};

use super::{Answered, Asked, Checks, Pull, World, text};

fn status(world: &World, pull: &Pull) -> &'static str {
    match () {
        () if pull.looks <= world.undecided => "checking",
        () if pull.title.starts_with("Draft: ") => "draft_status",
        () if world.checks == Checks::Pending => "ci_still_running",
        () => "mergeable",
    }
}

fn shown(world: &World, pull: &Pull) -> Value {
    json!({
        "id": 1000 + pull.number,
        "iid": pull.number,
        "web_url": format!("https://gitlab.example.com/acme/config/-/merge_requests/{}", pull.number),
        "state": match pull.state { "open" => "opened", other => other },
        "title": pull.title,
        "description": pull.body,
        "source_branch": pull.head,
        "source_project_id": if pull.is_of_a_fork { 8 } else { 7 },
        "target_project_id": 7,
        "sha": world.tip(&pull.head),
        "closed_by": pull.by.as_ref().map(|by| json!({ "username": by })),
        "detailed_merge_status": status(world, pull),
        "merge_when_pipeline_succeeds": pull.auto,
    })
}

fn message(status: u16, message: &str) -> Answered {
    (status, json!({ "message": message }))
}

pub(super) fn answer(world: &mut World, asked: &Asked) -> Answered {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    if let ("GET", ["api", "v4", "users"]) = (asked.method.as_str(), path.as_slice()) {
        let name = asked.query.get("username").cloned().unwrap_or_default();
        let number = world.users.iter().position(|user| *user == name);
        return (200, number.map_or(json!([]), |number| json!([{ "id": number + 100, "username": name }])));
    }
    // The project is one part: its slashes come escaped.
    let ["api", "v4", "projects", project, rest @ ..] = path.as_slice() else { return message(404, "404 Not Found") };
    if !project.contains('/') {
        return message(404, "404 Project Not Found");
    }
    match (asked.method.as_str(), rest) {
        ("GET", ["merge_requests"]) => list(world, asked),
        ("POST", ["merge_requests"]) => create(world, &asked.body),
        ("DELETE", ["repository", "branches", branch]) => match world.delete(branch) {
            true => (204, Value::Null),
            false => message(404, "404 Branch Not Found"),
        },
        ("GET", ["merge_requests", number, "notes", id]) => {
            match world.note(id).filter(|it| it.pull.to_string() == *number) {
                Some(note) => {
                    let id = world.users.iter().position(|user| *user == note.author).map_or(999, |at| at + 100);
                    let author = json!({ "id": id, "username": note.author, "bot": note.is_bot });
                    (
                        200,
                        json!({ "id": note.id, "body": note.text, "system": false, "author": author, "created_at": note.at.to_string() }),
                    )
                }
                None => message(404, "404 Not found"),
            }
        }
        ("GET", ["members", "all", id]) => {
            let user = id.parse::<usize>().ok().and_then(|id| world.users.get(id.checked_sub(100)?));
            match user {
                Some(user) => {
                    let level = if world.may_write(user) { 30 } else { 20 };
                    (200, json!({ "username": user, "state": "active", "access_level": level }))
                }
                None => message(404, "404 Not found"),
            }
        }
        (method, ["merge_requests", number, rest @ ..]) => match world.at(number) {
            Some(at) => one(world, at, (method, rest), &asked.body),
            None => message(404, "404 Not found"),
        },
        _ => message(404, "404 Not Found"),
    }
}

fn list(world: &mut World, asked: &Asked) -> Answered {
    let query = |name: &str| asked.query.get(name).cloned().unwrap_or_default();
    let (head, base, state) = (query("source_branch"), query("target_branch"), query("state"));
    let is_in = |pull: &Pull| {
        let shown = if pull.state == "open" { "opened" } else { pull.state };
        (head.is_empty() || head == pull.head) && base == pull.base && (state == "all" || state == shown)
    };
    let found = world.listed(is_in);
    let found = asked.page(found, ("page", "per_page"), 20);
    (200, found.iter().map(|pull| shown(world, pull)).collect())
}

fn create(world: &mut World, body: &Value) -> Answered {
    let (head, base) = (text(body, "source_branch"), text(body, "target_branch"));
    if let Some(number) = world.open(&head, &base) {
        let words = format!("Another open merge request already exists for this source branch: !{number}");
        return (409, json!({ "message": [words] }));
    }
    let pull = Pull { title: text(body, "title"), body: text(body, "description"), head, base, ..Pull::default() };
    let at = world.add(pull);
    (201, shown(world, &world.pulls[at]))
}

fn one(world: &mut World, at: usize, (method, rest): (&str, &[&str]), body: &Value) -> Answered {
    match (method, rest) {
        ("GET", []) => {
            world.pulls[at].looks += 1;
            (200, shown(world, &world.pulls[at]))
        }
        ("PUT", []) => {
            let users = world.users.clone();
            let names = |value: &Value| -> Vec<String> {
                let numbers = value.as_array().into_iter().flatten().filter_map(Value::as_u64);
                numbers.filter_map(|number| users.get(usize::try_from(number).unwrap() - 100).cloned()).collect()
            };
            let pull = &mut world.pulls[at];
            if let Some(title) = body["title"].as_str() {
                title.clone_into(&mut pull.title);
            }
            if let Some(text) = body["description"].as_str() {
                text.clone_into(&mut pull.body);
            }
            if let Some(labels) = body["add_labels"].as_str() {
                pull.labels.extend(labels.split(',').map(str::to_owned));
            }
            pull.reviewers.extend(names(&body["reviewer_ids"]));
            pull.assignees.extend(names(&body["assignee_ids"]));
            if body["state_event"].as_str() == Some("close") {
                (pull.state, pull.by) = ("closed", Some("tagwright".to_owned()));
            }
            (200, shown(world, &world.pulls[at]))
        }
        ("POST", ["notes"]) => {
            world.pulls[at].comments.push(text(body, "body"));
            (201, json!({}))
        }
        ("PUT", ["merge"]) => merge(world, at, body),
        _ => message(404, "404 Not Found"),
    }
}

fn merge(world: &mut World, at: usize, body: &Value) -> Answered {
    let pull = world.pulls[at].clone();
    let is_auto = body["auto_merge"].as_bool() == Some(true);
    assert!(!is_auto || body["merge_when_pipeline_succeeds"].as_bool() == Some(true), "older ones know the other word");
    if body["sha"].as_str().map(str::to_owned) != world.tip(&pull.head) {
        return message(409, "SHA does not match HEAD of source branch");
    }
    match (status(world, &pull), is_auto) {
        ("mergeable", false) => {
            world.merge(at);
            if body["should_remove_source_branch"].as_bool() == Some(true) {
                world.delete(&pull.head);
            }
        }
        ("ci_still_running", true) => world.pulls[at].auto = true,
        // Not known yet, a draft, checks that run, or no pipeline that could succeed.
        _ => return message(405, "405 Method Not Allowed"),
    }
    (200, shown(world, &world.pulls[at]))
}
