//! From raw automations and Git repositories to checked ones.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tagwright_core::automation::{Automation, Commit, Element, ImagePolicy, ObjectName, Remote};
use tagwright_core::spelling::nearest;

use super::DEFAULT_GIT_TIMEOUT;
use super::checkout;
use super::credentials;
use super::gather::{Pool, Repositories};
use super::policies::{Context, floor, in_namespace};
use super::raw::{self, GitRepository, Scope, SourceOf};
use super::remote::Transport;
use super::report::{Checked, Finding, Report, Reported};
use super::signing;
use super::text::Text;
use super::yaml::Place;
use super::{provider, requests};

/// Checks all automations; what is wrong is reported and left out.
pub(super) fn resolve(
    context: &Context<'_>,
    repositories: &Repositories,
    policies: &[Arc<ImagePolicy>],
    automations: Pool<raw::Automation>,
) -> Vec<Arc<Automation>> {
    let policies = Index::new(policies);
    let automations = automations.into_objects();
    automations.filter_map(|(_, raw)| automation(context, repositories, &policies, raw?).ok()).map(Arc::new).collect()
}

pub(super) fn automation(
    context: &Context<'_>,
    repositories: &Repositories,
    policies: &Index<'_>,
    raw: raw::Automation,
) -> Checked<Automation> {
    let report = context.report;
    origins(report, &raw);
    let source = match &raw.source {
        SourceOf::Own(own) => Ok(own.as_ref()),
        SourceOf::Named(id, place) => named(report, repositories, id, *place),
    };
    let reference = match (&raw.checkout, source) {
        (Some(reference), _) => Ok(reference),
        (None, Ok(source)) => Ok(&source.reference),
        (None, Err(Reported)) => Err(Reported),
    };
    let mut push = raw.push;
    let request = push.request.take();
    let branch = request.as_ref().map(|request| request.branch(report, &raw.meta.id, &push)).transpose();
    push.branch = branch?.flatten().or(push.branch);
    let target = reference.and_then(|reference| checkout::resolve(report, reference, push, raw.meta.place));
    let remote = source.and_then(|source| remote(context, source));
    let signing = signing::resolve(context, &raw.meta.id.namespace, raw.signing.as_ref());
    let policies = policies.in_scope(&raw.scope, &raw.meta.id.namespace);
    if policies.is_empty() && !matches!(raw.scope, Scope::Submitted) && !report.has_problems() {
        report.idle(raw.meta.place, format!("automation {} has no policies", raw.meta.id));
    }
    let (checkout, push) = target?;
    let remote = remote?;
    let namespace = &raw.meta.id.namespace;
    let is_proposed = request.is_some();
    let request =
        request.map(|request| request.resolve(context, namespace, &remote.url, (&checkout, push.branch.as_deref())));
    let base = match &raw.scope {
        Scope::Namespace(_) => raw.paths.cleaned.first().cloned().unwrap_or_default(),
        Scope::Own(_) | Scope::Submitted => String::new(),
    };
    let place = raw.meta.place;
    let maker = raw.by_forge.as_ref().map(|it| it.place);
    let forge = raw.by_forge.map(|it| it.resolve(context, namespace, is_proposed));
    let automation = Automation {
        id: raw.meta.id,
        origin: raw.origin,
        remote,
        checkout,
        paths: raw.paths.cleaned,
        embedded: raw.embedded,
        base,
        policies,
        commit: Commit {
            author: raw.author,
            message: raw.message.template,
            values: raw.values,
            trailers: raw.trailers,
            signed_off: raw.signed_off,
            signing: signing?,
            by_forge: maker.is_some(),
            forge: forge.transpose()?.unwrap_or_default(),
        },
        push,
        requests: request.transpose()?,
        schedule: raw.schedule,
        batch: raw.batch,
        gather: raw.gather,
        windows: raw.windows,
        freeze: raw.freeze,
        suspended: raw.suspended,
    };
    requests::check_branches(report, place, &automation)?;
    if let Some(place) = maker {
        requests::check_maker(report, place, &automation)?;
    }
    Ok(automation)
}

