//! Short-lived logins of clouds and forges: for their registries and their Git.
//!
//! Whoever runs in a cloud is known there by what the machine is, not by a password that somebody wrote down. A [`Cloud`] finds
//! out as whom we are known, asks for a login, and keeps it until shortly before it ends. It knows nothing of images and of Git's
//! protocol; hosts and addresses come in, user names and passwords go out.
//!
//! | asked for | with | by |
//! |---|---|---|
//! | [`Cloud::registry`] `aws` | the machine's credentials for AWS | `GetAuthorizationToken` of ECR or ECR Public |
//! | [`Cloud::registry`] `azure` | a token of Entra ID | the registry's own `/oauth2/exchange` |
//! | [`Cloud::registry`] `gcp` | a token of Google | nothing else: it is the password |
//! | [`Cloud::github_app`] | a private key | `/app/installations/ID/access_tokens` |
//! | [`Cloud::azure_devops`] | a token of Entra ID | nothing else: it is the bearer token |
//! | [`Cloud::code_commit`] | the machine's credentials for AWS | a signature of the address, made here |
//!
//! In place of the machine stands the service account of an object in a cluster, where one is named ([`Way::account`]): the cluster
//! gives out a token for it ([`Accounts`]), and its annotations say as whom the cloud knows it.
//!
//! # Promises
//!
//! - A login goes to hosts of its cloud alone, and never over plain HTTP; any other host is an error ([`Error::Host`]).
//! - Who gives out credentials answers itself: no redirect is followed. The metadata of a machine is asked without a proxy, and a
//!   container's endpoint has to be this machine, its node, or `https`.
//! - Each service is trusted by the system's authorities. Whoever writes an object may name a proxy, and with it no authority that
//!   would let him read what the bot is given; a GitHub App is his own, and so may be its authority.
//! - Many callers are one request, renewed early (`cache`). No message holds a secret.
//! - A machine that is in no cloud says so within about a second, with all that was tried, in order.
//!
//! # The shape
//!
//! What is asked is a value ([`request`](self)) that pure functions make of facts, and what comes back is read by pure functions;
//! `sign` and `jwt` are given the time. `exchange` alone speaks to the network, `machine` alone reads files and variables; the
//! flows between them are in `aws/flow.rs`, `azure/flow.rs`, `gcp/flow.rs` and `github/flow.rs`.
//!
//! There is no SDK: signing a request is a hundred lines, and the libraries of three clouds would be more code than all the rest.
//!
//! # Endpoints
//!
//! All can be named, by the variables that the clouds' own tools have: `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_STS`,
//! `AWS_ENDPOINT_URL_ECR`, `AWS_ENDPOINT_URL_ECR_PUBLIC`, `AWS_EC2_METADATA_SERVICE_ENDPOINT`, `AZURE_AUTHORITY_HOST`,
//! `AZURE_POD_IDENTITY_AUTHORITY_HOST`, `GCE_METADATA_HOST`; a key file of Google and a GitHub App name their own.

mod aws;
mod azure;
mod cache;
mod error;
mod exchange;
mod gcp;
mod github;
mod jwt;
mod machine;
mod request;
mod said;
mod xml;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use access::{Distinct, Fingerprint, GithubApp, Login, Marks, Provider, Secret, ServiceAccount};
use url::Url;
use web::Pauses;

use cache::{Cache, Kept};
use exchange::Exchange;

pub use error::{Error, Kind};
pub use machine::Environment;

/// Gives out logins. Clones are one: they share what is kept.
#[derive(Debug, Clone)]
pub struct Cloud(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    environment: Environment,
    exchange: Exchange,
    /// The machine's credentials for AWS.
    keys: Cache<aws::Keys>,
    /// What was given out: passwords and tokens.
    tokens: Cache<Secret>,
    /// Who gives out the tokens of service accounts.
    accounts: OnceLock<Arc<dyn Accounts>>,
}

/// A cluster, which gives out tokens for its service accounts.
pub trait Accounts: fmt::Debug + Send + Sync {
    /// Asks for a token that is shown to this audience alone. Why there is none is said in words, behind the account's name.
    fn token<'a>(&'a self, account: &'a ServiceAccount, audience: &'a str) -> AccountToken<'a>;
}

/// A token that is asked for.
pub type AccountToken<'a> = Pin<Box<dyn Future<Output = Result<Secret, (Kind, String)>> + Send + 'a>>;

/// How services are reached.
#[derive(Debug, Clone, Copy, Default)]
pub struct Way<'w> {
    /// As whom the cloud is asked, where that is not the machine.
    pub account: Option<&'w ServiceAccount>,
    /// The proxy that the configuration names; without one that of the environment.
    pub proxy: Option<&'w access::Proxy>,
    /// Authorities that are trusted in addition to the system's, as PEM. Only a [GitHub App](Cloud::github_app) has them.
    pub authority: Option<&'w str>,
}

/// A login that was given out.
#[derive(Debug, Clone)]
pub struct Granted<T> {
    /// The login.
    pub login: T,
    /// Whether it was given out before, so that it may have been withdrawn.
    pub is_old: bool,
    ticket: Option<(Fingerprint, u64)>,
}

/// One caller's question: the way and all that is shared.
#[derive(Clone, Copy)]
struct Asking<'a> {
    shared: &'a Shared,
    way: Way<'a>,
}

impl Cloud {
    /// Creates one. Nothing is read and nobody is asked yet.
    #[must_use]
    pub fn new(environment: Environment, pauses: Pauses) -> Self {
        let exchange = Exchange::new(pauses);
        Self(Arc::new(Shared {
            environment,
            exchange,
            keys: Cache::default(),
            tokens: Cache::default(),
            accounts: OnceLock::new(),
        }))
    }

