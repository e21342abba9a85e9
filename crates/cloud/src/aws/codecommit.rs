//! CodeCommit: which hosts are its remotes, and the login that is a signature of the address.

use access::{ExposeSecret as _, Login};
use jiff::Timestamp;
use url::Url;

use super::sign::Scope;
use super::{Keys, region};

/// Returns the region of a remote; None if it is not one of CodeCommit, or not at `https`.
///
/// The host is `git-codecommit[-fips].REGION.amazonaws.com`, or of another partition.
pub(crate) fn region_of(remote: &Url) -> Option<&str> {
    let rest = remote.host_str().filter(|_| remote.scheme() == "https" && remote.port().is_none())?;
    let rest = rest.strip_prefix("git-codecommit")?;
    let (name, domain) = rest.strip_prefix("-fips").unwrap_or(rest).strip_prefix('.')?.split_once('.')?;
    region::parse(name).filter(|name| region::domain(name) == domain)
}

/// Makes the login for a remote. It is good for a quarter of an hour, and for this address alone.
pub(crate) fn login(remote: &Url, region: &str, keys: &Keys, at: Timestamp) -> Login {
    let scope = Scope { region, service: "codecommit", at };
    let time = scope.time();
    let host = remote.host_str().unwrap_or_default();
    // The last line is that of the body's hash, which CodeCommit leaves empty.
    let canonical = format!("GIT\n{}\n\nhost:{host}\n\nhost\n", remote.path());
    let signature = scope.signature(keys, &time, &canonical);
    let username = match &keys.session {
        Some(session) => format!("{}%{}", keys.id, session.expose_secret()),
        None => keys.id.clone(),
    };
    Login { username, password: format!("{time}Z{signature}").into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn remotes() {
        let region = |url: &str| region_of(&Url::parse(url).unwrap()).map(str::to_owned);
        let usual = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/x";
        assert_eq!(region(usual).as_deref(), Some("eu-west-1"));
        let fips = "https://git-codecommit-fips.us-gov-west-1.amazonaws.com/v1/repos/x";
        assert_eq!(region(fips).as_deref(), Some("us-gov-west-1"));
        let china = "https://git-codecommit.cn-north-1.amazonaws.com.cn/v1/repos/x";
        assert_eq!(region(china).as_deref(), Some("cn-north-1"));
        for other in [
            "http://git-codecommit.eu-west-1.amazonaws.com/v1/repos/x",
            "https://git-codecommit.eu-west-1.amazonaws.com:8443/v1/repos/x",
            "https://git-codecommit.eu-west-1.amazonaws.com.evil.example/v1/repos/x",
            "https://git-codecommit.evil.example/v1/repos/x",
            "https://evil-git-codecommit.eu-west-1.amazonaws.com/x",
            "https://github.com/a/b",
        ] {
            assert_eq!(region(other), None, "{other}");
        }
    }
}
