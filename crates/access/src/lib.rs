//! How an outside system may be reached: credentials, certificates, proxies, deadlines. Plain data.
//!
//! Configuration fills these in, the edges obey them. No file, environment variable or network is touched here. Whatever
//! is secret is a [`Secret`]: it does not print, does not compare and is wiped when dropped.
//!
//! What holds a secret is told apart by its [`Fingerprint`], in this crate and nowhere else: caches of connections, tokens
//! and logins are keyed by it, and two remotes that are reached in the same way share what they learn.

pub mod dockerconfig;
mod fingerprint;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use fingerprint::{Distinct, Fingerprint, Marks};
pub use secrecy::ExposeSecret;

/// A text that must not appear in argv, URLs, logs, errors or commits.
pub type Secret = secrecy::SecretString;

/// Certificates for one endpoint, all PEM.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Authorities trusted in addition to the system's.
    pub ca: Option<String>,
    /// The client's own certificate chain and private key.
    pub identity: Option<TlsIdentity>,
}

/// A client certificate and its key, for registries and remotes that ask for one.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// The certificate chain, leaf first.
    pub certificate: String,
    /// The private key of the leaf.
    pub key: Secret,
}

/// A proxy named in the configuration; it replaces the one of the environment.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// `http://`, `https://` or `socks5://`, host and port.
    pub address: String,
    /// User name and password for the proxy.
    pub login: Option<Login>,
}

/// A user name and a password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user name; some registries want a fixed word beside a token.
    pub username: String,
    /// The password, which may be empty.
    pub password: Secret,
}

/// The access of one image repository to its registry.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Entries of `kubernetes.io/dockerconfigjson` and `kubernetes.io/dockercfg` secrets. Empty means that nothing was
    /// configured, and the machine's own Docker configuration is used.
    pub logins: Vec<RegistryLogin>,
    /// The cloud that gives out the login, in place of `logins`.
    pub provider: Option<Provider>,
    /// As whom the cloud is asked, where that is not the machine.
    pub account: Option<ServiceAccount>,
    /// Certificates.
    pub tls: Tls,
    /// The proxy, if one is named.
    pub proxy: Option<Proxy>,
    /// Whether plain HTTP is allowed.
    pub insecure: bool,
    /// One deadline for everything a poll does: tokens, all pages, retries.
    pub timeout: Duration,
}

impl Registry {
    /// Returns the same without the client certificate, for a server that it is not for.
    #[must_use]
    pub fn without_identity(&self) -> Self {
        let tls = Tls { ca: self.tls.ca.clone(), identity: None };
        Self { tls, ..self.clone() }
    }
}

/// A cloud that knows a machine without a password, and gives it logins for its registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Amazon: ECR, private and public.
    Aws,
    /// Microsoft: Azure Container Registry.
    Azure,
    /// Google: Artifact Registry and Container Registry.
    Gcp,
}

/// A service account of a cluster, which clouds know by the tokens that the cluster gives out for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its annotations, which say as whom it is known in a cloud.
    pub annotations: BTreeMap<String, String>,
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One entry of a Docker configuration.
#[derive(Debug, Clone)]
pub struct RegistryLogin {
    /// The key as written: `ghcr.io`, `https://index.docker.io/v1/`, `quay.io/team`, `*.example.com`.
    pub key: String,
    /// User name and password.
    pub login: Option<Login>,
    /// A refresh token, exchanged for access tokens.
    pub identity_token: Option<Secret>,
    /// A bearer token, sent as it is.
    pub registry_token: Option<Secret>,
}

/// The access of one Git remote.
#[derive(Debug, Clone)]
pub struct Git {
    /// The credentials; by default those that the machine has.
    pub login: GitLogin,
    /// Certificates, for `https`.
    pub tls: Tls,
    /// The proxy, if one is named; for `http` and `https`.
    pub proxy: Option<Proxy>,
    /// A deadline for each fetch and for each push.
    pub timeout: Duration,
}

/// Credentials of a Git remote, by its transport.
#[derive(Debug, Clone, Default)]
pub enum GitLogin {
    /// With what the machine has: `TAGWRIGHT_GIT_USERNAME` and `TAGWRIGHT_GIT_TOKEN` (for the hosts in `TAGWRIGHT_GIT_HOST`), git's
    /// credential helpers, the ssh agent, default keys and known hosts.
    #[default]
    Machine,
    /// The same for a user whose name the URL has; where the machine has nothing, the name alone, as which some forges take
    /// tokens. So it may be a secret.
    User(Secret),
    /// HTTP Basic.
    Basic(Login),
    /// HTTP Bearer.
    Bearer(Secret),
    /// An ssh key with the host keys to accept.
    Ssh(SshIdentity),
    /// A GitHub App, whose tokens are HTTP Basic.
    GithubApp(Box<GithubApp>),
    /// An identity at Azure, whose tokens are HTTP Bearer for Azure DevOps: that of a service account, or the machine's.
    AzureDevOps(Option<ServiceAccount>),
    /// An identity at AWS, which signs for CodeCommit: that of a service account, or the machine's.
    CodeCommit(Option<ServiceAccount>),
}

/// A GitHub App.
#[derive(Debug, Clone)]
pub struct GithubApp {
    /// The number or the client id of the App.
    pub id: String,
    /// Where it is installed.
    pub installation: Installation,
    /// Its private key, PEM.
    pub key: Secret,
    /// The address of a GitHub other than github.com.
    pub base_url: Option<String>,
}

/// An installation of a GitHub App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installation {
    /// By its number.
    Id(u64),
    /// By the organisation or the person who has it.
    Owner(String),
}

/// An ssh key with the host keys to accept.
#[derive(Debug, Clone)]
pub struct SshIdentity {
    /// The private key, PEM or OpenSSH.
    pub key: Secret,
    /// The passphrase of the key.
    pub passphrase: Option<Secret>,
    /// Lines of a `known_hosts` file.
    pub known_hosts: String,
}
