//! What a configuration comes to, in the lines that the fixtures have.

use std::fmt::Write as _;

use access::{self, ExposeSecret as _, GitLogin};
use gotext::template::Template;
use image::Repository;
use tagwright::config::Configuration;
use tagwright_core::automation::{
    Automation, Batch, Checkout, Deny, FastLane, Forge, Gather, Guards, ImagePolicy, Proof, Requests, Schedule, Window,
};
use tagwright_core::freeze::Period;
use tagwright_core::policy::Order;
use tagwright_core::submit::GitSync;

pub(crate) fn summary(configuration: &Configuration) -> String {
    let mut text = String::new();
    for automation in &configuration.automations {
        automation_summary(&mut text, automation);
    }
    for sync in &configuration.syncs {
        let GitSync { automation, folder, layout: _, prune, adopt, secrets } = &**sync;
        writeln!(text, "sync {} in {folder:?} prune {prune} adopt {adopt} secrets {secrets:?}", automation.id).unwrap();
        automation_summary(&mut text, automation);
    }
    for policy in &configuration.policies {
        policy_summary(&mut text, policy);
    }
    for receiver in &configuration.receivers {
        let hooks::Receiver { namespace, name, source, token, events, scope, identity } = &**receiver;
        let (token, source) = (token.expose_secret(), source.as_str());
        writeln!(text, "receiver {namespace}/{name} {source} token {token:?} events {events:?}").unwrap();
        if let Some(hooks::Identity { issuer, alias: _, audience, conditions }) = identity {
            let claims: Vec<String> = conditions.iter().map(ToString::to_string).collect();
            writeln!(text, "  by {issuer} for {audience} with {}", claims.join(" ")).unwrap();
        }
        if let Some(hooks::Scope { repositories, remotes }) = scope {
            writeln!(text, "  about {repositories:?} {remotes:?}").unwrap();
        }
    }
    configuration.notifications.iter().for_each(|it| notification_summary(&mut text, it));
    for notice in &configuration.notices {
        writeln!(text, "notice {notice}").unwrap();
    }
    text
}

fn notification_summary(text: &mut String, notification: &notify::Notification) {
    let notify::Notification { name, severity, kinds, scope, include, exclude, summary, group, quiet, target, .. } =
        notification;
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    writeln!(text, "notification {name} {} at {:?} {}", target.kind(), target.host(), severity.as_str()).unwrap();
    writeln!(text, "  {} gathered {group:?} quiet {quiet:?} summary {summary:?}", kinds.join(" ")).unwrap();
    let patterns = |all: &[gotext::pattern::Pattern]| all.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>();
    writeln!(text, "  include {:?} exclude {:?}", patterns(include), patterns(exclude)).unwrap();
    if let Some(notify::Scope { automations, policies, repositories, remotes }) = scope {
        let names = |all: &[notify::Name]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (automations, policies, repositories) = (names(automations), names(policies), names(repositories));
        writeln!(text, "  about {automations:?} {policies:?} {repositories:?} {remotes:?}").unwrap();
    }
    let template = notification.template.as_ref().map(|template| template.source().to_owned());
    let show = |secret: &access::Secret| secret.expose_secret().to_owned();
    let chat = |chat: &notify::Chat| {
        let account = match &chat.account {
            notify::Account::Webhook(address) => format!("webhook {}", show(address)),
            notify::Account::Token(url, token) => format!("token {} at {url}", show(token)),
        };
        format!("{account} channel {:?} as {:?}", chat.channel, chat.username)
    };
    let service = match &target.service {
        notify::Service::Slack(it) | notify::Service::Teams(it) | notify::Service::Discord(it) => chat(it),
        notify::Service::Http(notify::Http { address, headers, key, is_cloud_event }) => {
            let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {}", show(value))).collect();
            format!(
                "{} headers {headers:?} key {:?} cloud event {is_cloud_event}",
                show(address),
                key.as_ref().map(show)
            )
        }
        notify::Service::Mail(notify::Mail { security, login, from, to, .. }) => {
            let login = login.as_ref().map(|login| format!("{}:{}", login.username, show(&login.password)));
            format!("{security:?} login {login:?} from {from} to {to:?}")
        }
        notify::Service::Status(notify::Status { address, writer, form, context, environment, .. }) => {
            let writer = match writer {
                notify::Writer::Token(token) => format!("token {}", show(token)),
                notify::Writer::App(app) => format!("App {} {:?}", app.id, app.base_url),
            };
            format!("{address} {writer} {form:?} as {context} in {environment:?}")
        }
    };
    // Documents cannot say it: it is for whoever reads them in a cluster.
    let notify::Route { tls, proxy, elsewhere: _ } = &target.route;
    let (ca, proxy) = (tls.ca.is_some(), proxy.as_ref().map(|proxy| proxy.address.clone()));
    writeln!(text, "  {service}, authority {ca} proxy {proxy:?} template {template:?}").unwrap();
}

