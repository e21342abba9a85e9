//! What is in use as the rules of registries' own clean-up, in which everything else is deleted.
//!
//! Only formats that can name tags one by one are here: each rule keeps the tags that Git references, and no other. What a format has no
//! room for is refused, since a rule that was cut would delete what is in use.
//!
//! - Harbor: [tag retention](https://goharbor.io/docs/main/working-with-projects/working-with-images/create-tag-retention-rules/), the union of
//!   its rules is kept; at most 15 in a project.
//! - GitLab: `name_regex_keep` of a [cleanup policy](https://docs.gitlab.com/user/packages/container_registry/reduce_container_registry_storage/), which
//!   is matched as `\A…\z`; at most 255 characters.
//! - zot: [`keepTags`](https://zotregistry.dev/latest/articles/retention/) of the configuration, regular expressions that match anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use image::Tag;
use serde_json::{Value, json};
use thiserror::Error;

use crate::observe::InUse;

/// How many retention rules a project of Harbor may have.
const MAX_HARBOR: usize = 15;
/// How many characters GitLab takes as `name_regex_keep`.
const MAX_GITLAB: usize = 255;
/// How many things a message names.
const NAMED: usize = 3;

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Harbor,
    GitLab,
    Zot,
}

/// Why there are no rules.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Refused {
    /// Rules would delete what the list lacks.
    #[error("the list of what is in use is not whole, and rules would delete the rest: {0}")]
    NotWhole(String),
    /// Tags are kept, and these have none.
    #[error("rules keep tags, and these are referenced by their digests alone: {0}")]
    Digests(String),
    /// Nothing is referenced there, and everything would be deleted.
    #[error("nothing of {0} is referenced, and rules would delete all that it has")]
    Nothing(String),
    /// A repository of Harbor is in a project.
    #[error("{0} is in no project, as repositories of Harbor are")]
    NoProject(String),
    /// There are more than fit.
    #[error("{what} would need {needed} {unit}, and {product} takes {most}")]
    TooMany { what: String, needed: usize, unit: &'static str, product: &'static str, most: usize },
}

/// By path, without the registry.
type Tags = BTreeMap<String, BTreeSet<String>>;

/// The rules for one registry, as its API or configuration has them.
pub(super) fn rules(found: &InUse, registry: &str, format: Format) -> Result<Value, Refused> {
    whole(found)?;
    let tags = tags(found, registry)?;
    if tags.is_empty() {
        return Err(Refused::Nothing(registry.to_owned()));
    }
    match format {
        Format::Harbor => harbor(&tags),
        Format::GitLab => gitlab(&tags, registry),
        Format::Zot => Ok(zot(&tags)),
    }
}

fn whole(found: &InUse) -> Result<(), Refused> {
    let mut lacks = String::new();
    if !found.failures.is_empty() {
        lacks.push_str("some of it could not be read, ");
    }
    if !found.cut.is_empty() {
        lacks.push_str("older commits could not be fetched, ");
    }
    if found.unknown > 0 {
        let _ = write!(lacks, "the images of {} could not be told, ", words::plural(found.unknown, "tag"));
    }
    if found.unknown == 0 && found.unknown_before {
        lacks.push_str("the images of tags in older commits could not be told (--commits says how many are read), ");
    }
    match lacks.strip_suffix(", ") {
        None => Ok(()),
        Some(lacks) => Err(Refused::NotWhole(lacks.to_owned())),
    }
}

fn tags(found: &InUse, registry: &str) -> Result<Tags, Refused> {
    let (mut tags, mut bare) = (Tags::new(), Vec::new());
    for (image, tag, digest) in found.images.keys() {
        let Some((_, path)) = image.split_once('/').filter(|(host, _)| *host == registry) else { continue };
        if tag.is_empty() {
            bare.push(format!("{path}@{digest}"));
        } else if Tag::parse(tag).is_ok() {
            tags.entry(path.to_owned()).or_default().insert(tag.clone());
        }
        // What is no tag is in no registry.
    }
    match bare.len() {
        0 => Ok(tags),
        count => {
            let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
            bare.truncate(NAMED);
            Err(Refused::Digests(bare.join(", ") + &more))
        }
    }
}

/// A policy for each project, without the number by which Harbor knows it.
fn harbor(tags: &Tags) -> Result<Value, Refused> {
    let mut projects: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (path, tags) in tags {
        let (project, repository) = path.split_once('/').ok_or_else(|| Refused::NoProject(path.clone()))?;
        let all: Vec<&str> = tags.iter().map(String::as_str).collect();
        let pattern = if all.len() == 1 { all[0].to_owned() } else { format!("{{{}}}", all.join(",")) };
        // What has no tag is nobody's business here.
        let selector = json!({"kind": "doublestar", "decoration": "matches", "pattern": pattern, "extras": r#"{"untagged":true}"#});
        let scope = json!({"kind": "doublestar", "decoration": "repoMatches", "pattern": repository});
        projects.entry(project).or_default().push(json!({
            "action": "retain",
            "template": "always",
            "params": {},
            "tag_selectors": [selector],
            "scope_selectors": {"repository": [scope]},
        }));
    }
    let policy = |(project, rules): (&str, Vec<Value>)| {
        let (needed, what) = (rules.len(), format!("the project {project}"));
        if needed > MAX_HARBOR {
            return Err(Refused::TooMany { what, needed, unit: "rules", product: "Harbor", most: MAX_HARBOR });
        }
        let trigger = json!({"kind": "Schedule", "settings": {"cron": ""}});
        Ok(json!({"project": project, "policy": {"algorithm": "or", "rules": rules, "trigger": trigger}}))
    };
    projects.into_iter().map(policy).collect()
}

/// What is deleted, and what is kept of it, for each image repository.
fn gitlab(tags: &Tags, registry: &str) -> Result<Value, Refused> {
    let rule = |(path, tags): (&String, &BTreeSet<String>)| {
        let all: Vec<String> = tags.iter().map(|tag| literal(tag)).collect();
        // In parentheses, since GitLab puts what it anchors around it.
        let keep = format!("(?:{})", all.join("|"));
        let (needed, what) = (keep.chars().count(), format!("{registry}/{path}"));
        match needed > MAX_GITLAB {
            true => Err(Refused::TooMany { what, needed, unit: "characters", product: "GitLab", most: MAX_GITLAB }),
            false => Ok(json!({"image": what, "name_regex_delete": ".*", "name_regex_keep": keep})),
        }
    };
    tags.iter().map(rule).collect()
}

/// The value of `storage.retention`.
fn zot(tags: &Tags) -> Value {
    let policy = |(path, tags): (&String, &BTreeSet<String>)| {
        let patterns: Vec<String> = tags.iter().map(|tag| format!("^{}$", literal(tag))).collect();
        json!({
            "repositories": [path],
            "deleteReferrers": false,
            "deleteUntagged": false,
            "keepTags": [{"patterns": patterns}],
        })
    };
    json!({"policies": tags.iter().map(policy).collect::<Vec<_>>()})
}

/// A tag as a regular expression that means it: of the characters that a tag may have, only the point has another meaning.
fn literal(tag: &str) -> String {
    tag.replace('.', r"\.")
}
