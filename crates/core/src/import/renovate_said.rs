//! What Renovate is told about images, by presets and settings.

use super::node::Node;
use super::renovate_schedule as schedule;
use super::{Request, Spot, Window};

/// What is said of an image.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) enabled: bool,
    pub(super) major: bool,
    pub(super) minor: bool,
    pub(super) patch: bool,
    /// Whether digests of a tag are followed.
    pub(super) digest: bool,
    pub(super) pin: bool,
    pub(super) allowed: Option<String>,
    pub(super) allowed_pattern: Option<String>,
    pub(super) excluded: Vec<String>,
    /// The pattern of `versioning: regex:…`.
    pub(super) versioning: Option<String>,
    pub(super) follow: Option<String>,
    pub(super) age: Option<String>,
    pub(super) windows: Vec<Window>,
    pub(super) request: Option<Request>,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            enabled: true,
            major: true,
            minor: true,
            patch: true,
            digest: true,
            pin: false,
            allowed: None,
            allowed_pattern: None,
            excluded: Vec::new(),
            versioning: None,
            follow: None,
            age: None,
            windows: Vec::new(),
            request: Some(Request::default()),
        }
    }
}

impl Said {
    /// Says whether updates of a kind are made.
    pub(super) fn set(&mut self, kind: &str, enabled: bool) {
        match kind {
            "major" => self.major = enabled,
            "minor" => self.minor = enabled,
            "patch" => self.patch = enabled,
            "digest" => self.digest = enabled,
            _ => {}
        }
    }
}

/// Takes a preset that is known; true for those that say nothing of images, too.
pub(super) fn preset_of(said: &mut Said, name: &str, zone: Option<&str>) -> bool {
    let name = name.strip_prefix("default:").unwrap_or(name);
    match name {
        "docker:disable" => said.enabled = false,
        "docker:disableMajor" => said.major = false,
        "docker:enableMajor" => said.major = true,
        "docker:pinDigests" | ":pinDigests" | "config:best-practices" => said.pin = true,
        ":disableMajorUpdates" => said.major = false,
        ":disableDigestUpdates" => said.digest = false,
        ":automergeAll" => {
            if let Some(request) = &mut said.request {
                request.auto_merge = true;
            }
        }
        ":automergeBranch" => said.request = None,
        "config:recommended"
        | "config:base"
        | ":semanticCommits"
        | ":semanticCommitsDisabled"
        | ":dependencyDashboard"
        | ":disableDependencyDashboard"
        | ":rebaseStalePrs"
        | ":separateMajorReleases"
        | ":combinePatchMinorReleases"
        | ":prHourlyLimitNone"
        | ":prConcurrentLimitNone"
        | ":ignoreUnstable"
        | "mergeConfidence:all-badges"
        | ":ignoreModulesAndTests"
        | "group:monorepos"
        | "group:recommended"
        | "replacements:all"
        | "workarounds:all"
        | "helpers:pinGitHubActionDigests"
        | ":configMigration"
        | ":maintainLockFilesWeekly" => {}
        other => match other.strip_prefix("schedule:").and_then(schedule::preset) {
            Some(texts) => {
                let windows = texts.iter().filter_map(|it| schedule::windows(it, zone)).flatten();
                said.windows = windows.collect();
            }
            None => return false,
        },
    }
    true
}

/// Takes the settings of a block.
pub(super) fn apply(
    said: &mut Said,
    node: &Node,
    zone: Option<&str>,
    leave: &mut dyn FnMut(Spot, String, String),
    file: &str,
) {
    if let Some(enabled) = node.flag("enabled") {
        said.enabled = enabled;
    }
    if let Some(pin) = node.flag("pinDigests") {
        said.pin = pin;
    }
    for kind in ["major", "minor", "patch", "digest"] {
        if let Some(enabled) = node.get(kind).and_then(|it| it.flag("enabled")) {
            said.set(kind, enabled);
        }
    }
    if let Some(allowed) = node.get("allowedVersions") {
        let text = allowed.text().unwrap_or_default();
        let pattern =
            |text: &str| text.strip_prefix('/').and_then(|it| it.rsplit_once('/')).map(|(it, _)| it.to_owned());
        match (text.strip_prefix('!').and_then(pattern), pattern(text)) {
            (Some(not), _) => said.excluded = vec![not],
            (None, Some(only)) => said.allowed_pattern = Some(only),
            (None, None) => said.allowed = Some(text.to_owned()),
        }
    }
    if let Some(versioning) = node.get("versioning") {
        let text = versioning.text().unwrap_or_default();
        match text.strip_prefix("regex:") {
            Some(pattern) => said.versioning = Some(pattern.to_owned()),
            None if ["docker", "semver", "semver-coerced", "loose", "kubernetes-api"].contains(&text) => {}
            None => leave(
                versioning.spot(file),
                format!("versioning: {text}"),
                "tags are taken for what they show; say what to follow in the policy".to_owned(),
            ),
        }
    }
    if let Some(follow) = node.text_of("followTag") {
        said.follow = Some(follow.to_owned());
    }
    if let Some(age) = ["minimumReleaseAge", "stabilityDays"].into_iter().find_map(|key| node.get(key)) {
        match schedule::hours(age.text().unwrap_or_default()) {
            Some(hours) if hours > 0 => said.age = Some(format!("{hours}h")),
            Some(_) => said.age = None,
            None => leave(
                age.spot(file),
                format!("minimumReleaseAge: {}", age.shown()),
                "write `minimumAge` in hours".to_owned(),
            ),
        }
    }
    if let Some(times) = node.get("schedule") {
        let texts = times.texts();
        let read: Vec<Option<Vec<Window>>> = texts.iter().map(|it| schedule::windows(it, zone)).collect();
        if texts.contains(&"at any time") {
            said.windows = Vec::new();
        } else if read.iter().all(Option::is_some) {
            said.windows = read.into_iter().flatten().flatten().collect();
        } else {
            let why = "it has no counterpart that is sure; write `windows` with a cron expression and a duration";
            leave(times.spot(file), format!("schedule: {}", times.shown()), why.to_owned());
        }
    }
    if node.text_of("automergeType") == Some("branch") && node.flag("automerge") == Some(true) {
        said.request = None;
    }
    if let Some(request) = &mut said.request {
        if let Some(auto) = node.flag("automerge") {
            request.auto_merge = auto;
        }
        if let Some(draft) = node.flag("draftPR") {
            request.draft = draft;
        }
        let all = [("labels", 0), ("addLabels", 0), ("reviewers", 1), ("assignees", 2)];
        for (key, which) in all {
            let Some(list) = node.get(key) else { continue };
            let texts = list.texts().into_iter().map(str::to_owned);
            let into = [&mut request.labels, &mut request.reviewers, &mut request.assignees].into_iter().nth(which);
            if let Some(into) = into {
                if key != "addLabels" {
                    into.clear();
                }
                into.extend(texts);
            }
        }
    }
}
