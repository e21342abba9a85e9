//! Fields that hold commits back: guards of an image, windows and waiting of an automation.
//!
//! In the native document they are fields; a Flux `ImagePolicy` and a KubeVela `Application` have annotations for the guards,
//! since they have no fields for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use image::{Digest, Repository, is_tag};
use jiff::tz::TimeZone;
use tagwright_core::automation::{
    Batch, Cron, Deny, DigestReflection, Gather, Guards, Platform, Pullable, Schedule, Window,
};

use super::MAX_EXCLUSIONS;
use super::decode::Fields;
use super::lane;
use super::report::{Finding, Report, quoted};
use super::text::Text;
use super::value::{self, Units};
use super::verify::{self, Verify};
use super::yaml::Place;

/// What to write instead of something that is no cron expression.
const CRON_HINT: &str = "`0 6 * * 1-5` is at 6:00 from Monday to Friday: minute, hour, day of the month, month, day of the week; or write \
                         `@hourly`, `@daily`, `@weekly` or `@monthly`";

/// The annotation for `exclude`, its items between white space.
pub(super) const EXCLUDE: &str = "tagwright.dev/exclude";

/// The annotation for `excludeDigests`, its items between white space.
pub(super) const EXCLUDE_DIGESTS: &str = "tagwright.dev/exclude-digests";

/// The annotation for `platforms`, its items between white space.
pub(super) const PLATFORMS: &str = "tagwright.dev/platforms";

/// The annotation for `pullable`: `true`, or the mirrors, between white space.
pub(super) const PULLABLE: &str = "tagwright.dev/pullable";

/// The annotation for `together`.
pub(super) const TOGETHER: &str = "tagwright.dev/together";

/// The annotation for `minimumAge`.
pub(super) const MINIMUM_AGE: &str = "tagwright.dev/minimum-age";

/// The annotation for `allowDowngrade`.
pub(super) const ALLOW_DOWNGRADE: &str = "tagwright.dev/allow-downgrade";

/// The annotation for `ignoreAttestationOnly`.
pub(super) const IGNORE_ATTESTATION_ONLY: &str = "tagwright.dev/ignore-attestation-only";

/// The annotation for an order that Flux has not: `newest`, in place of the one in `spec.policy`.
pub(super) const ORDER: &str = "tagwright.dev/order";

/// The annotation for `maxInterval`.
pub(super) const MAX_INTERVAL: &str = "tagwright.dev/max-interval";

/// The longest `minimumAge`: ten years. Whatever is longer was meant to be something else.
const MAX_MINIMUM_AGE: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// How many digests a policy may exclude.
const MAX_DIGESTS: usize = 1_000;

/// What to write instead of something that is no digest.
const DIGEST_HINT: &str =
    "write `sha256:` and 64 lower-case hexadecimal digits; of an image for several platforms those of its index";

/// How many platforms an image may have to be for.
const MAX_PLATFORMS: usize = 16;

/// What to write instead of something that is no platform.
const PLATFORM_HINT: &str =
    "write the operating system, the processor, and perhaps its variant: `linux/arm64`, `linux/arm/v7`";

/// How many other repositories an image may have to be in.
const MAX_MIRRORS: usize = 16;

/// How many windows an automation may have.
const MAX_WINDOWS: usize = 100;

/// `maxDelay` where only `quietPeriod` is given, as a multiple of that.
const DEFAULT_DELAY: u32 = 10;

/// Guards of an object's annotations, and where the first of them stands; and the interval of an image repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Annotated {
    pub(super) guards: Guards,
    pub(super) verify: Option<Verify>,
    first: Option<(String, Place)>,
    /// Whether the newest is selected, whatever the order in the object is.
    pub(super) newest: bool,
    /// How far the interval of an image repository is stretched.
    pub(super) max_interval: Option<(Duration, Place)>,
}

