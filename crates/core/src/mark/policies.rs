//! Derived policies as documents: native, or Flux's objects.

use thiserror::Error;
use yamlspan::document::{self, Node, NodeKind};
use yamlspan::lines::{self, Lines};
use yamlspan::tree::{Collection, Tree};

use super::Group;
use crate::automation::DigestReflection;
use crate::marker::object::Objects;
use crate::message::DEFAULT_AUTHOR;
use crate::policy::{Direction, Order};

/// How far a new document indents its images.
const IMAGES_INDENT: usize = 4;

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// How often registries are polled and the repository is looked at.
const INTERVAL: &str = "5m";

/// Which objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// One `ImageAutomation`.
    #[default]
    Native,
    /// `GitRepository`, `ImageUpdateAutomation`, `ImageRepository`, `ImagePolicy`.
    Flux,
}

/// The objects that a policy is written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The namespace of every object.
    pub namespace: String,
    /// The name of the automation.
    pub name: String,
    /// The Git remote, without credentials.
    pub url: String,
    /// The branch; none is the remote's default branch, which Flux does not know of.
    pub branch: Option<String>,
    /// The marked folder, from the root of the repository; none is everything.
    pub path: Option<String>,
}

/// Why policies cannot be added to a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// It cannot be parsed.
    #[error("it cannot be parsed: {0}")]
    Unparsable(String),
    /// It has no list to add to.
    #[error("it does not end with the `images` of an ImageAutomation, an item a line")]
    NoList,
    /// Nothing in it would use the policies.
    #[error("it has no ImageUpdateAutomation in the namespace {0:?}")]
    NoAutomation(String),
}

/// Writes a new document.
#[must_use]
pub fn document<'g>(dialect: Dialect, target: &Target, groups: impl IntoIterator<Item = &'g Group>) -> String {
    match dialect {
        Dialect::Native => {
            let images = groups.into_iter().map(|group| native_image(group, &target.namespace, IMAGES_INDENT));
            native(target) + &images.collect::<String>()
        }
        Dialect::Flux => flux(target) + &groups.into_iter().map(flux_policy).collect::<String>(),
    }
}

/// Adds policies to a document that is there; every byte of it stays.
///
/// # Errors
/// A native document has no block list `spec.images` at its end, Flux's objects no automation for a policy's namespace; or
/// the text cannot be parsed.
pub fn extended<'g>(
    dialect: Dialect,
    existing: &str,
    groups: impl IntoIterator<Item = &'g Group>,
) -> Result<String, Error> {
    let line_break = if existing.is_empty() || existing.ends_with('\n') { "" } else { "\n" };
    let more: String = match dialect {
        Dialect::Native => {
            let (indent, namespace) = images_of(existing)?;
            groups.into_iter().map(|group| native_image(group, &namespace, indent)).collect()
        }
        Dialect::Flux => {
            let served = automation_namespaces(existing)?;
            let policy = |group: &Group| match served.contains(&group.namespace) {
                true => Ok(flux_policy(group)),
                false => Err(Error::NoAutomation(group.namespace.clone())),
            };
            groups.into_iter().map(policy).collect::<Result<_, _>>()?
        }
    };
    Ok(format!("{existing}{line_break}{more}"))
}

/// The namespaces of the `ImageUpdateAutomation`s in a text.
fn automation_namespaces(text: &str) -> Result<Vec<String>, Error> {
    let lines = Lines::of(text);
    let mut namespaces = Vec::new();
    for span in lines::documents(text, &lines) {
        let document = document::parse(&text[span]).map_err(|broken| Error::Unparsable(broken.reason))?;
        let objects = Objects::of(&document, &Tree::of(&document)).objects;
        let identities = objects.iter().map(|object| object.identity(|_| None));
        namespaces.extend(identities.filter(|it| it.kind == "ImageUpdateAutomation").map(|it| namespace(it.namespace)));
    }
    Ok(namespaces)
}

fn namespace(text: String) -> String {
    if text.is_empty() { DEFAULT_NAMESPACE.to_owned() } else { text }
}

/// How far the items of `spec.images` are indented, if nothing follows them, and the namespace of the object.
fn images_of(text: &str) -> Result<(usize, String), Error> {
    let lines = Lines::of(text);
    let span = lines::documents(text, &lines).pop().ok_or(Error::NoList)?;
    let part = &text[span.clone()];
    let document = document::parse(part).map_err(|broken| Error::Unparsable(broken.reason))?;
    let tree = Tree::of(&document);
    let objects = Objects::of(&document, &tree).objects;
    let identity = objects.first().map(|object| object.identity(|_| None)).filter(|it| it.kind == "ImageAutomation");
    let namespace = namespace(identity.ok_or(Error::NoList)?.namespace);
    let is_list = |collection: &&Collection<'_>| collection.key == "images" && !collection.is_mapping;
    let list = tree.collections.iter().find(is_list).ok_or(Error::NoList)?.node;
    // Behind the list only the mappings around it may close.
    let closes = |it: &Node<'_>| matches!(it.kind, NodeKind::Close { open, .. } if open == list);
    let close = document.nodes.iter().position(closes).ok_or(Error::NoList)?;
    let is_last = document.nodes[close + 1..].iter().all(|it| matches!(it.kind, NodeKind::Close { .. }));
    let first = document.nodes.get(list + 2).ok_or(Error::NoList)?.span.start + span.start;
    let line = &text[lines.start_of(first)..];
    let indent = line.len() - line.trim_start_matches(' ').len();
    if is_last && line[indent..].starts_with("- ") { Ok((indent, namespace)) } else { Err(Error::NoList) }
}

