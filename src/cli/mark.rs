//! `tagwright mark`: puts markers on images and writes the policies for them.

mod outlook;
pub(super) mod output;
mod review;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git::LocalCheckout;
use image::Repository;
use tagwright_core::automation::Automation;
use tagwright_core::mark::policies::{Dialect, Target};
use tagwright_core::mark::{self, File, Known, Marking, Moving, Origin, Settings};
use tagwright_core::{inventory, marker};

use super::{Ending, Output, streams};
use crate::config::{self, Sources};
use crate::failure::{Context, Failure, Result};
use crate::files;
use crate::report::mark::Mode;

/// Workflows are left alone: a push that changes one is refused without a special permission, and everything with it.
const LEFT_ALONE: &str = ".github/workflows/";

/// Unreadable documents that are named one by one; the rest is counted.
const MAX_UNREAD: usize = 10;

const EXAMPLES: &str = "\
Examples:
  tagwright mark .
  tagwright mark . --config policies/app.yaml --write
  tagwright mark clusters/prod --flux --config policies.yaml --interactive --write
  tagwright mark . --offline --output json";

/// Put markers on images and write the policies for them; without --write, show what would be written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directory, or one file
    directory: PathBuf,
    /// Write the markers, and the policies to --config or stdout
    #[arg(long)]
    write: bool,
    /// Where the policies go; a file that is there is added to
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,
    /// Write Flux's objects in place of one ImageAutomation
    #[arg(long)]
    flux: bool,
    /// Folder with secrets that --config names, as files: NAMESPACE/NAME/KEY
    #[arg(long, value_name = "DIR", requires = "config")]
    secrets: Option<PathBuf>,
    /// The namespace of the policies
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// The name of the automation [default: the last part of the Git URL]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The Git remote that the policies are for [default: the remote of the directory's checkout]
    #[arg(long, value_name = "URL")]
    git_url: Option<String>,
    /// Its branch [default: the one checked out]
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Mark images whose tags have no order, too: keep the tag, and follow the digest behind it
    #[arg(long)]
    track_digests: bool,
    /// Mark images whose tags are commit hashes, too: follow the one that came last
    #[arg(long, conflicts_with = "flux")]
    newest: bool,
    /// Follow images without room for a marker, too: by targets in the policies
    #[arg(long, conflicts_with = "flux")]
    targets: bool,
    /// Ask for every policy: accept, skip, or change it; and at the end, whether to write
    #[arg(long)]
    interactive: bool,
    /// Ask no registry what the policies would select
    #[arg(long)]
    offline: bool,
    /// Allow plain HTTP to registries
    #[arg(long)]
    insecure: bool,
    /// Ask the mirror at URL in place of the registry HOST; may be repeated
    #[arg(long, value_name = "HOST=URL")]
    registry_mirror: Vec<String>,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

