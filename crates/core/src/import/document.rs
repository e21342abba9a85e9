//! What was read, as documents of this program: native, or Flux's objects.

mod flux;

use image::Repository;

use super::{Automation, Choice, Form, Image, Import, Left, Place, Request};
use crate::automation::DigestReflection;
use crate::mark::policies::{Dialect, INTERVAL, choice, comment, indented, is_shown, quoted, reflection, scalar};
use crate::marker::Field;
use crate::policy::{Filter, Order};

/// What is left out where a list of exclusions does not say it: signatures.
const SIGNATURES: &str = r"^.*\.sig$";

/// What is known of the checkout, and what is wished.
#[derive(Debug, Clone)]
pub struct Target {
    /// The namespace of every object.
    pub namespace: String,
    /// The URL of the checkout's remote.
    pub url: Option<String>,
    /// Its branch.
    pub branch: Option<String>,
    /// The files and folders that were asked for, from the root; one that is empty is everything.
    pub asked: Vec<String>,
    /// What of a request can be where its remote is, and what cannot.
    pub requests: Requests,
}

/// What of a request can be at a remote, by its URL, and why the rest cannot: nothing, where no request can be opened.
pub type Requests = fn(&str, Request) -> (Option<Request>, Vec<String>);

impl Target {
    /// Whether a file is below what was asked for.
    #[must_use]
    pub fn is_asked(&self, path: &str) -> bool {
        self.asked.iter().any(|asked| is_below(asked, path))
    }
}

fn is_below(folder: &str, path: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What an automation has to look at: of what was asked for that in which it has markers, where that is all of them. Targets have paths of
/// their own.
fn paths(automation: &Automation, target: &Target) -> Vec<String> {
    let covered = automation.marked.iter().all(|path| target.is_asked(path));
    let is_used = |asked: &&String| !asked.is_empty() && automation.marked.iter().any(|path| is_below(asked, path));
    let all = target.asked.iter().any(String::is_empty);
    if covered && !all { target.asked.iter().filter(is_used).cloned().collect() } else { Vec::new() }
}

/// Writes the documents; with Flux's objects, also what those have no field for.
///
/// # Errors
/// The URL of the checkout is needed and not known.
pub fn document(dialect: Dialect, import: &Import, target: &Target) -> Result<(String, Vec<Left>), NoUrl> {
    let mut text = String::new();
    let mut left = Vec::new();
    for automation in &import.automations {
        let url = automation.delivery.url.as_ref().or(target.url.as_ref()).ok_or(NoUrl)?;
        let automation = &opened(automation, url, target, &mut left);
        let documents = match dialect {
            Dialect::Native => native(automation, url, target),
            Dialect::Flux => flux::documents((automation, import.automations.len() > 1), url, target, &mut left),
        };
        text.push_str(if text.is_empty() { "# Written by `tagwright import`, and yours to edit.\n" } else { "---\n" });
        text.push_str(&documents);
    }
    Ok((text, left))
}

/// An automation with a request as it can be opened; where none can be, its commits go to a branch of their own.
fn opened(automation: &Automation, url: &str, target: &Target, left: &mut Vec<Left>) -> Automation {
    let mut opened = automation.clone();
    let Some(request) = opened.delivery.request.take() else { return opened };
    let wished = wished(&request);
    let (request, whys) = (target.requests)(url, request);
    let branch = match (&request, &opened.delivery.push_branch) {
        (None, None) => format!("tagwright/{}/{}", target.namespace, automation.name),
        (_, known) => known.clone().unwrap_or_default(),
    };
    if let Some(image) = automation.images.first() {
        let leave = |why: String| {
            let why = match &request {
                Some(_) => why,
                None => format!(
                    "{why}: name it under `git.push.pullRequest.forge`{wished}; until then commits go to the branch {branch}"
                ),
            };
            let what = format!("pull requests of {}", automation.name);
            Left { spot: image.spot.clone(), source: image.source, what, why }
        };
        left.extend(whys.into_iter().map(leave));
    }
    if request.is_none() {
        opened.delivery.push_branch = Some(branch);
    }
    opened.delivery.request = request;
    opened
}

/// What a request would have, in words.
fn wished(request: &Request) -> String {
    let lists = [("labels", &request.labels), ("reviewers", &request.reviewers), ("assignees", &request.assignees)];
    let lists = lists.into_iter().filter(|(_, all)| !all.is_empty());
    let lists = lists.map(|(key, all)| format!("`{key}: [{}]`", all.join(", ")));
    let flags = [(request.draft, "`draft: true`"), (request.auto_merge, "`autoMerge: whenChecksPass`")];
    let flags = flags.into_iter().filter(|(is_on, _)| *is_on).map(|(_, text)| text.to_owned());
    let all: Vec<String> = lists.chain(flags).collect();
    if all.is_empty() { String::new() } else { format!(", with {}", all.join(", ")) }
}

/// An automation is for the checkout, whose remote is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoUrl;

/// Lines of a mapping, without its indent.
fn list(key: &str, items: &[String], text: &mut String) {
    if !items.is_empty() {
        text.push_str(&format!("{key}:\n"));
        items.iter().for_each(|item| text.push_str(&format!("  - {}\n", scalar(item))));
    }
}

fn entry(key: &str, value: Option<&str>, text: &mut String) {
    if let Some(value) = value {
        text.push_str(&format!("{key}: {}\n", plain(value)));
    }
}

/// A scalar; `5m` needs no quotes.
fn plain(text: &str) -> String {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_duration = unit.len() < text.len() && ["ms", "s", "m", "h"].contains(&unit);
    if is_duration { text.to_owned() } else { scalar(text) }
}

fn native(automation: &Automation, url: &str, target: &Target) -> String {
    let delivery = &automation.delivery;
    let mut spec = String::new();
    match &delivery.schedule {
        Some((schedule, zone)) => {
            entry("schedule", Some(schedule), &mut spec);
            entry("timeZone", zone.as_deref(), &mut spec);
        }
        None => entry("interval", Some(delivery.interval.as_deref().unwrap_or(INTERVAL)), &mut spec),
    }
    if !delivery.windows.is_empty() {
        spec.push_str("windows:\n");
        for window in &delivery.windows {
            let zone = window.zone.as_ref().map(|zone| format!("    timeZone: {}\n", scalar(zone)));
            let (schedule, duration) = (scalar(&window.schedule), plain(&window.duration));
            spec.push_str(&format!("  - schedule: {schedule}\n    duration: {duration}\n{}", zone.unwrap_or_default()));
        }
    }
    spec.push_str("git:\n");
    spec.push_str(&indented(&git(automation, url, target), 2));
    spec.push_str("images:\n");
    for image in &automation.images {
        spec.push_str(&indented(&native_image(image), 2));
    }
    format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata:\n  name: {}\n  namespace: {}\nspec:\n{}",
        scalar(&automation.name),
        scalar(&target.namespace),
        indented(&spec, 2)
    )
}

