//! The flags by which a command finds a cluster, as kubectl has them.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use kubernetes::connect::Options;
use tagwright_core::automation::ObjectName;

use super::name;
use crate::cluster::people::What;
use crate::failure::Failure;

/// The heading of these flags.
pub(super) const HEADING: &str = "Kubernetes";

// No documentation of the types: it would become that of the command.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Server {
    /// The kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the pod's ServiceAccount]
    #[arg(long, value_name = "FILE", requires = "kubernetes", help_heading = HEADING)]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use [default: the current one]
    #[arg(long, value_name = "NAME", requires = "kubernetes", help_heading = HEADING)]
    context: Option<String>,
    /// The namespace: of objects that are named without one, and of a bot's Leases [default: that of the context, or the pod's]
    #[arg(long, short, value_name = "NAME", requires = "kubernetes", help_heading = HEADING)]
    namespace: Option<String>,
}

impl Server {
    /// How the API server is found.
    pub(super) fn options(&self) -> Options {
        let Self { kubeconfig, context, namespace } = self.clone();
        Options { kubeconfig, context, namespace }
    }
}

// What a person asks of the objects of a cluster.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Objects {
    /// Go by the objects of a cluster, with your rights there; whichever bot works on them obeys
    #[arg(long, help_heading = HEADING)]
    pub(super) kubernetes: bool,
    #[command(flatten)]
    server: Server,
    /// Take the objects of all namespaces where none is named
    #[arg(long, short = 'A', requires = "kubernetes", conflicts_with = "namespace", help_heading = HEADING)]
    pub(super) all_namespaces: bool,
}

impl Objects {
    /// How the API server is found, if one is asked for.
    pub(super) fn options(&self) -> Option<Options> {
        self.kubernetes.then(|| self.server.options())
    }
}

/// The error where a command is to go by the objects of a cluster, and by a bot's data folder or by files. Not clap's own rule, for
/// which what the environment names is as good as what was asked for.
pub(super) fn conflict(matches: &ArgMatches) -> Option<clap::Error> {
    let (command, matches) = matches.subcommand()?;
    if !matches!(matches.try_get_one::<bool>("kubernetes"), Ok(Some(true))) {
        return None;
    }
    let others: &[(&str, &str)] = match command {
        "run" => &[("config", "--config <PATH>"), ("import", "--import <PATH>"), ("secrets", "--secrets <DIR>")],
        _ => &[("data_dir", "--data-dir <DIR>")],
    };
    let is_asked_for =
        |id: &str| matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine);
    let (_, other) = others.iter().find(|(id, _)| is_asked_for(id))?;
    let message = format!("the argument '--kubernetes' cannot be used with '{other}'");
    Some(super::help::command().error(ErrorKind::ArgumentConflict, message))
}

/// Reads a duration: `30s`, `5m`.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    let duration: jiff::SignedDuration = text.parse().map_err(|_| "write a duration: 30s, 5m")?;
    Duration::try_from(duration).map_err(|_| "it is negative")
}

/// The kinds that a name may be one of, what it is written as first: `NS/NAME` is an automation.
pub(super) fn kinds_of(text: &str, kinds: &[What]) -> Vec<What> {
    let mut kinds = kinds.to_vec();
    if text.contains('/') {
        kinds.sort_by_key(|what| !matches!(what, What::Automation | What::Native));
    }
    kinds
}

/// None of the kinds has an object of this name.
pub(super) fn unknown(text: &str, name: &ObjectName, kinds: &[What]) -> Failure {
    let first = kinds.first().copied().unwrap_or(What::Policy);
    let mut names: Vec<&str> = Vec::new();
    for what in kinds {
        names.push(what.kind().name);
    }
    let written = if text.contains([':', '/']) { first.written(name) } else { name.to_string() };
    Failure::missing(format!("there is no {} {written}", names.join(" and no ")), "")
}

/// What was meant by a name that there is not; none where nothing that may be listed is like it.
pub(super) fn meant(name: &ObjectName, known: &[(What, ObjectName)]) -> Option<String> {
    let written = |wanted: &ObjectName| {
        let (what, _) = known.iter().find(|(_, known)| known == wanted)?;
        Some((what.kind().name, what.written(wanted)))
    };
    if let Some((_, other)) = known.iter().find(|(_, other)| other.name == name.name) {
        let (kind, other) = written(other)?;
        return Some(format!("there is {kind} {other}"));
    }
    let (_, nearest) = written(name::nearest(name, known.iter().map(|(_, known)| known))?)?;
    Some(format!("did you mean {nearest}?"))
}
