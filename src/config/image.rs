//! Fields about images that all ways of writing share: repositories, orders, filters, digests.

use std::fmt::Display;
use std::sync::LazyLock;

use gotext::pattern::Pattern;
use gotext::version::Range;
use image::Repository;
use tagwright_core::automation::{DigestReflection, ObjectName, Schedule};
use tagwright_core::policy::{self, Direction, Filter, Order, Policy};
use tagwright_core::spelling::{listed, nearest};

use super::decode::Fields;
use super::raw::ImageRepository;
use super::report::{Finding, Report, quoted};
use super::text::Text;
use super::value::Units;
use super::yaml::Place;
use super::{DEFAULT_EXCLUSION, MAX_EXCLUSIONS};

/// How strictly several orders in one policy are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// One order, or it is an error.
    Native,
    /// The first of [`ORDERS`] counts; the rest is ignored with a notice.
    Flux,
}

/// In the order of precedence.
const ORDERS: [&str; 3] = ["semver", "alphabetical", "numerical"];

const RANGE_HINT: &str = "ranges look like `6.x`, `^1.2`, `>=1.0.0 <2.0.0` or `1.x || 3.x`";
const PATTERN_HINT: &str = "patterns are regular expressions in Go's dialect (RE2)";

/// Reads the fields of an image repository. Its secrets are in the namespace.
pub(super) fn repository(
    fields: &mut Fields<'_>,
    id: Option<ObjectName>,
    namespace: Option<&str>,
    schedule: Option<Schedule>,
) -> Option<ImageRepository> {
    let report = fields.report();
    let image = fields.required_text("image").and_then(|image| image.parsed(report, Repository::parse));
    let timeout = fields.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
    let secret = fields.reference("secretRef");
    let cert_secret = fields.reference("certSecretRef");
    let proxy_secret = fields.reference("proxySecretRef");
    let service_account = fields.optional_name("serviceAccountName");
    let insecure = fields.flag("insecure");
    let exclusions = exclusions(fields);
    let suspended = fields.flag("suspend");
    refuse_cloud(fields);
    Some(ImageRepository {
        id: id?,
        namespace: namespace?.to_owned(),
        image: image?,
        schedule: schedule?,
        timeout,
        secret,
        cert_secret,
        proxy_secret,
        service_account: service_account?,
        insecure,
        exclusions: exclusions?,
        access_from: None,
        suspended,
    })
}

fn refuse_cloud(fields: &mut Fields<'_>) {
    if let Some(provider) = fields.filled_text("provider").filter(|provider| provider.value != "generic") {
        let message = format!("`{}`: {} is not supported yet", provider.path, quoted(&provider.value));
        let hint =
            "name a secret with a registry login in `secretRef`, or log in with the machine's Docker configuration";
        fields.report().add(Finding::at(provider.place, message).hint(hint));
    }
}

/// An empty list means the default, as in Flux.
fn exclusions(fields: &mut Fields<'_>) -> Option<Vec<Pattern>> {
    let report = fields.report();
    let place = fields.key("exclusionList");
    let list = fields.texts("exclusionList");
    match (place, list) {
        (Some(_), None) => None,
        (Some(place), Some(list)) if list.len() > MAX_EXCLUSIONS => {
            let path = fields.path("exclusionList");
            report.error(place, format!("`{path}` has more than {MAX_EXCLUSIONS} items"));
            None
        }
        (Some(_), Some(list)) if !list.is_empty() => {
            let patterns: Vec<_> = list.iter().map(|text| pattern(report, text)).collect();
            patterns.into_iter().collect()
        }
        _ => default_exclusions(),
    }
}

/// What is dropped where nothing is said.
pub(super) fn default_exclusions() -> Option<Vec<Pattern>> {
    // Making it takes longer than reading all the rest of an image.
    static DEFAULT: LazyLock<Option<Pattern>> = LazyLock::new(|| Pattern::parse(DEFAULT_EXCLUSION).ok());
    DEFAULT.clone().map(|pattern| vec![pattern])
}

fn pattern(report: &Report, text: &Text) -> Option<Pattern> {
    text.parsed_or(report, PATTERN_HINT, Pattern::parse)
}