fn native(target: &Target) -> String {
    let Target { namespace, name, url, branch, path } = target;
    let mut text = format!(
        "# Written by `tagwright mark`, and yours to edit.\n\
         apiVersion: tagwright.dev/v1alpha1\n\
         kind: ImageAutomation\n\
         metadata:\n  name: {}\n  namespace: {}\n\
         spec:\n  interval: {INTERVAL}\n  git:\n    url: {}\n",
        scalar(name),
        scalar(namespace),
        scalar(url)
    );
    if let Some(branch) = branch {
        text.push_str(&format!("    branch: {}\n", scalar(branch)));
    }
    if let Some(path) = path {
        text.push_str(&format!("    paths:\n      - {}\n", scalar(path)));
    }
    text.push_str("  images:\n");
    text
}

/// `own` is the namespace of the automation.
fn native_image(group: &Group, own: &str, indent: usize) -> String {
    let mut text = format!(
        "# {}\n- name: {}\n  image: {}\n",
        group.explanation,
        scalar(&group.name),
        scalar(group.repository.name())
    );
    if group.namespace != own {
        text.push_str(&format!("  namespace: {}\n", scalar(&group.namespace)));
    }
    text.push_str(&indented(&choice(group), 2));
    if group.digest != DigestReflection::Never {
        text.push_str(&format!("  digestReflectionPolicy: {}\n", reflection(group.digest)));
    }
    indented(&text, indent)
}

fn flux(target: &Target) -> String {
    let Target { namespace, name, url, branch, path } = target;
    let (namespace, name, url) = (scalar(namespace), scalar(name), scalar(&flux_url(url)));
    let branch = scalar(branch.as_deref().unwrap_or("main"));
    let (author, email) = (DEFAULT_AUTHOR.name, DEFAULT_AUTHOR.email);
    let path = scalar(&path.as_ref().map_or_else(|| "./".to_owned(), |path| format!("./{path}")));
    format!(
        "# Written by `tagwright mark --flux`, and yours to edit.
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: {name}
  namespace: {namespace}
spec:
  interval: {INTERVAL}
  url: {url}
  ref:
    branch: {branch}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata:
  name: {name}
  namespace: {namespace}
spec:
  interval: {INTERVAL}
  sourceRef:
    kind: GitRepository
    name: {name}
  git:
    checkout:
      ref:
        branch: {branch}
    commit:
      author:
        name: {author}
        email: {email}
    push:
      branch: {branch}
  update:
    strategy: Setters
    path: {path}
"
    )
}

/// Flux knows URLs only: `git@host:path` is `ssh://git@host/path` there.
fn flux_url(url: &str) -> String {
    match url.split_once(':') {
        Some((host, path)) if !url.contains("://") && !host.contains('/') => {
            format!("ssh://{host}/{}", path.trim_start_matches('/'))
        }
        _ => url.to_owned(),
    }
}

fn flux_policy(group: &Group) -> String {
    let (namespace, name) = (scalar(&group.namespace), scalar(&group.name));
    let image = scalar(group.repository.name());
    let mut text = format!(
        "---
# {}
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata:
  name: {name}
  namespace: {namespace}
spec:
  image: {image}
  interval: {INTERVAL}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata:
  name: {name}
  namespace: {namespace}
spec:
  imageRepositoryRef:
    name: {name}
",
        group.explanation
    );
    text.push_str(&indented(&choice(group), 2));
    if group.digest != DigestReflection::Never {
        text.push_str(&format!("  digestReflectionPolicy: {}\n", reflection(group.digest)));
    }
    if group.digest == DigestReflection::Always {
        text.push_str(&format!("  interval: {INTERVAL}\n"));
    }
    text
}

/// `filterTags` and `policy`, which both dialects write alike.
fn choice(group: &Group) -> String {
    let mut text = String::new();
    if let Some(filter) = &group.policy.filter {
        text.push_str(&format!("filterTags:\n  pattern: {}\n", single_quoted(filter.pattern.as_str())));
        if !filter.extract.is_empty() {
            text.push_str(&format!("  extract: {}\n", single_quoted(&filter.extract)));
        }
    }
    let direction = |direction: Direction| if direction == Direction::Ascending { "asc" } else { "desc" };
    text.push_str(&match &group.policy.order {
        Order::Semver(range) => format!("policy:\n  semver:\n    range: {}\n", single_quoted(range.as_str())),
        Order::Numerical(order) => format!("policy:\n  numerical:\n    order: {}\n", direction(*order)),
        Order::Alphabetical(order) => format!("policy:\n  alphabetical:\n    order: {}\n", direction(*order)),
    });
    text
}

fn reflection(digest: DigestReflection) -> &'static str {
    match digest {
        DigestReflection::Never => "Never",
        DigestReflection::IfNotPresent => "IfNotPresent",
        DigestReflection::Always => "Always",
    }
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// A text as a YAML scalar: as it is where nothing can misread it, otherwise in single quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':'));
    let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if starts && safe && !word && !text.ends_with(':') { text.to_owned() } else { single_quoted(text) }
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
