//! Checks the remotes that the configuration names, at the commits that a run would read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tagwright_core::automation::Automation;
use tagwright_core::change::Location;
use tagwright_core::inventory;
use tagwright_core::lint::{self, Finding, Rules, View};

use super::{Arguments, Observed};
use crate::cli::streams;
use crate::config::Configuration;
use crate::failure::{Context, Failure, Result};
use crate::observe::{Seen, Survey, Wanted, survey};
use crate::report;
use crate::report::check::Entry;
use crate::run::name_remotes;

/// Files that mention a marker, good or bad.
const MENTIONS: Wanted = Wanted { rule: "mention-3", contains: lint::is_mentioned };

/// These, and files that may name images.
const IMAGES: Wanted = Wanted { rule: "images-3", contains: names_images };

fn names_images(bytes: &[u8]) -> bool {
    lint::is_mentioned(bytes) || inventory::may_name_images(bytes)
}

/// The files of one commit that automations read.
#[derive(Default)]
struct Tree {
    automations: Vec<Arc<Automation>>,
    files: BTreeMap<String, Vec<u8>>,
    findings: BTreeSet<(Location, tagwright_core::change::Code, String)>,
}

pub(super) fn observe(arguments: &Arguments, configuration: &Configuration) -> Result<Observed> {
    let temporary;
    let data_dir = match &arguments.data_dir {
        Some(directory) => directory.clone(),
        None => {
            temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
            temporary.path().to_owned()
        }
    };
    let wanted = if arguments.suggest { IMAGES } else { MENTIONS };
    let surveys = crate::cli::runtime()?.block_on(async {
        let git = git::Git::new(git::Settings::of_machine(data_dir))?;
        name_remotes(&git, &configuration.automations);
        Ok::<_, Failure>(survey(&git, &configuration.automations, wanted).await)
    })?;
    let mut observed = Observed::default();
    for ((url, _), tree) in trees(surveys, &mut observed) {
        check(&url, tree, configuration, arguments, &mut observed);
    }
    Ok(observed)
}

/// Puts together what automations read of the same commit; says what could not be read.
fn trees(surveys: Vec<Survey>, observed: &mut Observed) -> BTreeMap<(String, String), Tree> {
    let mut trees: BTreeMap<(String, String), Tree> = BTreeMap::new();
    let failed = surveys.iter().filter_map(|it| Some((it.seen.as_ref().err()?, vec![it.automation.id.to_string()])));
    streams::talk(&report::causes(failed));
    for Survey { automation, seen } in surveys {
        let Seen { commit, files, missing, diagnostics } = match seen {
            Ok(seen) => seen,
            Err(error) => {
                observed.failed = observed.failed.max(Some(error.kind()));
                continue;
            }
        };
        observed.seen.push((automation.id.clone(), View::Whole));
        observed.missing.extend(missing.into_iter().map(|path| (automation.id.clone(), path)));
        let tree = trees.entry((automation.remote.url.clone(), commit)).or_default();
        tree.automations.push(automation);
        tree.files.extend(files);
        tree.findings.extend(diagnostics.into_iter().map(|it| (Location::file(it.file), it.code, it.message)));
    }
    trees
}

fn check(url: &str, tree: Tree, configuration: &Configuration, arguments: &Arguments, observed: &mut Observed) {
    let rules = Rules { automations: &tree.automations, ..super::rules(configuration) };
    let mut findings: Vec<Finding> =
        tree.findings.into_iter().map(|(location, code, message)| Finding::new(code, location, message)).collect();
    if arguments.suggest {
        findings.extend(tree.files.iter().flat_map(|(path, bytes)| lint::unmarked(path, bytes, Some(rules))));
    }
    let is_target = |path: &str| tree.automations.iter().any(|it| it.target_paths().contains(path));
    let marked = tree.files.into_iter().filter(|(path, bytes)| lint::is_mentioned(bytes) || is_target(path));
    let marked: Vec<_> = marked.map(|(path, bytes)| lint::scan(path, bytes, Some(rules))).collect();
    observed.marked += marked.len();
    let checked = lint::files(&marked, Some(rules));
    findings.extend(checked.findings);
    findings.sort_by(|a, b| (&a.location, a.code).cmp(&(&b.location, b.code)));
    observed.entries.extend(findings.into_iter().map(|finding| Entry { remote: url.to_owned(), finding }));
    observed.usage.merge(checked.usage);
}
