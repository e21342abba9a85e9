//! Registry mirrors: the name in Git stays, the request goes elsewhere.
//!
//! As containerd has them. A request for a repository of `HOST` goes to the mirror first. Where the mirror cannot be
//! reached, is overloaded or broken (408, 429, 5xx), or does not have the repository (404), the registry itself is asked;
//! any other answer, such as a denied login, is final. Credentials for a mirror are those of the mirror's own host, and
//! the registry's are never sent to it, and neither is its client certificate.

use std::fmt;

use url::Url;

use super::endpoint::{canonical_host, is_docker_hub};
use super::error::Error;
use super::pair::{Pair, WrongPair};

/// One `HOST=URL`.
///
/// ```
/// use registry::Mirror;
/// let mirror = Mirror::parse("docker.io=https://mirror.example.com/hub")?;
/// assert_eq!(mirror.to_string(), "docker.io=https://mirror.example.com/hub");
/// assert!(Mirror::parse("docker.io=mirror.example.com").is_err());
/// # Ok::<(), registry::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    host: String,
    url: Url,
}

impl Mirror {
    /// Reads `HOST=URL`: the authority of a registry, and an `http` or `https` address.
    ///
    /// A path is kept. As in containerd `/v2` is added to it, unless it already has a segment `v2`: so both
    /// `https://mirror/hub` and Harbor's `https://harbor/v2/hub` do what is meant.
    ///
    /// # Errors
    /// The text has another form, or the address another scheme, a user, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let pair = Pair::parse(text).map_err(|WrongPair { text, reason }| Error::Mirror { text, reason })?;
        Ok(Self { host: pair.host, url: pair.url })
    }

    /// Whether this mirror stands in for a registry, given by its authority. Docker Hub is meant by any of its names.
    pub(crate) fn stands_for(&self, registry: &str) -> bool {
        canonical_host(&self.host) == canonical_host(registry)
    }

    /// Returns the root of the mirror's API, with a slash at its end, and the names of repositories that are put before
    /// ours there.
    pub(crate) fn root(&self) -> (Url, String) {
        let path = self.url.path().trim_matches('/');
        let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        if !segments.contains(&"v2") {
            segments.push("v2");
        }
        let version = segments.iter().position(|segment| *segment == "v2").unwrap_or_default();
        let before = segments[version + 1..].iter().map(|segment| format!("{segment}/")).collect();
        let mut root = self.url.clone();
        root.set_path(&format!("/{}/", segments.join("/")));
        (root, before)
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if is_docker_hub(&self.host) { "docker.io" } else { &self.host };
        write!(f, "{host}={}", self.url.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn roots() {
        let cases = [
            ("a.io=http://127.0.0.1:5000", "http://127.0.0.1:5000/v2/", ""),
            ("a.io=http://127.0.0.1:5000/", "http://127.0.0.1:5000/v2/", ""),
            ("a.io=http://127.0.0.1:5000/v2-proxy", "http://127.0.0.1:5000/v2-proxy/v2/", ""),
            ("a.io=https://m.io/a/b/", "https://m.io/a/b/v2/", ""),
            ("a.io=https://m.io/v2", "https://m.io/v2/", ""),
            ("a.io=https://m.io/x/v2/", "https://m.io/x/v2/", ""),
            ("a.io=https://harbor.io/v2/hub", "https://harbor.io/v2/hub/", "hub/"),
            ("localhost:5000 = https://m.io", "https://m.io/v2/", ""),
        ];
        for (text, root, before) in cases {
            let found = Mirror::parse(text).unwrap().root();
            assert_eq!((found.0.as_str(), found.1.as_str()), (root, before), "{text}");
        }
    }

    #[test]
    fn docker_hub_has_many_names() {
        for written in ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"] {
            let mirror = Mirror::parse(&format!("{written}=https://m.io")).unwrap();
            assert!(mirror.stands_for("index.docker.io"), "{written}");
            assert!(!mirror.stands_for("ghcr.io"), "{written}");
        }
    }

    #[test]
    fn refused() {
        let cases = [
            ("docker.io", "registry mirror \"docker.io\": expected HOST=URL"),
            ("=https://m.io", "registry mirror \"=https://m.io\": expected the host of a registry before '='"),
            (
                "a.io/b=https://m.io",
                "registry mirror \"a.io/b=https://m.io\": expected the host of a registry before '='",
            ),
            ("a.io=", "registry mirror \"a.io=\": expected a URL after '='"),
            ("a.io=ftp://m.io", "registry mirror \"a.io=ftp://m.io\": the URL must begin with http:// or https://"),
            ("a.io=m.io:5000", "registry mirror \"a.io=m.io:5000\": the URL must begin with http:// or https://"),
            (
                "a.io=https://u:secret@m.io",
                "registry mirror \"a.io=https://…@m.io\": the URL must not hold a login; put it into the Docker configuration",
            ),
            (
                "a.io=https://m.io?x=y",
                "registry mirror \"a.io=https://m.io?…\": the URL must not have a query or a fragment",
            ),
        ];
        for (text, expect) in cases {
            assert_eq!(Mirror::parse(text).unwrap_err().to_string(), expect, "{text}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        for text in [
            "a.io=https://u:s3cret@m.io/?t=s3cret#s3cret",
            "a.io=https://u:s3cret@m.io:x/",
            "a.io=https://m.io?s3cret",
            "a.io=u:s3cret@m.io",
            "a.io=u:s3/cret@m.io/x",
            "a.io=http:/u:s3cret@m.io",
            "https://u:s3cret@m.io",
            "u:s3cret@m.io=https://m.io",
            "a.io\n=m.io?s3cret",
            "a.io=ftp://u:s3cret@m.io/",
        ] {
            let error = Mirror::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3"), "{text}: {error}");
            assert!(!error.to_string().contains('\n'), "{error:?}");
        }
    }
}
