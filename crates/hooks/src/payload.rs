//! What senders say. Of fields that are not there, and of events that tell of something else, nothing is made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{Repository, Tag};
use serde_json::Value;
use url::Url;

use crate::{Comment, Delivery, Pushed, Refused, Request, Source};

/// The registry of GitHub's packages.
const GHCR: &str = "ghcr.io";

pub(crate) fn read(source: Source, request: &Request<'_>) -> Result<Delivery, Refused> {
    if matches!(source, Source::Generic | Source::GenericHmac | Source::GenericOidc)
        && request.body.trim_ascii().is_empty()
    {
        return Ok(Delivery { is_bare: true, ..Delivery::default() });
    }
    let body: Value = serde_json::from_slice(request.body).map_err(|_| Refused::Malformed("the body is not JSON"))?;
    if !body.is_object() {
        return Err(Refused::Malformed("the body is no JSON object"));
    }
    let event = |name: &str| (request.header)(name).unwrap_or_default();
    Ok(match source {
        Source::DockerHub => docker_hub(&body),
        Source::Quay => quay(&body),
        Source::Acr => told(acr(&body)),
        Source::Ecr => told(ecr(&body)),
        Source::Gcr => told(gcr(&body)),
        Source::Distribution => distribution(&body),
        Source::Harbor => harbor(&body),
        Source::GitHub => match event("x-github-event").as_str() {
            "package" | "registry_package" => told(ghcr(&body)),
            "push" => remotes(&body, "/repository", &["clone_url", "ssh_url", "git_url", "html_url"]),
            "issue_comment" if body.pointer("/issue/pull_request").is_some_and(Value::is_object) => {
                issue_comment(&body)
            }
            _ => Delivery::default(),
        },
        Source::Gitea => match event("x-gitea-event").as_str() {
            "package" => told(gitea_package(&body)),
            "push" => remotes(&body, "/repository", &["clone_url", "ssh_url", "html_url"]),
            "issue_comment" if body.get("is_pull").and_then(Value::as_bool) == Some(true) => issue_comment(&body),
            _ => Delivery::default(),
        },
        Source::GitLab => match text(&body, "/object_kind") {
            Some("push" | "tag_push") => remotes(&body, "/project", &["git_http_url", "git_ssh_url", "web_url"]),
            Some("note") => note(&body),
            _ => Delivery::default(),
        },
        Source::Bitbucket => bitbucket(&body, &event("x-event-key")),
        Source::Nexus => told(nexus(&body)),
        Source::JFrog => jfrog(&body),
        Source::CdEvents => told(cd_event(&body)),
        Source::Generic | Source::GenericHmac | Source::GenericOidc => generic(&body)?,
    })
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn told(pushed: Option<Pushed>) -> Delivery {
    Delivery { pushed: pushed.into_iter().collect(), ..Delivery::default() }
}

/// An image repository by its whole name, with those of the texts that are tags.
fn pushed<'t>(name: &str, tags: impl IntoIterator<Item = &'t str>) -> Option<Pushed> {
    let repository = Repository::parse(name).ok()?;
    let (registry, path) = (Some(repository.registry().to_owned()), repository.path().to_owned());
    of_path(registry, path, tags)
}

fn of_path<'t>(registry: Option<String>, path: String, tags: impl IntoIterator<Item = &'t str>) -> Option<Pushed> {
    let tags: Vec<Tag> = tags.into_iter().filter_map(|tag| Tag::parse(tag).ok()).collect();
    (!tags.is_empty()).then_some(Pushed { registry, path, tags })
}

/// `NAME:TAG`, perhaps with a digest behind it.
fn reference(text: &str) -> Option<Pushed> {
    let named = text.split('@').next()?;
    let (name, tag) = named.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    pushed(name, [tag])
}

fn docker_hub(body: &Value) -> Delivery {
    let name = text(body, "/repository/repo_name")
        .map(str::to_owned)
        .or_else(|| Some(format!("{}/{}", text(body, "/repository/namespace")?, text(body, "/repository/name")?)));
    told(name.zip(text(body, "/push_data/tag")).and_then(|(name, tag)| pushed(&name, [tag])))
}

fn quay(body: &Value) -> Delivery {
    let tags: Vec<&str> = match body.get("updated_tags") {
        Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).collect(),
        // As Quay Enterprise of old has it: tags with what they point to.
        Some(Value::Object(tags)) => tags.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    told(text(body, "/docker_url").and_then(|name| pushed(name, tags)))
}

fn acr(body: &Value) -> Option<Pushed> {
    let is_push = matches!(text(body, "/action"), Some("push" | "chart_push"));
    let host = text(body, "/request/host").filter(|_| is_push)?;
    pushed(&format!("{host}/{}", text(body, "/target/repository")?), text(body, "/target/tag"))
}