impl Arguments {
    fn dialect(&self) -> Dialect {
        if self.flux { Dialect::Flux } else { Dialect::Native }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    check_label(&arguments.namespace, "--namespace")?;
    if arguments.config.as_deref().is_some_and(streams::is_stdin) {
        return Err(Failure::usage("policies cannot be written to standard input", "leave --config out to print them"));
    }
    if arguments.interactive && !std::io::stdin().is_terminal() {
        return Err(Failure::usage("--interactive needs a terminal to ask on", "leave it out to accept everything"));
    }
    let checkout = git::local_checkout(&arguments.directory);
    let files = read(&arguments.directory)?;
    let existing = existing(arguments)?;
    let folder = folder(arguments, checkout.as_ref());
    let mut settings = Settings {
        namespace: arguments.namespace.clone(),
        moving: if arguments.track_digests { Moving::Track } else { Moving::Leave },
        newest: arguments.newest,
        dialect: arguments.dialect(),
        targets: arguments.targets.then(|| folder.clone()),
        known: existing.as_ref().map(Existing::known).unwrap_or_default(),
        known_targets: existing.as_ref().map(|it| it.targets(&folder)).unwrap_or_default(),
        tags: BTreeMap::new(),
    };
    let mut marking = mark::plan(&files, &settings);
    let mut target = target(arguments, checkout.as_ref(), &marking)?;
    if !arguments.offline {
        let listings = ask_registries(arguments, marking.repositories(&files))?;
        let known = listings.iter().filter_map(|(name, tags)| Some((name.clone(), tags.as_ref().ok()?.clone())));
        settings.tags = known.collect();
        marking = mark::plan(&files, &settings);
        outlook::note(&mut marking.groups, &listings);
        target = self::target(arguments, checkout.as_ref(), &marking)?;
    }
    let mut mode = if arguments.write { Mode::Written } else { Mode::Shown };
    if arguments.interactive {
        let mut input = std::io::stdin().lock();
        let mut talk = |text: &str| streams::talk(text);
        let answer = review::all(&files, &mut marking, &mut input, &mut talk)?;
        // What was answered is not to be asked again only to be written.
        let is_known = target.is_some() || marking.groups.iter().all(|group| group.origin == Origin::Known);
        if answer == review::Answer::Done && mode == Mode::Shown && is_known && !marking.groups.is_empty() {
            mode = review::whether_to_write(arguments.config.as_deref(), &mut input, &mut talk)?;
        }
        if answer == review::Answer::Quit {
            streams::talk("nothing was written");
            return Ok(Ending::Done);
        }
    }
    let edits = mark::edits(&files, &mut marking);
    output::Delivery { arguments, mode, checkout, files, marking, edits, target, existing }.deliver()
}

/// The file that `--config` names, where it is there.
struct Existing {
    text: String,
    configuration: config::Configuration,
}

impl Existing {
    fn known(&self) -> Vec<Known> {
        let known = self.configuration.policies.iter().map(|policy| Known {
            namespace: policy.id.namespace.clone(),
            name: policy.id.name.clone(),
            repository: policy.repository.image.name().to_owned(),
            policy: policy.policy.clone(),
            digest: policy.digest,
        });
        known.collect()
    }

    /// What it sets without a marker in the files of a folder, with their paths from there.
    fn targets(&self, folder: &str) -> Vec<marker::Target> {
        let below = |target: &marker::Target| {
            let path = match folder {
                "" => Some(target.path.as_str()),
                folder => target.path.strip_prefix(folder)?.strip_prefix('/'),
            };
            Some(marker::Target { path: path?.to_owned(), ..target.clone() })
        };
        self.automations().iter().flat_map(|automation| automation.targets()).filter_map(below).collect()
    }