/// Remembers where the automation and its parts are.
fn origins(report: &Report, raw: &raw::Automation) {
    let id = &raw.meta.id;
    report.origin(Element::Automation(id.clone()), raw.meta.place);
    for (path, place) in &raw.paths.places {
        report.origin(Element::Path(id.clone(), path.clone()), *place);
    }
    for (line, place) in &raw.message.lines {
        report.origin(Element::Message(id.clone(), *line), *place);
    }
}

/// The Git repository that an automation names.
fn named<'r>(
    report: &Report,
    repositories: &'r Repositories,
    id: &ObjectName,
    place: Place,
) -> Checked<&'r GitRepository> {
    match repositories.get(id).map(Vec::as_slice) {
        Some([(_, repository)]) => repository.as_ref().ok_or_else(|| {
            report.consequence(place, || format!("the Git repository '{id}' cannot be used, see there"))
        }),
        Some([(first, _), (second, _), ..]) => {
            let finding = Finding::at(*second, format!("two Git repositories have the name '{id}'"));
            Err(report.add(finding.related(*first, "the first one")))
        }
        _ => {
            let finding = Finding::at(place, format!("Git repository '{id}' does not exist"));
            let names: Vec<&str> = repositories
                .keys()
                .filter(|known| known.namespace == id.namespace)
                .map(|known| known.name.as_str())
                .collect();
            Err(report.add(match nearest(&id.name, &names) {
                Some(name) => finding.hint(format!("a Git repository with a similar name exists: `{name}`")),
                None => finding.hint(format!("add a `GitRepository` of this name in namespace `{}`", id.namespace)),
            }))
        }
    }
}

fn remote(context: &Context<'_>, source: &GitRepository) -> Checked<Remote> {
    let report = context.report;
    let refused =
        source.unsupported.iter().map(|(place, message)| report.refuse(*place, Finding::at(*place, message.clone())));
    let refused = refused.collect::<Vec<_>>().into_iter().collect::<Checked<()>>();
    let secret = |name: &Option<Text>| match name {
        Some(name) => context.secrets.secret(&in_namespace(&source.namespace, name), name.place),
        None => Ok(None),
    };
    let login = secret(&source.secret);
    let proxy = secret(&source.proxy_secret).and_then(|secret| secret.as_ref().map(credentials::proxy).transpose());
    let account = match &source.service_account {
        Some(name) => context.secrets.account(&in_namespace(&source.namespace, name), name.place),
        None => Ok(None),
    };
    let (login, tls) = provider::login(report, source, login?.as_ref(), account?)?;
    if let Some(name) = &source.proxy_secret
        && !matches!(source.address.transport, Transport::Http | Transport::Https)
    {
        report.idle(name.place, format!("`{}` has no effect, because the remote is not reached by HTTP", name.path));
    }
    let timeout = floor(source.timeout.unwrap_or(DEFAULT_GIT_TIMEOUT));
    refused?;
    Ok(Remote { url: source.address.url.clone(), access: access::Git { login, tls, proxy: proxy?, timeout } })
}

/// Where the policies of each name are, in their order.
pub(super) struct Index<'p> {
    policies: &'p [Arc<ImagePolicy>],
    at: HashMap<&'p ObjectName, Vec<usize>>,
}

impl<'p> Index<'p> {
    /// An index of policies, since automations that name their own ask for a few of them each.
    pub(super) fn new(policies: &'p [Arc<ImagePolicy>]) -> Self {
        let mut at: HashMap<&ObjectName, Vec<usize>> = HashMap::new();
        for (position, policy) in policies.iter().enumerate() {
            at.entry(&policy.id).or_default().push(position);
        }
        Self { policies, at }
    }

    fn in_scope(&self, scope: &Scope, namespace: &str) -> Vec<Arc<ImagePolicy>> {
        match scope {
            Scope::Namespace(selector) => {
                let applies =
                    |policy: &&Arc<ImagePolicy>| policy.id.namespace == namespace && selector.matches(&policy.labels);
                self.policies.iter().filter(applies).cloned().collect()
            }
            Scope::Submitted => Vec::new(),
            Scope::Own(names) => {
                let positions: BTreeSet<usize> =
                    names.iter().filter_map(|id| self.at.get(id)).flatten().copied().collect();
                positions.into_iter().map(|position| Arc::clone(&self.policies[position])).collect()
            }
        }
    }
}
