//! How an outside system may be reached: credentials, certificates, proxies, deadlines. Plain data.
//!
//! Configuration fills these in, the edges obey them. No file, environment variable or network is touched here. Whatever
//! is secret is a [`Secret`]: it does not print, does not compare and is wiped when dropped.

pub mod dockerconfig;

use std::time::Duration;

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
    /// Certificates.
    pub tls: Tls,
    /// The proxy, if one is named.
    pub proxy: Option<Proxy>,
    /// Whether plain HTTP is allowed.
    pub insecure: bool,
    /// One deadline for everything a poll does: tokens, all pages, retries.
    pub timeout: Duration,
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
    /// With what the machine has: `TAGWRIGHT_GIT_USERNAME` and `TAGWRIGHT_GIT_TOKEN`, git's credential helpers, the
    /// ssh agent, default keys and known hosts.
    #[default]
    Machine,
    /// HTTP Basic.
    Basic(Login),
    /// HTTP Bearer.
    Bearer(Secret),
    /// An ssh key with the host keys to accept.
    Ssh(SshIdentity),
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

/// Whether two ways to reach a Git remote are the same, so that one connection can serve both.
#[must_use]
pub fn same_git(left: &Git, right: &Git) -> bool {
    same_login(&left.login, &right.login)
        && same_tls(&left.tls, &right.tls)
        && same_proxy(left.proxy.as_ref(), right.proxy.as_ref())
        && left.timeout == right.timeout
}

fn same_login(left: &GitLogin, right: &GitLogin) -> bool {
    match (left, right) {
        (GitLogin::Machine, GitLogin::Machine) => true,
        (GitLogin::Basic(left), GitLogin::Basic(right)) => same_user(left, right),
        (GitLogin::Bearer(left), GitLogin::Bearer(right)) => same_secret(left, right),
        (GitLogin::Ssh(left), GitLogin::Ssh(right)) => {
            left.known_hosts == right.known_hosts
                && same_secret(&left.key, &right.key)
                && match (&left.passphrase, &right.passphrase) {
                    (None, None) => true,
                    (Some(left), Some(right)) => same_secret(left, right),
                    _ => false,
                }
        }
        _ => false,
    }
}

fn same_tls(left: &Tls, right: &Tls) -> bool {
    let same_identity = match (&left.identity, &right.identity) {
        (None, None) => true,
        (Some(left), Some(right)) => left.certificate == right.certificate && same_secret(&left.key, &right.key),
        _ => false,
    };
    left.ca == right.ca && same_identity
}

fn same_proxy(left: Option<&Proxy>, right: Option<&Proxy>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => {
            left.address == right.address
                && match (&left.login, &right.login) {
                    (None, None) => true,
                    (Some(left), Some(right)) => same_user(left, right),
                    _ => false,
                }
        }
        _ => false,
    }
}

fn same_user(left: &Login, right: &Login) -> bool {
    left.username == right.username && same_secret(&left.password, &right.password)
}

fn same_secret(left: &Secret, right: &Secret) -> bool {
    left.expose_secret() == right.expose_secret()
}
