//! Fields about images that all ways of writing share: repositories, orders, filters, digests.

use std::fmt::Display;
use std::sync::LazyLock;

use gotext::pattern::Pattern;
use image::{OCI_SCHEME, Repository};
use tagwright_core::automation::{DigestReflection, ObjectName, Schedule};
use tagwright_core::policy::{self, Calver, Direction, Filter, Order, Policy};
use tagwright_core::spelling::listed;

use super::decode::Fields;
use super::provider;
use super::raw::ImageRepository;
use super::report::{Finding, Report};
use super::text::Text;
use super::value::{self, Units};
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

/// Those of native documents.
const NATIVE_ORDERS: [&str; 5] = ["semver", "alphabetical", "numerical", "calver", "newest"];

/// What to write instead of something that is no format of calendar versions.
const CALVER_HINT: &str = "formats are made of the parts of calver.org, such as `YYYY.0M.MICRO`: YYYY, YY, 0Y, MM, 0M, WW, 0W, DD, 0D, \
                           MAJOR, MINOR, MICRO, and MODIFIER at the end";

const PATTERN_HINT: &str = "patterns are regular expressions in Go's dialect (RE2)";

/// Reads the fields of an image repository. Its secrets are in the namespace.
pub(super) fn repository(
    fields: &mut Fields<'_>,
    dialect: Dialect,
    id: Option<ObjectName>,
    namespace: Option<&str>,
    schedule: Option<Schedule>,
) -> Option<ImageRepository> {
    let report = fields.report();
    let parse = match dialect {
        Dialect::Native => Repository::parse_source,
        Dialect::Flux => Repository::parse_written,
    };
    let image = fields.required_text("image").and_then(|image| image.parsed(report, parse));
    let timeout = fields.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
    let provider = provider::of_image(fields, image.as_ref().map(Repository::registry));
    let is_layout = image.as_ref().is_some_and(|image| image.layout().is_some());
    if is_layout {
        idle_in_layout(fields);
    }
    // Beside a provider, and for a folder, they have no place, which has been said.
    let alone = |name: Option<Text>| name.filter(|_| provider.is_none() && !is_layout);
    let secret = alone(fields.reference("secretRef"));
    let cert_secret = alone(fields.reference("certSecretRef"));
    let proxy_secret = fields.reference("proxySecretRef").filter(|_| !is_layout);
    let is_asked = !is_layout && (provider.is_none() || report.is_of_objects());
    let service_account = fields.optional_name("serviceAccountName").map(|name| name.filter(|_| is_asked));
    let insecure = fields.flag("insecure");
    let exclusions = exclusions(fields);
    let suspended = fields.flag("suspend");
    Some(ImageRepository {
        id: id?,
        namespace: namespace?.to_owned(),
        image: image?,
        schedule: schedule?,
        max_interval: None,
        timeout,
        secret,
        cert_secret,
        proxy_secret,
        service_account: service_account?,
        provider,
        insecure,
        exclusions: exclusions?,
        access_from: None,
        suspended,
    })
}

/// Whether the image is a chart or another artifact, by its scheme.
pub(super) fn is_chart(fields: &Fields<'_>) -> bool {
    fields.peek("image").is_some_and(|image| image.starts_with(OCI_SCHEME))
}

/// The filter of a chart whose policy has none.
pub(super) fn chart_filter(report: &Report) -> Option<Filter> {
    let (pattern, extract) = Filter::WITHOUT_BUILD;
    Filter::new(report.alike.pattern(pattern).ok()?, extract).ok()
}