impl Annotated {
    /// Reads the annotations of an object.
    pub(super) fn read(report: &Report, annotations: &BTreeMap<String, Text>) -> Self {
        let get = |name: &str| annotations.get(name).map(|text| Text { path: name.to_owned(), ..text.clone() });
        let words = |text: Text| {
            let words: Vec<&str> = text.value.split_whitespace().collect();
            words.into_iter().map(|word| Text { value: word.to_owned(), ..text.clone() }).collect::<Vec<_>>()
        };
        let all = [
            get(EXCLUDE),
            get(EXCLUDE_DIGESTS),
            get(PLATFORMS),
            get(PULLABLE),
            get(TOGETHER),
            get(MINIMUM_AGE),
            get(ALLOW_DOWNGRADE),
            get(lane::LABEL),
            get(lane::DOCUMENTS),
            get(IGNORE_ATTESTATION_ONLY),
            get(ORDER),
        ];
        let first = all.iter().flatten().map(|text| (text.path.clone(), text.place)).next();
        let [
            exclude,
            exclude_digests,
            platforms,
            pullable,
            together,
            minimum_age,
            allow_downgrade,
            label,
            documents,
            ignore_attestation_only,
            order,
        ] = all;
        let documents = documents.map(|text| (text.place, words(text)));
        let newest = order.is_some_and(|text| newest(report, &text));
        let duration = |text: &Text| {
            let duration = value::duration(&text.value, Units::UpToHours).map_err(|error| {
                let message = format!("annotation `{}` {error}: {}", text.path, quoted(&text.value));
                report.add(Finding::at(text.place, message).hint(Units::UpToHours.hint()))
            });
            duration.ok()
        };
        let minimum_age = minimum_age.and_then(|text| checked_age(report, &text.path, duration(&text)?, text.place));
        let max_interval = get(MAX_INTERVAL).and_then(|text| Some((duration(&text)?, text.place)));
        let guards = Guards {
            deny: exclude.map(|text| (text.place, words(text))).map_or_else(Vec::new, |it| deny(report, EXCLUDE, it)),
            deny_digests: exclude_digests
                .map(|text| (text.place, words(text)))
                .map_or_else(BTreeSet::new, |it| deny_digests(report, EXCLUDE_DIGESTS, it)),
            platforms: platforms
                .map(|text| (text.place, words(text)))
                .map_or_else(Vec::new, |it| self::platforms(report, PLATFORMS, it)),
            pullable: pullable.map(|text| {
                let mirrors = if text.value.trim() == "true" { Vec::new() } else { words(text.clone()) };
                Pullable { mirrors: self::mirrors(report, PULLABLE, (text.place, mirrors)) }
            }),
            together: together.and_then(|text| group(report, &text)),
            minimum_age,
            fast_lane: lane::annotated(report, label, documents),
            ignore_attestation_only: ignore_attestation_only.is_some_and(|text| text.value == "true"),
            verify: None,
            allow_downgrade: allow_downgrade.is_some_and(|text| text.value == "true"),
        };
        let verify = verify::annotated(report, annotations);
        let first = first.or_else(|| {
            let name = verify::ANNOTATIONS.into_iter().find(|name| annotations.contains_key(*name))?;
            Some((name.to_owned(), annotations.get(name)?.place))
        });
        Self { guards, verify, first, newest, max_interval }
    }

    /// Says that the guards are lost on this object.
    pub(super) fn lost_guards(&self, report: &Report, hint: &str) {
        if let Some((name, place)) = &self.first {
            let message = format!("annotation `{name}` has no effect on this kind of object");
            report.add(Finding::at(*place, message).hint(hint));
        }
    }

    /// Says that the interval is lost on this object.
    pub(super) fn lost_interval(&self, report: &Report, hint: &str) {
        if let Some((_, place)) = &self.max_interval {
            let message = format!("annotation `{MAX_INTERVAL}` has no effect on this kind of object");
            report.add(Finding::at(*place, message).hint(hint));
        }
    }
}

