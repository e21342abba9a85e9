//! `tagwright select`: tries a policy on tags from arguments, stdin or a registry.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use gotext::pattern::Pattern;
use gotext::version::Range;
use image::{Repository, Tag};
use tagwright_core::automation::{DigestReflection, Guards, ImagePolicy, ImageRepository, ObjectName, Schedule};
use tagwright_core::policy::{self, Calver, Direction, Evaluation, Filter, Order, Policy};

use super::{Ending, Output, streams};
use crate::config::DEFAULT_EXCLUSION;
use crate::failure::{Failure, Kind, Result};
use crate::observe::{self, Ranked};
use crate::report;
use crate::wire::select::{Rejected, Select};

/// How long listing the tags of `--image` may take.
const TIMEOUT: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Examples:
  tagwright select --semver '^1.4' 1.4.2 1.5.0 2.0.0
  tagwright select --semver 6.x --image ghcr.io/stefanprodan/podinfo --explain
  git tag | tagwright select --semver '>=1.0.0-0' --list
  tagwright select --numerical asc --filter-pattern '^main-([0-9]+)$' --filter-extract '$1' main-9 main-10";

/// Try a policy: print the tag it selects, or exit with 1 when it selects none.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    order: OrderArguments,
    /// Only tags that match this pattern (Go's dialect, matches anywhere in the tag)
    #[arg(long, value_name = "PATTERN")]
    filter_pattern: Option<String>,
    /// What to order by instead of the tag, such as $1, or $ts for a group named ts
    #[arg(long, value_name = "TEMPLATE", requires = "filter_pattern")]
    filter_extract: Option<String>,
    /// Print all tags the policy can order, best first, one a line
    #[arg(long)]
    list: bool,
    /// Print what became of every tag
    #[arg(long, conflicts_with = "list")]
    explain: bool,
    /// Take the tags of this image repository from its registry
    #[arg(long, value_name = "REPOSITORY", conflicts_with = "tags")]
    image: Option<String>,
    /// With --image: drop tags that match; may be repeated [default: ^.*\.sig$]
    #[arg(long, value_name = "PATTERN", requires = "image")]
    exclude: Vec<String>,
    /// With --image: allow plain HTTP
    #[arg(long, requires = "image")]
    insecure: bool,
    /// With --image: ask this mirror in place of a registry; may be repeated
    #[arg(long, value_name = "HOST=URL", requires = "image")]
    registry_mirror: Vec<String>,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
    /// The tags; none reads stdin, one a line
    tags: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct OrderArguments {
    /// The highest version in this range, such as ^1.4 or ">=1.0.0-0 <2"
    #[arg(long, value_name = "RANGE")]
    semver: Option<String>,
    /// The latest version that is a date, in a format such as YYYY.0M.MICRO (calver.org)
    #[arg(long, value_name = "FORMAT")]
    calver: Option<String>,
    /// With --image: the one that came last, by when it was pushed or says that it was created
    #[arg(long)]
    newest: bool,
    /// The greatest (asc) or smallest (desc) number
    #[arg(long, value_name = "asc|desc")]
    numerical: Option<String>,
    /// The last (asc) or first (desc) in the order of bytes
    #[arg(long, value_name = "asc|desc")]
    alphabetical: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let policy = policy(arguments)?;
    let Tags { tags, order, remark } = tags(arguments, &policy)?;
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let only_selected = !arguments.list && !arguments.explain && arguments.output == Output::Text;
    if only_selected
        && order.is_none()
        && let Some(tag) = policy.select(&tags)
    {
        streams::data(&format!("{tag}\n"))?;
        return Ok(Ending::Done);
    }
    let mut evaluation = policy.evaluate(&tags);
    if let Some(order) = &order {
        let place = |tag: &str| order.iter().position(|other| other == tag).unwrap_or(usize::MAX);
        evaluation.candidates.sort_by_cached_key(|candidate| place(candidate.tag));
        evaluation.selected = evaluation.candidates.first().map(|candidate| candidate.tag);
    }
    match arguments.output {
        Output::Json => streams::json(&shape(&evaluation))?,
        Output::Text if arguments.list => {
            streams::data(&evaluation.candidates.iter().map(|it| format!("{}\n", it.tag)).collect::<String>())?;
        }
        Output::Text if arguments.explain => streams::text(&report::tags::evaluation(&evaluation, tags.len()))?,
        Output::Text => {
            let selected = evaluation.selected.filter(|_| order.is_some());
            selected.map_or(Ok(()), |tag| streams::data(&format!("{tag}\n")))?;
        }
    }
    if let Some(remark) = remark {
        streams::talk(&remark);
    }
    if evaluation.selected.is_some() {
        return Ok(Ending::Done);
    }
    streams::talk(&format!("no tag selected: {}", observe::no_match(&evaluation, tags.len())));
    Ok(Ending::No)
}