fn requests_summary(text: &mut String, requests: &Requests) {
    let Requests { base, forge, title, body, labels, reviewers, assignees, .. } = requests;
    let Forge { product, address, proof } = forge;
    let Requests { draft, auto_merge, method, delete_branch, grouping, branch, .. } = requests;
    let proof = match proof {
        None => "of the remote".to_owned(),
        Some(Proof::Token(token)) => format!("token {}", token.expose_secret()),
        Some(Proof::Login(login)) => format!("{}:{}", login.username, login.password.expose_secret()),
    };
    let source = |template: &Option<Template>| template.as_ref().map(|template| template.source().to_owned());
    writeln!(
        text,
        "  requests to {base} at {product:?} {address:?} as {proof}, draft {draft}, delete branch {delete_branch}"
    )
    .unwrap();
    writeln!(text, "    title {:?} body {:?} merge {auto_merge:?} {method:?}", source(title), source(body)).unwrap();
    writeln!(text, "    labels {labels:?} reviewers {reviewers:?} assignees {assignees:?}").unwrap();
    if let Some(word) = grouping.word() {
        writeln!(text, "    one for each {word} on {:?}", source(branch)).unwrap();
    }
}

fn automation_summary(text: &mut String, automation: &Automation) {
    let Automation {
        id,
        origin: _,
        remote,
        checkout,
        paths,
        base,
        embedded,
        policies,
        commit,
        push,
        requests,
        schedule,
        batch,
        gather,
        windows,
        freeze,
        suspended,
    } = automation;
    writeln!(text, "automation {id} {}{}", schedule_summary(schedule), if *suspended { " suspended" } else { "" })
        .unwrap();
    writeln!(text, "  remote {} timeout {:?}", remote.url, remote.access.timeout).unwrap();
    let login = match &remote.access.login {
        GitLogin::Machine => "machine".to_owned(),
        GitLogin::User(name) => format!("user {}", name.expose_secret()),
        GitLogin::Basic(login) => format!("basic {}:{}", login.username, login.password.expose_secret()),
        GitLogin::Bearer(token) => format!("bearer {}", token.expose_secret()),
        GitLogin::GithubApp(app) => {
            let base = app.base_url.as_deref().unwrap_or("github.com");
            format!("app {} at {base} {:?} {}", app.id, app.installation, app.key.expose_secret().len())
        }
        GitLogin::AzureDevOps(_) => "Azure DevOps".to_owned(),
        GitLogin::CodeCommit(_) => "CodeCommit".to_owned(),
        GitLogin::Ssh(ssh) => format!("ssh {} passphrase {}", ssh.known_hosts, ssh.passphrase.is_some()),
    };
    writeln!(text, "  login {login}{}", edge_summary(&remote.access.tls, remote.access.proxy.as_ref())).unwrap();
    writeln!(
        text,
        "  checkout {} push {:?} refspec {:?} options {:?}",
        checkout_summary(checkout),
        push.branch,
        push.refspec,
        push.options
    )
    .unwrap();
    if let Some(requests) = requests {
        requests_summary(text, requests);
    }
    let embedded = if *embedded { " embedded" } else { "" };
    writeln!(text, "  paths {paths:?} base {base:?}{embedded}").unwrap();
    if (*batch, *gather) != (Batch::default(), Gather::default()) {
        writeln!(text, "  batch {batch:?} quiet period {:?} max delay {:?}", gather.quiet_period, gather.max_delay)
            .unwrap();
    }
    for Window { opens, duration } in windows {
        writeln!(text, "  window {} ({}) for {duration:?}", opens.expression(), opens.time_zone()).unwrap();
    }
    for Period { from, to, reason } in freeze {
        writeln!(text, "  frozen from {from} until {to} {reason:?}").unwrap();
    }
    let names: Vec<String> = policies.iter().map(|policy| policy.id.to_string()).collect();
    writeln!(text, "  policies {}", names.join(" ")).unwrap();
    writeln!(text, "  author {} <{}> trailers {}", commit.author.name, commit.author.email, commit.trailers).unwrap();
    if commit.signed_off {
        writeln!(text, "  signed off").unwrap();
    }
    if let Some(key) = &commit.signing {
        writeln!(text, "  signed with {:?} {}", key.format(), key.id()).unwrap();
    }
    if commit.by_forge {
        let named: Vec<&str> = commit.forge.product.iter().chain(&commit.forge.address).map(String::as_str).collect();
        let proof = commit.forge.proof.as_ref().map_or("", |_| ", with a secret");
        writeln!(text, "  made and signed by the forge {}{proof}", named.join(" ")).unwrap();
    }
    writeln!(text, "  values {:?} message", commit.values).unwrap();
    for line in commit.message.source().lines() {
        writeln!(text, "{}", format!("    | {line}").trim_end()).unwrap();
    }
}

fn checkout_summary(checkout: &Checkout) -> String {
    match checkout {
        Checkout::DefaultBranch => "default branch".to_owned(),
        Checkout::Branch(branch) => format!("branch {branch}"),
        Checkout::Tag(tag) => format!("tag {tag}"),
        Checkout::Semver(range) => format!("semver {}", range.as_str()),
        Checkout::Reference(name) => format!("reference {name}"),
        Checkout::Commit { id, branch } => format!("commit {id} of {branch:?}"),
    }
}

