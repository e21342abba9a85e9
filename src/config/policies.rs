//! From raw image repositories and policies to checked ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use access::{self, RegistryLogin, Tls};
use tagwright_core::automation::{Element, Guards, ImagePolicy, ImageRepository, ObjectName, Schedule};
use tagwright_core::spelling::nearest;

use super::credentials;
use super::gather::Pool;
use super::raw::{self, RepositoryOf};
use super::report::{Checked, Finding, Report};
use super::secrets::Secrets;
use super::text::Text;
use super::verify;
use super::yaml::Place;
use super::{DEFAULT_CRON_TIMEOUT, MIN_TIMEOUT};

/// The label that every namespace has in a cluster.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// An image repository with who may use it; none when something is wrong with it.
type Known = Option<(Arc<ImageRepository>, Option<Vec<BTreeMap<String, String>>>)>;

/// What policies are resolved against.
pub(super) struct Context<'a> {
    pub(super) report: &'a Report,
    pub(super) secrets: &'a Secrets<'a>,
    pub(super) namespaces: BTreeMap<String, Vec<BTreeMap<String, String>>>,
}

/// Checks all image repositories and policies; what is wrong is reported and left out.
pub(super) fn resolve(
    context: &Context<'_>,
    repositories: Pool<raw::ImageRepository>,
    policies: Pool<raw::ImagePolicy>,
) -> (Vec<Arc<ImageRepository>>, Vec<Arc<ImagePolicy>>) {
    let known: BTreeMap<ObjectName, Known> = repositories
        .into_objects()
        .map(|(id, raw)| {
            let known = raw.and_then(|raw| {
                let repository = repository(context, &raw).ok()?;
                Some((Arc::new(repository), raw.access_from))
            });
            (id, known)
        })
        .collect();
    let policies = policies.into_objects().filter_map(|(_, raw)| policy(context, &known, raw?).ok());
    let policies = policies.map(Arc::new).collect();
    (known.into_values().flatten().map(|(repository, _)| repository).collect(), policies)
}

fn repository(context: &Context<'_>, raw: &raw::ImageRepository) -> Checked<ImageRepository> {
    let logins = logins(context, raw);
    let namespace = &raw.namespace;
    let account = match raw.service_account.as_ref().filter(|_| raw.provider.is_some()) {
        Some(name) => context.secrets.account(&in_namespace(namespace, name), name.place),
        None => Ok(None),
    };
    let secret = |name: &Option<Text>| match name {
        Some(name) => context.secrets.secret(&in_namespace(namespace, name), name.place),
        None => Ok(None),
    };
    let tls = secret(&raw.cert_secret).and_then(|secret| secret.as_ref().map(credentials::tls).transpose());
    let proxy = secret(&raw.proxy_secret).and_then(|secret| secret.as_ref().map(credentials::proxy).transpose());
    let timeout = raw.timeout.unwrap_or(match raw.schedule {
        Schedule::Every(interval) => interval,
        Schedule::Cron(_) => DEFAULT_CRON_TIMEOUT,
    });
    Ok(ImageRepository {
        id: raw.id.clone(),
        image: raw.image.clone(),
        exclusions: raw.exclusions.clone(),
        access: access::Registry {
            logins: logins?,
            provider: raw.provider,
            account: account?,
            tls: tls?.unwrap_or_else(Tls::default),
            proxy: proxy?,
            insecure: raw.insecure,
            timeout: floor(timeout),
        },
        schedule: raw.schedule.clone(),
        max_interval: raw.max_interval,
        suspended: raw.suspended,
    })
}

/// No timeout is shorter than a second.
pub(super) fn floor(timeout: Duration) -> Duration {
    timeout.max(MIN_TIMEOUT)
}

pub(super) fn in_namespace(namespace: &str, name: &Text) -> ObjectName {
    ObjectName { namespace: namespace.to_owned(), name: name.value.clone() }
}

