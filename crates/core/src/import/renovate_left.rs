//! Settings of Renovate's that nothing is made of, and why.

use super::Spot;
use super::node::Node;
use super::renovate_rules::MANAGERS;

/// Settings of a block that are about something else, or are taken.
const TAKEN: [&str; 24] = [
    "enabled",
    "pinDigests",
    "minimumReleaseAge",
    "stabilityDays",
    "schedule",
    "automerge",
    "automergeType",
    "labels",
    "addLabels",
    "reviewers",
    "assignees",
    "draftPR",
    "versioning",
    "allowedVersions",
    "followTag",
    // All updates of an automation are one commit.
    "groupName",
    "groupSlug",
    "separateMinorPatch",
    "description",
    "major",
    "minor",
    "patch",
    "digest",
    // Said with its reason where it is read.
    "extends",
];

/// Those of the whole configuration.
const OF_ROOT: [&str; 11] = [
    "$schema",
    "packageRules",
    "enabledManagers",
    "ignorePaths",
    "includePaths",
    "ignoreDeps",
    "timezone",
    "baseBranches",
    "baseBranchPatterns",
    "docker",
    "dependencyDashboard",
];

/// The kinds of updates that a policy can leave out.
const KINDS: [&str; 4] = ["major", "minor", "patch", "digest"];

/// Patches without minor versions are off.
pub(super) const NO_PATCHES: (&str, &str) = (
    "patch updates that are off",
    "the range of a policy takes them with the minor versions; write one by hand, or turn both off",
);

type Leave<'l> = dyn FnMut(Spot, String, String) + 'l;

/// The name and the address of `Name <address>`.
pub(super) fn author(text: &str) -> Option<(String, String)> {
    let (name, email) = text.trim().strip_suffix('>')?.split_once('<')?;
    let (name, email) = (name.trim(), email.trim());
    (!name.is_empty() && email.contains('@')).then(|| (name.to_owned(), email.to_owned()))
}

/// Names what nothing is made of in the whole configuration.
pub(super) fn of_root(root: &Node, leave: &mut Leave<'_>, file: &str) {
    for (key, node) in root.entries() {
        let is_author = key == "gitAuthor" && node.text().and_then(author).is_some();
        if is_author || OF_ROOT.contains(&key.as_str()) || MANAGERS.iter().any(|(name, _)| name == key) {
            continue;
        }
        one(key, key.clone(), node, leave, file);
    }
}

/// The same for a block in it: of a manager, or of some packages.
pub(super) fn of_block(block: &Node, of: &str, leave: &mut Leave<'_>, file: &str) {
    for (key, node) in block.entries() {
        match key.as_str() {
            "fileMatch" | "managerFilePatterns" => {}
            key if key.starts_with("match") || key.starts_with("exclude") => {}
            "extends" => {
                let what = format!("extends: {} of {of}", node.texts().join(", "));
                leave(node.spot(file), what, "presets are taken for the whole configuration alone".to_owned());
            }
            key => one(key, format!("{key} of {of}"), node, leave, file),
        }
    }
}

fn one(key: &str, what: String, node: &Node, leave: &mut Leave<'_>, file: &str) {
    if KINDS.contains(&key) {
        return of_kind(key, node, leave, file);
    }
    if !TAKEN.contains(&key) {
        leave(node.spot(file), what, why(key).to_owned());
    }
}

/// Of a kind of updates all but whether it is on.
fn of_kind(kind: &str, node: &Node, leave: &mut Leave<'_>, file: &str) {
    for (key, it) in node.entries().iter().filter(|(key, _)| key != "enabled") {
        let why = "a policy has one way for all its updates, so that only `enabled` is taken of it";
        leave(it.spot(file), format!("{key} of {kind} updates"), why.to_owned());
    }
    if kind == "patch" && node.flag("enabled") == Some(false) {
        leave(node.spot(file), NO_PATCHES.0.to_owned(), NO_PATCHES.1.to_owned());
    }
}

fn why(key: &str) -> &'static str {
    match key {
        "customManagers" | "regexManagers" => "put markers on these fields: any value of a YAML file can have one",
        "hostRules" => "logins of registries are those of the machine, or `secretRef`",
        "registryAliases" | "registryUrls" => {
            "write the registry in the name of the image, or ask a mirror with --registry-mirror"
        }
        "extractVersion" => "`filterTags` of a policy has a pattern and what is extracted",
        "branchPrefix" | "branchName" | "additionalBranchPrefix" | "branchTopic" => {
            "`git.push.pullRequest.branch` is a template"
        }
        "prHourlyLimit" | "prConcurrentLimit" | "branchConcurrentLimit" => {
            "there is one pull request for each automation; `quietPeriod` gathers updates"
        }
        "separateMajorMinor" | "separateMultipleMajor" => "the range of a policy says how far it goes",
        "dependencyDashboardTitle" | "dependencyDashboardAutoclose" => "`tagwright status` shows what is followed",
        "dependencyDashboardApproval" => "changes are proposed in a pull request, and whoever merges it approves",
        "gitAuthor" => "it is no name with an address; write them under `git.commit.author`",
        key if key.starts_with("commit") || key.starts_with("semanticCommit") || key.starts_with("pr") => {
            "write a template under `git.commit.message`, or under `git.push.pullRequest`"
        }
        "pin" | "pinDigest" | "rollback" | "replacement" => "there are no updates of this kind by themselves",
        "dockerfile"
        | "github-actions"
        | "npm"
        | "gomod"
        | "pip_requirements"
        | "terraform"
        | "lockFileMaintenance"
        | "vulnerabilityAlerts"
        | "osvVulnerabilityAlerts"
        | "postUpdateOptions" => "it is about other things than images in YAML, and stays Renovate's",
        _ => "it has no counterpart",
    }
}
