//! Package URLs of images (<https://github.com/package-url/purl-spec>): `pkg:oci/NAME@DIGEST?repository_url=…&tag=…` and
//! `pkg:docker/NAMESPACE/NAME@TAG`.

use image::{Digest, Repository};
use percent_encoding::percent_decode_str;

use super::is_same;

/// A package URL, in its parts, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Purl {
    kind: String,
    /// Namespace and name.
    path: String,
    version: Option<String>,
    repository_url: Option<String>,
    tag: Option<String>,
    /// As it is written, without version, qualifiers and what follows.
    bare: String,
}

impl Purl {
    /// Reads a package URL; none where it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("pkg:")?.trim_start_matches('/');
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        // The version begins at the last `@`, as a namespace may have one.
        let (path, version) = rest.rsplit_once('@').map_or((rest, None), |(path, version)| (path, Some(version)));
        let (kind, path) = path.split_once('/')?;
        let qualifier = |name: &str| {
            let mut all = qualifiers.split('&').filter_map(|it| it.split_once('='));
            all.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| decode(value))
        };
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            path: decode(path),
            version: version.map(decode),
            repository_url: qualifier("repository_url"),
            tag: qualifier("tag"),
            bare: format!("pkg:{kind}/{path}"),
        })
    }

    /// Whether it is called so: as it is written, without its version.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.bare == name
    }

    /// Whether it names this image repository.
    pub(super) fn is(&self, image: &Repository) -> bool {
        match (self.kind.as_str(), &self.repository_url) {
            // The address is that of the repository, and some leave out its name.
            ("oci", Some(url)) => {
                let url = bare(url);
                is_same(url, image) || is_same(&format!("{url}/{}", self.path), image)
            }
            ("docker", Some(url)) => is_same(&format!("{}/{}", bare(url), self.path), image),
            ("docker", None) => is_same(&format!("docker.io/{}", self.path), image),
            _ => false,
        }
    }

    /// Whether it names this very image: by its digest, whatever it is called, or by its repository and tag.
    pub(super) fn names(&self, image: &Repository, tag: &str, digest: &Digest) -> bool {
        let version = self.version.as_deref();
        match self.kind.as_str() {
            "oci" | "docker" if version.is_some_and(|version| version.contains(':')) => {
                version == Some(digest.as_str())
            }
            "oci" => self.is(image) && self.tag.as_deref() == Some(tag),
            "docker" => self.is(image) && version == Some(tag),
            _ => false,
        }
    }
}

fn bare(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}

/// Takes out percent-encoding; what is none stays as it is.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn digest(digit: &str) -> String {
        format!("sha256:{}", digit.repeat(64))
    }

    /// Whether a package URL names `ghcr.io/acme/app:1.2.4` with a digest.
    fn check(purl: &str) -> bool {
        let (image, digest) = (Repository::parse("ghcr.io/acme/app").unwrap(), Digest::parse(&digest("a")).unwrap());
        Purl::parse(purl).is_some_and(|purl| purl.names(&image, "1.2.4", &digest))
    }

    #[test]
    fn images_are_named_by_digest_or_by_repository_and_tag() {
        let (this, other) = (digest("a").replace(':', "%3A"), digest("b"));
        assert!(check(&format!("pkg:oci/app@{this}?repository_url=ghcr.io/acme/app&tag=1.2.4")));
        assert!(check(&format!("pkg:oci/renamed@{this}")), "a digest is one, whatever it is called");
        assert!(check("pkg:oci/app?repository_url=ghcr.io%2Facme%2Fapp&tag=1.2.4"));
        assert!(check("pkg:oci/app?repository_url=https://ghcr.io/acme/&tag=1.2.4"));
        assert!(check("pkg:docker/acme/app@1.2.4?repository_url=ghcr.io"));
        for wrong in [
            "pkg:oci/app?tag=1.2.4",
            "pkg:oci/app?repository_url=ghcr.io/acme/app",
            "pkg:oci/app?repository_url=ghcr.io/acme/app&tag=1.2.5",
            "pkg:oci/app?repository_url=ghcr.io/mallory/app&tag=1.2.4",
            "pkg:docker/acme/app@1.2.4",
            "pkg:npm/app@1.2.4",
            "ghcr.io/acme/app:1.2.4",
            "pkg:",
            "pkg:oci",
            "",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
        assert!(!check(&format!("pkg:oci/app@{other}?repository_url=ghcr.io/acme/app&tag=1.2.4")), "another digest");
    }

    #[test]
    fn percent_encoding() {
        assert_eq!(decode("sha256%3Aab%2"), "sha256:ab%2");
        assert_eq!(decode("%zz%é"), "%zz%é");
        let hub = Repository::parse("nginx").unwrap();
        assert!(Purl::parse("pkg:docker/nginx@1").unwrap().is(&hub));
        assert!(Purl::parse("pkg:docker/library/nginx").unwrap().is(&hub));
        assert!(!Purl::parse("pkg:docker/acme/nginx").unwrap().is(&hub));
    }
}
