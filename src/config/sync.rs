//! `GitSync`: where rendered resources are submitted to; and the block `gitSync` of Autopilot's `autopilot-operator.yaml`, which says
//! the same for a repository at GitHub.
//!
//! Both are automations without policies: their remote, branches, commit and pull request are read as those are.

use std::sync::Arc;

use access::{GitLogin, Login};
use tagwright_core::automation::{Automation, Batch, Gather, ObjectName, Origin, Schedule};
use tagwright_core::submit::{self, DEFAULT_LAYOUT, Layout, Secrets};

use super::automations::{self, Index};
use super::decode::Fields;
use super::document::{DEFAULT_NAMESPACE, Object, open};
use super::flux::Read;
use super::gather::Pool;
use super::policies::Context;
use super::raw::{self, GitRepository, Meta, Paths, Push, Reference, Scope, SourceOf};
use super::report::{Checked, Finding, Report};
use super::requests;
use super::text::Text;
use super::value::{self, Units};
use super::yaml::Place;
use super::{freeze, git, guards, native, provider, remote};

/// The name of the object that Autopilot's block stands for.
const AUTOPILOT: &str = "autopilot";

/// Whether this is the name of the object that Autopilot's block stands for.
pub(crate) fn is_autopilot(id: &ObjectName) -> bool {
    id.namespace == DEFAULT_NAMESPACE && id.name == AUTOPILOT
}

/// Where its repositories are.
const GITHUB: &str = "https://github.com";

/// The user name that GitHub takes with any token.
const TOKEN_USER: &str = "x-access-token";

/// What a document says.
#[derive(Debug)]
pub(super) struct GitSync {
    automation: raw::Automation,
    folder: String,
    layout: Layout,
    prune: bool,
    adopt: bool,
    secrets: Secrets,
    /// `SECRET.KEY` with a token of GitHub.
    credentials: Option<Text>,
}

/// Reads a `GitSync`.
pub(super) fn git_sync(report: &Report, object: &Object) -> Read<GitSync> {
    let (meta, spec) = open(report, object);
    let Some(mut spec) = spec else { return (meta, None) };
    if let Some(meta) = &meta {
        meta.annotated.lost_guards(report, "guards are those of images");
        meta.annotated.lost_interval(report, "it is about an image");
        requests::lost(report, meta);
    }
    let address = spec.required_text("url").and_then(|url| git::address(report, &url));
    let branch = spec.optional("branch", value::branch);
    let folder = spec.optional("path", folder);
    let layout = layout(&mut spec);
    let (prune, adopt) = (spec.flag("prune"), spec.flag("adopt"));
    let secrets = if spec.flag("allowSecrets") { Secrets::Plain } else { Secrets::Encrypted };
    let secret = spec.reference("secretRef");
    let proxy_secret = spec.reference("proxySecretRef");
    let timeout = spec.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
    let provider = provider::of_git(&mut spec);
    let request = requests::of_sync(&mut spec);
    let commit = native::commit_of(&mut spec);
    let (windows, freeze) = (guards::windows(&mut spec), freeze::periods(&mut spec));
    let suspended = spec.flag("suspend");
    spec.finish();
    let content = (|| {
        let meta = meta.clone()?;
        let repository = GitRepository {
            namespace: meta.id.namespace.clone(),
            address: address?,
            secret,
            proxy_secret,
            reference: Reference { branch: branch?, ..Reference::default() },
            timeout,
            provider,
            service_account: None,
            unsupported: Vec::new(),
        };
        let push = Push { request: request?, ..Push::default() };
        let automation = automation(meta, repository, push, commit?);
        let automation = raw::Automation { windows, freeze, suspended, ..automation };
        let folder = folder?.unwrap_or_default();
        Some(GitSync { automation, folder, layout: layout?, prune, adopt, secrets, credentials: None })
    })();
    (meta, content)
}

