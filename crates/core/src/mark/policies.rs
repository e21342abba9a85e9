//! Derived policies as documents: native, or Flux's objects.

use super::{Group, Settings};
use crate::automation::DigestReflection;
use crate::import::document::targets;
use crate::message::DEFAULT_AUTHOR;
use crate::policy::{Direction, Order, Policy};
use crate::suggest::{self, Derived, Reason, Suggestion};

/// How far a new document indents its images.
const IMAGES_INDENT: usize = 4;

/// How often registries are polled and the repository is looked at.
pub(crate) const INTERVAL: &str = "5m";

/// Which objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// One `ImageAutomation`.
    #[default]
    Native,
    /// `GitRepository`, `ImageUpdateAutomation`, `ImageRepository`, `ImagePolicy`.
    Flux,
}

/// What fits a tag better than a range of versions or a name, where the dialect can say it: in native documents a date is a calendar
/// version, and what is a hash can be followed by time.
pub(super) fn fitted(suggestion: Suggestion, tag: &str, tags: &[&str], settings: &Settings) -> Suggestion {
    if settings.dialect == Dialect::Flux {
        return suggestion;
    }
    match suggestion {
        Suggestion::Policy(derived) => match suggest::calendar::policy(tag, tags) {
            Some(policy) => Suggestion::Policy(Box::new(Derived {
                policy,
                variant: derived.variant,
                line: String::new(),
                explanation: format!("the latest date from {tag}"),
            })),
            None => Suggestion::Policy(derived),
        },
        Suggestion::NotOrderable(Reason::Hash(_)) if settings.newest => {
            suggest::newest_like(tag).map_or(suggestion, |derived| Suggestion::Policy(Box::new(derived)))
        }
        other => other,
    }
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
        "{}- name: {}\n  image: {}\n",
        comment(&group.explanation),
        scalar(&group.name),
        scalar(group.repository.name())
    );
    if group.namespace != own {
        text.push_str(&format!("  namespace: {}\n", scalar(&group.namespace)));
    }
    text.push_str(&indented(&choice(&group.policy), 2));
    if group.digest != DigestReflection::Never {
        text.push_str(&format!("  digestReflectionPolicy: {}\n", reflection(group.digest)));
    }
    if !group.targeted.is_empty() {
        let targets = group.targeted.iter().map(|it| targets(&it.places, &group.repository));
        text.push_str(&format!("  targets:\n{}", indented(&targets.collect::<String>(), 2)));
    }
    indented(&text, indent)
}

fn flux(target: &Target) -> String {
    let Target { namespace, name, url, branch, path } = target;
    let branch = scalar(branch.as_deref().unwrap_or("main"));
    let objects = FluxObjects {
        namespace: &scalar(namespace),
        name: &scalar(name),
        url: &scalar(&flux_url(url)),
        branch: &branch,
        interval: INTERVAL,
        annotations: "",
        author: (DEFAULT_AUTHOR.name, DEFAULT_AUTHOR.email),
        message: "",
        push: Some(&branch),
        path: &scalar(&path.as_ref().map_or_else(|| "./".to_owned(), |path| format!("./{path}"))),
        selector: "",
    };
    format!("# Written by `tagwright mark --flux`, and yours to edit.\n{}", objects.text())
}

/// A `GitRepository` and an `ImageUpdateAutomation`, their fields as YAML has them.
pub(crate) struct FluxObjects<'t> {
    pub(crate) namespace: &'t str,
    /// Of both.
    pub(crate) name: &'t str,
    pub(crate) url: &'t str,
    pub(crate) branch: &'t str,
    pub(crate) interval: &'t str,
    /// Those of the automation, as lines of its metadata.
    pub(crate) annotations: &'t str,
    pub(crate) author: (&'t str, &'t str),
    /// The template of the message, as lines of `spec.git.commit`.
    pub(crate) message: &'t str,
    /// The branch that is pushed to, where it is said.
    pub(crate) push: Option<&'t str>,
    pub(crate) path: &'t str,
    /// The lines of `policySelector`, with their indent; empty where all policies of the namespace are meant.
    pub(crate) selector: &'t str,
}

impl FluxObjects<'_> {
    pub(crate) fn text(&self) -> String {
        let Self { namespace, name, url, branch, interval, annotations, message, push, path, selector, .. } = self;
        let (author, email) = self.author;
        let push = push.map(|push| format!("    push:\n      branch: {push}\n")).unwrap_or_default();
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: {name}
  namespace: {namespace}
spec:
  interval: {interval}
  url: {url}
  ref:
    branch: {branch}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata:
  name: {name}
  namespace: {namespace}
{annotations}spec:
  interval: {interval}
  sourceRef:
    kind: GitRepository
    name: {name}
{selector}  git:
    checkout:
      ref:
        branch: {branch}
    commit:
      author:
        name: {author}
        email: {email}
{message}{push}  update:
    strategy: Setters
    path: {path}
"
        )
    }
}

