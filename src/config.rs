//! Reads configuration: YAML documents become checked [`Automation`]s.
//!
//! There are three ways of writing, and one model:
//! - **native**: `tagwright.dev/v1alpha1 ImageAutomation`, one document that says it all;
//! - **Flux**: `GitRepository`, `ImageRepository`, `ImagePolicy`, `ImageUpdateAutomation` (v1, v1beta2, v1beta1);
//! - **KubeVela**: `core.oam.dev/v1beta1 Application` with components of type `kustomize` that have an `imageRepository`.
//!
//! `GitSync` says where resources are submitted to, and so does the block `gitSync` of Autopilot's configuration.
//! `Secret`, `ServiceAccount` and `Namespace` documents help these. Documents of other kinds are passed over with a notice.
//!
//! # From text to automations
//! `source` finds and reads files, `yaml` makes trees whose nodes know their place, `document` sorts them by kind. The
//! three faces (`native`, `flux`, `kubevela`) check each value where it stands and put all into `raw` objects; `policies`
//! and `automations` resolve what these refer to. Reading never stops at the first problem: an [`Error`] holds all of
//! them, each with file, line, column, the line itself and a hint.
//!
//! # Rules
//! - A namespace that is not given is `default`. Policies are named `namespace:name` in markers, however they are
//!   written, and no two may have one name.
//! - An automation of Flux or KubeVela applies the policies of its namespace (that its selector matches), however these
//!   are written. A native automation applies those of its own images alone.
//! - An unknown field is an error. Fields that only concern other controllers are accepted; where a user may expect an
//!   effect there is a notice.
//! - A field that is null counts as absent. A single value is good for a text whatever its look: `range: 1.10` is `1.10`.
//! - A timeout is at least a second; that of a poll is by default its interval, that of a Git remote a minute.
//! - What refers to a secret that does not exist is an error; a Git repository that nothing uses is not looked at.
//!
//! ```
//! let configuration = tagwright::config::parse("shop.yaml", "
//! apiVersion: tagwright.dev/v1alpha1
//! kind: ImageAutomation
//! metadata: {name: shop}
//! spec:
//!   git: {url: https://git.example.com/acme/config.git}
//!   images:
//!     - name: podinfo
//!       image: ghcr.io/stefanprodan/podinfo
//!       policy: {semver: {range: 6.x}}
//! ")?;
//! assert_eq!(configuration.automations[0].policies[0].id.to_string(), "default/podinfo");
//! # Ok::<(), tagwright::config::Error>(())
//! ```

mod alike;
mod automations;
mod checkout;
mod credentials;
mod decode;
mod document;
mod field_path;
mod flux;
mod freeze;
mod gather;
mod git;
mod guards;
mod image;
mod kubevela;
mod lane;
mod native;
mod notice;
mod notification;
mod objects;
mod policies;
mod problem;
mod provider;
mod raw;
mod receiver;
mod remote;
mod report;
mod requests;
mod secrets;
mod select;
mod signing;
mod source;
mod sync;
mod target;
mod targets;
mod text;
mod value;
mod verify;
mod yaml;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tagwright_core::automation::{Automation, ImagePolicy, ImageRepository, Origins};
use tagwright_core::freeze::Calendar;
use tagwright_core::submit::GitSync;

use self::report::Report;
use self::secrets::Secrets;
use self::source::{Origin, Source};

pub use self::notice::{Effect, Notice};
pub use self::objects::{About, Object, Reading, read_objects};
pub use self::problem::{Error, Problem, Related, Style};
pub use self::secrets::Referred;
pub(crate) use self::source::{MAX_FILES, MAX_FOLDER_DEPTH};
pub(crate) use self::sync::is_autopilot;

/// Tags that are dropped where `exclusionList` is absent or empty: those of signatures.
pub(crate) const DEFAULT_EXCLUSION: &str = r"^.*\.sig$";

/// How many patterns an `exclusionList` may have.
const MAX_EXCLUSIONS: usize = 25;

/// The shortest interval.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest timeout; shorter ones are raised to it.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The timeout of a Git remote where none is given.
const DEFAULT_GIT_TIMEOUT: Duration = Duration::from_secs(60);

/// The timeout of a poll that has a cron expression instead of an interval.
const DEFAULT_CRON_TIMEOUT: Duration = Duration::from_secs(300);

/// Where the configuration is.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files, and folders whose `*.yaml`, `*.yml` and `*.json` files are read. `-` is standard input, which is read once.
    pub paths: Vec<PathBuf>,
    /// Checkouts, or parts of them, in which other image updaters are told what to do: see [`tagwright_core::import`].
    pub imports: Vec<PathBuf>,
    /// A folder of `NAMESPACE/NAME/KEY` files with secrets, which win over `Secret` documents.
    pub secrets: Option<PathBuf>,
    /// iCalendar files with times in which nothing is written.
    pub calendars: Vec<PathBuf>,
}

/// A configuration that can be run.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// The automations, in the order they were written.
    pub automations: Vec<Arc<Automation>>,
    /// All policies, also those that no automation applies, in the order they were written.
    pub policies: Vec<Arc<ImagePolicy>>,
    /// Who may tell of pushes by webhooks.
    pub receivers: Vec<Arc<hooks::Receiver>>,
    /// Where resources can be submitted to.
    pub syncs: Vec<Arc<GitSync>>,
    /// Who is told of what happens.
    pub notifications: Vec<Arc<notify::Notification>>,
    /// When nothing at all is written.
    pub calendar: Calendar,
    /// What is worth knowing: documents passed over, fields without effect.
    pub notices: Vec<Notice>,
    /// Where automations and policies are written. Values of secrets do not show.
    pub origins: Origins,
    /// Files that the configuration names, so that whoever watches it watches them, too.
    pub beside: Vec<PathBuf>,
}

