//! `tagwright import`: reads what other image updaters are told, and writes the same as policies and markers.

mod output;

use std::path::PathBuf;

use tagwright_core::import::{self, Fields, Source, document};
use tagwright_core::mark::policies::Dialect;

use super::{Ending, Output, mark, streams};
use crate::failure::{Failure, Result};
use crate::files;
use crate::imports::{self, Checkout, Files, NAMESPACE};
use crate::report::mark::Mode;

const EXAMPLES: &str = "\
Examples:
  tagwright import .
  tagwright import argocd --from argocd-image-updater --config policies/apps.yaml --write
  tagwright import . --as flux --config policies.yaml --write
  tagwright import renovate.json apps --targets --output json";

/// Read what another image updater is told, and write the same as policies and markers; without --write, show what would be written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Files and folders of one checkout, with the configuration to read
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Whose configuration to read [default: whatever is there]
    #[arg(long, value_name = "SOURCE", value_enum)]
    from: Option<Whose>,
    /// What to write
    #[arg(long = "as", value_name = "DOCUMENTS", value_enum, default_value_t)]
    as_: Documents,
    /// Say in the policies which fields are followed, and write no markers into files
    #[arg(long)]
    targets: bool,
    /// Write the markers, and the policies to --config or stdout
    #[arg(long)]
    write: bool,
    /// Where the policies go; a file that is not there yet
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,
    /// The namespace of the policies
    #[arg(long, value_name = "NAMESPACE", default_value = NAMESPACE)]
    namespace: String,
    /// The Git remote that the policies are for [default: the remote of the checkout]
    #[arg(long, value_name = "URL")]
    git_url: Option<String>,
    /// Its branch, where the configuration names none [default: the one checked out]
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

/// Whose configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Whose {
    ArgocdImageUpdater,
    Fleet,
    Renovate,
    Updatecli,
    Keel,
    Watchtower,
}

impl Whose {
    fn source(self) -> Source {
        match self {
            Self::ArgocdImageUpdater => Source::ArgocdImageUpdater,
            Self::Fleet => Source::Fleet,
            Self::Renovate => Source::Renovate,
            Self::Updatecli => Source::Updatecli,
            Self::Keel => Source::Keel,
            Self::Watchtower => Source::Watchtower,
        }
    }
}

/// The ways of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Documents {
    /// `ImageAutomation`s
    #[default]
    Native,
    /// Flux's objects
    Flux,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    mark::check_label(&arguments.namespace, "--namespace")?;
    if arguments.targets && arguments.as_ == Documents::Flux {
        return Err(Failure::usage("Flux's objects have no targets", "leave out --targets, or --as flux"));
    }
    if let Some(path) = arguments.config.as_deref().filter(|path| streams::is_stdin(path) || path.exists()) {
        let message = format!("{} is no file that can be made", streams::name(path));
        return Err(Failure::usage(message, "name a file that is not there yet with --config"));
    }
    let place = Checkout::of(&arguments.paths)?;
    let Files { files, oversized } = place.files()?;
    for path in &oversized {
        let message = format!("{path}: the file is larger than {} bytes and was not read", files::MAX_FILE_BYTES);
        streams::sentence("warning", &message);
    }
    let url = arguments.git_url.as_deref().map(git::Url::parse).transpose()?.map(|url| url.to_string());
    let target = place.target(&arguments.namespace, url, arguments.branch.clone());
    let mut found = imports::read(&files, &target, arguments.from.map(Whose::source));
    let dialect = if arguments.as_ == Documents::Flux { Dialect::Flux } else { Dialect::Native };
    let fields = if arguments.targets { Fields::Targets } else { Fields::Markers };
    let settled = import::settle(&files, &mut found, &arguments.namespace, dialect, fields);
    let written = document::document(dialect, &found, &target);
    let document = match written {
        Ok((text, left)) => {
            found.left.extend(left);
            Some(text).filter(|_| !found.automations.is_empty())
        }
        Err(document::NoUrl) if arguments.write || arguments.config.is_some() => {
            let message = format!("no Git remote is known for {}", place.root.display());
            return Err(Failure::usage(message, "name it with --git-url, so that the policies can be written"));
        }
        Err(document::NoUrl) => None,
    };
    let mode = if arguments.write { Mode::Written } else { Mode::Shown };
    output::Delivery { arguments, mode, place: &place, found, settled, document }.deliver()?;
    Ok(Ending::Done)
}
