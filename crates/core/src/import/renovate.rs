//! Renovate's configuration, for the images that its managers find.
//!
//! Renovate has no list of images: it looks for them, and `packageRules` say how each is followed. So the images are those that
//! [`inventory`] finds in the files of the managers that are on, and each gets the policy that its tag suggests,
//! narrowed by what the rules say. Both follow tags of one variant, with as many numbers; what is different is said.

use image::Repository;

use super::node;
use super::renovate_rules::{Manager, Rules};
use super::renovate_said::Said;
use super::{Choice, Delivery, Image, Import, Input, Place, Source, Spot, among, semver, short};
use crate::automation::DigestReflection;
use crate::inventory;
use crate::mark::File;
use crate::policy::{Order, Policy};
use crate::suggest::{self, Suggestion};

pub(super) const SOURCE: Source = Source::Renovate;

const NAMES: [&str; 10] = [
    "renovate.json",
    "renovate.json5",
    ".github/renovate.json",
    ".github/renovate.json5",
    ".gitlab/renovate.json",
    ".gitlab/renovate.json5",
    ".renovaterc",
    ".renovaterc.json",
    ".renovaterc.json5",
    "config.js.json",
];

/// Whether a file, by its path, is a configuration of Renovate's.
#[must_use]
pub fn is_configuration(path: &str) -> bool {
    NAMES.contains(&path)
}

pub(super) fn read(input: &Input<'_>, import: &mut Import) {
    let Some(file) = input.files.iter().find(|file| is_configuration(&file.path)) else { return };
    let root = std::str::from_utf8(&file.bytes).ok().and_then(node::of_json);
    let Some(root) = root else {
        let spot = Spot { file: file.path.clone(), line: 1 };
        return import.leave(SOURCE, &spot, "the configuration", "it cannot be read");
    };
    let rules = Rules::read(import, file, &root);
    let mut majors = false;
    for it in input.asked().filter(|it| !is_configuration(&it.path)) {
        let Some(manager) = rules.manager(&it.path) else { continue };
        if it.inventory.generated {
            continue;
        }
        for index in 0..it.inventory.images.len() {
            one(input, import, &rules, manager, (it, index), &mut majors);
        }
    }
    if majors {
        let spot = root.spot(&file.path);
        let why = "Renovate proposes these in requests of their own; here the range of a policy says how far it goes: widen it where you want them";
        import.leave(SOURCE, &spot, "major versions", why);
    }
}

fn one(
    input: &Input<'_>,
    import: &mut Import,
    rules: &Rules,
    manager: &Manager,
    (file, index): (&File, usize),
    majors: &mut bool,
) {
    let image = &file.inventory.images[index];
    let Some(repository) = image.repository.clone() else { return };
    let spot = Spot { file: file.path.clone(), line: image.line() };
    let said = rules.of(manager, &file.path, repository.name());
    if !said.enabled || image.marked().is_some() {
        return;
    }
    let shown = format!("{}:{}", repository.name(), image.tag);
    if let Some(obstacle) = &image.obstacle {
        return import.leave(SOURCE, &spot, shown, obstacle.to_string());
    }
    let read = policy(&said, &repository, image);
    let (policy, kept) = match read {
        Ok(read) => read,
        Err(why) => return import.leave(SOURCE, &spot, shown, why),
    };
    let digest = match (image.digest.is_some(), said.pin, kept) {
        (_, _, true) | (true, _, _) | (_, true, _) if said.digest => DigestReflection::Always,
        (true, _, _) | (_, true, _) => DigestReflection::IfNotPresent,
        _ => DigestReflection::Never,
    };
    *majors |= said.major && !kept;
    let choice =
        Choice { digest, minimum_age: said.age.clone(), exclusions: said.excluded.clone(), ..Choice::default() };
    let places = input.known.forms(file, index).into_iter().map(|form| Place {
        path: file.path.clone(),
        spot: spot.clone(),
        form,
    });
    let image = Image {
        name: short(&repository).to_owned(),
        repository,
        policy,
        choice,
        spot: spot.clone(),
        source: SOURCE,
        places: places.collect(),
    };
    let delivery = Delivery {
        request: said.request.clone(),
        windows: said.windows.clone(),
        branch: rules.branch.clone(),
        author: rules.author.clone(),
        ..Delivery::default()
    };
    import.add("renovate", delivery, image);
}