/// Names the fields that say how a registry is reached, where there is none.
fn idle_in_layout(fields: &mut Fields<'_>) {
    for field in ["secretRef", "certSecretRef", "proxySecretRef", "serviceAccountName", "insecure", "timeout"] {
        if let Some(place) = fields.key(field) {
            let message = format!("`{}` has no effect: an image layout is a folder", fields.path(field));
            fields.report().idle(place, message);
        }
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
    text.parsed_or(report, || PATTERN_HINT.to_owned(), |text| report.alike.pattern(text))
}

/// Reads `policy` and `filterTags`.
pub(super) fn policy(fields: &mut Fields<'_>, dialect: Dialect) -> Option<Policy> {
    let order = fields.required_fields("policy").and_then(|fields| order(fields, dialect));
    let filter = fields.optional_fields("filterTags", filter);
    let (filter, order) = (filter?, order?);
    if order == Order::Newest && filter.as_ref().is_some_and(|filter| !filter.extract.is_empty()) {
        if let Some(place) = fields.key("filterTags") {
            let message = format!("`{}` has no effect with `newest`", fields.path("filterTags.extract"));
            fields.report().idle(place, message);
        }
        let filter = filter.and_then(|filter| Filter::new(filter.pattern, "").ok());
        return Some(Policy { filter, order });
    }
    Some(Policy { filter, order })
}

fn order(mut fields: Fields<'_>, dialect: Dialect) -> Option<Order> {
    let (report, place, path) = (fields.report(), fields.place, fields.own_path().to_owned());
    let orders: &[&'static str] = match dialect {
        Dialect::Native => &NATIVE_ORDERS,
        Dialect::Flux => &ORDERS,
    };
    let given: Vec<_> = orders.iter().copied().filter_map(|order| fields.key(order).map(|key| (order, key))).collect();
    let semver =
        fields.fields_or("semver", |range| format!("write `semver: {{range: {range}}}`")).and_then(|mut semver| {
            let range = semver.required_text("range");
            semver.finish();
            let read = |text: &str| report.alike.range(text).map_err(|error| error.plain());
            range?.parsed_or(report, || value::RANGE_HINT.to_owned(), read).map(Order::Semver)
        });
    let alphabetical = fields
        .fields_or("alphabetical", |order| format!("write `alphabetical: {{order: {order}}}`"))
        .and_then(direction)
        .map(Order::Alphabetical);
    let numerical = fields
        .fields_or("numerical", |order| format!("write `numerical: {{order: {order}}}`"))
        .and_then(direction)
        .map(Order::Numerical);
    let (calver, newest) = match dialect {
        Dialect::Native => (calver(&mut fields), newest(&mut fields)),
        // Flux has none of them, and its objects could not hold them.
        Dialect::Flux => (None, None),
    };
    fields.finish();
    let hint = format!("write one of {}", listed(orders));
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
        "calver" => calver,
        "newest" => newest,
        _ => numerical,
    }
}

fn calver(fields: &mut Fields<'_>) -> Option<Order> {
    let report = fields.report();
    let mut calver = fields.fields_or("calver", |format| format!("write `calver: {{format: {format}}}`"))?;
    let format = calver.required_text("format");
    calver.finish();
    format?.parsed_or(report, || CALVER_HINT.to_owned(), Calver::parse).map(Order::Calver)
}

/// There is nothing to say about it.
fn newest(fields: &mut Fields<'_>) -> Option<Order> {
    let newest = fields.fields_or("newest", |_| "write `newest: {}`".to_owned())?;
    newest.finish();
    Some(Order::Newest)
}

fn direction(mut fields: Fields<'_>) -> Option<Direction> {
    let hint = |_: &str| "`asc`, which is the default, selects the greatest tag, `desc` the smallest".to_owned();
    let direction = fields.optional_or("order", hint, Direction::parse);
    fields.finish();
    direction.map(|direction| direction.unwrap_or(Direction::Ascending))
}

/// An absent pattern matches every tag, as an empty one does.
fn filter(mut fields: Fields<'_>) -> Option<Filter> {
    let report = fields.report();
    let pattern = match fields.text("pattern") {
        Some(text) => pattern(report, &text),
        None if fields.key("pattern").is_none() => report.alike.pattern("").ok(),
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

/// Reads `pin`, which is short for two of the words of `digestReflectionPolicy`, or that.
pub(super) fn pin(fields: &mut Fields<'_>) -> DigestReflection {
    let (digest, place) = digest(fields);
    let words = [("digest", DigestReflection::Always), ("tag", DigestReflection::Never)];
    match (fields.one_of("pin", &words), place) {
        (Some((_, pin)), Some(_)) => {
            let (pin_path, path) = (fields.path("pin"), fields.path("digestReflectionPolicy"));
            fields.report().error(pin, format!("`{pin_path}` and `{path}` exclude each other"));
            digest
        }
        (Some((pin, _)), None) => pin,
        (None, _) => digest,
    }
}

/// Reads `digestReflectionPolicy`, and says where it is given.
pub(super) fn digest(fields: &mut Fields<'_>) -> (DigestReflection, Option<Place>) {
    use DigestReflection::{Always, IfNotPresent, Never};
    let words = [("Always", Always), ("IfNotPresent", IfNotPresent), ("Never", Never)];
    let found = fields.one_of("digestReflectionPolicy", &words);
    found.map_or((Never, None), |(digest, place)| (digest, Some(place)))
}
