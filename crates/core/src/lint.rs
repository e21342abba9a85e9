//! What is wrong with markers, policies and automations, found before anything is polled or written.
//!
//! A run reports what it stumbles over. This module looks for more: it holds the marked files of a repository against
//! the configuration, and tries on samples what a run would do with real tags.
//!
//! # Which policies a file is checked against
//! Those of every automation whose paths cover the file: an automation of Flux or KubeVela applies the policies of its
//! namespace that its selector matches, a native one those of its own images. A marker is fine when one automation
//! knows its policy. A configuration without automations is checked against all of its policies, and without a
//! configuration only the markers themselves are looked at.
//!
//! # How it is used
//! [`scan`] reads the files in which [`is_mentioned`] finds something. [`files`] checks them, in parts if that is
//! faster, and counts what the markers use ([`Usage`]). When all files have been seen, [`configuration`] says what is
//! wrong with the policies and automations themselves.
//!
//! ```
//! use tagwright_core::lint;
//! use tagwright_core::plan::MarkedFile;
//! let text = "image: app:1.0 # {\"$imagepolicy\": \"default:app:tags\"}\n";
//! let checked = lint::files(&[MarkedFile::new("app.yaml".into(), text.into())], None);
//! let finding = &checked.findings[0];
//! assert_eq!((finding.code.as_str(), finding.location.line), ("TW002", 1));
//! assert_eq!(finding.hint.as_deref(), Some("write `default:app:tag`"));
//! ```

mod digests;
mod field;
mod mention;
mod message;
mod policies;
mod scope;
mod siblings;
mod text;
mod trial;
mod usage;

use std::sync::Arc;

use self::scope::Scopes;
use crate::automation::{Automation, Element, ImagePolicy, ObjectName, Origins};
use crate::change::{Code, Excerpt, Location, Severity};
use crate::inventory::{self, Image, LineEnd};
use crate::marker::grammar::{self, Reading};
use crate::marker::{Embedded, Marking};
use crate::plan::MarkedFile;

pub use self::policies::configuration;
pub use self::usage::Usage;
pub use crate::marker::is_mentioned;

/// Something that is wrong, or good to know, at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind of finding.
    pub code: Code,
    /// The place that is underlined.
    pub location: Location,
    /// One sentence, lower case, no final period.
    pub message: String,
    /// The change that would mend it, as an instruction; none where nothing general can be said.
    pub hint: Option<String>,
    /// A second place that belongs to it.
    pub related: Option<Related>,
}

/// A second place that explains a finding, such as the marker that another one contradicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The place that is underlined.
    pub location: Location,
    /// A few words that stand beside the underline.
    pub label: String,
}

impl Finding {
    /// A finding without hint.
    #[must_use]
    pub fn new(code: Code, location: Location, message: impl Into<String>) -> Self {
        Self { code, location, message: message.into(), hint: None, related: None }
    }

    /// The same with something to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The severity of its code.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// The configuration that files are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The automations that read the repository.
    pub automations: &'a [Arc<Automation>],
    /// All policies, also those that no automation applies.
    pub policies: &'a [Arc<ImagePolicy>],
    /// Where automations and policies are written.
    pub origins: &'a Origins,
}

/// How much of a repository was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// All of it.
    Whole,
    /// A folder of it, so that what is missing may be elsewhere.
    Part,
}

/// The findings in files, and the use that these make of policies.
#[derive(Debug, Default)]
pub struct Checked {
    /// The findings, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// The policies, tags and paths in use, for [`configuration`].
    pub usage: Usage,
}

impl Checked {
    /// Adds what was found in other files.
    pub fn merge(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.usage.merge(other.usage);
    }
}

/// Scans a file as the automations that read it would; its path counts from the root of the repository.
#[must_use]
pub fn scan(path: String, bytes: Vec<u8>, rules: Option<Rules<'_>>) -> MarkedFile {
    let automations = rules.map(|rules| rules.automations).unwrap_or_default();
    let embedded = automations.iter().any(|automation| automation.embedded && automation.reads(&path));
    let targets = automations.iter().flat_map(|automation| automation.targets());
    let targets = targets.filter(|target| target.path == path).cloned().collect();
    MarkedFile::with(path, bytes, Marking { embedded: Embedded::everywhere(embedded), targets })
}

/// Checks marked files; paths count from the root of the repository.
#[must_use]
pub fn files(files: &[MarkedFile], rules: Option<Rules<'_>>) -> Checked {
    let mut scopes = rules.map(Scopes::new);
    let mut checked = Checked::default();
    for file in files {
        file_into(file, scopes.as_mut(), &mut checked);
    }
    checked
}

