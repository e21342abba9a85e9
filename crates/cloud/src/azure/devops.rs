//! Azure DevOps: its hosts. A token of Entra ID is its bearer token.

use url::Url;

/// What the token of Entra ID is for.
pub(crate) const SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
/// Who knows the users: Azure DevOps is in the public cloud alone.
pub(crate) const AUTHORITY: &str = "https://login.microsoftonline.com/";

/// Whether a remote is one of Azure DevOps, at `https`.
pub(crate) fn is_remote(remote: &Url) -> bool {
    let is_host = |host: &str| {
        host == "dev.azure.com" || host.strip_suffix(".visualstudio.com").is_some_and(|name| !name.is_empty())
    };
    remote.scheme() == "https" && remote.port().is_none() && remote.host_str().is_some_and(is_host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn remotes() {
        for (remote, expect) in [
            ("https://dev.azure.com/org/project/_git/repo", true),
            ("https://org@dev.azure.com/org/project/_git/repo", true),
            ("https://org.visualstudio.com/project/_git/repo", true),
            ("http://dev.azure.com/org/project/_git/repo", false),
            ("https://dev.azure.com:8443/org/project/_git/repo", false),
            ("https://dev.azure.com.evil.example/x", false),
            ("https://visualstudio.com/x", false),
            ("ssh://git@ssh.dev.azure.com/v3/org/project/repo", false),
        ] {
            assert_eq!(is_remote(&Url::parse(remote).unwrap()), expect, "{remote}");
        }
    }
}