fn git(automation: &Automation, url: &str, target: &Target) -> String {
    let delivery = &automation.delivery;
    let mut text = String::new();
    entry("url", Some(url), &mut text);
    let is_here = delivery.url.is_none();
    let branch = delivery.branch.as_ref().or(target.branch.as_ref().filter(|_| is_here));
    entry("branch", branch.map(String::as_str), &mut text);
    list("paths", &paths(automation, target), &mut text);
    if delivery.push_branch.is_some() || delivery.request.is_some() {
        text.push_str("push:\n");
        match &delivery.request {
            Some(request) => text.push_str(&indented(&pull_request(request, delivery.push_branch.as_deref()), 2)),
            None => {
                let mut push = String::new();
                entry("branch", delivery.push_branch.as_deref(), &mut push);
                text.push_str(&indented(&push, 2));
            }
        }
    }
    if delivery.message.is_some() || delivery.author.is_some() || delivery.signed_off {
        text.push_str("commit:\n");
        if let Some((name, email)) = &delivery.author {
            text.push_str(&format!("  author:\n    name: {}\n    email: {}\n", scalar(name), scalar(email)));
        }
        if let Some(message) = &delivery.message {
            text.push_str(&message_lines(message));
        }
        if delivery.signed_off {
            text.push_str("  signedOffBy: true\n");
        }
    }
    text
}

/// A template as a block, so that it reads as it did.
fn message_lines(message: &str) -> String {
    let is_block = !message.is_empty()
        && !message.starts_with([' ', '\t', '\n'])
        && !message.ends_with("\n\n")
        && message.chars().all(|c| c == '\n' || is_shown(c));
    if !is_block {
        return format!("  message: {}\n", quoted(message));
    }
    let header = if message.ends_with('\n') { "|" } else { "|-" };
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    format!("  message: {header}\n{}", message.trim_end_matches('\n').lines().map(line).collect::<String>())
}

fn pull_request(request: &Request, branch: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(forge) = request.forge {
        text.push_str(&format!("forge:\n  kind: {forge}\n"));
    }
    entry("branch", branch, &mut text);
    list("labels", &request.labels, &mut text);
    list("reviewers", &request.reviewers, &mut text);
    list("assignees", &request.assignees, &mut text);
    if request.draft {
        text.push_str("draft: true\n");
    }
    if request.auto_merge {
        text.push_str("autoMerge: whenChecksPass\n");
    }
    if text.is_empty() { "pullRequest: {}\n".to_owned() } else { format!("pullRequest:\n{}", indented(&text, 2)) }
}