/// The policy of an image, and whether its tag stays and only the digest behind it is followed.
fn policy(said: &Said, repository: &Repository, image: &inventory::Image) -> Result<(Policy, bool), String> {
    let tag = image.tag.as_str();
    if let Some(follow) = &said.follow {
        let why = || format!("followTag: {follow} has no counterpart, as the tag in the file is another one");
        return suggest::tracking(tag).filter(|_| follow == tag).map(|it| (it, true)).ok_or_else(why);
    }
    let suggestion = if image.is_chart { suggest::for_chart_among(tag, &[]) } else { suggest::for_tag_among(tag, &[]) };
    let mut policy = match (&said.versioning, suggestion) {
        (Some(pattern), _) => by_pattern(pattern, tag)?,
        (None, Suggestion::Policy(derived)) => derived.policy,
        (None, Suggestion::NotOrderable(reason)) => {
            let pinned = said.pin || image.digest.is_some();
            return match suggest::tracking(tag).filter(|_| pinned && said.digest && reason.trackable()) {
                Some(policy) => Ok((policy, true)),
                None => Err(format!("{reason}; say what to follow in a policy, or pin its digest")),
            };
        }
    };
    if let Order::Semver(range) = &policy.order {
        let mut text = range.as_str().to_owned();
        if !said.minor
            && let Some(rest) = text.strip_prefix('^')
        {
            text = format!("~{rest}");
        }
        if let Some(allowed) = &said.allowed {
            let both: Vec<String> = allowed.split("||").map(|part| format!("{text}, {}", part.trim())).collect();
            text = both.join(" || ");
        }
        let order = semver(&text).map_err(|why| format!("allowedVersions of {}: {why}", repository.name()))?.order;
        policy = Policy { order, ..policy };
    } else if said.allowed.is_some() {
        return Err("its tags are not versions, so that allowedVersions says nothing here; write a policy".to_owned());
    }
    if let (Some(pattern), true) = (&said.allowed_pattern, policy.filter.is_none()) {
        policy = among(policy, pattern, "")?;
    }
    Ok((policy, false))
}

/// `versioning: regex:…`: its groups as numbers, with `compatibility` as it is in the tag in use.
fn by_pattern(pattern: &str, tag: &str) -> Result<Policy, String> {
    let written = pattern.replace("(?<", "(?P<");
    let regex = regex::Regex::new(&written)
        .map_err(|_| format!("versioning: {pattern} is no pattern that can be read here (RE2)"))?;
    let found = regex.captures(tag).ok_or_else(|| format!("versioning: {pattern} does not match the tag {tag}"))?;
    let group = |name: &str| found.name(name).map(|it| it.as_str().to_owned());
    let has = |name: &str| regex.capture_names().flatten().any(|it| it == name);
    let written = match group("compatibility") {
        Some(fixed) => fix(&written, "compatibility", &fixed),
        None => written,
    };
    let number = |name: &str| if has(name) { format!("${{{name}}}") } else { "0".to_owned() };
    let now = |name: &str| group(name).filter(|it| !it.is_empty()).unwrap_or_else(|| "0".to_owned());
    let behind = ["prerelease", "build", "revision"].into_iter().find(|name| has(name));
    let version = |value: &dyn Fn(&str) -> String| {
        let plain = format!("{}.{}.{}", value("major"), value("minor"), value("patch"));
        behind.map_or(plain.clone(), |name| format!("{plain}-{}", value(name)))
    };
    let policy = semver(&format!("^{}", version(&now)))?;
    among(policy, &written, &version(&number))
}

/// A pattern whose group of this name is a text.
fn fix(pattern: &str, name: &str, text: &str) -> String {
    let open = format!("(?P<{name}>");
    let Some(start) = pattern.find(&open) else { return pattern.to_owned() };
    let (mut depth, mut end, mut escaped, mut class) = (0, pattern.len(), false, false);
    for (at, c) in pattern[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => {
                depth -= 1;
                if depth == 0 {
                    end = start + at + 1;
                    break;
                }
            }
            _ => {}
        }
    }
    // What may be missing is there or not, as now.
    let rest = pattern[end..].strip_prefix('?').unwrap_or(&pattern[end..]);
    format!("{}{}{rest}", &pattern[..start], regex::escape(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patterns_become_filters() {
        let pattern =
            r"^(?<major>\d+)\.(?<minor>\d+)\.(?<patch>\d+)(?:-debian-(?<compatibility>\d+)-r(?<revision>\d+))?$";
        let policy = by_pattern(pattern, "1.4.2-debian-12-r3").unwrap();
        let tags = ["1.4.2-debian-12-r10", "1.4.2-debian-12-r9", "1.9.0-debian-11-r1", "2.0.0-debian-12-r0"];
        assert_eq!(policy.select(&tags), Some("1.4.2-debian-12-r10"));
        assert!(by_pattern("^(?=x)", "x").unwrap_err().contains("no pattern that can be read here"));
        assert!(by_pattern("^y$", "x").unwrap_err().contains("does not match"));
    }
}