/// Flux knows URLs only: `git@host:path` is `ssh://git@host/path` there.
pub(crate) fn flux_url(url: &str) -> String {
    match url.split_once(':') {
        Some((host, path)) if !url.contains("://") && !host.contains('/') => {
            format!("ssh://{host}/{}", path.trim_start_matches('/'))
        }
        _ => url.to_owned(),
    }
}

pub(super) fn flux_policy(group: &Group) -> String {
    let repository = format!("image: {}\ninterval: {INTERVAL}\n", scalar(group.repository.name()));
    let policy = flux_choice(&group.policy, group.digest, INTERVAL);
    let name = (group.namespace.as_str(), group.name.as_str());
    flux_objects(name, &comment(&group.explanation), &repository, ("", &policy))
}

/// Flux's objects of one policy, of which the first begins with a comment; the policy is given with the annotations of its metadata.
pub(crate) fn flux_objects(
    (namespace, name): (&str, &str),
    comment: &str,
    repository: &str,
    (annotations, policy): (&str, &str),
) -> String {
    let (namespace, name) = (scalar(namespace), scalar(name));
    format!(
        "---
{comment}apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata:
  name: {name}
  namespace: {namespace}
spec:
{}---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata:
  name: {name}
  namespace: {namespace}
{annotations}spec:
  imageRepositoryRef:
    name: {name}
{}",
        indented(repository, 2),
        indented(policy, 2)
    )
}

/// How Flux's policy chooses, and when it looks at a digest again.
pub(crate) fn flux_choice(policy: &Policy, digest: DigestReflection, interval: &str) -> String {
    let mut text = choice(policy);
    if digest != DigestReflection::Never {
        text.push_str(&format!("digestReflectionPolicy: {}\n", reflection(digest)));
    }
    if digest == DigestReflection::Always {
        text.push_str(&format!("interval: {interval}\n"));
    }
    text
}

/// `filterTags` and `policy`, which both dialects write alike.
pub(crate) fn choice(policy: &Policy) -> String {
    let mut text = String::new();
    if let Some(filter) = &policy.filter {
        text.push_str(&format!("filterTags:\n  pattern: {}\n", quoted(filter.pattern.as_str())));
        if !filter.extract.is_empty() {
            text.push_str(&format!("  extract: {}\n", quoted(&filter.extract)));
        }
    }
    let direction = |direction: Direction| if direction == Direction::Ascending { "asc" } else { "desc" };
    text.push_str(&match &policy.order {
        Order::Semver(range) => format!("policy:\n  semver:\n    range: {}\n", quoted(range.as_str())),
        Order::Calver(format) => format!("policy:\n  calver:\n    format: {}\n", quoted(format.as_str())),
        Order::Newest => "policy:\n  newest: {}\n".to_owned(),
        Order::Numerical(order) => format!("policy:\n  numerical:\n    order: {}\n", direction(*order)),
        Order::Alphabetical(order) => format!("policy:\n  alphabetical:\n    order: {}\n", direction(*order)),
    });
    text
}

pub(crate) fn reflection(digest: DigestReflection) -> &'static str {
    match digest {
        DigestReflection::Never => "Never",
        DigestReflection::IfNotPresent => "IfNotPresent",
        DigestReflection::Always => "Always",
    }
}

pub(crate) fn indented(text: &str, by: usize) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{:by$}{line}\n", "") };
    text.lines().map(line).collect()
}

/// A text as a YAML scalar on one line: as it is where nothing can misread it, otherwise in quotes.
pub(crate) fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':'));
    let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if starts && safe && !word && !text.ends_with(':') { text.to_owned() } else { quoted(text) }
}

/// A text in quotes, on one line: single ones, and double ones with escapes where it has what a line or a screen cannot show.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().all(is_shown) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_shown(c) => quoted.push(c),
            c => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted + "\""
}

/// Whether a character neither ends a line for some reader of YAML, nor is left out of it, nor turns the text around it.
pub(crate) fn is_shown(c: char) -> bool {
    let ends_lines = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(c.is_control() || ends_lines || turns || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
}

/// What others wrote, as a comment of one line.
pub(crate) fn comment(text: &str) -> String {
    format!("# {}\n", words::escape(text))
}