fn said(image: &Image) -> String {
    comment(&format!("{}, {}:{}", image.source, image.spot.file, image.spot.line))
}

fn native_image(image: &Image) -> String {
    let Choice { digest, exclusions, platforms, minimum_age, secret, verify, interval, suspended } = &image.choice;
    let mut text = String::new();
    entry("name", Some(&image.name), &mut text);
    entry("image", Some(image.repository.name()), &mut text);
    text.push_str(&choice(&image.policy));
    if *digest != DigestReflection::Never {
        entry("digestReflectionPolicy", Some(reflection(*digest)), &mut text);
    }
    list("exclusionList", &exclusion_list(exclusions), &mut text);
    list("platforms", platforms, &mut text);
    entry("minimumAge", minimum_age.as_deref(), &mut text);
    entry("interval", interval.as_deref(), &mut text);
    if *suspended {
        text.push_str("suspend: true\n");
    }
    if let Some(secret) = secret {
        text.push_str(&format!("secretRef:\n  name: {}\n", scalar(secret)));
    }
    if let Some(secret) = verify {
        text.push_str(&format!("verify:\n  provider: cosign\n  keysSecretRef:\n    name: {}\n", scalar(secret)));
    }
    if !image.places.is_empty() {
        text.push_str("targets:\n");
        text.push_str(&targets(&image.places, &image.repository));
    }
    said(image) + &item(&text)
}

/// The items of `targets` for a repository.
pub(crate) fn targets(places: &[Place], repository: &Repository) -> String {
    places.iter().map(|place| indented(&item(&target_lines(place, repository)), 2)).collect()
}

/// The lines of a mapping as an item of a list.
fn item(text: &str) -> String {
    let line = |(at, line): (usize, &str)| format!("{}{line}\n", if at == 0 { "- " } else { "  " });
    text.lines().enumerate().map(line).collect()
}

/// Nothing where there are none, since the default is then the same.
fn exclusion_list(exclusions: &[String]) -> Vec<String> {
    match exclusions {
        [] => Vec::new(),
        more => std::iter::once(SIGNATURES.to_owned()).chain(more.iter().cloned()).collect(),
    }
}

fn target_lines(place: &Place, repository: &Repository) -> String {
    let path = scalar(&place.path);
    match &place.form {
        Form::Kustomization(name) => {
            let own = name == repository.name();
            let name = if own { String::new() } else { format!("image: {}\n", scalar(name)) };
            format!("kustomization: {path}\n{name}")
        }
        Form::Application => format!("argocdApplication: {path}\n"),
        Form::Keys { is_fleet, keys } => {
            let key = |(field, key): &(Field, String)| {
                let name = match field {
                    Field::Image => "image",
                    Field::Name => "repository",
                    Field::Tag => "tag",
                    Field::Digest => "digest",
                };
                format!("  {name}: {}\n", scalar(key))
            };
            let kind = if *is_fleet { "fleet" } else { "helmValues" };
            format!("{kind}: {path}\nkeys:\n{}", keys.iter().map(key).collect::<String>())
        }
        Form::Compose(service) => format!("compose: {path}\nservice: {}\n", scalar(service)),
        Form::At { at, field, document } => {
            let mut text = format!("yaml: {path}\nat: {}\n", scalar(at));
            let field = match field {
                Field::Image => None,
                Field::Name => Some("name"),
                Field::Tag => Some("tag"),
                Field::Digest => Some("digest"),
            };
            entry("field", field, &mut text);
            if let Some(document) = document {
                text.push_str(&format!("document: {document}\n"));
            }
            text
        }
        // It became a marker.
        Form::Comment { .. } => String::new(),
    }
}

/// What a policy follows, in one clause for people.
#[must_use]
pub fn clause(image: &Image) -> String {
    let order = match &image.policy.order {
        Order::Semver(range) => format!("semver {}", range.as_str()),
        Order::Calver(format) => format!("calver {}", format.as_str()),
        Order::Newest => "newest".to_owned(),
        Order::Numerical(_) => "numerical".to_owned(),
        Order::Alphabetical(_) => "alphabetical".to_owned(),
    };
    let filter = |filter: &Filter| format!(" of tags like {}", filter.pattern.as_str());
    let filter = image.policy.filter.as_ref().map(filter).unwrap_or_default();
    let digest = if image.choice.digest == DigestReflection::Never { "" } else { ", with digests" };
    format!("{order}{filter}{digest}")
}

/// The name of a policy, as markers have it.
#[must_use]
pub fn policy_name(namespace: &str, image: &Image) -> String {
    format!("{namespace}:{}", image.name)
}
