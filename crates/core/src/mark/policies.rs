//! Derived policies as documents: native, or Flux's objects.

use super::Group;
use crate::automation::DigestReflection;
use crate::message::DEFAULT_AUTHOR;
use crate::policy::{Direction, Order};

/// How far a new document indents its images.
const IMAGES_INDENT: usize = 4;

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
pub(super) fn native_image(group: &Group, own: &str, indent: usize) -> String {
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

pub(super) fn flux_policy(group: &Group) -> String {
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
        Order::Calver(format) => format!("policy:\n  calver:\n    format: {}\n", single_quoted(format.as_str())),
        Order::Newest => "policy:\n  newest: {}\n".to_owned(),
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
pub(super) fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':'));
    let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if starts && safe && !word && !text.ends_with(':') { text.to_owned() } else { single_quoted(text) }
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
