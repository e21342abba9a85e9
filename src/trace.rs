//! The spans of a trace: what a bot does, from the webhook or the poll that found a tag to the push.
//!
//! They are made wherever the work is done, and cost nothing as long as nobody has asked for traces. Their names are few; what they are about
//! is in attributes, which have the names of OpenTelemetry's conventions where it has one. Nothing in them is secret: addresses as
//! messages show them, and failures in the sentences of the log.

use std::collections::BTreeSet;

use image::Reference;
use otlp::{Origin, list};
use tagwright_core::automation::{ImagePolicy, ImageRepository, ObjectName};
use tracing::Span;
use tracing::field::{Empty, display};
use web::SPANS;

/// A span of what may go wrong, as [`failed`] says.
macro_rules! fallible {
    ($name:literal $(, $($fields:tt)*)?) => {
        tracing::info_span!(
            target: SPANS,
            $name,
            otel.status_code = Empty,
            otel.status_description = Empty,
            "error.type" = Empty,
            $($($fields)*)?
        )
    };
}

/// All that one pass over a configuration does.
pub(crate) fn pass() -> Span {
    tracing::info_span!(target: SPANS, "pass")
}

/// A webhook that was taken.
pub(crate) fn webhook(receiver: &hooks::Receiver, origin: Option<Origin>) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "webhook",
        otel.kind = "server",
        "http.request.method" = "POST",
        "tagwright.receiver" = %format_args!("{}/{}", receiver.namespace, receiver.name),
        "tagwright.source" = receiver.source.as_str(),
        "tagwright.result" = Empty,
        "http.response.status_code" = Empty,
    );
    otlp::follow(&span, origin.as_slice());
    span
}

/// A poll of an image repository, or a look-up of digests between two.
pub(crate) fn poll(repository: &ImageRepository, lists: bool, origins: &[Origin]) -> Span {
    let span = fallible!(
        "poll",
        "container.image.name" = repository.image.name(),
        "tagwright.repository" = %repository.id,
        "tagwright.lists" = lists,
        "tagwright.changed" = Empty,
    );
    otlp::follow(&span, origins);
    span
}

/// The evaluation of a policy.
pub(crate) fn select(policy: &ImagePolicy) -> Span {
    tracing::info_span!(
        target: SPANS,
        "select",
        "container.image.name" = policy.repository.image.name(),
        "tagwright.policy" = policy.id.marker(),
        "tagwright.tags" = Empty,
        "tagwright.selected" = Empty,
    )
}

/// The run of what is due on a remote.
pub(crate) fn run<'d>(url: &str, due: impl Iterator<Item = &'d ObjectName>, origins: &[Origin]) -> Span {
    let span = fallible!("run", "vcs.repository.url.full" = plain(url),);
    list(&span, "tagwright.automations", due.map(ToString::to_string));
    otlp::follow(&span, origins);
    span
}

/// Asking a remote for its references.
pub(crate) fn advertise() -> Span {
    fallible!("advertise")
}

/// Fetching a branch.
pub(crate) fn fetch(branch: &str) -> Span {
    tracing::info_span!(target: SPANS, "fetch", "vcs.ref.head.name" = branch, "vcs.ref.head.revision" = Empty)
}

/// Planning for an automation, on a commit.
pub(crate) fn plan(automation: &ObjectName, commit: impl std::fmt::Display) -> Span {
    tracing::info_span!(
        target: SPANS,
        "plan",
        "tagwright.automation" = %automation,
        "vcs.ref.base.revision" = %commit,
    )
}

/// Finding the marked files of a commit.
pub(crate) fn scan() -> Span {
    tracing::info_span!(target: SPANS, "scan", "tagwright.files" = Empty)
}

/// Finding out what people took back.
pub(crate) fn history(branch: &str) -> Span {
    tracing::info_span!(target: SPANS, "history", "vcs.ref.head.name" = branch)
}

/// The commit for an automation.
pub(crate) fn commit(automation: &ObjectName, branch: &str) -> Span {
    tracing::info_span!(
        target: SPANS,
        "commit",
        "tagwright.automation" = %automation,
        "vcs.ref.head.name" = branch,
        "vcs.ref.head.revision" = Empty,
    )
}

/// A push of commits, each on its branch.
pub(crate) fn push<'h>(url: &str, heads: impl Iterator<Item = (&'h str, String)>) -> Span {
    let span = fallible!(
        "push",
        "vcs.repository.url.full" = plain(url),
        "vcs.ref.head.name" = Empty,
        "vcs.ref.head.revision" = Empty,
    );
    if !span.is_disabled() {
        let heads: Vec<(&str, String)> = heads.collect();
        match heads.as_slice() {
            [(branch, commit)] => {
                span.record("vcs.ref.head.name", branch);
                span.record("vcs.ref.head.revision", commit.as_str());
            }
            several => {
                list(&span, "tagwright.branches", several.iter().map(|(branch, _)| (*branch).to_owned()));
                list(&span, "tagwright.commits", several.iter().map(|(_, commit)| commit.clone()));
            }
        }
    }
    span
}

/// What is asked of a forge for the pull requests of a remote. `doing` is `look`, `settle` or `answer`.
pub(crate) fn requests(doing: &'static str) -> Span {
    tracing::info_span!(target: SPANS, "requests", "tagwright.doing" = doing)
}

/// Says that what a span is about went wrong.
pub(crate) fn failed(span: &Span, kind: impl std::fmt::Debug, what: &str) {
    if !span.is_disabled() {
        span.record("error.type", format!("{kind:?}").to_lowercase());
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", what);
    }
}

/// Says which commits were pushed, each once.
pub(crate) fn commits(span: &Span, commits: impl Iterator<Item = String>) {
    if !span.is_disabled() {
        list(span, "tagwright.commits", commits.collect::<BTreeSet<String>>());
    }
}

/// Says what policies came to, or what a commit changes: the policies and the references.
pub(crate) fn images<'p>(span: &Span, selected: impl Iterator<Item = (String, &'p Reference)>) {
    if !span.is_disabled() {
        let (policies, references): (Vec<String>, Vec<String>) =
            selected.map(|(policy, reference)| (policy, reference.to_string())).unzip();
        list(span, "tagwright.policies", policies);
        list(span, "tagwright.images", references);
    }
}

/// Records a number.
pub(crate) fn count(span: &Span, field: &'static str, count: usize) {
    // Unsigned numbers would be sent as text.
    span.record(field, i64::try_from(count).unwrap_or(i64::MAX));
}

/// Records something that can be shown.
pub(crate) fn record(span: &Span, field: &'static str, value: impl std::fmt::Display) {
    span.record(field, display(value));
}

/// The address of a remote without what may be secret in it.
fn plain(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| url.to_owned(), |url| web::show(&url))
}