fn ecr(body: &Value) -> Option<Pushed> {
    let detail = |name: &str| text(body, &format!("/detail/{name}"));
    let is_push = text(body, "/source") == Some("aws.ecr") && detail("action-type") == Some("PUSH");
    let (account, region) = (text(body, "/account").filter(|_| is_push)?, text(body, "/region")?);
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if detail("result").is_some_and(|result| result != "SUCCESS") || !is_plain(account) || !is_plain(region) {
        return None;
    }
    let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    pushed(&format!("{account}.dkr.ecr.{region}.{end}/{}", detail("repository-name")?), detail("image-tag"))
}

/// A message of Pub/Sub, whose data is what the registry says.
fn gcr(body: &Value) -> Option<Pushed> {
    let data = STANDARD.decode(text(body, "/message/data")?).ok()?;
    let said: Value = serde_json::from_slice(&data).ok()?;
    reference(text(&said, "/tag").filter(|_| text(&said, "/action") == Some("INSERT"))?)
}

fn distribution(body: &Value) -> Delivery {
    let events = body.get("events").and_then(Value::as_array).into_iter().flatten();
    let one = |event: &Value| {
        let host = text(event, "/request/host").filter(|_| text(event, "/action") == Some("push"))?;
        pushed(&format!("{host}/{}", text(event, "/target/repository")?), text(event, "/target/tag"))
    };
    Delivery { pushed: merged(events.filter_map(one)), ..Delivery::default() }
}

fn harbor(body: &Value) -> Delivery {
    if !matches!(text(body, "/type"), Some("PUSH_ARTIFACT" | "pushImage")) {
        return Delivery::default();
    }
    let resources = body.pointer("/event_data/resources").and_then(Value::as_array).into_iter().flatten();
    Delivery { pushed: merged(resources.filter_map(|it| reference(text(it, "/resource_url")?))), ..Delivery::default() }
}

/// Each repository once, with all its tags.
fn merged(all: impl Iterator<Item = Pushed>) -> Vec<Pushed> {
    let mut merged: Vec<Pushed> = Vec::new();
    for pushed in all.take(crate::MAX_PUSHED) {
        let same = |it: &&mut Pushed| it.registry == pushed.registry && it.path == pushed.path;
        match merged.iter_mut().find(same) {
            Some(known) => known.tags.extend(pushed.tags),
            None => merged.push(pushed),
        }
    }
    for pushed in &mut merged {
        pushed.tags.sort_unstable();
        pushed.tags.dedup();
    }
    merged
}

fn ghcr(body: &Value) -> Option<Pushed> {
    let package = body.get("package").or_else(|| body.get("registry_package"))?;
    if !matches!(text(body, "/action"), Some("published" | "updated")) {
        return None;
    }
    let kind = text(package, "/package_type").or_else(|| text(package, "/ecosystem"))?;
    let owner = text(package, "/owner/login").or_else(|| text(package, "/namespace"))?;
    let name = text(package, "/name").filter(|_| kind.eq_ignore_ascii_case("container"))?;
    let tag = text(package, "/package_version/container_metadata/tag/name");
    pushed(&format!("{GHCR}/{owner}/{name}").to_ascii_lowercase(), tag)
}

