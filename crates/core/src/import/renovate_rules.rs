//! Renovate's managers, and the rules that say something else of some packages.

use regex::Regex;

use super::glob::{self, Glob};
use super::node::Node;
use super::renovate::SOURCE;
use super::renovate_left as left;
use super::renovate_said::{Said, apply, preset_of};
use super::{Import, Spot};
use crate::mark::File;

/// A manager, with the patterns of its files and what is said of what it finds.
pub(super) struct Manager {
    name: &'static str,
    patterns: Vec<Regex>,
    said: Option<Node>,
}

/// The managers that find images in YAML, with the files that they have by themselves.
pub(super) const MANAGERS: [(&str, &[&str]); 9] = [
    ("kubernetes", &[]),
    ("kustomize", &[r"(^|/)kustomization\.ya?ml$"]),
    ("helm-values", &[r"(^|/)values\.ya?ml$"]),
    ("docker-compose", &[r"(^|/)(?:docker-)?compose[^/]*\.ya?ml$"]),
    ("argocd", &[]),
    ("flux", &[r"(^|/)gotk-components\.ya?ml$"]),
    ("helmv3", &[r"(^|/)Chart\.ya?ml$"]),
    ("fleet", &[r"(^|/)fleet\.ya?ml$"]),
    ("crossplane", &[]),
];

/// All that the configuration says.
pub(super) struct Rules {
    base: Said,
    zone: Option<String>,
    managers: Vec<Manager>,
    ignored: Vec<Glob>,
    only: Vec<Glob>,
    ignored_deps: Vec<String>,
    rules: Vec<Rule>,
    pub(super) branch: Option<String>,
    /// Who commits, where it is said.
    pub(super) author: Option<(String, String)>,
}

/// One of `packageRules`: what it takes, and what it says.
struct Rule {
    takes: Vec<Take>,
    /// The kinds of updates that it is about; empty for all.
    kinds: Vec<String>,
    node: Node,
}

/// What a rule is about.
enum Take {
    Datasources(Texts),
    Managers(Texts),
    Packages(Texts),
    Paths(Texts),
    /// All but these.
    Others(Vec<String>),
}

impl Rules {
    pub(super) fn read(import: &mut Import, file: &File, root: &Node) -> Self {
        let mut base = Said::default();
        let zone = root.text_of("timezone").map(str::to_owned);
        for preset in root.get("extends").into_iter().flat_map(Node::items) {
            let name = preset.text().unwrap_or_default();
            let known = preset_of(&mut base, name, zone.as_deref());
            if !known {
                let why = "what this preset says is not known here";
                import.leave(SOURCE, &preset.spot(&file.path), format!("extends: {name}"), why);
            }
        }
        let mut leave = |spot: Spot, what: String, why: String| import.leave(SOURCE, &spot, what, why);
        apply(&mut base, root, zone.as_deref(), &mut leave, &file.path);
        left::of_root(root, &mut leave, &file.path);
        // Settings of all images, by the datasource's own block.
        if let Some(docker) = root.get("docker") {
            apply(&mut base, docker, zone.as_deref(), &mut leave, &file.path);
            left::of_block(docker, "docker", &mut leave, &file.path);
        }
        let managers = managers(root, zone.as_deref(), &mut leave, &file.path);
        let texts =
            |key: &str| root.get(key).map(Node::texts).unwrap_or_default().into_iter().map(str::to_owned).collect();
        let globs = |key: &str| root.get(key).map(Node::texts).unwrap_or_default().into_iter().map(paths).collect();
        let rules = root.get("packageRules").map(Node::items).unwrap_or_default();
        let rules = rules.iter().filter_map(|node| Rule::read(&mut leave, file, node, zone.as_deref())).collect();
        let branches = ["baseBranchPatterns", "baseBranches"].into_iter().find_map(|key| root.get(key));
        let branch = branches.map(Node::texts).unwrap_or_default();
        if let Some(node) = branches.filter(|_| branch.len() != 1 || branch[0].starts_with('/')) {
            let why = "an automation reads one branch; copy it for the others";
            import.leave(SOURCE, &node.spot(&file.path), "baseBranches", why);
        }
        let branch = branch.first().filter(|it| !it.starts_with('/')).map(|it| (*it).to_owned());
        let (ignored, only, ignored_deps) = (globs("ignorePaths"), globs("includePaths"), texts("ignoreDeps"));
        let author = root.text_of("gitAuthor").and_then(left::author);
        Self { base, zone, managers, ignored, only, ignored_deps, rules, branch, author }
    }

