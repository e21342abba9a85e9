//! Where the fields of a policy are: a directory, or the remotes of its automations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{Digest, Reference, Repository, Tag};
use jiff::Timestamp;
use tagwright_core::automation::{Automation, ImagePolicy};
use tagwright_core::change::{Change, Code, ObjectIdentity};
use tagwright_core::difference::Difference;
use tagwright_core::edit::Selection;
use tagwright_core::explain::{self, Fields};
use tagwright_core::guard::Newer;
use tagwright_core::marker;
use tagwright_core::plan::{self, Guards, MarkedFile};

use crate::config::Configuration;
use crate::failure::Kind;
use crate::failure::{Context, Result};
use crate::observe::{self, Digests};
use crate::report::explain::AutomationFields;
use crate::store::{Pushes, Switches};
use crate::{files, run};

/// The selection of a policy, with everything that it takes to find its digest.
pub(super) struct Selected<'s> {
    pub(super) policy: &'s ImagePolicy,
    pub(super) repository: &'s Repository,
    pub(super) client: &'s registry::Client,
    /// Or why nothing is selected.
    pub(super) tag: Result<String, String>,
    /// Its digest, where the policy has to know it to select it.
    pub(super) digest: Option<Digest>,
    /// The listed tags that rank equal to it.
    pub(super) as_good: Vec<String>,
    /// The tags that came after it, where that is the order.
    pub(super) newer: Vec<String>,
    /// The orders that people gave the bot.
    pub(super) switches: Switches,
    /// What the bot has pushed.
    pub(super) pushes: Pushes,
    pub(super) now: Timestamp,
}

impl Selected<'_> {
    /// The selection for fields in these files.
    async fn selection(&self, files: &[MarkedFile]) -> Selection {
        match self.tag.as_deref().map(Tag::parse) {
            Ok(Ok(tag)) => {
                let listed =
                    Reference { repository: self.repository.clone(), tag: Some(tag), digest: self.digest.clone() };
                let own = (&listed, self.as_good.as_slice());
                match observe::tags_behind(self.client, &mut Digests::default(), self.policy, files, own).await {
                    Ok(behind) => {
                        let selected = plan::in_use(files, &self.name(), &listed, &self.as_good, &behind);
                        observe::reflected(self.client, self.policy, selected, files).await
                    }
                    Err(reason) => Selection::NoSelection(reason),
                }
            }
            Ok(Err(error)) => Selection::NoSelection(error.to_string()),
            Err(reason) => Selection::NoSelection(reason.clone()),
        }
    }

    /// The fields in files of a directory, as the automation that reads them would write them; or nobody.
    async fn fields(&self, files: &[MarkedFile], automation: Option<&Automation>) -> Fields {
        let selection = self.selection(files).await;
        let guards =
            automation.map_or_else(Guards::default, |automation| run::guards(automation, &self.switches, self.now));
        let guards = Guards { newer: self.newer(), ..guards };
        let mut fields = explain::fields(files, &self.name(), &selection, &guards);
        self.describe(&mut fields, &selection).await;
        match automation {
            Some(automation) => self.suspended(fields, automation),
            None => fields,
        }
    }

    /// The fields in a remote as its automation would write them, and the branch that they are on.
    async fn remote_fields(&self, git: &git::Git, automation: &Automation) -> Result<(String, Fields), run::Error> {
        let inspected = observe::inspect(git, automation).await?;
        let (name, selection) = (self.name(), self.selection(&inspected.files).await);
        let selections = [(name.as_str(), selection.clone())].into_iter().collect();
        let guards =
            inspected.guards((&selections, self.newer()), self.pushes.clone(), &self.switches, self.now).await?;
        let mut fields = explain::fields(&inspected.files, &name, &selection, &guards);
        self.describe(&mut fields, &selection).await;
        let missing = inspected.diagnostics.iter().filter(|it| it.code == Code::PathMissing);
        fields.diagnostics.splice(0..0, missing.cloned());
        Ok((inspected.branch().to_owned(), self.suspended(fields, automation)))
    }

    /// Says of fields that change what changes in their image.
    async fn describe(&self, fields: &mut Fields, selection: &Selection) {
        let Selection::Selected(selected) = selection else { return };
        if self.repository.canonical() != self.policy.repository.image.canonical() {
            return;
        }
        let changing = fields.fields.iter_mut().filter(|field| field.why.is_none());
        let mut changing: Vec<(Change, &mut explain::Field)> = changing
            .filter_map(|field| {
                let (file, old, setter) = (field.file.clone(), field.old.clone(), field.setter.clone());
                let new = field.new.clone().filter(|new| *new != old)?;
                Some((Change { file, line: field.line, object: ObjectIdentity::default(), old, new, setter }, field))
            })
            .collect();
        let repository = &*self.policy.repository;
        let told: Vec<_> = changing.iter().map(|(change, _)| (change, repository, selected)).collect();
        let differences = Box::pin(observe::differences(self.client, told)).await;
        for (change, field) in &mut changing {
            let key = (change.setter.clone(), change.old.clone(), change.new.clone());
            field.details = differences.get(&key).map(Difference::details).unwrap_or_default();
        }
    }

    fn newer(&self) -> Newer {
        [(self.name(), self.newer.clone())].into()
    }

    /// The policy, as markers name it.
    fn name(&self) -> String {
        self.policy.id.marker()
    }

    fn suspended(&self, fields: Fields, automation: &Automation) -> Fields {
        match run::suspended(automation, &self.switches) {
            Some(why) => fields.held(&why),
            None => fields,
        }
    }
}

