//! The output of `mark`: files, documents, diffs and JSON.

use std::path::Path;

use tagwright_core::mark::policies::{self, Target};
use tagwright_core::mark::{Edit, File, Group, Marking, Origin};

use super::Arguments;
use crate::cli::{Ending, Output, streams};
use crate::failure::{Context, Failure, Result};
use crate::files;
use crate::report::diff;
use crate::report::mark::{self as report, Mode};
use crate::wire::mark::Document;

/// The result of `mark`, ready to be written and printed.
pub(super) struct Delivery<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) files: Vec<File>,
    pub(super) marking: Marking,
    pub(super) edits: Vec<Edit>,
    pub(super) target: Option<Target>,
    /// The text of the file that `--config` names, if it was there.
    pub(super) existing: Option<String>,
}

impl Delivery<'_> {
    /// Writes what is to be written, then prints.
    pub(super) fn deliver(self) -> Result<Ending> {
        let document = self.document()?;
        if self.arguments.write {
            self.write(document.as_deref())?;
        }
        match self.arguments.output {
            Output::Json => self.print_json(document)?,
            Output::Text => self.print_text(document.as_deref())?,
        }
        Ok(Ending::Done)
    }

    /// The policies as they will stand in the file; none when there is nothing to add.
    fn document(&self) -> Result<Option<String>> {
        let groups = || self.marking.groups.iter().filter(|group| group.origin == Origin::Derived);
        let Some(target) = self.target.as_ref().filter(|_| groups().next().is_some()) else { return Ok(None) };
        let dialect = self.arguments.dialect();
        let Some(existing) = &self.existing else { return Ok(Some(policies::document(dialect, target, groups()))) };
        self.extended(existing, groups()).map(Some)
    }

    fn extended<'g>(&self, existing: &str, groups: impl Iterator<Item = &'g Group>) -> Result<String> {
        policies::extended(self.arguments.dialect(), existing, groups).map_err(|error| {
            let path = self.arguments.config.as_deref().unwrap_or(Path::new("")).display().to_string();
            Failure::usage(format!("cannot add policies to {path}: {error}"), "name a file of its own with --config")
        })
    }

    /// The policies come first: a marker without a policy is a finding, a policy without a marker is nothing.
    fn write(&self, document: Option<&str>) -> Result<()> {
        if let (Some(path), Some(document)) = (&self.arguments.config, document) {
            if self.existing.is_some() {
                files::replace(path, "", document.as_bytes())?;
            } else {
                super::make_folder(path)?;
                std::fs::write(path, document).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        for edit in &self.edits {
            files::replace(&self.arguments.directory, &edit.path, &edit.new)?;
        }
        Ok(())
    }

    fn print_text(&self, document: Option<&str>) -> Result<()> {
        streams::talk(&report::summary(&self.files, &self.marking));
        let diff = self.edits.iter().map(|edit| diff::file(&edit.path, &edit.old, &edit.new)).collect::<String>();
        let policies = match (document, &self.arguments.config) {
            (None, _) => String::new(),
            (Some(document), None) => document.to_owned(),
            (Some(document), Some(path)) => {
                let path = path.display().to_string();
                let path = path.trim_start_matches('/');
                match &self.existing {
                    Some(existing) => diff::file(path, existing.as_bytes(), document.as_bytes()),
                    None => diff::new_file(path, document.as_bytes()),
                }
            }
        };
        if document.is_none() && self.target.is_none() && !self.edits.is_empty() {
            streams::talk("the policies are not shown, as no Git remote is known; name it with --git-url");
        }
        match (self.arguments.write, &self.arguments.config) {
            (true, Some(_)) => Ok(()),
            (true, None) => streams::files(&policies),
            (false, _) if diff.is_empty() || policies.is_empty() => streams::files(&format!("{diff}{policies}")),
            (false, Some(_)) => streams::files(&format!("{diff}{policies}")),
            (false, None) => streams::files(&format!("{diff}\n{policies}")),
        }
    }

    fn print_json(self, document: Option<String>) -> Result<()> {
        let mode = if self.arguments.write { Mode::Written } else { Mode::Shown };
        let Self { files, marking, edits, .. } = self;
        streams::json(&Document::new(&files, &marking, &edits, document, mode))
    }
}