fn policy(arguments: &Arguments) -> Result<Policy> {
    let order = match &arguments.order {
        OrderArguments { semver: Some(range), .. } => Order::Semver(self::range(range)?),
        OrderArguments { calver: Some(format), .. } => Order::Calver(calver(format)?),
        OrderArguments { newest: true, .. } => Order::Newest,
        OrderArguments { alphabetical: Some(order), .. } => Order::Alphabetical(direction("--alphabetical", order)?),
        OrderArguments { numerical, .. } => {
            Order::Numerical(direction("--numerical", numerical.as_deref().unwrap_or_default())?)
        }
    };
    let filter = match &arguments.filter_pattern {
        Some(pattern) => {
            let pattern = self::pattern("--filter-pattern", pattern)?;
            Some(filter(pattern, arguments.filter_extract.as_deref().unwrap_or_default())?)
        }
        None => None,
    };
    Ok(Policy { filter, order })
}

fn range(text: &str) -> Result<Range> {
    let hint = "ranges look like 6.x, ^1.2, '>=1.0.0 <2.0.0' or '1.x || 3.x'; '*' is every version";
    Range::parse(text).map_err(|error| Failure::usage(format!("--semver: {}", error.plain()), hint))
}

fn calver(text: &str) -> Result<Calver> {
    let hint = "formats look like YYYY.0M.MICRO; the parts are those of calver.org: YYYY YY 0Y MM 0M WW 0W DD 0D MAJOR MINOR MICRO MODIFIER";
    Calver::parse(text).map_err(|error| Failure::usage(format!("--calver: {error}"), hint))
}

fn pattern(flag: &str, text: &str) -> Result<Pattern> {
    let hint = "patterns are regular expressions in Go's dialect (RE2)";
    Pattern::parse(text).map_err(|error| Failure::usage(format!("{flag}: {error}"), hint))
}

fn filter(pattern: Pattern, extract: &str) -> Result<Filter> {
    Filter::new(pattern, extract).map_err(|error| match error {
        policy::Error::UnknownGroup(unknown) => Failure::usage(format!("--filter-extract: {unknown}"), unknown.hint()),
        error => Failure::usage(format!("--filter-extract: {error}"), "use fewer groups, such as $1 or ${name}"),
    })
}

fn direction(flag: &str, text: &str) -> Result<Direction> {
    Direction::parse(text).map_err(|error| {
        Failure::usage(
            format!("{flag}: {error}"),
            "asc, which is the default, selects the greatest tag, desc the smallest",
        )
    })
}

/// The tags, and where that is the order, which came last.
struct Tags {
    tags: Vec<String>,
    order: Option<Vec<String>>,
    /// What is to say about that.
    remark: Option<String>,
}

impl From<Vec<String>> for Tags {
    fn from(tags: Vec<String>) -> Self {
        Self { tags, order: None, remark: None }
    }
}

fn tags(arguments: &Arguments, policy: &Policy) -> Result<Tags> {
    if let Some(image) = &arguments.image {
        return super::runtime()?.block_on(listed(arguments, image, policy));
    }
    if policy.order == Order::Newest {
        let hint = "tags do not tell which of them is the newest; name the image repository with --image";
        return Err(Failure::usage("--newest needs --image", hint));
    }
    if !arguments.tags.is_empty() {
        return Ok(arguments.tags.clone().into());
    }
    if std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "no tags given",
            "pass tags as arguments, one a line on stdin, or --image REPOSITORY",
        ));
    }
    let lines = streams::input()?;
    Ok(lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>().into())
}

