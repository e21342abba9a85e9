//! The answer of `import`: the policies it read, and what has no counterpart.

use std::fmt::Write;
use std::path::Path;

use tagwright_core::import::{Import, Left, Settled, document};
use tagwright_core::mark::Edit;
use words::one_line;

use super::mark::{Mode, named};
use crate::wire::import::{Document, Note, Policy};

/// How much of a setting is shown, in characters.
const MAX_SHOWN: usize = 200;

/// Writes one line for each policy, then one for each setting without a counterpart, then a sum.
#[must_use]
pub(crate) fn summary(namespace: &str, found: &Import, settled: &Settled) -> String {
    let mut text = String::new();
    for image in found.automations.iter().flat_map(|it| &it.images) {
        let (name, clause) = (document::policy_name(namespace, image), document::clause(image));
        let at = format!("{}:{}", words::escape(&image.spot.file), image.spot.line);
        let _ = writeln!(text, "{name}: {}, {clause} ({}, {at})", image.repository, image.source);
    }
    for Left { spot, what, why, .. } in &found.left {
        let what = one_line(what, MAX_SHOWN);
        let _ = writeln!(text, "note: {}:{}: {what}: {why}", words::escape(&spot.file), spot.line);
    }
    if found.sources.is_empty() {
        text.push_str(
            "nothing was found that argocd-image-updater, Fleet, Renovate, Updatecli, Keel or Watchtower would read\n",
        );
        return text;
    }
    let from: Vec<String> = found.sources.iter().map(ToString::to_string).collect();
    let policies: usize = found.automations.iter().map(|it| it.images.len()).sum();
    let policies = words::plural(policies, "policy");
    let markers: usize = settled.edits.iter().map(|edit| edit.markers).sum();
    let targets: usize = found.automations.iter().flat_map(|it| &it.images).map(|image| image.places.len()).sum();
    let (markers, targets) = (words::plural(markers, "marker"), words::plural(targets, "target"));
    let left = words::plural(found.left.len(), "note");
    let _ = writeln!(text, "{policies} from {}: {markers}, {targets}, {left}", from.join(", "));
    text
}

/// What became of an import.
#[derive(Debug)]
pub(crate) struct Done<'d> {
    pub(crate) mode: Mode,
    pub(crate) edits: &'d [Edit],
    /// Where the policies go; without it they are printed.
    pub(crate) config: Option<&'d Path>,
    pub(crate) has_policies: bool,
}

impl Done<'_> {
    /// Says what was written, what was not, and what to do next.
    #[must_use]
    pub(crate) fn sentences(&self) -> String {
        if !self.has_policies && self.edits.is_empty() {
            return "nothing to write\n".to_owned();
        }
        let markers = (!self.edits.is_empty()).then(|| format!("markers to {}", named(self.edits)));
        let config = self.config.map(|path| words::escape(&path.display().to_string()));
        let policies = config.as_ref().filter(|_| self.has_policies).map(|path| format!("the policies to {path}"));
        let all: Vec<String> = markers.into_iter().chain(policies).collect();
        let all = all.join(", and ");
        match (self.mode, config) {
            (Mode::Shown, None) if all.is_empty() => {
                "nothing was written; --config FILE --write writes the policies to a file\n".to_owned()
            }
            (Mode::Shown, None) => {
                format!("nothing was written; --write writes {all}, and --config FILE the policies to a file\n")
            }
            (Mode::Shown, Some(_)) => format!("nothing was written; --write writes {all}\n"),
            (Mode::Written, Some(config)) => format!(
                "wrote {all}\nnext: read them, take what was imported away from the other program, commit and push, then `tagwright run \
                 --once --dry-run --config {config}`\n"
            ),
            (Mode::Written, None) if all.is_empty() => {
                "the policies are on stdout, and in no file (--config FILE)\n".to_owned()
            }
            (Mode::Written, None) => {
                format!("wrote {all}; the policies are on stdout, and in no file (--config FILE)\n")
            }
        }
    }
}

impl Document {
    /// Puts the whole answer together.
    #[must_use]
    pub(crate) fn new(
        namespace: &str,
        found: &Import,
        settled: &Settled,
        document: Option<String>,
        mode: Mode,
    ) -> Self {
        let policies = found.automations.iter().flat_map(|automation| {
            automation.images.iter().map(move |image| Policy {
                namespace: namespace.to_owned(),
                name: image.name.clone(),
                image: image.repository.name().to_owned(),
                automation: automation.name.clone(),
                follows: document::clause(image),
                source: image.source.to_string(),
                file: image.spot.file.clone(),
                line: image.spot.line,
                targets: image.places.len(),
            })
        });
        let left = found.left.iter().map(|left| Note {
            file: left.spot.file.clone(),
            line: left.spot.line,
            source: left.source.to_string(),
            setting: left.what.clone(),
            reason: left.why.clone(),
        });
        Self {
            written: mode == Mode::Written,
            policies: policies.collect(),
            notes: left.collect(),
            diff: settled.edits.iter().map(|edit| super::diff::file(&edit.path, &edit.old, &edit.new)).collect(),
            document,
        }
    }
}