fn layout(spec: &mut Fields<'_>) -> Option<Layout> {
    let report = spec.report();
    let text = spec.filled_text("layout");
    match Layout::parse(text.as_ref().map_or(DEFAULT_LAYOUT, |text| &text.value)) {
        Ok(layout) => Some(layout),
        Err(error) => {
            let place = text.as_ref().map_or(spec.place, |text| text.place);
            let finding = Finding::at(place, format!("`{}`: {error}", spec.path("layout")));
            report.add(match error.hint() {
                Some(hint) => finding.hint(hint),
                None => finding,
            });
            None
        }
    }
}

/// A folder, which cannot be one that Git does not take.
fn folder(text: &str) -> Result<String, String> {
    let path = value::path(text).map_err(|error| error.to_string())?;
    if text.split('/').any(|part| part == "..") {
        return Err("leaves the repository".to_owned());
    }
    if path.split(['/', '\\']).any(submit::is_gits_own) {
        return Err("has a name that is one of Git's own".to_owned());
    }
    Ok(path)
}

fn automation(meta: Meta, repository: GitRepository, push: Push, commit: native::Commit) -> raw::Automation {
    raw::Automation {
        meta,
        origin: Origin::GitSync,
        source: SourceOf::Own(Box::new(repository)),
        checkout: None,
        paths: Paths::default(),
        embedded: false,
        scope: Scope::Submitted,
        author: commit.author,
        message: commit.message,
        values: commit.values,
        trailers: commit.trailers,
        signed_off: commit.signed_off,
        signing: commit.signing,
        by_forge: commit.by_forge,
        push,
        schedule: Schedule::Every(native::DEFAULT_INTERVAL),
        batch: Batch::default(),
        gather: Gather::default(),
        windows: Vec::new(),
        freeze: Vec::new(),
        suspended: false,
    }
}