/// An order that Flux has not.
fn newest(report: &Report, text: &Text) -> bool {
    if text.value != "newest" {
        let message = format!("annotation `{}` cannot be {}", text.path, quoted(&text.value));
        report.add(Finding::at(text.place, message).hint("the value is `newest`; other orders stand in `spec.policy`"));
    }
    text.value == "newest"
}

/// Checks how far an interval is stretched: from what it is, and there has to be one.
pub(super) fn max_interval(
    report: &Report,
    (longest, place): (Duration, Place),
    schedule: &Schedule,
) -> Option<Duration> {
    match schedule {
        Schedule::Every(interval) if longest < *interval => {
            report.error(place, format!("the longest interval is shorter than the interval, which is {interval:?}"));
            None
        }
        Schedule::Every(_) => Some(longest),
        Schedule::Cron(_) => {
            report.error(place, "`maxInterval` stretches an interval, and there is a `schedule`".to_owned());
            None
        }
    }
}

/// Reads what may stand between a selection and a commit.
pub(super) fn guards(fields: &mut Fields<'_>) -> Guards {
    let report = fields.report();
    let place = fields.key("exclude");
    let exclude = fields.texts("exclude").zip(place);
    let deny = exclude.map_or_else(Vec::new, |(texts, place)| deny(report, &fields.path("exclude"), (place, texts)));
    let place = fields.key("excludeDigests");
    let digests = fields.texts("excludeDigests").zip(place);
    let path = fields.path("excludeDigests");
    let deny_digests =
        digests.map_or_else(BTreeSet::new, |(texts, place)| self::deny_digests(report, &path, (place, texts)));
    let place = fields.key("platforms");
    let texts = fields.texts("platforms").zip(place);
    let path = fields.path("platforms");
    let platforms = texts.map_or_else(Vec::new, |(texts, place)| self::platforms(report, &path, (place, texts)));
    let pullable = fields.fields("pullable").map(|mut pullable| {
        let place = pullable.key("mirrors");
        let texts = pullable.texts("mirrors").zip(place);
        let path = pullable.path("mirrors");
        pullable.finish();
        Pullable { mirrors: texts.map_or_else(Vec::new, |(texts, place)| mirrors(report, &path, (place, texts))) }
    });
    let together = fields.filled_text("together").and_then(|text| group(report, &text));
    let age = fields.duration("minimumAge", Units::UpToHours);
    let minimum_age = age.and_then(|(age, place)| checked_age(report, &fields.path("minimumAge"), age, place));
    let fast_lane = lane::fast_lane(fields);
    let ignore_attestation_only = fields.flag("ignoreAttestationOnly");
    Guards {
        deny,
        deny_digests,
        platforms,
        pullable,
        together,
        minimum_age,
        fast_lane,
        ignore_attestation_only,
        verify: None,
        allow_downgrade: fields.flag("allowDowngrade"),
    }
}

fn checked_age(report: &Report, path: &str, age: Duration, place: Place) -> Option<Duration> {
    if age > MAX_MINIMUM_AGE {
        let finding = Finding::at(place, format!("`{path}` is more than ten years"));
        report.add(finding.hint("nothing would ever be selected; three days are `72h`"));
        return None;
    }
    (!age.is_zero()).then_some(age)
}

fn deny(report: &Report, path: &str, (place, texts): (Place, Vec<Text>)) -> Vec<Deny> {
    if texts.len() > MAX_EXCLUSIONS {
        report.error(place, format!("`{path}` has more than {MAX_EXCLUSIONS} items"));
        return Vec::new();
    }
    texts.iter().filter_map(|text| denial(report, text)).collect()
}

fn deny_digests(report: &Report, path: &str, (place, texts): (Place, Vec<Text>)) -> BTreeSet<Digest> {
    if texts.len() > MAX_DIGESTS {
        report.error(place, format!("`{path}` has more than {MAX_DIGESTS} items"));
        return BTreeSet::new();
    }
    let digest = |text: &Text| {
        let found = Digest::parse(&text.value).map_err(|_| {
            let message = format!("`{}`: {} is not a digest", text.path, quoted(&text.value));
            report.add(Finding::at(text.place, message).hint(DIGEST_HINT))
        });
        found.ok()
    };
    texts.iter().filter_map(digest).collect()
}