/// The fields that were found, and the gravest failure on the way to them.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) places: Vec<AutomationFields>,
    /// The gravest of what failed.
    pub(super) worst: Option<Kind>,
}

/// The automations that have a policy in scope.
fn automations<'c>(configuration: &'c Configuration, policy: &ImagePolicy) -> Vec<&'c Arc<Automation>> {
    let has = |automation: &&Arc<Automation>| automation.policies.iter().any(|known| known.id == policy.id);
    configuration.automations.iter().filter(has).collect()
}

/// Looks at a checkout: what each automation would do to it, and what none of them looks at.
pub(super) async fn directory(
    directory: &Path,
    configuration: &Configuration,
    selected: &Selected<'_>,
) -> Result<Looked> {
    let search = files::Search { is_candidate: marker::is_candidate_path, contains: marker::contains_token };
    let found = files::search(directory, search)?.files;
    let automations = automations(configuration, selected.policy);
    let shown = directory.display();
    let mut places = Vec::new();
    for automation in &automations {
        let paths = &automation.paths;
        let mut files: BTreeMap<String, Vec<u8>> =
            found.iter().filter(|(path, _)| is_within(path, paths)).cloned().collect();
        let targets = automation.target_paths().into_iter().map(str::to_owned);
        files.extend(targets.filter_map(|path| files::read_one(directory, &path).map(|bytes| (path, bytes))));
        let read = |(path, bytes): (String, Vec<u8>)| {
            let marking = automation.marking(&path);
            MarkedFile::with(path, bytes, marking)
        };
        let files: Vec<_> = files.into_iter().map(read).collect();
        let fields = selected.fields(&files, Some(automation)).await;
        let title = format!("{} in {shown}{}", automation.id, below(paths));
        places.push(AutomationFields { automation: automation.id.to_string(), title, fields, error: None });
    }
    let outside = |path: &str| !automations.iter().any(|automation| automation.reads(path));
    let rest = found.into_iter().filter(|(path, _)| outside(path));
    let rest: Vec<_> = rest.map(|(path, bytes)| MarkedFile::new(path, bytes)).collect();
    let why = match automations.len() {
        0 => "no automation has the policy in scope",
        _ => "the file is not in the paths of an automation that has the policy in scope",
    };
    let fields = selected.fields(&rest, None).await.held(why);
    if automations.is_empty() || !fields.fields.is_empty() || !fields.diagnostics.is_empty() {
        let title = if automations.is_empty() { format!("in {shown}") } else { format!("elsewhere in {shown}") };
        places.push(AutomationFields { automation: String::new(), title, fields, error: None });
    }
    Ok(Looked { places, worst: None })
}

/// Fetches the remotes of the automations and looks at what they would plan on.
pub(super) async fn remotes(
    data_dir: Option<PathBuf>,
    configuration: &Configuration,
    selected: &Selected<'_>,
) -> Result<Looked> {
    let temporary;
    let data_dir = match data_dir {
        Some(directory) => directory,
        None => {
            temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
            temporary.path().to_owned()
        }
    };
    let git = git::Git::new(crate::cli::run::git_settings(data_dir, None))?;
    crate::run::name_remotes(&git, &configuration.automations);
    let mut looked = Looked::default();
    for automation in automations(configuration, selected.policy) {
        let url = &automation.remote.url;
        let below = below(&automation.paths);
        let id = automation.id.to_string();
        looked.places.push(match selected.remote_fields(&git, automation).await {
            Ok((branch, fields)) => AutomationFields {
                title: format!("{id} on {branch} of {url}{below}"),
                automation: id,
                fields,
                error: None,
            },
            Err(error) => {
                looked.worst = looked.worst.max(Some(error.kind()));
                let error = Some(error.chain());
                AutomationFields {
                    title: format!("{id} in {url}{below}"),
                    automation: id,
                    fields: Fields::default(),
                    error,
                }
            }
        });
    }
    if looked.places.is_empty() {
        let title = "no automation has the policy in scope".to_owned();
        looked.places.push(AutomationFields {
            automation: String::new(),
            title,
            fields: Fields::default(),
            error: None,
        });
    }
    Ok(looked)
}

fn below(paths: &[String]) -> String {
    if paths.is_empty() { String::new() } else { format!(" below {}", paths.join(", ")) }
}

/// Whether a file lies in one of the paths; no paths are everything.
fn is_within(file: &str, paths: &[String]) -> bool {
    let lies =
        |path: &String| file.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    paths.is_empty() || paths.iter().any(|path| path.is_empty() || lies(path))
}
