//! What the documents say, whichever way they are written: each value is checked, nothing that refers to something else
//! is resolved. Flux's objects are the common form; native and KubeVela documents are put into it.

use std::collections::BTreeMap;
use std::time::Duration;

use gotext::pattern::Pattern;
use gotext::template::Template;
use gotext::version::Range;
use image::Repository;
use tagwright_core::automation::{
    Author, Batch, DigestReflection, Gather, Guards, ObjectName, Origin, Schedule, Window,
};
use tagwright_core::freeze::Period;
use tagwright_core::marker::Target;
use tagwright_core::policy::Policy;

use super::guards::Annotated;
use super::provider::{GitProvider, Named};
use super::remote::Address;
use super::requests::Request;
use super::select::Selector;
use super::signing::{ByForge, SigningKey};
use super::text::Text;
use super::verify::Verify;
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
    /// The annotation `tagwright.dev/embedded`.
    pub(super) embedded: bool,
    /// The annotations for guards.
    pub(super) annotated: Annotated,
    /// The annotations for a pull request.
    pub(super) requests: BTreeMap<String, Text>,
}

impl Meta {
    /// Without labels and annotations.
    pub(super) fn of(id: ObjectName, place: Place) -> Self {
        let annotated = Annotated::default();
        let (labels, requests) = (BTreeMap::new(), BTreeMap::new());
        Self { id, place, labels, trailers: false, embedded: false, annotated, requests }
    }
}

/// Flux's `GitRepository`, or `spec.git` of a native automation.
#[derive(Debug)]
pub(super) struct GitRepository {
    /// The namespace of its secrets.
    pub(super) namespace: String,
    pub(super) address: Address,
    pub(super) secret: Option<Text>,
    pub(super) proxy_secret: Option<Text>,
    pub(super) reference: Reference,
    pub(super) timeout: Option<Duration>,
    /// Who gives out the login, in place of the secret or with what it holds.
    pub(super) provider: Option<Named<GitProvider>>,
    /// As whom that is asked.
    pub(super) service_account: Option<Text>,
    /// Fields that only matter, and are only refused, when an automation uses this repository.
    pub(super) unsupported: Vec<(Place, String)>,
}

/// What to check out; all parts can be there at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Reference {
    pub(super) branch: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) semver: Option<Range>,
    pub(super) name: Option<String>,
    pub(super) commit: Option<String>,
    /// Where it is written.
    pub(super) place: Option<Place>,
}

/// Flux's `ImageRepository`.
#[derive(Debug)]
pub(super) struct ImageRepository {
    pub(super) id: ObjectName,
    /// The namespace of secrets and service accounts.
    pub(super) namespace: String,
    pub(super) image: Repository,
    pub(super) schedule: Schedule,
    /// How far the interval is stretched while nothing new comes.
    pub(super) max_interval: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) secret: Option<Text>,
    pub(super) cert_secret: Option<Text>,
    pub(super) proxy_secret: Option<Text>,
    pub(super) service_account: Option<Text>,
    /// The cloud that gives out the login.
    pub(super) provider: Option<access::Provider>,
    pub(super) insecure: bool,
    pub(super) exclusions: Vec<Pattern>,
    /// `matchLabels` of each selector; none when nothing is said about other namespaces.
    pub(super) access_from: Option<Vec<BTreeMap<String, String>>>,
    pub(super) suspended: bool,
}

/// Flux's `ImagePolicy`.
#[derive(Debug)]
pub(super) struct ImagePolicy {
    pub(super) meta: Meta,
    pub(super) repository: RepositoryOf,
    pub(super) policy: Policy,
    pub(super) guards: Guards,
    pub(super) verify: Option<Verify>,
    /// Where its order is chosen.
    pub(super) order: Option<Place>,
    pub(super) digest: DigestReflection,
    pub(super) refresh: Option<Duration>,
    pub(super) targets: Vec<Target>,
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

/// Flux's `ImageUpdateAutomation`.
#[derive(Debug)]
pub(super) struct Automation {
    pub(super) meta: Meta,
    pub(super) origin: Origin,
    pub(super) source: SourceOf,
    /// Replaces the reference of the Git repository as a whole.
    pub(super) checkout: Option<Reference>,
    pub(super) paths: Paths,
    pub(super) embedded: bool,
    pub(super) scope: Scope,
    pub(super) author: Author,
    pub(super) message: Message,
    pub(super) values: BTreeMap<String, String>,
    pub(super) trailers: bool,
    pub(super) signed_off: bool,
    pub(super) signing: Option<SigningKey>,
    /// The forge, where it makes the commits.
    pub(super) by_forge: Option<ByForge>,
    pub(super) push: Push,
    pub(super) schedule: Schedule,
    pub(super) batch: Batch,
    pub(super) gather: Gather,
    pub(super) windows: Vec<Window>,
    pub(super) freeze: Vec<Period>,
    pub(super) suspended: bool,
}

/// Paths, with their places.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Cleaned; empty for everything.
    pub(super) cleaned: Vec<String>,
    pub(super) places: Vec<(String, Place)>,
}

/// A message template, with the places of its lines as far as they are known.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) template: Template,
    pub(super) lines: Vec<(usize, Place)>,
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
    /// None, since what it writes is submitted to it.
    Submitted,
}

/// Where the commit goes, as far as it is given.
#[derive(Debug, Default)]
pub(super) struct Push {
    pub(super) branch: Option<String>,
    pub(super) refspec: Option<String>,
    pub(super) options: BTreeMap<String, String>,
    pub(super) request: Option<Request>,
}
