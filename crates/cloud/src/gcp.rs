//! Google: tokens, which are the logins of its registries.

mod account;
mod document;
mod flow;
mod token;

/// Google's registries, in words.
pub(crate) const REGISTRIES: &str = "LOCATION-docker.pkg.dev and gcr.io";

/// The user name beside a token.
pub(crate) const USER: &str = "oauth2accesstoken";

/// Whether a host is a registry of Google: Container Registry, Artifact Registry, or that of S3NS in France.
pub(crate) fn is_registry(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    matches!(host.as_str(), "gcr.io" | "docker.s3nsregistry.fr")
        || [".gcr.io", "-docker.pkg.dev"].iter().any(|end| host.strip_suffix(end).is_some_and(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in ["gcr.io", "eu.gcr.io", "europe-west1-docker.pkg.dev", "Docker.s3nsregistry.fr"] {
            assert!(is_registry(host), "{host}");
        }
        for host in [
            "evilgcr.io",
            "gcr.io.evil.example",
            "pkg.dev",
            "docker.pkg.dev",
            "-docker.pkg.dev",
            "gcr.io:8443",
            "a/b.gcr.io",
            "ghcr.io",
        ] {
            assert!(!is_registry(host), "{host}");
        }
    }
}