    /// Takes the cluster that gives out the tokens of service accounts; the first one stays.
    pub fn ask_accounts_of(&self, cluster: Arc<dyn Accounts>) {
        let _ = self.0.accounts.set(cluster);
    }

    /// Returns the login for a registry, given by its host and port.
    ///
    /// # Errors
    /// The registry is not of this cloud, or the cloud gives no login.
    pub async fn registry(&self, provider: Provider, host: &str, way: Way<'_>) -> Result<Granted<Login>, Error> {
        let asking = self.asking(way);
        // On the heap, as below: whoever asks for a login holds the way to it, and all of them are long.
        match provider {
            Provider::Aws => Box::pin(asking.ecr(host)).await,
            Provider::Azure => Box::pin(asking.acr(host)).await,
            Provider::Gcp => Box::pin(asking.artifact_registry(host)).await,
        }
    }

    /// Returns the login of a GitHub App for a remote.
    ///
    /// # Errors
    /// The remote is not on the App's GitHub, or GitHub gives no login.
    pub async fn github_app(&self, app: &GithubApp, remote: &Url, way: Way<'_>) -> Result<Granted<Login>, Error> {
        Box::pin(self.asking(way).github(app, remote)).await
    }

    /// Returns the bearer token for a remote of Azure DevOps.
    ///
    /// # Errors
    /// The remote is not of Azure DevOps, or Entra ID gives no token.
    pub async fn azure_devops(&self, remote: &Url, way: Way<'_>) -> Result<Granted<Secret>, Error> {
        Box::pin(self.asking(way).azure_devops(remote)).await
    }

    /// Returns the login for a remote of AWS CodeCommit: a signature of its address, good for a quarter of an hour.
    ///
    /// # Errors
    /// The remote is not of CodeCommit, or the machine has no credentials for AWS.
    pub async fn code_commit(&self, remote: &Url, way: Way<'_>) -> Result<Granted<Login>, Error> {
        Box::pin(self.asking(way).code_commit(remote)).await
    }

    /// Forgets a login that was rejected, so that the next one is new.
    pub fn forget<T>(&self, granted: &Granted<T>) {
        if let Some((key, serial)) = granted.ticket {
            self.0.tokens.forget(key, serial);
            self.0.keys.forget(key, serial);
        }
    }

    fn asking<'a>(&'a self, way: Way<'a>) -> Asking<'a> {
        Asking { shared: &self.0, way }
    }
}

/// Returns the hosts that a provider's login is for, in words, unless a registry's host is one of them.
#[must_use]
pub fn not_for(provider: Provider, host: &str) -> Option<&'static str> {
    let (is_known, hosts) = match provider {
        Provider::Aws => (aws::is_registry(host), aws::REGISTRIES),
        Provider::Azure => (azure::is_registry(host), azure::REGISTRIES),
        Provider::Gcp => (gcp::is_registry(host), gcp::REGISTRIES),
    };
    (!is_known).then_some(hosts)
}

/// Returns the remotes of Azure DevOps, in words, unless an address is one of them.
#[must_use]
pub fn not_for_azure_devops(remote: &str) -> Option<&'static str> {
    let is_known = Url::parse(remote).is_ok_and(|remote| azure::is_remote(&remote));
    (!is_known).then_some(azure::REMOTES)
}

/// Returns the remotes of CodeCommit, in words, unless an address is one of them.
#[must_use]
pub fn not_for_code_commit(remote: &str) -> Option<&'static str> {
    let is_known = Url::parse(remote).is_ok_and(|remote| aws::is_remote(&remote));
    (!is_known).then_some(aws::REMOTES)
}

impl Asking<'_> {
    /// Asks for a token of a service account.
    async fn account_token(self, account: &ServiceAccount, audience: &str) -> Result<Secret, Error> {
        let failed = |(kind, reason)| Error::Account { account: account.to_string(), kind, reason };
        let Some(cluster) = self.shared.accounts.get() else {
            return Err(failed((Kind::Config, "is of a cluster, and no cluster is asked for its token".to_owned())));
        };
        cluster.token(account, audience).await.map_err(failed)
    }

    /// What is kept is kept for a purpose and a way: what fails through one proxy may be had without it.
    fn key(&self, purpose: &[&str]) -> Fingerprint {
        self.key_for(purpose, "")
    }

    /// The same for something that is asked for as somebody of the configuration.
    fn key_for(&self, purpose: &(impl Distinct + ?Sized), whose: &(impl Distinct + ?Sized)) -> Fingerprint {
        Purpose { purpose, whose, way: self.way }.fingerprint()
    }
}

struct Purpose<'p, P: ?Sized, W: ?Sized> {
    purpose: &'p P,
    whose: &'p W,
    way: Way<'p>,
}

impl<P: Distinct + ?Sized, W: Distinct + ?Sized> Distinct for Purpose<'_, P, W> {
    fn mark(&self, marks: &mut Marks) {
        self.purpose.mark(marks);
        self.whose.mark(marks);
        self.way.account.mark(marks);
        self.way.proxy.mark(marks);
        self.way.authority.mark(marks);
    }
}

impl<T> Granted<T> {
    /// Returns the login, and what it can be [forgotten](Cloud::forget) by.
    #[must_use]
    pub fn split(self) -> (T, Granted<()>) {
        (self.login, Granted { login: (), is_old: self.is_old, ticket: self.ticket })
    }

    fn of<S>(key: Fingerprint, kept: Kept<S>, login: impl FnOnce(S) -> T) -> Self {
        Self { login: login(kept.value), is_old: kept.is_old, ticket: Some((key, kept.serial)) }
    }
}
