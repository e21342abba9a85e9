//! `provider`: who gives out the login of a registry or of a Git remote, in place of a secret.

use access::{GitLogin, Provider, ServiceAccount, Tls};
use tagwright_core::spelling::listed;

use super::credentials;
use super::decode::Fields;
use super::raw::GitRepository;
use super::remote::{Address, Transport};
use super::report::{Checked, Finding, Report, quoted};
use super::secrets::Secret;
use super::yaml::Place;

/// The word for what has no provider.
const GENERIC: &str = "generic";

/// The providers of registries, by their words.
const REGISTRY: [(&str, Provider); 3] = [("aws", Provider::Aws), ("azure", Provider::Azure), ("gcp", Provider::Gcp)];

/// The providers of Git remotes, by their words.
const GIT: [(&str, GitProvider); 3] =
    [("aws", GitProvider::Aws), ("azure", GitProvider::Azure), ("github", GitProvider::Github)];

/// Who gives out the login of a Git remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GitProvider {
    /// AWS, for CodeCommit.
    Aws,
    /// Azure, for Azure DevOps.
    Azure,
    /// GitHub, for an App in the secret.
    Github,
}

/// A provider, and where it is written.
#[derive(Debug)]
pub(super) struct Named<P> {
    pub(super) provider: P,
    place: Place,
    path: String,
}

fn named<P: Copy>(fields: &mut Fields<'_>, known: &[(&str, P)]) -> Option<Named<P>> {
    let text = fields.filled_text("provider").filter(|text| text.value != GENERIC)?;
    if let Some((_, provider)) = known.iter().find(|(word, _)| *word == text.value) {
        return Some(Named { provider: *provider, place: text.place, path: text.path });
    }
    let words: Vec<&str> = std::iter::once(GENERIC).chain(known.iter().map(|(word, _)| *word)).collect();
    let message = format!("`{}`: {} gives out no login that is known here", text.path, quoted(&text.value));
    let finding = Finding::at(text.place, message).hint(format!("the providers are {}", listed(&words)));
    // Reading goes on in any case.
    let _ = fields.report().refuse(text.place, finding);
    None
}

/// Reads the provider of an image repository, and what cannot stand beside it.
pub(super) fn of_image(fields: &mut Fields<'_>, registry: Option<&str>) -> Option<Provider> {
    let Named { provider, place, path } = named(fields, &REGISTRY)?;
    let report = fields.report();
    if let Some(registry) = registry
        && let Some(hosts) = cloud::not_for(provider, registry)
    {
        let message = format!("`{path}`: its login is not for {registry}");
        let finding = Finding::at(place, message).hint(format!("its registries are {hosts}; leave it out for others"));
        let _ = report.refuse(place, finding);
    }
    if !report.is_of_objects() {
        fields.refuse(
            "serviceAccountName",
            "only a cluster gives out tokens of a service account, and these are files",
            "run the bot with `--kubernetes`, or leave it out: the bot asks with its own identity",
        );
    }
    // Whoever may write the object could else read what the bot is given.
    fields.refuse(
        "certSecretRef",
        "the login of a provider goes to servers alone that the system trusts",
        "add the authority to those of the system; the variable SSL_CERT_FILE names a file with all of them",
    );
    if fields.key("insecure").is_some_and(|_| fields.flag("insecure")) {
        let message = format!("`{path}`: the login of a provider does not go over plain HTTP");
        let _ = report.refuse(place, Finding::at(place, message).hint("leave out `insecure`"));
    }
    if let Some(secret) = fields.reference("secretRef") {
        report.idle(secret.place, format!("`{}` has no effect beside `provider`", secret.path));
    }
    Some(provider)
}

/// Whether a provider of Git may be asked as a service account.
pub(super) fn knows_accounts(provider: Option<&Named<GitProvider>>) -> bool {
    provider.is_some_and(|named| matches!(named.provider, GitProvider::Aws | GitProvider::Azure))
}

/// Reads the provider of a Git repository.
pub(super) fn of_git(fields: &mut Fields<'_>) -> Option<Named<GitProvider>> {
    named(fields, &GIT)
}

/// Reads login and certificates of a remote, from its provider or its secret.
pub(super) fn login(
    report: &Report,
    source: &GitRepository,
    secret: Option<&Secret<'_>>,
    account: Option<ServiceAccount>,
) -> Checked<(GitLogin, Tls)> {
    let Some(named) = &source.provider else {
        if let Some(secret) = secret
            && credentials::has_github_app(secret)?
        {
            let message = format!("secretRef '{}' has github app data but provider is not set to github", secret.id);
            return Err(secret.add(Finding::at(secret.place, message).hint("write `provider: github` beside it")));
        }
        return credentials::git(&source.address, secret);
    };
    reachable(report, &source.address, named)?;
    match (named.provider, secret) {
        (GitProvider::Github, Some(secret)) if credentials::has_github_app(secret)? => {
            let app = credentials::github_app(secret)?;
            let tls = Tls { ca: credentials::optional_tls(secret)?.ca, identity: None };
            Ok((GitLogin::GithubApp(Box::new(app)), tls))
        }
        // Whoever only checks has no secrets.
        (GitProvider::Github, None) if source.secret.is_some() => Ok((GitLogin::Machine, Tls::default())),
        (GitProvider::Github, _) => {
            let message = "secretRef with github app data must be specified when provider is set to github";
            let finding = Finding::at(named.place, message).hint(
                "the keys are `githubAppID`, `githubAppInstallationID` or `githubAppInstallationOwner`, and \
                 `githubAppPrivateKey`",
            );
            report.refuse(named.place, finding)?;
            Ok((GitLogin::Machine, Tls::default()))
        }
        (GitProvider::Azure, secret) => {
            without_secret(secret);
            Ok((GitLogin::AzureDevOps(account), Tls::default()))
        }
        (GitProvider::Aws, secret) => {
            without_secret(secret);
            Ok((GitLogin::CodeCommit(account), Tls::default()))
        }
    }
}

fn without_secret(secret: Option<&Secret<'_>>) {
    if let Some(secret) = secret {
        secret.notice("has no effect beside `provider`");
    }
}

/// A provider's login is for its own hosts, by HTTPS; those of an App are known once its secret is read.
fn reachable(report: &Report, address: &Address, named: &Named<GitProvider>) -> Checked<()> {
    let hosts = match named.provider {
        GitProvider::Github => None,
        GitProvider::Azure => cloud::not_for_azure_devops(&address.url),
        GitProvider::Aws => cloud::not_for_code_commit(&address.url),
    };
    let (what, hint) = match (address.transport, hosts) {
        (Transport::Https | Transport::Http, None) if address.login.is_none() => return Ok(()),
        (Transport::Https | Transport::Http, None) => {
            ("does not go with a login in the URL", "take the login out of the URL".to_owned())
        }
        (Transport::Https, Some(hosts)) => {
            ("gives out no login for this remote", format!("its remotes are at {hosts}"))
        }
        _ => ("gives out logins for https alone", "write the URL with https://".to_owned()),
    };
    report.refuse(
        named.place,
        Finding::at(named.place, format!("`{}`: {} {what}", named.path, word(named.provider))).hint(hint),
    )
}

fn word(provider: GitProvider) -> String {
    let known = GIT.iter().find(|(_, known)| *known == provider);
    quoted(known.map_or("", |(word, _)| word))
}