fn platforms(report: &Report, path: &str, (place, texts): (Place, Vec<Text>)) -> Vec<Platform> {
    if texts.len() > MAX_PLATFORMS {
        report.error(place, format!("`{path}` has more than {MAX_PLATFORMS} items"));
        return Vec::new();
    }
    let platform = |text: &Text| {
        let found = Platform::parse(&text.value).map_err(|error| {
            let message = format!("`{}`: {} {error}", text.path, quoted(&text.value));
            report.add(Finding::at(text.place, message).hint(PLATFORM_HINT))
        });
        found.ok()
    };
    texts.iter().filter_map(platform).collect()
}

fn mirrors(report: &Report, path: &str, (place, texts): (Place, Vec<Text>)) -> Vec<Repository> {
    if texts.len() > MAX_MIRRORS {
        report.error(place, format!("`{path}` has more than {MAX_MIRRORS} items"));
        return Vec::new();
    }
    texts.iter().filter_map(|text| text.clone().parsed(report, Repository::parse_written)).collect()
}

/// The name of a group of policies: as objects are named.
fn group(report: &Report, text: &Text) -> Option<String> {
    if value::is_object_name(&text.value) {
        return Some(text.value.clone());
    }
    let message = format!("`{}`: {} is not a name", text.path, quoted(&text.value));
    report
        .add(Finding::at(text.place, message).hint("a name has small letters, digits, `-` and `.`, such as `backend`"));
    None
}

/// `/PATTERN/`, or a tag.
fn denial(report: &Report, text: &Text) -> Option<Deny> {
    let value = text.value.as_str();
    match value.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some("") => {
            let message = format!("`{}`: an empty pattern would exclude every tag", text.path);
            report.error(text.place, message);
            None
        }
        Some(pattern) => {
            let hint = "between slashes stands a regular expression in Go's dialect (RE2)";
            text.parsed_or(report, || hint.to_owned(), |_| report.alike.pattern(pattern)).map(Deny::Pattern)
        }
        None if is_tag(value) => Some(Deny::Tag(value.to_owned())),
        None => {
            let message = format!("`{}`: {} is not a tag that OCI allows", text.path, quoted(value));
            report.add(Finding::at(text.place, message).hint("a pattern stands between slashes, as in `/^nightly-/`"));
            None
        }
    }
}

/// Says of what is required of an image what comes to nothing beside the rest of it.
pub(super) fn in_vain(fields: &Fields<'_>, guards: &Guards, digest: DigestReflection) {
    let report = fields.report();
    if let Some(place) = fields.key("fastLane").filter(|_| guards.minimum_age.is_none()) {
        let (lane, age) = (fields.path("fastLane"), fields.path("minimumAge"));
        report.idle(place, format!("`{lane}` has no effect without `{age}`, which it lets releases pass"));
    }
    if digest != DigestReflection::Never {
        return;
    }
    if let Some(place) = fields.key("ignoreAttestationOnly").filter(|_| guards.ignore_attestation_only) {
        let path = fields.path("ignoreAttestationOnly");
        report.idle(place, format!("`{path}` has no effect where no digest is written; `pin: digest` writes it"));
    }
    if let Some(place) = fields.key("verify") {
        let path = fields.path("verify");
        let message = format!(
            "`{path}` is about the image that a tag has now, and only the tag is written, which may be moved after that; \
             `pin: digest` writes what was verified"
        );
        report.idle(place, message);
    }
}

/// Reads `batch`.
pub(super) fn batch(fields: &mut Fields<'_>) -> Batch {
    let words = [("perAutomation", Batch::PerAutomation), ("perBranch", Batch::PerBranch)];
    fields.one_of("batch", &words).map(|(batch, _)| batch).unwrap_or_default()
}

