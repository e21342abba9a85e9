//! What the documents say, whichever way they are written: fields are read and typed, nothing is resolved or checked
//! against anything else. Flux's objects are the common form; native and KubeVela documents are put into it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::automation::{DigestReflection, ObjectName, Schedule};

use super::decode::Text;
use super::select::Selector;
use super::yaml::Place;

/// Name and labels of an object.
#[derive(Debug, Clone)]
pub(super) struct Meta {
    pub(super) id: ObjectName,
    /// Where the name stands.
    pub(super) place: Place,
    pub(super) labels: BTreeMap<String, String>,
    /// The annotation `tagwright.dev/trailers`.
    pub(super) trailers: bool,
}

/// How strictly several orders in one policy are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// One order, or it is an error.
    Native,
    /// The first of semver, alphabetical, numerical counts; the rest is ignored with a notice.
    Flux,
}

/// Flux's `GitRepository`, or `spec.git` of a native automation.
#[derive(Debug)]
pub(super) struct GitRepository {
    pub(super) meta: Meta,
    pub(super) url: Text,
    pub(super) secret: Option<Text>,
    pub(super) proxy_secret: Option<Text>,
    pub(super) reference: Option<Reference>,
    pub(super) timeout: Option<Duration>,
    /// Fields that only matter, and are only refused, when an automation uses this repository.
    pub(super) unsupported: Vec<(Place, String)>,
}

/// What to check out; all parts can be there at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Reference {
    pub(super) branch: Option<Text>,
    pub(super) tag: Option<Text>,
    pub(super) semver: Option<Text>,
    pub(super) name: Option<Text>,
    pub(super) commit: Option<Text>,
}

/// Flux's `ImageRepository`.
#[derive(Debug)]
pub(super) struct ImageRepository {
    pub(super) meta: Meta,
    pub(super) image: Text,
    pub(super) schedule: Schedule,
    pub(super) timeout: Option<Duration>,
    pub(super) secret: Option<Text>,
    pub(super) cert_secret: Option<Text>,
    pub(super) proxy_secret: Option<Text>,
    pub(super) service_account: Option<Text>,
    pub(super) insecure: bool,
    pub(super) exclusions: Option<Vec<Text>>,
    /// `matchLabels` of each selector; none when nothing is said about other namespaces.
    pub(super) access_from: Option<Vec<BTreeMap<String, String>>>,
    pub(super) suspended: bool,
}

/// Flux's `ImagePolicy`.
#[derive(Debug)]
pub(super) struct ImagePolicy {
    pub(super) meta: Meta,
    pub(super) repository: RepositoryOf,
    pub(super) choice: Choice,
    pub(super) filter: Option<Filter>,
    pub(super) digest: DigestReflection,
    pub(super) refresh: Option<Duration>,
    pub(super) suspended: bool,
}

/// Where a policy's tags come from.
#[derive(Debug)]
pub(super) enum RepositoryOf {
    /// An object, named at this place.
    Named(ObjectName, Place),
    /// The policy's own.
    Own(Box<ImageRepository>),
}

/// The order that chooses.
#[derive(Debug)]
pub(super) enum Choice {
    Semver(Text),
    /// Ascending when none.
    Alphabetical(Option<Text>),
    /// Ascending when none.
    Numerical(Option<Text>),
}

/// `filterTags`.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) pattern: Text,
    pub(super) extract: String,
}

/// Flux's `ImageUpdateAutomation`.
#[derive(Debug)]
pub(super) struct Automation {
    pub(super) meta: Meta,
    pub(super) source: SourceOf,
    /// Replaces the reference of the Git repository as a whole.
    pub(super) checkout: Option<Reference>,
    pub(super) paths: Vec<Text>,
    pub(super) scope: Scope,
    pub(super) author: (String, String),
    pub(super) message: Option<Message>,
    pub(super) values: BTreeMap<String, String>,
    pub(super) trailers: bool,
    pub(super) push: Push,
    pub(super) schedule: Schedule,
    pub(super) suspended: bool,
}

/// Where the files are.
#[derive(Debug)]
pub(super) enum SourceOf {
    /// A `GitRepository`, named at this place.
    Named(ObjectName, Place),
    /// The automation's own.
    Own(Box<GitRepository>),
}

/// Which policies an automation applies.
#[derive(Debug)]
pub(super) enum Scope {
    /// Those of its namespace that the selector matches.
    Namespace(Selector),
    /// These.
    Own(Vec<ObjectName>),
}

/// The source of a commit message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: Text,
    /// What stands before it on a line of its own.
    pub(super) prefix: Option<&'static str>,
}

/// Where the commit goes.
#[derive(Debug, Default)]
pub(super) struct Push {
    pub(super) branch: Option<Text>,
    pub(super) refspec: Option<Text>,
    pub(super) options: BTreeMap<String, Text>,
}
