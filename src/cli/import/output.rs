//! The output of `import`: files, documents, diffs and JSON.

use std::path::Path;

use tagwright_core::import::{Import, Settled};

use super::Arguments;
use crate::cli::mark::output::{Shown, policies_from_root, shown};
use crate::cli::{Output, mark, streams};
use crate::failure::{Context, Result};
use crate::files;
use crate::imports::Checkout;
use crate::report::diff;
use crate::report::import::{Done, summary};
use crate::report::mark::Mode;
use crate::wire::import::Document;

/// What was read, ready to be written and printed.
pub(super) struct Delivery<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) mode: Mode,
    pub(super) place: &'a Checkout,
    pub(super) found: Import,
    pub(super) settled: Settled,
    /// None where there is nothing to write, or no remote is known.
    pub(super) document: Option<String>,
}

impl Delivery<'_> {
    /// Writes what is to be written, then prints.
    pub(super) fn deliver(self) -> Result<()> {
        if self.mode == Mode::Written {
            self.write()?;
        }
        match self.arguments.output {
            Output::Json => {
                let Self { arguments, mode, found, settled, document, .. } = self;
                streams::json(&Document::new(&arguments.namespace, &found, &settled, document, mode))
            }
            Output::Text => self.print(),
        }
    }

    /// The policies come first: a marker without a policy is a finding, a policy without a marker is nothing.
    fn write(&self) -> Result<()> {
        if let (Some(path), Some(document)) = (&self.arguments.config, &self.document) {
            mark::make_folder(path)?;
            std::fs::write(path, document).with_context(|| format!("cannot write {}", path.display()))?;
        }
        for edit in &self.settled.edits {
            files::replace(&self.place.root, &edit.path, &edit.new)?;
        }
        Ok(())
    }

    fn print(&self) -> Result<()> {
        streams::talk(&summary(&self.arguments.namespace, &self.found, &self.settled));
        if self.document.is_none() && !self.found.automations.is_empty() {
            streams::talk("the policies are not shown, as no Git remote is known; name it with --git-url");
        }
        let edits = &self.settled.edits;
        let diff = || edits.iter().map(|edit| diff::file(&edit.path, &edit.old, &edit.new)).collect::<String>();
        match (self.mode, &self.arguments.config) {
            (Mode::Written, Some(_)) => {}
            (Mode::Written, None) => streams::files(self.document.as_deref().unwrap_or_default())?,
            (Mode::Shown, config) => streams::files(&shown(diff(), self.show(config.as_deref())))?,
        }
        let done = Done {
            mode: self.mode,
            edits,
            config: self.arguments.config.as_deref(),
            has_policies: self.document.is_some(),
        };
        streams::talk(&done.sentences());
        Ok(())
    }

    /// The policies: as a diff where that can be applied with the one of the markers, otherwise as they will be.
    fn show(&self, config: Option<&Path>) -> Shown {
        let Some(document) = &self.document else { return Shown::Nothing };
        let root = self.place.git.as_ref().map(|git| git.root.as_path());
        match config.zip(root).and_then(|(path, root)| policies_from_root(root, path)) {
            Some(path) => Shown::Diff(diff::new_file(&path, document.as_bytes())),
            None => Shown::Text(document.clone()),
        }
    }
}
