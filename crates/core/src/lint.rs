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

mod field;
mod image;
mod mention;
mod message;
mod policies;
mod scope;
mod siblings;
mod source;
mod trial;
mod usage;

use std::sync::Arc;

use self::scope::Scopes;
use crate::automation::{Automation, ImagePolicy, ObjectName, Origins, Part};
use crate::change::{Code, Location, Severity};
use crate::marker::Embedded;
use crate::plan::MarkedFile;

pub use self::image::unmarked;
pub use self::mention::is_mentioned;
pub use self::policies::configuration;
pub use self::usage::Usage;

/// Something that is wrong, or good to know, at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind of finding.
    pub code: Code,
    /// The place.
    pub location: Location,
    /// One sentence, lower case, no final period.
    pub message: String,
    /// What to change.
    pub hint: Option<String>,
    /// A second place that belongs to it.
    pub related: Option<Related>,
}

/// A second place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub location: Location,
    /// What is there.
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

    /// How grave it is.
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

/// What was found in files.
#[derive(Debug, Default)]
pub struct Checked {
    /// The findings, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// What the markers use.
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
    let embedded = automations.iter().any(|automation| automation.embedded && scope::covers(automation, &path));
    MarkedFile::with(path, bytes, Embedded::everywhere(embedded))
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
        checked.findings.extend(source::unreadable(file));
        return;
    };
    let source = source::Source { file, text };
    checked.findings.extend(source.scanned());
    checked.findings.extend(mention::almost_markers(&source));
    checked.findings.extend(siblings::disagreements(&source));
    match scope {
        None => trial::edit(&source, None, checked),
        Some((scope, scopes)) if scope.is_empty() => {
            checked.findings.extend(scope::not_read(&source, &scopes.rules()));
            trial::edit(&source, None, checked);
        }
        Some((scope, scopes)) => {
            field::check(&source, &scope, scopes, checked);
            trial::edit(&source, Some(&scope), checked);
        }
    }
    checked.findings[first..].sort_by_key(key);
}

/// The order in which findings are shown.
fn key(finding: &Finding) -> (usize, usize, Code) {
    (finding.location.line, finding.location.column, finding.code)
}

/// A path of an automation that does not exist.
#[must_use]
pub fn path_missing(rules: &Rules<'_>, automation: &ObjectName, path: &str) -> Finding {
    let location = rules.origins.of(Part::Path(automation.clone(), path.to_owned()));
    let message = format!("the path {path:?} of automation {automation} does not exist in the repository");
    Finding::new(Code::PathMissing, location, message).hint("paths count from the root of the repository")
}