async fn listed(arguments: &Arguments, image: &str, policy: &Policy) -> Result<Tags> {
    let repository = Repository::parse_source(image).map_err(|error| {
        Failure::usage(
            format!("--image: {error}"),
            "write a repository without tag, such as ghcr.io/stefanprodan/podinfo, or oci-layout:FOLDER",
        )
    })?;
    let exclusions = match arguments.exclude.as_slice() {
        [] => vec![Pattern::parse(DEFAULT_EXCLUSION)?],
        patterns => patterns.iter().map(|text| pattern("--exclude", text)).collect::<Result<_, _>>()?,
    };
    let client = registry::Client::new(super::run::registry_settings(&arguments.registry_mirror)?)?;
    let access = access::Registry {
        logins: Vec::new(),
        provider: None,
        account: None,
        tls: access::Tls::default(),
        proxy: None,
        insecure: arguments.insecure,
        timeout: TIMEOUT,
    };
    let mut listing = client.tags(&repository, &access).await?;
    if let Some(refused) = observe::refused(&listing) {
        streams::sentence("warning", &format!("{image} {refused}"));
    }
    listing.tags.retain(|tag| !exclusions.iter().any(|pattern: &Pattern| pattern.is_match(tag.as_str())));
    let tags: Vec<String> = listing.tags.iter().map(ToString::to_string).collect();
    if policy.order != Order::Newest {
        return Ok(tags.into());
    }
    let id = ObjectName { namespace: "default".to_owned(), name: "select".to_owned() };
    let schedule = Schedule::Every(TIMEOUT);
    let exclusions = Vec::new();
    let repository =
        ImageRepository { id, image: repository, exclusions, access, schedule, max_interval: None, suspended: false };
    let (order, remark) = by_time(&client, policy, &Arc::new(repository), &listing).await?;
    Ok(Tags { tags, order: Some(order), remark })
}

/// The tags that the policy could select, the newest first, and what says so of the first.
async fn by_time(
    client: &registry::Client,
    policy: &Policy,
    repository: &Arc<ImageRepository>,
    listing: &registry::Listing,
) -> Result<(Vec<String>, Option<String>)> {
    let names: Vec<&str> = listing.tags.iter().map(Tag::as_str).collect();
    let candidates = policy.evaluate(&names).candidates;
    let ranked = candidates.iter().filter_map(|it| {
        let tag = Tag::parse(it.tag).ok()?;
        let (pushed, digest) = (listing.pushed.get(&tag).copied(), listing.digests.get(&tag).cloned());
        Some(Ranked { tag, value: it.value.clone(), pushed, digest, seen: None, arrived: false })
    });
    let ranked: Vec<Ranked> = ranked.collect();
    let policy = ImagePolicy {
        id: repository.id.clone(),
        labels: BTreeMap::new(),
        repository: Arc::clone(repository),
        policy: policy.clone(),
        guards: Guards::default(),
        digest: DigestReflection::Never,
        refresh: None,
        targets: Vec::new(),
        suspended: false,
    };
    let newest = Box::pin(observe::newest(client, &policy, &ranked, jiff::Timestamp::now())).await;
    let newest =
        newest.map_err(|reason| Failure::new(Kind::Transient, format!("cannot tell which came last: {reason}")))?;
    let remark = newest.first().map(|(tag, moment)| match moment {
        Some(moment) => format!("{tag} is the newest: {moment}"),
        None => format!("nothing tells when {tag} or any other came"),
    });
    Ok((newest.into_iter().map(|(tag, _)| tag.to_string()).collect(), remark))
}

fn shape(evaluation: &Evaluation<'_>) -> Select {
    let rejected =
        |it: &tagwright_core::policy::Rejection<'_>| Rejected { tag: it.tag.to_owned(), reason: it.reason.to_string() };
    Select {
        selected: evaluation.selected.map(str::to_owned),
        candidates: evaluation.candidates.iter().map(|candidate| candidate.tag.to_owned()).collect(),
        rejected: evaluation.rejected.iter().map(rejected).collect(),
    }
}
