//! The history as Git tells it: from the remotes of the configuration.

use std::path::{Path, PathBuf};

use super::{Answer, Known};
use crate::cli::{run as runs, streams};
use crate::config;
use crate::failure::{Context, Result};
use crate::observe;
use crate::run;
use crate::store::Filter;
use crate::wire::history::{Entry, History, Source};

/// Where the configuration is when it is not said.
const DEFAULT: &str = "policies";

/// The configuration to look at when none was named; none where there is none.
pub(super) fn default_sources(secrets: Option<&PathBuf>) -> Result<Option<config::Sources>> {
    let path = std::env::var_os("TAGWRIGHT_CONFIG").map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from);
    let is_there = path.try_exists().with_context(|| format!("cannot read {}", path.display()))?;
    Ok(is_there.then(|| config::Sources { paths: vec![path], secrets: secrets.cloned(), ..config::Sources::default() }))
}

/// Fetches the remotes of a configuration, and finds what was committed. The mirrors in a folder are used where there are any.
pub(super) async fn tell(sources: &config::Sources, folder: Option<&Path>, filter: &Filter) -> Result<Answer> {
    let configuration = config::load(sources)?;
    let temporary;
    let folder = match folder.filter(|folder| folder.is_dir()) {
        Some(folder) => folder,
        None => {
            temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
            temporary.path()
        }
    };
    let git = git::Git::new(runs::git_settings(folder.to_owned(), None))?;
    run::name_remotes(&git, &configuration.automations);
    let past = observe::past(&git, &configuration.automations, filter).await;
    for error in &past.failures {
        streams::talk(&crate::report::failure_of_run("", error));
    }
    for (url, branch) in &past.cut {
        streams::sentence("note", &format!("{branch} of {url} has older commits, which were not looked at"));
    }
    let entries = past.records.into_iter().map(Entry::from).collect();
    let worst = past.failures.iter().map(run::Error::kind).max();
    let known = Known {
        policies: configuration.policies.iter().map(|policy| policy.id.clone()).collect(),
        automations: configuration.automations.iter().map(|automation| automation.id.clone()).collect(),
    };
    Ok(Answer { history: History { source: Source::Git, entries, next: None }, known: Some(known), worst })
}