/// Reads the block of Autopilot: `enabled`, `org`, `branch`, and `credentials` as `SECRET.KEY`. It does not say which repository of the
/// organisation is meant; `org` may have it behind a slash, `repo` may name it, and whoever submits may.
pub(super) fn autopilot(report: &Report, object: &Object) -> Read<GitSync> {
    let Some(mut root) = Fields::of(report, &object.node, "", object.place) else { return (None, None) };
    let Some(mut block) = root.fields("gitSync") else { return (None, None) };
    let place = block.place;
    let is_enabled = block.flag("enabled");
    let org = block.required_text("org");
    let repo = block.filled_text("repo");
    let branch = block.optional("branch", value::branch);
    let credentials = block.filled_text("credentials");
    block.finish();
    let (Some(org), Some(branch)) = (org, branch) else { return (None, None) };
    if !is_enabled {
        report.notice_at(place, "`gitSync` is not enabled, so nothing can be submitted to it".to_owned());
        return (None, None);
    }
    // What is said for this one submission counts more than the file.
    let given = report.repository().or(repo.as_ref().map(|repo| repo.value.as_str()));
    let path = match (org.value.split_once('/'), given) {
        (Some(_), Some(_)) if report.repository().is_some() => {
            let finding =
                Finding::at(org.place, "`gitSync.org` has a repository of its own, so --repo cannot name another");
            report.add(finding.hint("leave --repo out, or the repository behind the slash"));
            return (None, None);
        }
        (Some((owner, name)), _) => format!("{owner}/{name}"),
        (None, Some(name)) => format!("{}/{name}", org.value),
        (None, None) => {
            let message = "`gitSync` does not say which repository of the organisation is meant; `tagwright submit --repo NAME` says it, or `repo: NAME` beside `org`";
            report.notice_at(org.place, message.to_owned());
            return (None, None);
        }
    };
    let is_name = |part: &str| {
        part.contains(|c: char| c != '.') && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if path.split('/').count() != 2 || !path.split('/').all(is_name) {
        report.error(org.place, "`gitSync.org` and the repository are no names of GitHub's".to_owned());
        return (None, None);
    }
    let meta = Meta::of(ObjectName { namespace: DEFAULT_NAMESPACE.to_owned(), name: AUTOPILOT.to_owned() }, place);
    let content = (|| {
        let repository = GitRepository {
            namespace: DEFAULT_NAMESPACE.to_owned(),
            address: remote::parse(&format!("{GITHUB}/{path}")).ok()?,
            secret: None,
            proxy_secret: None,
            reference: Reference { branch, ..Reference::default() },
            timeout: None,
            provider: None,
            service_account: None,
            unsupported: Vec::new(),
        };
        let automation = automation(meta.clone(), repository, Push::default(), native::default_commit(report)?);
        let layout = Layout::parse(DEFAULT_LAYOUT).ok()?;
        let secrets = Secrets::Encrypted;
        Some(GitSync { automation, folder: String::new(), layout, prune: false, adopt: false, secrets, credentials })
    })();
    (Some(meta), content)
}

/// Checks all of them; what is wrong is reported and left out.
pub(super) fn resolve(
    context: &Context<'_>,
    repositories: &super::gather::Repositories,
    syncs: Pool<GitSync>,
) -> Vec<Arc<submit::GitSync>> {
    let none = Index::new(&[]);
    let resolved = syncs.into_objects().filter_map(|(_, raw)| {
        let GitSync { automation, folder, layout, prune, adopt, secrets, credentials } = raw?;
        let namespace = automation.meta.id.namespace.clone();
        let automation = automations::automation(context, repositories, &none, automation);
        let login = credentials.map(|credentials| token(context, &namespace, &credentials)).transpose();
        let (mut automation, login) = (automation.ok()?, login.ok()?);
        if let Some(login) = login.flatten() {
            automation.remote.access.login = login;
        }
        let automation: Arc<Automation> = Arc::new(automation);
        Some(Arc::new(submit::GitSync { automation, folder, layout, prune, adopt, secrets }))
    });
    resolved.collect()
}

/// Looks up `SECRET.KEY`. Both may have dots in them: of all ways to cut it, the one counts whose secret is there, and otherwise the
/// first.
fn token(context: &Context<'_>, namespace: &str, credentials: &Text) -> Checked<Option<GitLogin>> {
    let report = context.report;
    let id = |name: &str| ObjectName { namespace: namespace.to_owned(), name: name.to_owned() };
    let cuts = credentials.value.match_indices('.').map(|(at, _)| credentials.value.split_at(at));
    let cuts: Vec<(&str, &str)> = cuts
        .map(|(name, key)| (name, &key[1..]))
        .filter(|(name, key)| value::is_object_name(name) && !key.is_empty())
        .collect();
    let Some((name, key)) = cuts.iter().find(|(name, _)| context.secrets.has_secret(&id(name))).or(cuts.first()) else {
        let finding = Finding::at(credentials.place, format!("`{}` is not SECRET.KEY", credentials.path));
        return Err(report.add(finding.hint("write the name of a secret, a dot, and the name of its key")));
    };
    let Some(secret) = context.secrets.secret(&id(name), credentials.place)? else { return Ok(None) };
    match secret.filled(key)? {
        Some(token) => {
            let token = token.trim().to_owned();
            Ok(Some(GitLogin::Basic(Login { username: TOKEN_USER.to_owned(), password: token.into() })))
        }
        None => Err(secret.error(format!("{}: key '{key}' not found", secret.noun()))),
    }
}

/// Where the block of Autopilot is in a document that has no `kind`.
pub(super) fn block(node: &super::yaml::Node) -> Option<Place> {
    let super::yaml::Value::Mapping(entries) = &node.value else { return None };
    // Other programs have blocks of this name.
    let is_block = |value: &super::yaml::Node| value.get("org").is_some();
    entries.iter().find(|(key, value)| key.text() == Some("gitSync") && is_block(value)).map(|(key, _)| key.place)
}