/// Reads `quietPeriod` and `maxDelay`.
pub(super) fn gather(fields: &mut Fields<'_>) -> Gather {
    let report = fields.report();
    let quiet_key = fields.key("quietPeriod");
    let quiet = fields.duration("quietPeriod", Units::UpToHours);
    let delay = fields.duration("maxDelay", Units::UpToHours);
    let (quiet_path, delay_path) = (fields.path("quietPeriod"), fields.path("maxDelay"));
    match (quiet, delay) {
        (None, Some((_, place))) if quiet_key.is_none() => {
            let finding = Finding::at(place, format!("`{delay_path}` has no `{quiet_path}` to limit"));
            report.add(finding.hint("write `quietPeriod`: how long nothing new must have arrived before a commit"));
            Gather::default()
        }
        (Some((quiet_period, _)), Some((max_delay, place))) if max_delay < quiet_period => {
            report.error(place, format!("`{delay_path}` is shorter than `{quiet_path}`"));
            Gather::default()
        }
        (Some((quiet_period, _)), Some((max_delay, _))) => Gather { quiet_period, max_delay },
        (Some((quiet_period, _)), None) => {
            Gather { quiet_period, max_delay: quiet_period.saturating_mul(DEFAULT_DELAY) }
        }
        (None, _) => Gather::default(),
    }
}

/// Reads `windows`.
pub(super) fn windows(fields: &mut Fields<'_>) -> Vec<Window> {
    let report = fields.report();
    let (path, place) = (fields.path("windows"), fields.key("windows"));
    let windows = fields.items("windows").unwrap_or_default();
    match place {
        Some(place) if windows.is_empty() && !report.has_problems() => {
            let hint = "leave it out to commit at any time, or write `suspend: true` to commit never";
            report.add(Finding::at(place, format!("`{path}` is empty")).hint(hint));
        }
        Some(place) if windows.len() > MAX_WINDOWS => {
            report.error(place, format!("`{path}` has more than {MAX_WINDOWS} items"));
            return Vec::new();
        }
        _ => {}
    }
    windows.into_iter().filter_map(window).collect()
}

fn window(mut fields: Fields<'_>) -> Option<Window> {
    let opens = match fields.key("schedule") {
        Some(_) => cron(&mut fields).flatten(),
        None => {
            fields.accept(&["schedule", "timeZone"]);
            fields.missing("schedule");
            None
        }
    };
    let duration = fields.required_duration("duration", Units::UpToHours);
    let path = fields.path("duration");
    let report = fields.report();
    fields.finish();
    let (duration, place) = duration?;
    if duration.is_zero() {
        report.add(Finding::at(place, format!("`{path}` is zero")).hint("a window that never opens is not a window"));
        return None;
    }
    Some(Window { opens: opens?, duration })
}

/// Reads `schedule` with `timeZone`: `Some(None)` when there is no schedule, `None` when something is wrong.
pub(super) fn cron(fields: &mut Fields<'_>) -> Option<Option<Cron>> {
    let report = fields.report();
    let zone_key = fields.key("timeZone");
    let zone = fields.optional_or("timeZone", value::time_zone_hint, value::time_zone);
    // With a wrong zone, the expression is still worth looking at.
    let given = zone.clone().flatten().unwrap_or(TimeZone::UTC);
    let key = fields.key("schedule");
    let cron = fields.optional_or("schedule", |_| CRON_HINT.to_owned(), |text| Cron::parse(text, given));
    match (key, zone_key, cron) {
        (Some(place), _, Some(None)) => {
            report.error(place, format!("`{}` is empty", fields.path("schedule")));
            None
        }
        (None, Some(place), _) => {
            let message = format!("`{}` has no `schedule` to belong to", fields.path("timeZone"));
            let hint = "an interval has no time zone; write `schedule` with a cron expression";
            report.add(Finding::at(place, message).hint(hint));
            None
        }
        (_, _, cron) => zone.and(cron),
    }
}
