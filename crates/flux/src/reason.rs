//! The reasons of conditions and events: words that dashboards, alerts and scripts look for.

/// The pass succeeded.
pub const SUCCEEDED: &str = "Succeeded";
/// A failed try is made again; the reason of `Reconciling`.
pub const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
/// A failure that has no reason of its own.
pub const FAILED: &str = "Failed";
/// A failure that has no reason of its own, in the words of the API machinery.
pub const FAILURE: &str = "Failure";
/// The name of an image repository cannot be used.
pub const IMAGE_URL_INVALID: &str = "ImageURLInvalid";
/// A feature gate that the object needs is off.
pub const FEATURE_GATE_DISABLED: &str = "FeatureGateDisabled";
/// Secrets, certificates or proxies cannot be used.
pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
/// The list of tags could not be read.
pub const READ_OPERATION_FAILED: &str = "ReadOperationFailed";
/// A policy pins digests always, and does not say how often.
pub const INTERVAL_NOT_CONFIGURED: &str = "IntervalNotConfigured";
/// What the object refers to is not there yet.
pub const DEPENDENCY_NOT_READY: &str = "DependencyNotReady";
/// What the object refers to may not be used from its namespace; of our kind, somebody refused.
pub const ACCESS_DENIED: &str = "AccessDenied";
/// A policy cannot be understood.
pub const INVALID_POLICY: &str = "InvalidPolicy";
/// A selector of policies cannot be understood.
pub const INVALID_POLICY_SELECTOR: &str = "InvalidPolicySelector";
/// The source of an automation cannot be understood.
pub const INVALID_SOURCE_CONFIGURATION: &str = "InvalidSourceConfiguration";
/// The source of an automation cannot be used as it is now.
pub const SOURCE_MANAGER_FAILED: &str = "SourceManagerFailed";
/// Fetching, committing or pushing failed.
pub const GIT_OPERATION_FAILED: &str = "GitOperationFailed";
/// An automation has an update strategy that there is none of.
pub const INVALID_UPDATE_STRATEGY: &str = "InvalidUpdateStrategy";
/// Files could not be rewritten.
pub const UPDATE_FAILED: &str = "UpdateFailed";
/// A message template uses a field that there is no more.
pub const REMOVED_TEMPLATE_FIELD: &str = "RemovedTemplateField";
/// The specification of an object of our kind cannot be used.
pub const INVALID_CONFIGURATION: &str = "InvalidConfiguration";
/// A run of our kind failed and may succeed at the next try.
pub const TRANSIENT_FAILURE: &str = "TransientFailure";
/// A run of our kind failed for a reason that is a bug.
pub const INTERNAL_ERROR: &str = "InternalError";
/// A tag that names one release points to something else; of events.
pub const TAG_MOVED: &str = "TagMoved";
/// What was held is held no longer; of events.
pub const RELEASED: &str = "Released";