fn logins(context: &Context<'_>, raw: &raw::ImageRepository) -> Checked<Vec<RegistryLogin>> {
    let namespace = &raw.namespace;
    let named = match &raw.secret {
        Some(name) => context.secrets.secret(&in_namespace(namespace, name), name.place),
        None => Ok(None),
    };
    let of_account = match raw.service_account.as_ref().filter(|_| raw.provider.is_none()) {
        Some(account) => context.secrets.pull_secrets(&in_namespace(namespace, account), account.place),
        None => Ok(Vec::new()),
    };
    // All that is wrong is said at once.
    let secrets: Vec<_> = named?.into_iter().chain(of_account?).collect();
    let logins: Vec<_> = secrets.iter().map(credentials::registry).collect();
    Ok(logins.into_iter().collect::<Checked<Vec<_>>>()?.into_iter().flatten().collect())
}

fn policy(context: &Context<'_>, known: &BTreeMap<ObjectName, Known>, raw: raw::ImagePolicy) -> Checked<ImagePolicy> {
    let repository = match &raw.repository {
        RepositoryOf::Own(own) => repository(context, own).map(Arc::new),
        RepositoryOf::Named(id, place) => named(context, known, &raw.meta.id.namespace, id, *place),
    };
    context.report.origin(Element::Policy(raw.meta.id.clone()), raw.meta.place);
    if let Some(place) = raw.order {
        context.report.origin(Element::Order(raw.meta.id.clone()), place);
    }
    let verify = raw.verify.as_ref().map(|verify| verify::resolve(context, &raw.meta.id, verify)).transpose();
    let (repository, verify) = (repository?, verify?.flatten());
    Ok(ImagePolicy {
        id: raw.meta.id,
        labels: raw.meta.labels,
        policy: raw.policy,
        guards: Guards { verify, ..raw.guards },
        repository,
        digest: raw.digest,
        refresh: raw.refresh,
        targets: raw.targets,
        suspended: raw.suspended,
    })
}

/// The repository that a policy names, if the policy may use it.
fn named(
    context: &Context<'_>,
    known: &BTreeMap<ObjectName, Known>,
    namespace: &str,
    id: &ObjectName,
    place: Place,
) -> Checked<Arc<ImageRepository>> {
    let Some(found) = known.get(id) else {
        let finding = Finding::at(place, format!("image repository '{id}' does not exist"));
        let names: Vec<&str> =
            known.keys().filter(|known| known.namespace == id.namespace).map(|known| known.name.as_str()).collect();
        return Err(context.report.add(match nearest(&id.name, &names) {
            Some(name) => finding.hint(format!("an image repository with a similar name exists: `{name}`")),
            None => finding.hint(format!("add an `ImageRepository` of this name in namespace `{}`", id.namespace)),
        }));
    };
    let (repository, access_from) = found.as_ref().ok_or_else(|| {
        context.report.consequence(place, || format!("the image repository '{id}' cannot be used, see there"))
    })?;
    if id.namespace != namespace {
        allowed(context, access_from.as_deref(), namespace).map_err(|reason| {
            context.report.error(place, format!("access denied: '{id}' can't be accessed due to {reason}"))
        })?;
    }
    Ok(Arc::clone(repository))
}

/// Whether one of the selectors matches the labels of a namespace; of several documents for one namespace, all must match.
fn allowed(
    context: &Context<'_>,
    selectors: Option<&[BTreeMap<String, String>]>,
    namespace: &str,
) -> Result<(), String> {
    let selectors = selectors.ok_or("missing ACL labels on 'accessFrom'")?;
    let none = [BTreeMap::new()];
    let documents = context.namespaces.get(namespace).map_or(&none[..], Vec::as_slice);
    let matches = |labels: &BTreeMap<String, String>| {
        selectors.iter().any(|selector| {
            selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value) || key == NAMESPACE_LABEL && value == namespace)
        })
    };
    if documents.iter().all(matches) { Ok(()) } else { Err(format!("ACL labels mismatch on namespace '{namespace}'")) }
}