    /// The manager that reads a file.
    pub(super) fn manager(&self, path: &str) -> Option<&Manager> {
        let fits = |globs: &[Glob]| globs.iter().any(|it| it.fits(path));
        if fits(&self.ignored) || !(self.only.is_empty() || fits(&self.only)) {
            return None;
        }
        self.managers.iter().find(|it| it.patterns.iter().any(|it| it.is_match(path)))
    }

    /// What is said of an image in a file.
    pub(super) fn of(&self, manager: &Manager, path: &str, package: &str) -> Said {
        let mut said = self.base.clone();
        if let Some(own) = &manager.said {
            apply(&mut said, own, self.zone.as_deref(), &mut |_, _, _| {}, "");
        }
        if self.ignored_deps.iter().any(|it| it == package) {
            said.enabled = false;
        }
        for rule in self.rules.iter().filter(|rule| rule.is_about(manager.name, path, package)) {
            // What is said of some kinds of updates only was named when it was read.
            if rule.kinds.is_empty() {
                apply(&mut said, &rule.node, self.zone.as_deref(), &mut |_, _, _| {}, "");
            } else if let Some(enabled) = rule.node.flag("enabled") {
                rule.kinds.iter().for_each(|kind| said.set(kind, enabled));
            }
        }
        // Without versions, nothing but digests may be left.
        said.enabled &= said.patch || said.minor || said.digest;
        said
    }
}

/// The managers that are on, with what their blocks say.
fn managers(root: &Node, zone: Option<&str>, leave: &mut dyn FnMut(Spot, String, String), file: &str) -> Vec<Manager> {
    let enabled = root.get("enabledManagers").map(Node::texts);
    let mut managers = Vec::new();
    for (name, own) in MANAGERS {
        let node = root.get(name);
        let is_off = node.and_then(|it| it.flag("enabled")) == Some(false);
        if is_off || enabled.as_ref().is_some_and(|all| !all.contains(&name)) {
            continue;
        }
        let mut patterns: Vec<Regex> = own.iter().filter_map(|it| Regex::new(it).ok()).collect();
        let lists = ["managerFilePatterns", "fileMatch"].into_iter().filter_map(|key| Some((key, node?.get(key)?)));
        for (key, list) in lists {
            for text in list.texts() {
                let pattern = match text.strip_prefix('/').and_then(|it| it.strip_suffix('/')) {
                    Some(pattern) => pattern.to_owned(),
                    None if key == "fileMatch" => text.to_owned(),
                    None => glob::pattern(text, true),
                };
                match Regex::new(&pattern) {
                    Ok(pattern) => patterns.push(pattern),
                    Err(_) => {
                        let why = "it is no pattern that can be read here (RE2), so that no file is found by it";
                        leave(list.spot(file), format!("{key} of {name}: {text}"), why.to_owned());
                    }
                }
            }
        }
        if let Some(node) = node {
            apply(&mut Said::default(), node, zone, leave, file);
            left::of_block(node, name, leave, file);
        }
        managers.push(Manager { name, patterns, said: node.cloned() });
    }
    managers
}

/// A glob of files, or the file or folder of this name.
fn paths(text: &str) -> Glob {
    let is_plain = !text.contains(['*', '?', '[', '{']);
    Glob::of(&if is_plain { format!("{{{text},{}/**}}", text.trim_end_matches('/')) } else { text.to_owned() }, true)
}

