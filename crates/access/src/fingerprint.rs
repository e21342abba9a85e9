//! How values that hold secrets are told apart, without comparing or keeping them.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::{
    Git, GitLogin, GithubApp, Installation, Login, Proxy, Secret, ServiceAccount, SshIdentity, Tls, TlsIdentity,
};

/// A hash over everything that makes a value what it is: equal for equal values, and for no others that anybody can find. It
/// holds no secret, so that it may be the key of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// A value that may hold secrets, and can be told apart from others.
///
/// ```
/// use access::{Distinct as _, Login};
/// let login = |username: &str, password: &str| Login { username: username.to_owned(), password: password.into() };
/// assert_eq!(login("bot", "s3cret").fingerprint(), login("bot", "s3cret").fingerprint());
/// assert_ne!(login("bot", "s3cret").fingerprint(), login("bots", "3cret").fingerprint());
/// ```
pub trait Distinct {
    /// Adds all parts of the value, each with its own [`Distinct::mark`] and always in the same order.
    fn mark(&self, marks: &mut Marks);

    /// Returns the fingerprint of the value.
    fn fingerprint(&self) -> Fingerprint {
        let mut marks = Marks(Sha256::new());
        self.mark(&mut marks);
        Fingerprint(marks.0.finalize().into())
    }
}

/// What has been added of a value so far.
pub struct Marks(Sha256);

impl Distinct for str {
    /// The length comes first, so that what ends one text cannot begin the next.
    fn mark(&self, marks: &mut Marks) {
        marks.0.update((self.len() as u64).to_le_bytes());
        marks.0.update(self);
    }
}

impl Distinct for String {
    fn mark(&self, marks: &mut Marks) {
        self.as_str().mark(marks);
    }
}

impl Distinct for Secret {
    fn mark(&self, marks: &mut Marks) {
        self.expose_secret().mark(marks);
    }
}

impl<T: Distinct + ?Sized> Distinct for &T {
    fn mark(&self, marks: &mut Marks) {
        (**self).mark(marks);
    }
}

impl<T: Distinct> Distinct for Option<T> {
    fn mark(&self, marks: &mut Marks) {
        marks.0.update([u8::from(self.is_some())]);
        if let Some(value) = self {
            value.mark(marks);
        }
    }
}

impl<T: Distinct> Distinct for [T] {
    fn mark(&self, marks: &mut Marks) {
        marks.0.update((self.len() as u64).to_le_bytes());
        self.iter().for_each(|value| value.mark(marks));
    }
}

impl Distinct for Duration {
    fn mark(&self, marks: &mut Marks) {
        marks.0.update(self.as_nanos().to_le_bytes());
    }
}

impl Distinct for Login {
    fn mark(&self, marks: &mut Marks) {
        let Self { username, password } = self;
        username.mark(marks);
        password.mark(marks);
    }
}

impl Distinct for Proxy {
    fn mark(&self, marks: &mut Marks) {
        let Self { address, login } = self;
        address.mark(marks);
        login.mark(marks);
    }
}

impl Distinct for TlsIdentity {
    fn mark(&self, marks: &mut Marks) {
        let Self { certificate, key } = self;
        certificate.mark(marks);
        key.mark(marks);
    }
}

impl Distinct for Tls {
    fn mark(&self, marks: &mut Marks) {
        let Self { ca, identity } = self;
        ca.mark(marks);
        identity.mark(marks);
    }
}

impl Distinct for SshIdentity {
    fn mark(&self, marks: &mut Marks) {
        let Self { key, passphrase, known_hosts } = self;
        key.mark(marks);
        passphrase.mark(marks);
        known_hosts.mark(marks);
    }
}

impl Distinct for GitLogin {
    fn mark(&self, marks: &mut Marks) {
        match self {
            Self::Machine => "machine".mark(marks),
            Self::User(name) => {
                "user".mark(marks);
                name.mark(marks);
            }
            Self::Basic(login) => {
                "basic".mark(marks);
                login.mark(marks);
            }
            Self::Bearer(token) => {
                "bearer".mark(marks);
                token.mark(marks);
            }
            Self::Ssh(identity) => {
                "ssh".mark(marks);
                identity.mark(marks);
            }
            Self::GithubApp(app) => {
                "github".mark(marks);
                app.mark(marks);
            }
            Self::AzureDevOps(account) => {
                "azure".mark(marks);
                account.mark(marks);
            }
            Self::CodeCommit(account) => {
                "aws".mark(marks);
                account.mark(marks);
            }
        }
    }
}

