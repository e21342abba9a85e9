//! `tagwright explain`: why a policy selects what it selects, and what becomes of its fields.

mod left;
mod places;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use image::{Digest, Repository, Tag};
use tagwright_core::automation::{ImagePolicy, ObjectName};
use tagwright_core::explain::{self, Ages, Fate, Tags};
use tagwright_core::policy::{self, Order};

use self::left::Left;
use super::{Ending, ImportArguments, Output, SourceArguments, streams};
use crate::failure::{Failure, Result};
use crate::observe::Ranked;
use crate::report::explain::{Extent, Images, Known, Story, sentence, text};
use crate::wire::explain::{Document, One};
use crate::{config, observe, run};

/// Endings that a marker may have, and the name of a policy has not.
const FIELDS: [&str; 3] = [":tag", ":name", ":digest"];

/// Policies that are named to someone who asks for one that does not exist.
const MAX_NAMED: usize = 10;

const EXAMPLES: &str = "\
Examples:
  tagwright explain default:podinfo
  tagwright explain default:podinfo . --all
  tagwright explain default:podinfo --tag 6.7.0
  tagwright explain default:podinfo --remote";

/// Tell why a policy selects what it selects, and what becomes of the fields that it sets; or exit with 1 when it selects
/// nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The policy, as markers name it
    #[arg(value_name = "NS:NAME")]
    policy: String,
    /// A checkout of the repository: tell what becomes of the fields in it
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Tell what becomes of the fields in the remotes of the policy's automations; nothing is pushed
    #[arg(long, conflicts_with = "directory")]
    remote: bool,
    #[command(flatten)]
    given: SourceArguments,
    #[command(flatten)]
    also: ImportArguments,
    /// Data folder of a bot: its Git mirrors, what it knows of tags, what is held by hand [default: a temporary folder]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Take the tags of this image repository in place of the policy's own
    #[arg(long, value_name = "REPOSITORY", conflicts_with = "tags")]
    image: Option<String>,
    /// Take the tags from this file, one a line; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    tags: Option<PathBuf>,
    /// Tell in one sentence what becomes of this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Show every tag
    #[arg(long)]
    all: bool,
    /// Ask the mirror at URL in place of the registry HOST; may be repeated
    #[arg(long, value_name = "HOST=URL")]
    registry_mirror: Vec<String>,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let sources = arguments.given.sources_with(&arguments.also);
    let configuration = config::load(&sources)?;
    super::tell_unchecked(&configuration);
    let policy = named(&configuration.policies, &arguments.policy)?;
    let repository = match &arguments.image {
        Some(image) => Repository::parse_source(image).map_err(|error| {
            let hint = "write a repository without tag, such as ghcr.io/stefanprodan/podinfo, or oci-layout:FOLDER";
            Failure::usage(format!("--image: {error}"), hint)
        })?,
        None => policy.repository.image.clone(),
    };
    super::runtime()?.block_on(tell(arguments, &configuration, policy, &repository))
}

async fn tell(
    arguments: &Arguments,
    configuration: &config::Configuration,
    policy: &Arc<ImagePolicy>,
    repository: &Repository,
) -> Result<Ending> {
    let client = registry::Client::new(super::run::registry_settings(&arguments.registry_mirror)?)?;
    let (tags, pushed, digests) = tags(arguments, policy, repository, &client).await?;
    let mut left = Left::of(arguments.data_dir.as_deref(), policy)?;
    let listed: BTreeMap<Tag, jiff::Timestamp> = pushed.clone();
    let pushed: BTreeMap<Tag, jiff::Timestamp> = left.ages().chain(pushed).collect();
    let source = match &arguments.tags {
        Some(path) if path.as_os_str() == "-" => "standard input".to_owned(),
        Some(path) => path.display().to_string(),
        None => repository.name().to_owned(),
    };
    let since = |tag: &str| pushed.get(tag).copied();
    let now = jiff::Timestamp::now();
    let (known, ages) = match pushed.is_empty() {
        true => (Known::No, None),
        false => (Known::Yes, Some(Ages { since: &since, now })),
    };
    let mut funnel = explain::guarded(policy, &tags, ages);
    let is_own = arguments.tags.is_none() && arguments.image.is_none();
    let doubt = || left.doubt(policy, &configuration.policies, &tags.allowed, now).filter(|_| is_own);
    let mut held = held(policy).or_else(doubt);
    let (mut digest, mut passed_over, mut remarks, mut newer) = (None, None, Vec::new(), Vec::new());
    if policy.asks() && is_own && held.is_none() && !funnel.candidates.is_empty() {
        let ranked = |it: &policy::Candidate<'_>| {
            let tag = Tag::parse(it.tag).ok()?;
            let (pushed, digest) = (listed.get(&tag).copied(), digests.get(&tag).cloned());
            Some(left.ranked(tag, it.value.clone(), pushed, digest, now))
        };
        let ranked: Vec<Ranked> = funnel.candidates.iter().filter_map(ranked).collect();
        let digests = std::mem::take(&mut left.digests);
        let hurried = left.switches.hurried.get(&policy.id.marker());
        let admission = Box::pin(observe::admission(&client, policy, &ranked, digests, hurried, now)).await;
        if let Some(order) = &admission.order {
            funnel.sort_by(order.iter().map(Tag::as_str));
        }
        funnel.pass_over(&admission.passed_over);
        (remarks, newer) = (admission.remarks, admission.newer);
        passed_over = admission.passed_over.into_iter().next();
        match admission.selected {
            Ok((_, admitted)) => digest = Some(admitted).filter(|_| policy.writes_digests()),
            Err(reason) => held = Some(reason),
        }
    }
    let images = if policy.asks() && !is_own { Images::No } else { Images::Yes };
    if policy.policy.order == Order::Newest && images == Images::No {
        held = held.or_else(|| Some("tags alone do not tell which of them is the newest".to_owned()));
    }
    let (source, places) = (source.as_str(), Vec::new());
    let mut story = Story { policy, source, funnel, ages: known, digest, passed_over, remarks, images, held, places };
    if let Some(tag) = &arguments.tag {
        one_tag(arguments, &story, (&tags, ages), tag)?;
        return Ok(ending(&story));
    }
    let (tag, client, Left { mut switches, pushes, .. }) = (selected(&story), &client, left);
    switches.calendar = Arc::new(configuration.calendar.clone());
    let as_good: Vec<String> = story.funnel.as_good(&policy.policy).into_iter().map(str::to_owned).collect();
    let as_good = if policy.asks() { Vec::new() } else { as_good };
    let digest = story.digest.clone();
    let selected = places::Selected { policy, repository, client, tag, digest, as_good, newer, switches, pushes, now };
    let looked = match (&arguments.directory, arguments.remote) {
        (Some(directory), _) => places::directory(directory, configuration, &selected).await?,
        (None, true) => places::remotes(arguments.data_dir.clone(), configuration, &selected).await?,
        (None, false) => places::Looked::default(),
    };
    story.places = looked.places;
    match arguments.output {
        Output::Json => streams::json(&Document::of(&story))?,
        Output::Text => {
            let extent = if arguments.all { Extent::All } else { Extent::Some };
            streams::text(&text(&story, extent))?;
        }
    }
    Ok(looked.worst.map_or_else(|| ending(&story), Ending::Failed))
}