/// Reads `policy` and `filterTags`.
pub(super) fn policy(fields: &mut Fields<'_>, dialect: Dialect) -> Option<Policy> {
    let order = fields.required_fields("policy").and_then(|fields| order(fields, dialect));
    let filter = fields.optional_fields("filterTags", filter);
    Some(Policy { filter: filter?, order: order? })
}

fn order(mut fields: Fields<'_>, dialect: Dialect) -> Option<Order> {
    let (report, place, path) = (fields.report(), fields.place, fields.own_path().to_owned());
    let given: Vec<_> = ORDERS.into_iter().filter_map(|order| fields.key(order).map(|key| (order, key))).collect();
    let semver = fields.fields("semver").and_then(|mut semver| {
        let range = semver.required_text("range");
        semver.finish();
        range?.parsed_or(report, RANGE_HINT, Range::parse).map(Order::Semver)
    });
    let alphabetical = fields.fields("alphabetical").and_then(direction).map(Order::Alphabetical);
    let numerical = fields.fields("numerical").and_then(direction).map(Order::Numerical);
    fields.finish();
    let hint = format!("write one of {}", listed(&ORDERS));
    let (first, rest) = match given.split_first() {
        Some(split) => split,
        None => {
            report.add(Finding::at(place, format!("no policy is given in `{path}`")).hint(hint));
            return None;
        }
    };
    match rest.first() {
        Some((second, key)) if dialect == Dialect::Native => {
            let message = format!("`{path}` has both `{}` and `{second}`", first.0);
            report.add(Finding::at(*key, message).hint(hint));
            return None;
        }
        Some((_, key)) => {
            let message = format!("`{path}` has more than one order, and `{}` is the one that counts", first.0);
            report.idle(*key, message);
        }
        None => {}
    }
    match first.0 {
        "semver" => semver,
        "alphabetical" => alphabetical,
        _ => numerical,
    }
}

fn direction(mut fields: Fields<'_>) -> Option<Direction> {
    let direction = fields.optional("order", Direction::parse);
    fields.finish();
    direction.map(|direction| direction.unwrap_or(Direction::Ascending))
}

/// An absent pattern matches every tag, as an empty one does.
fn filter(mut fields: Fields<'_>) -> Option<Filter> {
    let report = fields.report();
    let pattern = match fields.text("pattern") {
        Some(text) => pattern(report, &text),
        None if fields.key("pattern").is_none() => Pattern::parse("").ok(),
        None => None,
    };
    let extract = fields.text("extract");
    fields.finish();
    match extract {
        Some(extract) => filtered(report, pattern?, &extract),
        None => Filter::new(pattern?, "").ok(),
    }
}

fn filtered(report: &Report, pattern: Pattern, extract: &Text) -> Option<Filter> {
    let wrong = |what: &dyn Display| Finding::at(extract.place, format!("`{}`: {what}", extract.path));
    report.add(match Filter::new(pattern, &extract.value) {
        Ok(filter) => {
            if filter.is_constant() {
                let message = format!(
                    "`{}` names no group of the pattern, such as `$1` or `${{name}}`, so that all tags rank equal",
                    extract.path
                );
                report.idle(extract.place, message);
            }
            return Some(filter);
        }
        Err(policy::Error::UnknownGroup(unknown)) => wrong(&unknown).hint(unknown.hint()),
        Err(error) => wrong(&error),
    });
    None
}

/// Reads `digestReflectionPolicy`, and says where it is given.
pub(super) fn digest(fields: &mut Fields<'_>) -> (DigestReflection, Option<Place>) {
    const VALUES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
    let Some(text) = fields.filled_text("digestReflectionPolicy") else { return (DigestReflection::Never, None) };
    let digest = match text.value.as_str() {
        "Always" => DigestReflection::Always,
        "IfNotPresent" => DigestReflection::IfNotPresent,
        "Never" => DigestReflection::Never,
        other => {
            let hint = match nearest(other, &VALUES) {
                Some(known) => format!("a similar value exists: `{known}`"),
                None => format!("the values are {}", listed(&VALUES)),
            };
            let message = format!("`{}` cannot be {}", text.path, quoted(other));
            fields.report().add(Finding::at(text.place, message).hint(hint));
            DigestReflection::Never
        }
    };
    (digest, Some(text.place))
}