/// What a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To be run, which takes secrets and all that is supported.
    #[default]
    Run,
    /// To hold files against it. Who may poll and push, and how commits are signed, is no concern of that: secrets are not
    /// looked into, and what a run would refuse of them is a notice.
    Files,
    /// To be run as the objects of a cluster: each document stands for itself, whatever is wrong with others.
    Objects,
}

/// Reads and checks a configuration that is to be run.
///
/// # Errors
/// All problems that were found; see [`Error`].
pub fn load(sources: &Sources) -> Result<Configuration, Error> {
    load_for(Purpose::Run, sources)
}

/// Reads and checks a configuration.
///
/// # Errors
/// All problems that were found; see [`Error`].
pub fn load_for(purpose: Purpose, sources: &Sources) -> Result<Configuration, Error> {
    load_with(Report::new(purpose), sources)
}

/// Reads and checks a configuration that is to be run, in which the block `gitSync` of Autopilot is about this repository of its
/// organisation, where it does not say.
///
/// # Errors
/// All problems that were found; see [`Error`].
pub fn load_about(repository: Option<String>, sources: &Sources) -> Result<Configuration, Error> {
    load_with(Report::new(Purpose::Run).of_repository(repository), sources)
}

fn load_with(mut report: Report, sources: &Sources) -> Result<Configuration, Error> {
    source::read(&mut report, &sources.paths);
    source::import(&mut report, &sources.imports);
    if let Some(folder) = &sources.secrets {
        secrets::check_folder(&report, folder);
    }
    let calendar = freeze::calendars(&report, &sources.calendars, Timestamp::now());
    configure(report, sources.secrets.clone(), calendar)
}

/// Reads iCalendar files alone, for those whose configuration is elsewhere.
///
/// # Errors
/// All problems that were found; see [`Error`].
pub fn load_calendar(calendars: &[PathBuf]) -> Result<Calendar, Error> {
    let report = Report::default();
    let calendar = freeze::calendars(&report, calendars, Timestamp::now());
    report.finish().map(|_| calendar)
}

/// Reads and checks the configuration in one text, which problems name by the given name. Touches no file.
///
/// # Errors
/// All problems that were found; see [`Error`].
pub fn parse(name: &str, text: &str) -> Result<Configuration, Error> {
    let mut report = Report::default();
    report.source(Source { path: name.to_owned(), text: text.into(), origin: Origin::Named });
    configure(report, None, Calendar::default())
}

fn configure(report: Report, secrets: Option<PathBuf>, calendar: Calendar) -> Result<Configuration, Error> {
    let could_be_had = !report.has_problems();
    let (gathered, kept, are_whole) = gather::gather(&report);
    // What a file that cannot be read would have defined must not be reported as missing.
    let resolved = match could_be_had && are_whole {
        true => resolve(&report, gathered, &kept, secrets),
        false => Resolved::default(),
    };
    drop(kept);
    if resolved.automations.is_empty() && resolved.syncs.is_empty() && !report.has_problems() {
        report.notice("the configuration has no automation");
    }
    let beside = report.files_beside();
    let (notices, origins) = report.finish().map_err(|error| error.with(beside.clone()))?;
    let Resolved { policies, automations, receivers, syncs, notifications, .. } = resolved;
    let receivers = receivers.into_iter().map(|(_, receiver)| receiver).collect();
    let notifications = notifications.into_iter().map(|(_, notification)| notification).collect();
    Ok(Configuration { automations, policies, receivers, syncs, notifications, calendar, notices, origins, beside })
}

/// What objects come to.
#[derive(Debug, Default)]
struct Resolved {
    repositories: Vec<Arc<ImageRepository>>,
    policies: Vec<Arc<ImagePolicy>>,
    automations: Vec<Arc<Automation>>,
    /// Each with the index of its source.
    receivers: Vec<(usize, Arc<hooks::Receiver>)>,
    syncs: Vec<Arc<GitSync>>,
    /// Each with the index of its source.
    notifications: Vec<(usize, Arc<notify::Notification>)>,
}

/// Resolves what objects refer to, with these secrets and service accounts; what is wrong is reported and left out.
fn resolve(
    report: &Report,
    gathered: gather::Gathered,
    secrets: &[document::Object],
    folder: Option<PathBuf>,
) -> Resolved {
    let secrets = Secrets::new(report, secrets, folder);
    let context = policies::Context { report, secrets: &secrets, namespaces: gathered.namespaces };
    let (repositories, policies) = policies::resolve(&context, gathered.repositories, gathered.policies);
    let automations = automations::resolve(&context, &gathered.git, &policies, gathered.automations);
    let syncs = sync::resolve(&context, &gathered.git, gathered.syncs);
    let known = receiver::Known { git: &gathered.git, policies: &policies, automations: &automations };
    let receivers = receiver::resolve(&context, gathered.receivers, &known);
    let known =
        notification::Known { git: &gathered.git, policies: &policies, automations: &automations, syncs: &syncs };
    let notifications = notification::resolve(&context, gathered.told, &known);
    Resolved { repositories, policies, automations, receivers, syncs, notifications }
}
