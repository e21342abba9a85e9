//! What a change of a checkout would have updated: `--diff-from`.
//!
//! Both sides are planned as a run would plan them, the checkout as it is and the commit that it is compared with, each with its own
//! configuration and with what the registries list now. What only the checkout comes to is what its changes bring about: markers
//! that are new, policies that select something else, files that have moved into an automation's paths. An update that would come
//! anyway is no news.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tagwright_core::automation::Automation;
use tagwright_core::change::{Change, Code, Excerpt, Location};
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::lint::{self, Finding};
use tagwright_core::marker::{self, Embedded};
use tagwright_core::plan::{self, MarkedFile};

use super::directory::{self, Site};
use super::{Arguments, config_paths};
use crate::config::{self, Configuration, Purpose, Sources};
use crate::failure::{Context as _, Result};
use crate::files;
use crate::observe::{self, Digests, Polls};
use crate::report::check::Entry;
use crate::run::{self, Edges, Kind, Memory, Mode};
use crate::store::Store;

/// What a change brings about.
#[derive(Default)]
pub(super) struct Updates {
    /// One for each field, as a note.
    pub(super) entries: Vec<Entry>,
    /// The gravest failure of a registry.
    pub(super) failed: Option<Kind>,
}

/// What a field would become.
struct Update {
    change: Change,
    location: Location,
}

/// What tells an update of one side from those of the other: where a field stands in its file may differ.
type Key = (String, String, String, String);

impl Update {
    fn key(&self) -> Key {
        let Change { file, setter, old, new, .. } = &self.change;
        (file.clone(), setter.clone(), old.clone(), new.clone())
    }
}

/// Finds what the checkout would update, and the commit would not.
pub(super) fn updates(arguments: &Arguments, revision: &str, configuration: &Configuration) -> Result<Updates> {
    let folder = directory::directory(arguments);
    let site = directory::site(folder.clone(), Some(configuration));
    let before = tempfile::tempdir().context("cannot make a temporary directory")?;
    let root = git::export(&folder, revision, before.path(), marker::is_candidate_path)?;
    let earlier = earlier(arguments, &root, before.path())?;
    let new = files::search(&folder, MARKED)?.files;
    let new = new.into_iter().map(|(path, bytes)| (site.path(&path), bytes)).collect();
    let old = files::search(before.path(), MARKED)?.files;
    crate::cli::runtime()?.block_on(Box::pin(compare(&site, new, earlier, old)))
}

const MARKED: files::Search = files::Search { is_candidate: marker::is_candidate_path, contains: lint::is_mentioned };

/// The configuration as it was: that of the commit where it is in the checkout, and otherwise the same.
fn earlier(arguments: &Arguments, root: &Path, before: &Path) -> Result<Vec<Arc<Automation>>> {
    let then = |path: PathBuf| match path.canonicalize() {
        Ok(whole) => whole.strip_prefix(root).map(|below| before.join(below)).unwrap_or(path),
        Err(_) => path,
    };
    let paths: Vec<PathBuf> = config_paths(arguments).into_iter().map(then).filter(|path| path.exists()).collect();
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let sources = Sources { paths, secrets: arguments.secrets.clone(), ..Sources::default() };
    match config::load_for(Purpose::Files, &sources) {
        Ok(configuration) => Ok(configuration.automations),
        // What it was is no concern of the change; then all that is updated is new.
        Err(_) => {
            let note = "the configuration of the commit that is compared with cannot be read, so that every update counts as new";
            crate::cli::streams::sentence("note", note);
            Ok(Vec::new())
        }
    }
}

/// Files with their paths from the root of the repository.
type Files = Vec<(String, Vec<u8>)>;