    fn automations(&self) -> &[Arc<Automation>] {
        &self.configuration.automations
    }
}

/// The folder that the paths of the files begin at, from the root of the checkout.
fn folder(arguments: &Arguments, checkout: Option<&LocalCheckout>) -> String {
    let path = checkout.map(|checkout| checkout.path.as_str()).unwrap_or_default();
    match arguments.directory.is_file() {
        true => path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned(),
        false => path.to_owned(),
    }
}

/// Reads the files that may name images; says on stderr what could not be read.
fn read(directory: &Path) -> Result<Vec<File>> {
    let search = files::Search { is_candidate: is_candidate_path, contains: inventory::may_name_images };
    let found = files::search(directory, search)?;
    for path in &found.oversized {
        streams::sentence(
            "warning",
            &format!("{path}: the file is larger than {} bytes and was not read", files::MAX_FILE_BYTES),
        );
    }
    let file = |(path, bytes): (String, Vec<u8>)| File { inventory: inventory::find(&bytes), path, bytes };
    let mut files: Vec<File> = found.files.into_iter().map(file).collect();
    for file in &mut files {
        let is_locked = file.path.rsplit('/').next() == Some("Chart.yaml")
            && directory.join(&file.path).with_file_name("Chart.lock").exists();
        if is_locked {
            file.inventory.lock();
        }
    }
    inventory::resolve(files.iter_mut().map(|file| (file.path.as_str(), &mut file.inventory)));
    for file in &files {
        if file.inventory.generated {
            streams::sentence("note", &format!("{}: left alone, it says that it is generated", file.path));
        }
        for it in &file.inventory.overrides {
            let line = it.scalars.first().map_or(0, |scalar| scalar.line);
            let why = format!("the repository of {} ({}) is not found", it.keys, it.tag);
            streams::sentence("note", &format!("{}:{line}: left alone, {why}", file.path));
        }
    }
    let unread = files.iter().flat_map(|file| file.inventory.unread.iter().map(move |unread| (&file.path, unread)));
    let unread: Vec<_> = unread.collect();
    for (path, unread) in unread.iter().take(MAX_UNREAD) {
        streams::sentence(
            "warning",
            &format!("{path}:{}: not read, it is not valid YAML: {}", unread.line, unread.reason),
        );
    }
    if unread.len() > MAX_UNREAD {
        streams::sentence("warning", &format!("{} more documents are not valid YAML", unread.len() - MAX_UNREAD));
    }
    Ok(files)
}

fn is_candidate_path(path: &str) -> bool {
    marker::is_candidate_path(path) && !path.starts_with(LEFT_ALONE)
}

fn existing(arguments: &Arguments) -> Result<Option<Existing>> {
    let Some(path) = arguments.config.as_ref().filter(|path| path.exists()) else { return Ok(None) };
    if path.is_dir() {
        return Err(Failure::usage(format!("{} is a folder", path.display()), "name a file with --config"));
    }
    let configuration =
        config::load(&Sources { paths: vec![path.clone()], secrets: arguments.secrets.clone(), ..Sources::default() })?;
    Ok(Some(Existing { text: streams::read(path)?, configuration }))
}

/// The remote that the policies are written for; none when it is not known and nothing is to be written.
fn target(arguments: &Arguments, checkout: Option<&LocalCheckout>, marking: &Marking) -> Result<Option<Target>> {
    let url = match &arguments.git_url {
        Some(url) => Some(git::Url::parse(url)?.to_string()),
        None => checkout.and_then(|checkout| checkout.url.clone()),
    };
    let Some(url) = url else {
        let to_write = marking.groups.iter().any(|group| group.origin == Origin::Derived);
        if to_write && (arguments.write || arguments.config.is_some()) {
            let message = format!("no Git remote is known for {}", arguments.directory.display());
            return Err(Failure::usage(message, "name it with --git-url, so that the policies can be written"));
        }
        return Ok(None);
    };
    let name = match &arguments.name {
        Some(name) => {
            check_label(name, "--name")?;
            name.clone()
        }
        None => mark::automation_name(&url),
    };
    let own = arguments.branch.clone();
    let branch = own.or_else(|| checkout.and_then(|checkout| checkout.branch.clone()));
    let path = checkout.map(|checkout| checkout.path.clone()).filter(|path| !path.is_empty());
    Ok(Some(Target { namespace: arguments.namespace.clone(), name, url, branch, path }))
}

fn ask_registries(arguments: &Arguments, repositories: BTreeMap<String, Repository>) -> Result<outlook::Listings> {
    let settings = super::run::registry_settings(&arguments.registry_mirror)?;
    let access = outlook::access(arguments.insecure);
    super::runtime()?.block_on(outlook::ask(settings, &access, repositories))
}

pub(super) fn check_label(text: &str, what: &str) -> Result<()> {
    if mark::is_label(text) {
        return Ok(());
    }
    let message = format!("{what} {text}: not a name that Kubernetes takes");
    Err(Failure::usage(message, "write lower-case letters, digits and dashes, at most 63, dashes within"))
}

/// Makes the folder of a new file.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
        }
        None => Ok(()),
    }
}
