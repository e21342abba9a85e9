//! Where resources are submitted to: a `GitSync` of the configuration, or what flags say.

use std::sync::Arc;

use tagwright_core::freeze::Calendar;
use tagwright_core::submit::GitSync;

use crate::cli::{SourceArguments, name, streams};
use crate::config::{self, Configuration};
use crate::failure::{Failure, Result};

/// The name of a submitter that has none.
const NAME: &str = "submit";

const HEADING: &str = "Where to";

// No documentation of the type: it would become that of the command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct TargetArguments {
    /// The GitSync of the configuration to submit to, NS/NAME or NAME [default: the only one]
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    sync: Option<String>,
    /// The repository of the organisation, where the configuration has the `gitSync` block of Autopilot
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    repo: Option<String>,
    /// Submit to this remote, with the machine's login, and read no configuration
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The branch [default: the remote's default branch]
    #[arg(long, value_name = "BRANCH", requires = "url")]
    branch: Option<String>,
    /// The folder of the repository that all files are in [default: its root]
    #[arg(long, value_name = "FOLDER", requires = "url")]
    path: Option<String>,
    /// A template of Go for the path of each resource from the folder [default: {{ with .Namespace }}{{ . }}/{{ end }}{{ lower
    /// .Kind }}-{{ .Name }}.yaml]
    #[arg(long, value_name = "TEMPLATE", requires = "url")]
    layout: Option<String>,
    /// The name of this submitter, by which it knows its files again, NS/NAME or NAME [default: default/submit]
    #[arg(long, value_name = "NAME", requires = "url")]
    name: Option<String>,
    /// A template of Go for the message of the commit [default: {{ .Summary }}]
    #[arg(long, value_name = "TEMPLATE", requires = "url")]
    message: Option<String>,
}

/// Whether this is what the block of Autopilot stands for, with this repository of its organisation.
fn is_of_autopilot(sync: &GitSync, repo: &str) -> bool {
    let (id, url) = (&sync.automation.id, &sync.automation.remote.url);
    config::is_autopilot(id) && url.rsplit('/').next() == Some(repo)
}

/// Where to submit to.
pub(super) struct Target {
    pub(super) sync: GitSync,
    /// The times in which nothing is written.
    pub(super) calendar: Calendar,
    /// All remotes that the configuration names.
    pub(super) remotes: Vec<String>,
    /// Who is told of it.
    pub(super) notifications: Vec<Arc<notify::Notification>>,
}

impl TargetArguments {
    /// Finds where to submit to, and what else the configuration says of it.
    pub(super) fn find(&self, given: &SourceArguments) -> Result<Target> {
        let configuration = match &self.url {
            Some(url) => {
                let calendar = config::load_calendar(&given.sources().calendars)?;
                Configuration { calendar, ..config::parse("the flags", &self.document(url)?)? }
            }
            None => config::load_about(self.repo.clone(), &given.sources())?,
        };
        let of_automations = configuration.automations.iter().map(|automation| automation.remote.url.clone());
        let of_syncs = configuration.syncs.iter().map(|sync| sync.automation.remote.url.clone());
        let remotes = of_automations.chain(of_syncs).collect();
        let sync = self.choose(&configuration)?;
        Ok(Target { sync, calendar: configuration.calendar, remotes, notifications: configuration.notifications })
    }

    /// The document that says what the flags say, so that one reader checks both.
    fn document(&self, url: &str) -> Result<String> {
        let id = self.name.as_deref().map_or(Ok(None), |text| name::parse(text).map(Some))?;
        let (namespace, name) = id.map_or(("default".to_owned(), NAME.to_owned()), |id| (id.namespace, id.name));
        let mut document = serde_json::json!({
            "apiVersion": "tagwright.dev/v1alpha1",
            "kind": "GitSync",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"url": url},
        });
        let flags = [("branch", &self.branch), ("path", &self.path), ("layout", &self.layout)];
        for (key, value) in flags {
            if let Some(value) = value {
                document["spec"][key] = value.as_str().into();
            }
        }
        if let Some(message) = &self.message {
            document["spec"]["commit"]["message"] = message.as_str().into();
        }
        Ok(document.to_string())
    }

    fn choose(&self, configuration: &Configuration) -> Result<GitSync> {
        let syncs = &configuration.syncs;
        let names = || syncs.iter().map(|sync| sync.automation.id.to_string()).collect::<Vec<_>>().join(", ");
        let wanted = self.sync.as_deref().map(|text| name::parse(text).map(|id| (text, id))).transpose()?;
        let found = match &wanted {
            Some((_, id)) => syncs.iter().find(|sync| sync.automation.id == *id),
            None if syncs.len() < 2 => syncs.first(),
            None => {
                let message = format!("there are several places to submit to: {}", names());
                return Err(Failure::usage(message, "name one with --sync"));
            }
        };
        if let Some(sync) = found {
            // The flag is about Autopilot's block alone; what goes elsewhere was not meant.
            if let Some(repo) = self.repo.as_ref().filter(|repo| !is_of_autopilot(sync, repo)) {
                let message = format!(
                    "--repo {repo} says nothing about the GitSync {}, which is not the `gitSync` block of Autopilot",
                    sync.automation.id
                );
                return Err(Failure::usage(message, "leave --repo out, or name default/autopilot with --sync"));
            }
            return Ok((**sync).clone());
        }
        for notice in &configuration.notices {
            streams::sentence("note", &notice.to_string());
        }
        Err(match wanted {
            Some((text, _)) if !syncs.is_empty() => {
                Failure::missing(format!("there is no GitSync {text}"), format!("there are {}", names()))
            }
            _ => Failure::usage(
                "no GitSync is configured".to_owned(),
                "write a `kind: GitSync`, or say where to with --url, --branch and --path",
            ),
        })
    }
}