impl Distinct for ServiceAccount {
    fn mark(&self, marks: &mut Marks) {
        let Self { namespace, name, annotations } = self;
        namespace.mark(marks);
        name.mark(marks);
        annotations.len().to_string().mark(marks);
        for (key, value) in annotations {
            key.mark(marks);
            value.mark(marks);
        }
    }
}

impl Distinct for GithubApp {
    fn mark(&self, marks: &mut Marks) {
        let Self { id, installation, key, base_url } = self;
        id.mark(marks);
        match installation {
            Installation::Id(id) => {
                "id".mark(marks);
                id.to_string().mark(marks);
            }
            Installation::Owner(owner) => {
                "owner".mark(marks);
                owner.mark(marks);
            }
        }
        key.mark(marks);
        base_url.mark(marks);
    }
}

impl Distinct for Git {
    /// Two remotes with the same fingerprint can share a connection.
    fn mark(&self, marks: &mut Marks) {
        let Self { login, tls, proxy, timeout } = self;
        login.mark(marks);
        tls.mark(marks);
        proxy.mark(marks);
        timeout.mark(marks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(username: &str, password: &str) -> Login {
        Login { username: username.to_owned(), password: password.into() }
    }

    fn account(namespace: &str, name: &str, annotations: &[(&str, &str)]) -> ServiceAccount {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned(), annotations }
    }

    fn git(login: GitLogin) -> Git {
        Git { login, tls: Tls::default(), proxy: None, timeout: Duration::from_secs(1) }
    }

    /// Every part counts: each of these differs from all others, and none from itself.
    #[test]
    fn every_part_counts() {
        let ssh = |key: &str, passphrase: Option<&str>, hosts: &str| {
            let known_hosts = hosts.to_owned();
            git(GitLogin::Ssh(SshIdentity { key: key.into(), passphrase: passphrase.map(Secret::from), known_hosts }))
        };
        let tls = |ca: Option<&str>, identity: Option<(&str, &str)>| Git {
            tls: Tls {
                ca: ca.map(str::to_owned),
                identity: identity
                    .map(|(certificate, key)| TlsIdentity { certificate: certificate.to_owned(), key: key.into() }),
            },
            ..git(GitLogin::Machine)
        };
        let proxy = |address: &str, login: Option<Login>| Git {
            proxy: Some(Proxy { address: address.to_owned(), login }),
            ..git(GitLogin::Machine)
        };
        let app = |installation: Installation, key: &str, base_url: Option<&str>| {
            let (id, base_url) = ("1".to_owned(), base_url.map(str::to_owned));
            git(GitLogin::GithubApp(Box::new(GithubApp { id, installation, key: key.into(), base_url })))
        };
        let all = || {
            [
                git(GitLogin::Machine),
                Git { timeout: Duration::from_secs(2), ..git(GitLogin::Machine) },
                git(GitLogin::User("a".into())),
                git(GitLogin::User("b".into())),
                git(GitLogin::Basic(login("a", "b"))),
                git(GitLogin::Basic(login("ab", ""))),
                git(GitLogin::Basic(login("", "ab"))),
                git(GitLogin::Bearer("a".into())),
                git(GitLogin::Bearer("b".into())),
                app(Installation::Id(1), "a", None),
                app(Installation::Id(2), "a", None),
                app(Installation::Owner("1".to_owned()), "a", None),
                app(Installation::Id(1), "b", None),
                app(Installation::Id(1), "a", Some("b")),
                git(GitLogin::AzureDevOps(None)),
                git(GitLogin::CodeCommit(None)),
                git(GitLogin::CodeCommit(Some(account("n", "a", &[])))),
                git(GitLogin::CodeCommit(Some(account("na", "", &[])))),
                git(GitLogin::CodeCommit(Some(account("n", "a", &[("k", "v")])))),
                git(GitLogin::AzureDevOps(Some(account("n", "a", &[])))),
                ssh("a", None, "b"),
                ssh("a", Some(""), "b"),
                ssh("a", Some("b"), ""),
                ssh("ab", None, ""),
                tls(Some("a"), None),
                tls(Some(""), None),
                tls(None, Some(("a", "b"))),
                tls(None, Some(("b", "a"))),
                tls(Some("a"), Some(("a", "b"))),
                proxy("a", None),
                proxy("a", Some(login("b", ""))),
                proxy("a", Some(login("", "b"))),
                proxy("ab", None),
            ]
        };
        for (at, one) in all().iter().enumerate() {
            for (other_at, other) in all().iter().enumerate() {
                assert_eq!(one.fingerprint() == other.fingerprint(), at == other_at, "{at} {other_at}");
            }
        }
        assert_ne!(["a", "b"][..].fingerprint(), ["ab"][..].fingerprint());
        assert_ne!(Some("").fingerprint(), None::<&str>.fingerprint());
    }
}