impl Rule {
    fn read(leave: &mut dyn FnMut(Spot, String, String), file: &File, node: &Node, zone: Option<&str>) -> Option<Self> {
        let spot = node.spot(&file.path);
        let mut takes = Vec::new();
        let mut kinds = Vec::new();
        for (key, value) in node.entries() {
            let texts = value.texts();
            let of = |make: fn(Texts) -> Take, texts: &[&str], way| Texts::read(texts, way).map(make);
            let take = match key.as_str() {
                "matchUpdateTypes" => {
                    kinds = texts.into_iter().map(str::to_owned).collect();
                    continue;
                }
                "matchDatasources" => of(Take::Datasources, &texts, Way::Name),
                "matchManagers" => of(Take::Managers, &texts, Way::Name),
                "matchPackageNames" | "matchDepNames" => of(Take::Packages, &texts, Way::Name),
                "matchPackagePatterns" | "matchDepPatterns" => of(Take::Packages, &texts, Way::Pattern),
                "matchPackagePrefixes" => of(Take::Packages, &texts, Way::Prefix),
                "matchFileNames" | "matchPaths" => of(Take::Paths, &texts, Way::Path),
                "excludePackageNames" | "excludeDepNames" => {
                    Ok(Take::Others(texts.into_iter().map(str::to_owned).collect()))
                }
                "excludePackagePatterns" => Texts::read(&texts, Way::Pattern).map(|it| Take::Packages(it.others())),
                key if key.starts_with("match") || key.starts_with("exclude") => {
                    let why = "it is left out as a whole, since what it takes is not known here";
                    leave(spot, format!("a rule with {key}"), why.to_owned());
                    return None;
                }
                _ => continue,
            };
            match take {
                Ok(take) => takes.push(take),
                Err(text) => {
                    let why = "it is left out as a whole, since the pattern cannot be read here (RE2)";
                    leave(spot, format!("a rule with {key}: {text}"), why.to_owned());
                    return None;
                }
            }
        }
        // It is about other packages than images.
        let is_ours = takes.iter().all(|it| match it {
            Take::Datasources(it) => it.fits("docker") || it.fits("helm"),
            Take::Managers(it) => MANAGERS.iter().any(|(name, _)| it.fits(name)),
            _ => true,
        });
        if !is_ours {
            return None;
        }
        if !kinds.is_empty()
            && node
                .entries()
                .iter()
                .any(|(key, _)| !key.starts_with("match") && key != "enabled" && key != "description")
        {
            let what = format!("a rule for {} updates", kinds.join(" and "));
            let why = "a policy has one way for all its updates, so that only `enabled` is taken of it";
            leave(spot.clone(), what, why.to_owned());
        }
        let has = |kind: &str| kinds.iter().any(|it| it == kind);
        if has("patch") && !has("minor") && node.flag("enabled") == Some(false) {
            leave(spot, left::NO_PATCHES.0.to_owned(), left::NO_PATCHES.1.to_owned());
        }
        apply(&mut Said::default(), node, zone, leave, &file.path);
        if kinds.is_empty() {
            left::of_block(node, "a rule", leave, &file.path);
        }
        Some(Self { takes, kinds, node: node.clone() })
    }

    fn is_about(&self, manager: &str, path: &str, package: &str) -> bool {
        let short = package.rsplit('/').next().unwrap_or(package);
        self.takes.iter().all(|take| match take {
            Take::Datasources(it) => it.fits("docker"),
            Take::Managers(it) => it.fits(manager),
            Take::Packages(it) => it.fits(package),
            Take::Paths(it) => it.fits(path),
            Take::Others(all) => !all.iter().any(|it| it == package || it == short),
        })
    }
}

/// How a list of texts is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Exact, globs, `/patterns/`, each perhaps with `!` before it.
    Name,
    /// The same of files, where the name of a folder is all that is in it.
    Path,
    /// Regular expressions, or `*`.
    Pattern,
    Prefix,
}

/// A list of texts that take names.
struct Texts {
    only: Vec<Text>,
    not: Vec<Text>,
}

enum Text {
    All,
    Exact(String),
    Prefix(String),
    Glob(Glob),
    Pattern(Regex),
}

impl Texts {
    /// Reads a list; else the text that cannot be read.
    fn read(all: &[&str], way: Way) -> Result<Self, String> {
        let (mut only, mut not) = (Vec::new(), Vec::new());
        for text in all {
            let (into, rest) = match text.strip_prefix('!').filter(|_| matches!(way, Way::Name | Way::Path)) {
                Some(rest) => (&mut not, rest),
                None => (&mut only, *text),
            };
            into.push(Text::read(rest, way).ok_or_else(|| (*text).to_owned())?);
        }
        Ok(Self { only, not })
    }

    /// Whatever these do not take.
    fn others(self) -> Self {
        Self { only: Vec::new(), not: self.only }
    }

    fn fits(&self, text: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|it| it.fits(text))) && !self.not.iter().any(|it| it.fits(text))
    }
}

impl Text {
    fn read(text: &str, way: Way) -> Option<Self> {
        let delimited = text.strip_prefix('/').and_then(|it| it.rsplit_once('/'));
        Some(match (way, delimited) {
            (_, _) if text == "*" => Self::All,
            (Way::Prefix, _) => Self::Prefix(text.to_owned()),
            (Way::Pattern, _) => Self::Pattern(Regex::new(text).ok()?),
            (Way::Name | Way::Path, Some((pattern, flags))) if flags.chars().all(|c| c == 'i') => {
                let pattern = if flags.contains('i') { format!("(?i){pattern}") } else { pattern.to_owned() };
                Self::Pattern(Regex::new(&pattern).ok()?)
            }
            (Way::Path, _) => Self::Glob(paths(text)),
            (Way::Name, _) if text.contains(['*', '?', '[', '{']) => Self::Glob(Glob::of(text, true)),
            (Way::Name, _) => Self::Exact(text.to_owned()),
        })
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::All => true,
            Self::Exact(it) => it == text,
            Self::Prefix(it) => text.starts_with(it.as_str()),
            Self::Glob(it) => it.fits(text),
            Self::Pattern(it) => it.is_match(text),
        }
    }
}