fn gitea_package(body: &Value) -> Option<Pushed> {
    let package = body.get("package").filter(|_| text(body, "/action") == Some("created"))?;
    let is_image = text(package, "/type") == Some("container");
    let host = Url::parse(text(package, "/html_url").filter(|_| is_image)?).ok()?;
    let host =
        host.host_str().map(|name| host.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")))?;
    let owner = text(package, "/owner/login").or_else(|| text(package, "/owner/username"))?;
    pushed(&format!("{host}/{owner}/{}", text(package, "/name")?).to_ascii_lowercase(), text(package, "/version"))
}

fn remotes(body: &Value, at: &str, fields: &[&str]) -> Delivery {
    let addresses = fields.iter().filter_map(|field| text(body, &format!("{at}/{field}")).map(str::to_owned));
    Delivery { remotes: addresses.collect(), ..Delivery::default() }
}

/// A comment that begins as an order does; whatever else it says, nobody needs to look at.
fn comment(said: Option<&str>, remotes: Vec<String>, number: Option<&Value>, id: Option<&Value>) -> Delivery {
    let is_order = said.is_some_and(|said| said.trim_start().starts_with('/'));
    let number = number.and_then(Value::as_u64).filter(|_| is_order && !remotes.is_empty());
    let comment = number.zip(id.and_then(Value::as_u64)).map(|(number, id)| Comment { remotes, number, id });
    Delivery { comments: comment.into_iter().collect(), ..Delivery::default() }
}

/// As GitHub has it, and Gitea after it.
fn issue_comment(body: &Value) -> Delivery {
    if text(body, "/action") != Some("created") {
        return Delivery::default();
    }
    let Delivery { remotes, .. } = remotes(body, "/repository", &["clone_url", "ssh_url", "html_url"]);
    let said = text(body, "/comment/body");
    comment(said, remotes, body.pointer("/issue/number"), body.pointer("/comment/id"))
}

fn note(body: &Value) -> Delivery {
    let is_new = text(body, "/object_attributes/action").is_none_or(|action| action == "create");
    if !is_new || text(body, "/object_attributes/noteable_type") != Some("MergeRequest") {
        return Delivery::default();
    }
    let Delivery { remotes, .. } = remotes(body, "/project", &["git_http_url", "git_ssh_url", "web_url"]);
    let said = text(body, "/object_attributes/note");
    comment(said, remotes, body.pointer("/merge_request/iid"), body.pointer("/object_attributes/id"))
}

fn bitbucket(body: &Value, event: &str) -> Delivery {
    match event {
        "pullrequest:comment_created" => {
            let said = text(body, "/comment/content/raw");
            let remotes = addresses(body, "/repository/links");
            return comment(said, remotes, body.pointer("/pullrequest/id"), body.pointer("/comment/id"));
        }
        "pr:comment:added" => {
            let remotes = addresses(body, "/pullRequest/toRef/repository/links");
            let said = text(body, "/comment/text");
            return comment(said, remotes, body.pointer("/pullRequest/id"), body.pointer("/comment/id"));
        }
        _ => {}
    }
    if !matches!(event, "repo:push" | "repo:refs_changed") {
        return Delivery::default();
    }
    Delivery { remotes: addresses(body, "/repository/links"), ..Delivery::default() }
}

/// The addresses in the links of a repository: Data Center has a list of those to clone from.
fn addresses(body: &Value, links: &str) -> Vec<String> {
    let html = text(body, &format!("{links}/html/href"));
    let clone = body.pointer(&format!("{links}/clone")).and_then(Value::as_array).into_iter().flatten();
    let clone = clone.filter_map(|link| text(link, "/href"));
    html.into_iter().chain(clone).map(str::to_owned).collect()
}

fn nexus(body: &Value) -> Option<Pushed> {
    let component = body.get("component")?;
    let is_push = matches!(text(body, "/action"), Some("CREATED" | "UPDATED"));
    let name = text(component, "/name").filter(|_| is_push && text(component, "/format") == Some("docker"))?;
    of_path(None, name.to_owned(), text(component, "/version"))
}

/// Whether images are below the repository's name, or that is a part of the host, nobody says: both are told.
fn jfrog(body: &Value) -> Delivery {
    let is_push = text(body, "/domain") == Some("docker") && text(body, "/event_type") == Some("pushed");
    let Some((name, tag)) = text(body, "/data/image_name").filter(|_| is_push).zip(text(body, "/data/tag")) else {
        return Delivery::default();
    };
    let origin = text(body, "/jpd_origin").and_then(|origin| Url::parse(origin).ok());
    let found = match (origin.as_ref().and_then(Url::host_str), text(body, "/data/repo_key")) {
        (Some(host), Some(repository)) => {
            let names = [format!("{host}/{repository}/{name}"), format!("{repository}.{host}/{name}")];
            names.iter().filter_map(|name| pushed(name, [tag])).collect()
        }
        _ => of_path(None, name.to_owned(), [tag]).into_iter().collect(),
    };
    Delivery { pushed: found, ..Delivery::default() }
}

fn cd_event(body: &Value) -> Option<Pushed> {
    let kind = text(body, "/context/type")?;
    let is_push = kind.starts_with("dev.cdevents.artifact.published.");
    // A package URL: `pkg:oci/app@sha256:…?repository_url=ghcr.io/acme/app&tag=1.2.3`.
    let url = Url::parse(text(body, "/subject/id").filter(|_| is_push)?).ok()?;
    if url.scheme() != "pkg" || !url.path().starts_with("oci/") {
        return None;
    }
    let field = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    pushed(&field("repository_url")?, field("tag").as_deref())
}

/// `{"image": "ghcr.io/acme/app:1.2.3"}`, or with `tag` or `tags` beside it; `name` for `image`, as others have it. An object
/// without any of these says that something has happened.
fn generic(body: &Value) -> Result<Delivery, Refused> {
    let Some(name) = text(body, "/image").or_else(|| text(body, "/name")) else {
        return Ok(Delivery { is_bare: true, ..Delivery::default() });
    };
    let several = body.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let tags: Vec<&str> = text(body, "/tag").into_iter().chain(several).collect();
    let found = if tags.is_empty() { reference(name) } else { pushed(name, tags) };
    found.map(|pushed| told(Some(pushed))).ok_or(Refused::Malformed("`image` with `tag` is no image with a tag"))
}