fn schedule_summary(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Every(interval) => format!("every {interval:?}"),
        Schedule::Cron(cron) => format!("at {} ({})", cron.expression(), cron.time_zone()),
    }
}

fn edge_summary(tls: &access::Tls, proxy: Option<&access::Proxy>) -> String {
    let mut text = String::new();
    if tls.ca.is_some() {
        text.push_str(" ca");
    }
    if tls.identity.is_some() {
        text.push_str(" identity");
    }
    if let Some(proxy) = proxy {
        let login = proxy.login.as_ref().map(|login| login.username.as_str());
        write!(text, " proxy {} as {login:?}", proxy.address).unwrap();
    }
    text
}

fn policy_summary(text: &mut String, policy: &ImagePolicy) {
    let suspended = if policy.suspended { " suspended" } else { "" };
    let order = match &policy.policy.order {
        Order::Semver(range) => format!("semver {}", range.as_str()),
        Order::Calver(format) => format!("calver {}", format.as_str()),
        Order::Newest => "newest".to_owned(),
        Order::Numerical(direction) => format!("numerical {direction:?}"),
        Order::Alphabetical(direction) => format!("alphabetical {direction:?}"),
    };
    writeln!(text, "policy {}{suspended} {order} digest {:?} refresh {:?}", policy.id, policy.digest, policy.refresh)
        .unwrap();
    if !policy.labels.is_empty() {
        writeln!(text, "  labels {:?}", policy.labels).unwrap();
    }
    if let Some(filter) = &policy.policy.filter {
        writeln!(text, "  filter {} extract {:?}", filter.pattern.as_str(), filter.extract).unwrap();
    }
    let Guards { deny, deny_digests, minimum_age, platforms, pullable, together, verify, .. } = &policy.guards;
    let Guards { allow_downgrade, fast_lane, ignore_attestation_only, .. } = &policy.guards;
    if !deny.is_empty() || minimum_age.is_some() || *allow_downgrade {
        let deny: Vec<String> = deny.iter().map(Deny::text).collect();
        writeln!(text, "  exclude {deny:?} minimum age {minimum_age:?} downgrade {allow_downgrade}").unwrap();
    }
    if let Some(verify) = verify {
        let trust::Policy { signer, root, built_from } = verify.verifier.policy();
        let signer = match signer {
            trust::Signer::Keys(keys) => format!("{:?}", keys.iter().map(trust::Key::fingerprint).collect::<Vec<_>>()),
            trust::Signer::Keyless { identity, issuer } => format!("{identity:?} by {issuer}"),
        };
        let root = if root.is_some() { " with a root" } else { "" };
        writeln!(text, "  verify {signer}{root} {:?} {built_from:?}", verify.on_unverified).unwrap();
    }
    if !deny_digests.is_empty() {
        writeln!(text, "  exclude digests {deny_digests:?}").unwrap();
    }
    for target in &policy.targets {
        writeln!(text, "  target {} {:?}", target.path, target.fields).unwrap();
    }
    if let Some(FastLane { documents, label, packages }) = fast_lane {
        let documents: Vec<String> = documents.iter().map(|it| format!("{} ({})", it.name, it.len())).collect();
        writeln!(text, "  fast lane {documents:?} label {label:?} packages {packages:?}").unwrap();
    }
    if *ignore_attestation_only {
        writeln!(text, "  ignores attestations only").unwrap();
    }
    if let Some(together) = together {
        writeln!(text, "  together {together}").unwrap();
    }
    if !platforms.is_empty() || pullable.is_some() {
        let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        let mirrors = pullable.as_ref().map(|it| it.mirrors.iter().map(Repository::canonical).collect::<Vec<_>>());
        writeln!(text, "  platforms {platforms:?} pullable {mirrors:?}").unwrap();
    }
    let repository = &policy.repository;
    let suspended = if repository.suspended { " suspended" } else { "" };
    writeln!(
        text,
        "  image {} of {}{suspended} {}{}",
        repository.image,
        repository.id,
        schedule_summary(&repository.schedule),
        repository.max_interval.map(|longest| format!(" to {}s", longest.as_secs())).unwrap_or_default()
    )
    .unwrap();
    let exclusions: Vec<&str> = repository.exclusions.iter().map(|pattern| pattern.as_str()).collect();
    let logins: Vec<&str> = repository.access.logins.iter().map(|login| login.key.as_str()).collect();
    let access = &repository.access;
    let edges = edge_summary(&access.tls, access.proxy.as_ref());
    writeln!(
        text,
        "  exclusions {exclusions:?} timeout {:?} insecure {} logins {logins:?}{edges}",
        access.timeout, access.insecure
    )
    .unwrap();
    if let Some(provider) = access.provider {
        writeln!(text, "  provider {provider:?}").unwrap();
    }
}
