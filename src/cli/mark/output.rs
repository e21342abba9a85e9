//! The output of `mark`: files, documents, diffs and JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use git::LocalCheckout;
use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::mark::extend;
use tagwright_core::mark::policies::{self, Dialect, Target};
use tagwright_core::mark::{Edit, File, Group, Marking, Origin};

use super::{Arguments, Existing};
use crate::cli::{Ending, Output, streams};
use crate::failure::{Context, Failure, Result};
use crate::files;
use crate::report::diff;
use crate::report::mark::{self as report, Done, Mode};
use crate::wire::mark::Document;

/// The result of `mark`, ready to be written and printed.
pub(super) struct Delivery<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) mode: Mode,
    pub(super) checkout: Option<LocalCheckout>,
    pub(super) files: Vec<File>,
    pub(super) marking: Marking,
    pub(super) edits: Vec<Edit>,
    pub(super) target: Option<Target>,
    /// The file that `--config` names, if it was there.
    pub(super) existing: Option<Existing>,
}

/// The policies as they will stand in their file.
struct Policies {
    text: String,
    /// The path that the automation reads from now on, too.
    path: Option<String>,
}

impl Delivery<'_> {
    /// Writes what is to be written, then prints.
    pub(super) fn deliver(mut self) -> Result<Ending> {
        let policies = self.policies()?;
        let unread = self.unread(policies.as_ref());
        // Names in diffs are those from the root of the checkout, where they can be applied.
        let names: Vec<String> = self.edits.iter().map(|edit| self.below_root(&edit.path)).collect();
        if self.mode == Mode::Written {
            self.write(policies.as_ref())?;
        }
        for (edit, name) in self.edits.iter_mut().zip(names) {
            edit.path = name;
        }
        match self.arguments.output {
            Output::Json => self.print_json(policies)?,
            Output::Text => self.print_text(policies.as_ref(), &unread)?,
        }
        Ok(Ending::Done)
    }

    /// None when there is nothing to write into the file.
    fn policies(&self) -> Result<Option<Policies>> {
        let groups = || self.marking.groups.iter().filter(|group| group.origin == Origin::Derived);
        let is_new = groups().next().is_some();
        let dialect = self.arguments.dialect();
        let Some(existing) = &self.existing else {
            let target = self.target.as_ref().filter(|_| is_new);
            return Ok(
                target.map(|target| Policies { text: policies::document(dialect, target, groups()), path: None })
            );
        };
        let folder = self.target.as_ref().and_then(|target| target.path.as_deref());
        let wider = folder.filter(|_| dialect == Dialect::Native && self.is_short_of_a_path());
        let wider = wider.and_then(|path| Some((path.to_owned(), extend::with_path(&existing.text, path).ok()?)));
        let (path, text) = match wider {
            Some((path, text)) => (Some(path), text),
            None if !is_new => return Ok(None),
            None => (None, existing.text.clone()),
        };
        let text = if is_new { self.extended(&text, groups())? } else { text };
        Ok(Some(Policies { text, path }))
    }

    fn extended<'g>(&self, existing: &str, groups: impl Iterator<Item = &'g Group>) -> Result<String> {
        extend::extended(self.arguments.dialect(), existing, groups).map_err(|error| {
            let path = self.arguments.config.as_deref().unwrap_or(Path::new("")).display().to_string();
            Failure::usage(format!("cannot add policies to {path}: {error}"), "name a file of its own with --config")
        })
    }

    /// Whether the last automation of the file, the one that can be extended, is why a marked file would not be read.
    fn is_short_of_a_path(&self) -> bool {
        let last = self.existing.as_ref().and_then(|existing| existing.automations().last());
        last.is_some_and(|last| self.reach().any(|(_, applying)| applying.len() == 1 && applying[0].id == last.id))
    }

    /// The files with new markers that no automation reads which has their policies, and these automations.
    fn reach(&self) -> impl Iterator<Item = (String, Vec<&Automation>)> {
        let automations = self.existing.as_ref().map(Existing::automations).unwrap_or_default();
        let last = automations.last().map(|last| &last.id);
        let dialect = self.arguments.dialect();
        let applies = move |automation: &Automation, group: &Group| match (group.origin, dialect) {
            (Origin::Known, _) => {
                let named = |id: &ObjectName| (&id.namespace, &id.name) == (&group.namespace, &group.name);
                automation.policies.iter().any(|policy| named(&policy.id))
            }
            (Origin::Derived, Dialect::Native) => Some(&automation.id) == last,
            (Origin::Derived, Dialect::Flux) => automation.id.namespace == group.namespace,
        };
        let members = self.marking.groups.iter().flat_map(|group| group.members.iter().map(move |it| (group, it.file)));
        members.filter_map(move |(group, file)| {
            let applying: Vec<&Automation> =
                automations.iter().map(|it| &**it).filter(|automation| applies(automation, group)).collect();
            let path = self.below_root(&self.files[file].path);
            let unread = !applying.is_empty() && !applying.iter().any(|automation| automation.reads(&path));
            unread.then_some((path, applying))
        })
    }

    /// What is still not read when the policies are written, in one sentence for each automation.
    fn unread(&self, policies: Option<&Policies>) -> Vec<String> {
        let widened = policies.is_some_and(|policies| policies.path.is_some());
        let last = self.existing.as_ref().and_then(|existing| existing.automations().last());
        // Each file once, although several policies may be in it.
        let mut unread: BTreeMap<&ObjectName, (&[String], BTreeSet<String>)> = BTreeMap::new();
        for (path, applying) in self.reach() {
            let Some(automation) = applying.first() else { continue };
            if !(widened && last.is_some_and(|last| last.id == automation.id)) {
                unread.entry(&automation.id).or_insert_with(|| (&automation.paths, BTreeSet::new())).1.insert(path);
            }
        }
        let sentence = |(id, (paths, files)): (&ObjectName, (&[String], BTreeSet<String>))| {
            let first = files.first().map(String::as_str).unwrap_or_default();
            let (more, it) = match files.len() {
                1 => (String::new(), "it"),
                count => (format!(" and {} more", count - 1), "them"),
            };
            let paths = paths.join(", ");
            format!("{id} reads {paths} only, so that the markers in {first}{more} do nothing; add {it} to its paths")
        };
        unread.into_iter().map(sentence).collect()
    }

    /// The path of a file below the folder to mark, from the root of the checkout that it is in.
    fn below_root(&self, path: &str) -> String {
        match &self.checkout {
            // The checkout's path is that of the file itself.
            Some(checkout) if self.arguments.directory.is_file() => checkout.path.clone(),
            Some(checkout) if !checkout.path.is_empty() => format!("{}/{path}", checkout.path),
            _ => path.to_owned(),
        }
    }

    /// The policies come first: a marker without a policy is a finding, a policy without a marker is nothing.
    fn write(&self, policies: Option<&Policies>) -> Result<()> {
        if let (Some(path), Some(policies)) = (&self.arguments.config, policies) {
            if self.existing.is_some() {
                files::replace(path, "", policies.text.as_bytes())?;
            } else {
                super::make_folder(path)?;
                std::fs::write(path, &policies.text).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        for edit in &self.edits {
            files::replace(&self.arguments.directory, &edit.path, &edit.new)?;
        }
        Ok(())
    }

    fn print_text(&self, policies: Option<&Policies>, unread: &[String]) -> Result<()> {
        streams::talk(&report::summary(&self.files, &self.marking));
        if policies.is_none() && self.target.is_none() && !self.edits.is_empty() {
            streams::talk("the policies are not shown, as no Git remote is known; name it with --git-url");
        }
        unread.iter().for_each(|sentence| streams::sentence("warning", sentence));
        let diff = || self.edits.iter().map(|edit| diff::file(&edit.path, &edit.old, &edit.new)).collect::<String>();
        match (self.mode, &self.arguments.config) {
            (Mode::Written, Some(_)) => {}
            (Mode::Written, None) => streams::files(policies.map_or("", |policies| &policies.text))?,
            (Mode::Shown, config) => streams::files(&shown(diff(), self.show(policies, config.as_deref())))?,
        }
        let done = Done {
            mode: self.mode,
            edits: &self.edits,
            config: self.arguments.config.as_deref(),
            has_policies: policies.is_some(),
            path: policies.and_then(|policies| policies.path.as_deref()),
        };
        streams::talk(&done.sentences());
        Ok(())
    }

    /// The policies: as a diff where that can be applied with the one of the markers, otherwise as they will be.
    fn show(&self, policies: Option<&Policies>, config: Option<&Path>) -> Shown {
        let Some(policies) = policies else { return Shown::Nothing };
        let place =
            config.zip(self.checkout.as_ref()).and_then(|(path, checkout)| policies_from_root(&checkout.root, path));
        match (place, &self.existing) {
            (Some(path), Some(existing)) => {
                Shown::Diff(diff::file(&path, existing.text.as_bytes(), policies.text.as_bytes()))
            }
            (Some(path), None) => Shown::Diff(diff::new_file(&path, policies.text.as_bytes())),
            (None, _) => Shown::Text(policies.text.clone()),
        }
    }

    fn print_json(self, policies: Option<Policies>) -> Result<()> {
        let Self { mode, files, marking, edits, .. } = self;
        streams::json(&Document::new(&files, &marking, &edits, policies.map(|policies| policies.text), mode))
    }
}

/// The path of the policies from the root of the checkout; none where they are elsewhere.
pub(in crate::cli) fn policies_from_root(root: &Path, path: &Path) -> Option<String> {
    let below = canonical(path)?.strip_prefix(root).ok()?.to_owned();
    let parts = below.components().filter_map(|part| match part {
        Component::Normal(part) => part.to_str(),
        _ => None,
    });
    Some(parts.collect::<Vec<_>>().join("/"))
}

/// The policies as they are printed.
pub(in crate::cli) enum Shown {
    Nothing,
    Diff(String),
    Text(String),
}

/// The markers, and behind them the policies.
pub(in crate::cli) fn shown(diff: String, policies: Shown) -> String {
    match policies {
        Shown::Nothing => diff,
        Shown::Diff(policies) => diff + &policies,
        Shown::Text(policies) if diff.is_empty() => policies,
        Shown::Text(policies) => format!("{diff}\n{policies}"),
    }
}

/// The canonical path of a file that may not be there yet, nor some of the folders above it.
fn canonical(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let there = absolute.ancestors().find(|path| path.exists())?;
    let rest = absolute.strip_prefix(there).ok()?;
    // A trailing slash would name a folder.
    let there = there.canonicalize().ok()?;
    Some(if rest.as_os_str().is_empty() { there } else { there.join(rest) })
}