fn one_tag(arguments: &Arguments, story: &Story<'_>, (tags, ages): (&Tags, Option<Ages<'_>>), tag: &str) -> Result<()> {
    let mut more = tags.clone();
    let absent = Tag::parse(tag).ok().filter(|_| story.funnel.fate(tag) == Fate::Absent);
    let is_absent = absent.is_some();
    more.allowed.extend(absent);
    let with = is_absent.then(|| explain::guarded(story.policy, &more, ages));
    match arguments.output {
        Output::Json => streams::json(&One::of(story, tag, with.as_ref())),
        Output::Text => streams::text(&sentence(story, &explain::escaped(tag), with.as_ref())),
    }
}

/// The selected tag, or why there is none.
fn selected(story: &Story<'_>) -> Result<String, String> {
    let none = || format!("none of {} tags can be selected", story.funnel.listed);
    story.selected().map(str::to_owned).ok_or_else(|| story.held.clone().unwrap_or_else(none))
}

fn ending(story: &Story<'_>) -> Ending {
    if story.selected().is_some() { Ending::Done } else { Ending::No }
}

/// Why a run selects nothing, whatever the tags are.
fn held(policy: &ImagePolicy) -> Option<String> {
    if policy.suspended {
        return Some("the policy is suspended".to_owned());
    }
    policy.repository.suspended.then(|| format!("the image repository {} is suspended", policy.repository.id))
}

/// The tags, when they were pushed and what they point to, as far as that is known.
async fn tags(
    arguments: &Arguments,
    policy: &ImagePolicy,
    repository: &Repository,
    client: &registry::Client,
) -> Result<(Tags, BTreeMap<Tag, jiff::Timestamp>, BTreeMap<Tag, Digest>)> {
    if let Some(path) = &arguments.tags {
        let text = streams::read(path)?;
        let tags = Tags::read(text.lines().map(str::trim).filter(|line| !line.is_empty()));
        return Ok((tags, BTreeMap::new(), BTreeMap::new()));
    }
    let listing = client.tags(repository, &policy.repository.access).await;
    let listing = listing.map_err(|source| {
        let (image, registry) = (repository.name().to_owned(), repository.registry().to_owned());
        run::Error::Registry { image, registry, source: source.into() }
    })?;
    let registry::Listing { tags, refused, refused_sample, pushed, digests, .. } = listing;
    Ok((Tags { allowed: tags, refused, refused_sample }, pushed, digests))
}

/// The policy that a text names: `namespace:name`, as a whole marker or with a slash too; a name alone is in the default
/// namespace.
fn named<'p>(policies: &'p [Arc<ImagePolicy>], text: &str) -> Result<&'p Arc<ImagePolicy>> {
    let marker = FIELDS.iter().find_map(|field| text.strip_suffix(field).filter(|rest| rest.contains(':')));
    let name = super::name::parse(marker.unwrap_or(text))?;
    policies.iter().find(|policy| policy.id == name).ok_or_else(|| {
        let message = format!("no policy {} is configured", name.marker());
        Failure::usage(message, hint(policies, &name))
    })
}

/// The hint for a policy that does not exist: the one that was probably meant, or those that there are.
fn hint(policies: &[Arc<ImagePolicy>], wanted: &ObjectName) -> String {
    if let Some(policy) = policies.iter().find(|policy| policy.id.name == wanted.name) {
        return format!("a policy of that name is in namespace {0:?}: {1}", policy.id.namespace, policy.id.marker());
    }
    if let Some(nearest) = super::name::nearest(wanted, policies.iter().map(|policy| &policy.id)) {
        return format!("did you mean {}?", nearest.marker());
    }
    let names: Vec<String> = policies.iter().map(|policy| policy.id.marker()).collect();
    match names.len() {
        0 => "the configuration has no policies".to_owned(),
        count if count > MAX_NAMED => {
            format!("there are {}, … and {} more", names[..MAX_NAMED].join(", "), count - MAX_NAMED)
        }
        _ => format!("there are {}", names.join(", ")),
    }
}
