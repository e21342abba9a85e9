//! Keel's labels and annotations of workloads, and `keel` in the values of charts.

use image::Repository;

use super::node::{self, Node};
use super::{
    Choice, Delivery, Form, Image, Import, Input, Place, Request, Source, Spot, alphabetical, among, glob, semver,
    short,
};
use crate::automation::DigestReflection;
use crate::mark::File;
use crate::marker::Field;
use crate::policy::{Order, Policy};
use crate::suggest;

const SOURCE: Source = Source::Keel;
const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"];

/// What is said about a workload or a chart.
#[derive(Default)]
struct Settings {
    spot: Spot,
    policy: Option<(String, Spot)>,
    match_tag: bool,
    interval: Option<String>,
    approved: bool,
    init: bool,
    /// A pattern of containers' names.
    monitor: Option<regex::Regex>,
}

pub(super) fn read(input: &Input<'_>, import: &mut Import) {
    for file in input.asked().filter(|file| memchr::memmem::find(&file.bytes, b"keel").is_some()) {
        for document in node::documents(file) {
            match document.text_of("kind") {
                Some(kind) if WORKLOADS.contains(&kind) => workload(input, import, file, kind, &document),
                None => values(import, file, &document),
                Some(_) => {}
            }
        }
    }
}

/// One setting, by the name that it has behind `keel.sh/`.
fn set(import: &mut Import, settings: &mut Settings, name: &str, node: &Node, spot: Spot) {
    let value = node.text().unwrap_or_default();
    let is_on = value.eq_ignore_ascii_case("true");
    match name {
        "policy" => settings.policy = Some((value.to_owned(), spot)),
        "match-tag" | "matchTag" | "force-tag-match" => settings.match_tag = is_on,
        "initContainers" => settings.init = is_on,
        "monitorContainers" => match regex::Regex::new(value) {
            Ok(pattern) => settings.monitor = Some(pattern),
            Err(_) => {
                let why = "it is no pattern that can be read here (RE2), so that all containers are followed; take out the images that are not to be";
                import.leave(SOURCE, &spot, format!("monitorContainers: {value}"), why);
            }
        },
        // How it hears of tags: here by polling, and by webhooks where there are some.
        "trigger" => {}
        "pollSchedule" => match value.strip_prefix("@every ") {
            Some(interval) => settings.interval = Some(interval.trim().to_owned()),
            None => {
                let why = "write it as `schedule` of the automation, a cron expression of five fields";
                import.leave(SOURCE, &spot, format!("pollSchedule: {value}"), why);
            }
        },
        "approvals" if value != "0" => {
            let why = "changes are proposed in a pull request, and whoever merges it approves; how many have to is the forge's setting";
            import.leave(SOURCE, &spot, format!("approvals: {value}"), why);
            settings.approved = true;
        }
        "approvals" => {}
        "approvalDeadline" => {
            import.leave(SOURCE, &spot, name, "a pull request stays open until it is merged, closed or out of date");
        }
        "matchPreRelease" if is_on => {}
        "matchPreRelease" => {
            let why = "releases of the same kind are followed only; widen `filterTags` for others";
            import.leave(SOURCE, &spot, "matchPreRelease: false", why);
        }
        "notify" | "releaseNotes" | "change-cause" | "update-time" => {
            import.leave(SOURCE, &spot, name, "it is about notifications, which are no part of a policy");
        }
        other => import.leave(SOURCE, &spot, other, "it has no counterpart"),
    }
}

fn workload(input: &Input<'_>, import: &mut Import, file: &File, kind: &str, document: &Node) {
    let mut settings = Settings { spot: document.spot(&file.path), ..Settings::default() };
    for block in ["labels", "annotations"] {
        let entries = document.at(&["metadata", block]).map(Node::entries).unwrap_or_default();
        for (key, node) in entries {
            let name = key.strip_prefix("keel.sh/").or_else(|| key.strip_prefix("keel.observer/"));
            if let Some(name) = name {
                set(import, &mut settings, name, node, node.spot(&file.path));
            }
        }
    }
    if settings.policy.is_none() {
        return;
    }
    let pod: &[&str] = if kind == "CronJob" {
        &["spec", "jobTemplate", "spec", "template", "spec"]
    } else {
        &["spec", "template", "spec"]
    };
    let Some(pod) = document.at(pod) else { return };
    let lists = ["containers", "initContainers"].into_iter().take(if settings.init { 2 } else { 1 });
    for container in lists.filter_map(|list| pod.get(list)).flat_map(Node::items) {
        let name = container.text_of("name").unwrap_or_default();
        let monitored = settings.monitor.as_ref().is_none_or(|it| it.is_match(name));
        let Some(image) = container.get("image").filter(|_| monitored) else { continue };
        let spot = image.spot(&file.path);
        let found = input.known.image_on(file, image.line).filter(|(_, it)| it.obstacle.is_none());
        let Some((index, found, repository)) = found.and_then(|(at, it)| Some((at, it, it.repository.clone()?))) else {
            let what = format!("the image {} of {name}", image.shown());
            import.leave(SOURCE, &spot, what, "it is no image that can be followed");
            continue;
        };
        let forms = input.known.forms(file, index);
        let place = |form| Place { path: file.path.clone(), spot: spot.clone(), form };
        let places = forms.into_iter().map(place).collect();
        one(import, &settings, repository, &found.tag, places);
    }
}

