//! `ImagePolicy`: what was selected, and what is said of it.

use std::time::Duration;

use gotext::duration;
use serde_json::Value;

use crate::draft::{Draft, End, Told};
use crate::shape::{Field, Shape};
use crate::{ImageRef, Remarks, Seen, Verdict, reason};

const FIELDS: [Field; 2] = [("latestRef", Shape::Image), ("observedPreviousRef", Shape::Image)];

/// What a pass over a policy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// A tag was selected. The name is `ImageRepository.spec.image` as it is written there.
    Selected(ImageRef<'a>),
    /// Digests are to be pinned always, and the policy does not say how often to look.
    IntervalNotConfigured,
    /// There is no image repository of this name.
    RepositoryMissing {
        /// Its name.
        name: &'a str,
    },
    /// The image repository could not be looked at for another reason.
    RepositoryUnreadable(&'a str),
    /// The image repository may not be used from this namespace.
    AccessDenied(Denied<'a>),
    /// The name of the repository's image is none. The text says why.
    Malformed(&'a str),
    /// The repository's service account is to log in to a cloud, and the gate for that is off.
    FeatureGate,
    /// The policy is none: a bad range or order, or no way to choose at all.
    Invalid(&'a str),
    /// The pattern that filters tags cannot be understood.
    InvalidFilter(&'a str),
    /// The repository has no tags yet.
    NoTags {
        /// When they are looked for again; `--requeue-dependency`.
        retry_in: Duration,
    },
    /// The filter leaves no tag.
    FilteredOut,
    /// No tag is a version in the range.
    NothingInRange,
    /// A tag, or what was extracted of it, is not a number.
    NotANumber(&'a str),
    /// The digest of the selection could not be had.
    DigestFailed {
        /// The repository's image, as it is written there.
        name: &'a str,
        /// The tag.
        tag: &'a str,
        /// What went wrong.
        error: &'a str,
    },
    /// No tag could be selected for another reason.
    Failed(&'a str),
}

/// Why an image repository of another namespace may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied<'a> {
    /// It does not say who may.
    Unshared {
        /// The repository's namespace.
        namespace: &'a str,
        /// The repository's name.
        name: &'a str,
    },
    /// It says who may, and that is others.
    Others {
        /// The repository's namespace.
        namespace: &'a str,
        /// The repository's name.
        name: &'a str,
        /// The policy's namespace.
        from: &'a str,
    },
    /// Nobody may use anything of another namespace.
    Blocked {
        /// The repository's namespace.
        namespace: &'a str,
        /// The repository's name.
        name: &'a str,
    },
}

/// Returns what is selected according to a policy's status; none if nothing ever was.
///
/// A policy that fails keeps its selection, so this is what automations write. Statuses of older controllers are read as well.
#[must_use]
pub fn latest(status: &Value) -> Option<ImageRef<'_>> {
    let written = || {
        let (image, digest) = match status.get("latestImage")?.as_str()?.split_once('@') {
            Some((image, digest)) => (image, Some(digest)),
            None => (status.get("latestImage")?.as_str()?, None),
        };
        let (name, tag) = image.rsplit_once(':')?;
        (!tag.contains('/')).then_some(ImageRef { name, tag, digest })
    };
    status.get("latestRef").and_then(ImageRef::read).or_else(written)
}

/// Returns the digest that a policy with `digestReflectionPolicy: IfNotPresent` keeps: the one that its status has of the very
/// image and tag. None if it has to be looked up.
///
/// ```
/// let status = serde_json::json!({"latestRef": {"name": "ghcr.io/org/app", "tag": "1.2.0", "digest": "sha256:1"}});
/// assert_eq!(flux::policy::kept_digest(&status, "ghcr.io/org/app", "1.2.0"), Some("sha256:1"));
/// assert_eq!(flux::policy::kept_digest(&status, "ghcr.io/org/app", "1.3.0"), None);
/// ```
#[must_use]
pub fn kept_digest<'a>(status: &'a Value, name: &str, tag: &str) -> Option<&'a str> {
    latest(status).filter(|latest| latest.name == name && latest.tag == tag)?.digest
}

/// Returns what is to be written and said.
#[must_use]
pub fn verdict(seen: &Seen<'_>, outcome: &Outcome<'_>, remarks: &Remarks<'_>) -> Verdict {
    Draft::new(seen, &FIELDS).pass(|draft| end(draft, outcome), remarks)
}

fn end(draft: &mut Draft<'_>, outcome: &Outcome<'_>) -> End {
    match outcome {
        Outcome::Selected(latest) => selected(draft, latest),
        Outcome::IntervalNotConfigured => End::stalled(
            reason::INTERVAL_NOT_CONFIGURED,
            "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'",
        ),
        Outcome::RepositoryMissing { name } => {
            let missing = format!("ImageRepository.image.toolkit.fluxcd.io {name:?} not found");
            let message = format!("referenced ImageRepository does not exist: {missing}");
            unreferred(reason::DEPENDENCY_NOT_READY, &message)
        }
        Outcome::RepositoryUnreadable(error) => unreferred(reason::FAILURE, error),
        Outcome::AccessDenied(denied) => unreferred(reason::ACCESS_DENIED, &denied.sentence()),
        Outcome::Malformed(text) => End::stalled(reason::IMAGE_URL_INVALID, *text),
        Outcome::FeatureGate => End::stalled(
            reason::FEATURE_GATE_DISABLED,
            "to use spec.serviceAccountName in the ImageRepository for provider authentication please enable the \
             ObjectLevelWorkloadIdentity feature gate in the controller",
        ),
        Outcome::Invalid(error) => End::stalled(reason::INVALID_POLICY, format!("invalid policy: {error}")),
        Outcome::InvalidFilter(error) => {
            End::stalled(reason::INVALID_POLICY, format!("failed to filter tags: {error}"))
        }
        Outcome::NoTags { retry_in } => {
            let time = duration::show(i64::try_from(retry_in.as_nanos()).unwrap_or(i64::MAX));
            End::Failure {
                reason: reason::DEPENDENCY_NOT_READY,
                message: format!("retrying in {time} error: no tags in database"),
                progress: None,
                later: Some(*retry_in),
            }
        }
        Outcome::FilteredOut => End::failure(reason::FAILURE, "version list argument cannot be empty"),
        Outcome::NothingInRange => {
            End::failure(reason::FAILURE, "unable to determine latest version from provided list")
        }
        Outcome::NotANumber(value) => {
            End::failure(reason::FAILURE, format!("failed to parse invalid numeric value '{value}'"))
        }
        Outcome::DigestFailed { name, tag, error } => {
            End::failure(reason::FAILED, format!("failed fetching digest of {name}:{tag}: {error}"))
        }
        Outcome::Failed(error) => End::failure(reason::FAILURE, *error),
    }
}

/// Takes the selection over. The former one is kept as the previous one until there is another.
fn selected(draft: &mut Draft<'_>, latest: &ImageRef<'_>) -> End {
    let latest = latest.value();
    let before = draft.get("latestRef").cloned();
    if before.as_ref().and_then(ImageRef::read) != ImageRef::read(&latest) {
        draft.set_or_remove("observedPreviousRef", before.as_ref().and_then(ImageRef::read).map(|it| it.value()));
    }
    draft.set("latestRef", latest);
    let message = message(draft);
    End::Success { message: message.clone(), told: Told::Change, trace: message }
}

fn message(draft: &Draft<'_>) -> String {
    let reference = |name| draft.get(name).and_then(ImageRef::read);
    let Some(latest) = reference("latestRef") else { return String::new() };
    let mut message = format!("Latest image tag for {} resolved to {}", latest.name, latest.tag);
    if let Some(digest) = latest.digest {
        message += &format!(" with digest {digest}");
    }
    if let Some(previous) = reference("observedPreviousRef").filter(|previous| *previous != latest) {
        message += &format!(" (previously {previous})");
    }
    message
}

/// A failure to get at the image repository that the policy refers to.
fn unreferred(reason: &'static str, error: &str) -> End {
    End::failure(reason, format!("failed to get the referred ImageRepository: {error}"))
}

impl Denied<'_> {
    fn sentence(&self) -> String {
        match self {
            Self::Unshared { namespace, name } => {
                format!(
                    "access denied: '{namespace}/{name}' can't be accessed due to missing ACL labels on 'accessFrom'"
                )
            }
            Self::Others { namespace, name, from } => format!(
                "access denied: '{namespace}/{name}' can't be accessed due to ACL labels mismatch on namespace '{from}'"
            ),
            Self::Blocked { namespace, name } => {
                let repository = format!("ImageRepository/{namespace}/{name}");
                format!("cannot access '{repository}', cross-namespace references have been blocked")
            }
        }
    }
}