fn file_into(file: &MarkedFile, scopes: Option<&mut Scopes<'_>>, checked: &mut Checked) {
    let first = checked.findings.len();
    let scope = scopes.map(|scopes| (scopes.of(&file.path), scopes));
    if let Some((scope, _)) = &scope {
        checked.usage.count(file, &scope.automations);
    }
    let Ok(text) = std::str::from_utf8(&file.bytes) else {
        checked.findings.extend(text::unreadable(file));
        return;
    };
    let marked = text::MarkedText { file, text };
    checked.findings.extend(marked.scanned());
    checked.findings.extend(mention::within_values(&marked));
    checked.findings.extend(siblings::disagreements(&marked));
    checked.findings.extend(digests::left_behind(&marked));
    checked.findings.extend(field::variables(&marked));
    checked.findings.extend(field::sealed(&marked));
    match scope {
        None => trial::edit(&marked, None, checked),
        Some((scope, scopes)) if scope.is_empty() => {
            checked.findings.extend(scope::not_read(&marked, &scopes.rules()));
            trial::edit(&marked, None, checked);
        }
        Some((scope, scopes)) => {
            field::check(&marked, &scope, scopes, checked);
            trial::edit(&marked, Some(&scope), checked);
        }
    }
    checked.findings[first..].sort_by_key(key);
}

/// The order in which findings are shown.
fn key(finding: &Finding) -> (usize, usize, Code) {
    (finding.location.line, finding.location.column, finding.code)
}

/// A path of an automation that does not exist.
fn path_missing(rules: &Rules<'_>, automation: &ObjectName, path: &str, usage: &Usage) -> Finding {
    let location = rules.origins.of(Element::Path(automation.clone(), path.to_owned()));
    let message = format!("the path {path:?} of automation {automation} does not exist in the repository");
    let finding = Finding::new(Code::PathMissing, location, message);
    match usage.meant(path) {
        Some(folder) => finding.hint(format!("write `{folder}`, which has markers that no automation follows")),
        None => finding.hint("paths count from the root of the repository"),
    }
}

/// Finds the images of a file that have no marker and could have one.
#[must_use]
pub fn unmarked(path: &str, bytes: &[u8], rules: Option<Rules<'_>>) -> Vec<Finding> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    let inventory = inventory::find(bytes);
    let images = inventory.images.iter().filter(|image| image.marked().is_none() && image.obstacle.is_none());
    // What is wrong with a marker is a finding of its own.
    let images = images.filter(|image| !image.scalars.iter().any(|scalar| has_bad_marker(text, scalar.span.end)));
    images.filter_map(|image| suggestion(path, text, image, rules)).collect()
}

/// Whether the comment behind a value was meant to be a marker.
fn has_bad_marker(text: &str, end: usize) -> bool {
    let tail = text[end..].split(['\n', '\r']).next().unwrap_or_default().trim_end();
    let comment = tail.find('#').map(|at| grammar::read(&tail[at..]));
    matches!(comment, Some(Reading::Malformed(_) | Reading::UnknownField(_)))
}

fn suggestion(path: &str, text: &str, image: &Image, rules: Option<Rules<'_>>) -> Option<Finding> {
    let scalar = image.scalars.first()?;
    let excerpt = Excerpt::of(text, scalar.span.clone());
    let location = Location { file: path.to_owned(), line: scalar.line, column: scalar.column, excerpt };
    let repository = image.repository.as_ref()?;
    let finding =
        Finding::new(Code::UnmarkedImage, location, format!("the image {:?} has no marker", repository.name()));
    let same = |policy: &&Arc<ImagePolicy>| policy.repository.image.canonical() == repository.canonical();
    let policy = rules.and_then(|rules| rules.policies.iter().find(same));
    Some(match (&scalar.line_end, policy) {
        (LineEnd::Taken(taken), _) => finding.hint(taken.to_string()),
        (_, Some(policy)) => finding.hint(format!("policy {:?} is of this image", policy.id.marker())),
        _ => finding.hint("`tagwright mark` derives a policy from its tag and puts the marker there"),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_image_with_a_bad_marker_is_not_unmarked() {
        let count = |comment: &str| {
            super::unmarked("a.yaml", format!("image: ghcr.io/acme/web:1.0.0{comment}\n").as_bytes(), None).len()
        };
        assert_eq!(count(""), 1);
        assert_eq!(count(" # the shop"), 1);
        for bad in ["{\"$imagepolcy\": \"a:b\"}", "{\"$imagepolicy\": \"a:b:tga\"}", "{'$imagepolicy': 'a:b'}"] {
            assert_eq!(count(&format!(" # {bad}")), 0, "{bad}");
        }
    }
}