/// `keel` in a chart's values, whose `images` say where repositories and tags are.
fn values(import: &mut Import, file: &File, document: &Node) {
    let Some(keel) = document.get("keel").filter(|it| it.get("images").is_some()) else { return };
    let mut settings = Settings { spot: keel.spot(&file.path), ..Settings::default() };
    for (key, node) in keel.entries().iter().filter(|(key, _)| key != "images") {
        set(import, &mut settings, key, node, node.spot(&file.path));
    }
    for image in keel.get("images").map(Node::items).unwrap_or_default() {
        let spot = image.spot(&file.path);
        let mut own =
            Settings { policy: settings.policy.clone(), interval: settings.interval.clone(), ..Settings::default() };
        (own.match_tag, own.approved, own.spot) = (settings.match_tag, settings.approved, spot.clone());
        let known = ["repository", "tag", "digest", "imagePullSecret"];
        for (key, node) in image.entries().iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            set(import, &mut own, key, node, node.spot(&file.path));
        }
        if let Some(secret) = image.get("imagePullSecret") {
            let why = "name the secret under `secretRef` of the image, or give the login to the machine";
            import.leave(SOURCE, &secret.spot(&file.path), "imagePullSecret", why);
        }
        let value = |key: &str| {
            let keys: Vec<&str> = image.text_of(key)?.split('.').collect();
            document.at(&keys)?.text()
        };
        let (Some(name), Some(tag)) = (value("repository"), value("tag")) else {
            import.leave(
                SOURCE,
                &spot,
                "an image of keel",
                "its repository or tag is not in this file; mark it by hand",
            );
            continue;
        };
        let Ok(repository) = Repository::parse(name) else {
            import.leave(SOURCE, &spot, format!("the image {name}"), "it is no name of a repository");
            continue;
        };
        let key = |field, name| Some((field, image.text_of(name)?.to_owned()));
        let keys = [key(Field::Tag, "tag"), key(Field::Name, "repository"), key(Field::Digest, "digest")];
        let form = Form::Keys { is_fleet: false, keys: keys.into_iter().flatten().collect() };
        let place = Place { path: file.path.clone(), spot, form };
        one(import, &own, repository, tag, vec![place]);
    }
}

fn one(import: &mut Import, settings: &Settings, repository: Repository, tag: &str, places: Vec<Place>) {
    let Some((said, spot)) = &settings.policy else { return };
    if said == "never" {
        return;
    }
    let mut choice = Choice { interval: settings.interval.clone(), ..Choice::default() };
    let policy = match policy(import, said, spot, tag, settings.match_tag) {
        Ok((policy, digest)) => {
            choice.digest = digest;
            policy
        }
        Err(why) => return import.leave(SOURCE, spot, format!("policy: {said} of {repository}:{tag}"), why),
    };
    let request = settings.approved.then(Request::default);
    let delivery = Delivery { request, ..Delivery::default() };
    let name = short(&repository).to_owned();
    let image = Image { name, repository, policy, choice, spot: spot.clone(), source: SOURCE, places };
    import.add(if settings.approved { "keel-approved" } else { "keel" }, delivery, image);
}

fn policy(
    import: &mut Import,
    said: &str,
    spot: &Spot,
    tag: &str,
    match_tag: bool,
) -> Result<(Policy, DigestReflection), String> {
    let never = DigestReflection::Never;
    if said == "force" && match_tag {
        let tracking = suggest::tracking(tag).filter(|_| !tag.is_empty()).ok_or("it has no tag")?;
        return Ok((tracking, DigestReflection::Always));
    }
    let newest = Policy { filter: None, order: Order::Newest };
    if let Some(glob) = said.strip_prefix("glob:") {
        import.leave(
            SOURCE,
            spot,
            said,
            "Keel takes whatever matching tag it hears of last; here it is the newest image",
        );
        return Ok((among(newest, &glob::pattern(glob, false), "")?, never));
    }
    if let Some(pattern) = said.strip_prefix("regexp:") {
        let has_group = pattern.contains("<compare>");
        let pattern = pattern.replace("(?<compare>", "(?P<compare>");
        return Ok((among(alphabetical(), &pattern, if has_group { "$compare" } else { "" })?, never));
    }
    if said == "force" {
        import.leave(
            SOURCE,
            spot,
            "policy: force",
            "Keel takes whatever tag it hears of last; here it is the newest image",
        );
        return Ok((newest, never));
    }
    let version = Numbers::of(tag).ok_or_else(|| {
        format!("{tag:?} is no version of three numbers, so Keel takes any; say what to follow with `tagwright mark`")
    })?;
    let Numbers { major, minor, patch, suffix } = &version;
    let plain = format!("{major}.{minor}.{patch}");
    let range = match said {
        "major" => format!(">={plain}"),
        "minor" => format!(">={plain}, <{}.0.0", major + 1),
        "patch" => format!("~{plain}"),
        "all" if suffix.is_empty() => format!(">={plain}-0"),
        "all" => format!(">={plain}"),
        other => return Err(format!("{other} is no policy of Keel's")),
    };
    let policy = semver(&range)?;
    Ok(match suffix.as_str() {
        "" => (policy, never),
        // What stands behind the version has to be the same.
        suffix => {
            let pattern = format!("^(?P<version>v?[0-9]+\\.[0-9]+\\.[0-9]+){}$", regex::escape(suffix));
            (among(policy, &pattern, "$version")?, never)
        }
    })
}

/// A version of three numbers, and what stands behind them.
pub(super) struct Numbers {
    pub(super) major: u64,
    minor: u64,
    patch: u64,
    suffix: String,
}

impl Numbers {
    pub(super) fn of(tag: &str) -> Option<Self> {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (numbers, suffix) = text.split_at(end);
        let numbers: Vec<u64> = numbers.split('.').map(|it| it.parse().ok()).collect::<Option<_>>()?;
        let [major, minor, patch] = numbers[..] else { return None };
        let fits = suffix.is_empty() || suffix.starts_with('-');
        fits.then(|| Self { major, minor, patch, suffix: suffix.to_owned() })
    }
}