async fn compare(site: &Site, new: Files, earlier: Vec<Arc<Automation>>, old: Files) -> Result<Updates> {
    let urls: BTreeSet<&str> = site.automations.iter().map(|automation| automation.remote.url.as_str()).collect();
    let earlier: Vec<Arc<Automation>> =
        earlier.into_iter().filter(|automation| urls.contains(automation.remote.url.as_str())).collect();
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let edges = Edges {
        registry: registry::Client::new(crate::cli::run::registry_settings(&[])?)?,
        git: git::Git::new(crate::cli::run::git_settings(scratch.path().to_owned(), None))?,
        forges: forge::Forges::default(),
        store: Store::in_memory(),
    };
    let memory = Memory::default();
    let (mode, now) = (Mode::DryRun, jiff::Timestamp::now());
    let context = run::Context { edges: &edges, memory: &memory, mode, now, summarise: false, gate: None };
    let ours = observe::poll_all(context, &site.automations).await;
    let theirs = observe::poll_all(context, &earlier).await;
    for failure in &ours.failures {
        crate::cli::streams::sentence("error", &failure.chain());
    }
    let mut known: BTreeMap<Key, usize> = BTreeMap::new();
    for update in planned(&edges.registry, &earlier, &theirs.polls, &old).await {
        *known.entry(update.key()).or_default() += 1;
    }
    let is_new = |update: &Update| match known.get_mut(&update.key()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    let updates = planned(&edges.registry, &site.automations, &ours.polls, &new).await.into_iter().filter(is_new);
    let entries = updates.map(|update| site.entry(finding(update))).collect();
    Ok(Updates { entries, failed: ours.failures.iter().map(run::Error::kind).max() })
}

fn finding(Update { change, location }: Update) -> Finding {
    let message = format!("{} would write {} in place of {}", change.policy(), change.new, change.old);
    Finding::new(Code::WouldUpdate, location, words::lines(&message))
}

/// What automations would write to files; a file that several of them read counts once for each.
async fn planned(
    client: &registry::Client,
    automations: &[Arc<Automation>],
    polls: &Polls,
    files: &Files,
) -> Vec<Update> {
    let mut updates = Vec::new();
    for automation in automations {
        let embedded = Embedded::everywhere(automation.embedded);
        let read = files.iter().filter(|(path, _)| automation.reads(path));
        let marked: Vec<MarkedFile> =
            read.map(|(path, bytes)| MarkedFile::with(path.clone(), bytes.clone(), embedded)).collect();
        let selected = polls.selected(automation);
        let mut selections = Selections::new();
        for policy in &automation.policies {
            let name = policy.id.marker();
            let selection = match selected.get(&policy.id) {
                Some(Ok(reference)) => {
                    let own = (reference, polls.as_good(policy));
                    match observe::tags_behind(client, &mut Digests::default(), policy, &marked, own).await {
                        Ok(behind) => {
                            let reference = plan::in_use(&marked, &name, reference, own.1, &behind);
                            selections.tell_tags(&name, behind);
                            observe::reflected(client, policy, reference, &marked).await
                        }
                        Err(reason) => Selection::NoSelection(reason),
                    }
                }
                Some(Err(lack)) => Selection::NoSelection(lack.to_string()),
                None => Selection::Open,
            };
            selections.insert(name, selection);
        }
        let guards = plan::Guards { policies: &automation.policies, ..plan::Guards::default() };
        let plan = plan::guarded(&marked, &selections, &guards);
        updates
            .extend(plan.changes().map(|change| Update { change: change.clone(), location: place(change, &marked) }));
    }
    updates
}

/// The value that a change is about.
fn place(change: &Change, files: &[MarkedFile]) -> Location {
    let located = files.iter().find(|file| file.path == change.file).and_then(|file| {
        let is_it = |marker: &&marker::Marker| marker.line == change.line && marker.setter == change.setter;
        let marker = file.scan.markers.iter().find(is_it)?;
        let text = std::str::from_utf8(&file.bytes).ok()?;
        let excerpt = Excerpt::of(text, marker.span.clone());
        Some(Location { file: change.file.clone(), line: marker.line, column: marker.column, excerpt })
    });
    located.unwrap_or_else(|| Location::file(&change.file))
}
