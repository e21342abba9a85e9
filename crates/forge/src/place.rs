//! Which repository of which forge a remote is.
//!
//! | URL of the remote | product |
//! |---|---|
//! | `github.com`, `*.ghe.com` | GitHub |
//! | `gitlab.com` | GitLab |
//! | `codeberg.org` | Forgejo |
//! | `gitea.com` | Gitea |
//! | `bitbucket.org` | Bitbucket Cloud |
//! | `dev.azure.com`, `ssh.dev.azure.com`, `*.visualstudio.com` | Azure DevOps |
//!
//! Whatever else is one has to be named with its product, and with its address where the API is not on the host of the remote. The path
//! of the remote is the repository: `https://HOST/OWNER/NAME.git`, `git@HOST:OWNER/NAME.git`, `ssh://git@HOST:PORT/OWNER/NAME.git`.

use std::fmt;

use url::Url;

/// A product, or a service of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// GitHub, GitHub Enterprise.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea.
    Gitea,
    /// Forgejo, such as Codeberg.
    Forgejo,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Bitbucket Data Center, and Server.
    BitbucketDataCenter,
    /// Azure DevOps, Services and Server.
    AzureDevOps,
}

/// The products by the words that a configuration has for them.
const WORDS: [(&str, Product); 7] = [
    ("github", Product::GitHub),
    ("gitlab", Product::GitLab),
    ("gitea", Product::Gitea),
    ("forgejo", Product::Forgejo),
    ("bitbucket", Product::Bitbucket),
    ("bitbucket-data-center", Product::BitbucketDataCenter),
    ("azure-devops", Product::AzureDevOps),
];

impl Product {
    /// All words for products.
    pub const WORDS: [&'static str; 7] =
        [WORDS[0].0, WORDS[1].0, WORDS[2].0, WORDS[3].0, WORDS[4].0, WORDS[5].0, WORDS[6].0];

    /// Returns the product of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        WORDS.iter().find(|(known, _)| *known == word).map(|(_, product)| *product)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
            Self::Forgejo => "Forgejo",
            Self::Bitbucket => "Bitbucket Cloud",
            Self::BitbucketDataCenter => "Bitbucket Data Center",
            Self::AzureDevOps => "Azure DevOps",
        }
    }

    /// What it calls a request.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::GitLab => "merge request",
            _ => "pull request",
        }
    }

    /// Whether its requests have labels.
    #[must_use]
    pub const fn has_labels(self) -> bool {
        !matches!(self, Self::Bitbucket | Self::BitbucketDataCenter)
    }

    /// Whether its requests are assigned to somebody.
    #[must_use]
    pub const fn has_assignees(self) -> bool {
        !matches!(self, Self::Bitbucket | Self::BitbucketDataCenter | Self::AzureDevOps)
    }

    /// Whether it merges a request by itself once checks pass.
    #[must_use]
    pub const fn merges_later(self) -> bool {
        !matches!(self, Self::Bitbucket)
    }

    /// How it writes the number of a request.
    #[must_use]
    pub const fn sigil(self) -> char {
        match self {
            Self::GitLab | Self::AzureDevOps => '!',
            _ => '#',
        }
    }
}

/// A repository of a forge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    product: Product,
    /// The root of the API, without a slash at the end.
    api: Url,
    /// Groups, owner or project, and the repository.
    path: Vec<String>,
}

/// Why a remote is no repository of a forge. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrecognised {
    /// The host is nobody that is known.
    #[error("{host} is no forge that is known by its name")]
    Host {
        /// The host.
        host: String,
    },
    /// The remote is on no host.
    #[error("the remote is on no host")]
    Local,
    /// The address of the forge is none.
    #[error("the address of the forge {0}")]
    Address(&'static str),
    /// The path of the remote names no repository.
    #[error("the path of the remote names no repository of {0}, which {1}")]
    Path(&'static str, &'static str),
}

/// A remote, taken apart.
struct Remote {
    host: String,
    /// Host, and port where it is reached by HTTP.
    origin: Option<Url>,
    path: Vec<String>,
}

impl Place {
    /// Returns the repository that a remote is, by its URL and by what is configured of its forge: the product, and the address of
    /// its website.
    ///
    /// ```
    /// use forge::{Place, Product};
    /// let place = Place::of("git@github.com:acme/config.git", None, None)?;
    /// assert_eq!((place.product(), place.to_string().as_str()), (Product::GitHub, "acme/config"));
    /// let place = Place::of("https://git.acme.example/ops/config", Some(Product::GitLab), None)?;
    /// assert_eq!(place.api().as_str(), "https://git.acme.example/api/v4");
    /// # Ok::<(), forge::Unrecognised>(())
    /// ```
    ///
    /// # Errors
    /// The forge is not known, or the remote is no repository of it.
    pub fn of(remote: &str, product: Option<Product>, address: Option<&str>) -> Result<Self, Unrecognised> {
        let remote = Remote::parse(remote).ok_or(Unrecognised::Local)?;
        let known = by_host(&remote.host);
        let product = product.or(known).ok_or_else(|| Unrecognised::Host { host: remote.host.clone() })?;
        let site = match address {
            Some(address) => site(address)?,
            None => remote.site(product).ok_or(Unrecognised::Local)?,
        };
        let below: Vec<&str> = site.path().split('/').filter(|part| !part.is_empty()).collect();
        let mut path = remote.path;
        // A forge below a path has it in front of each repository.
        if below.iter().zip(&path).filter(|(one, other)| **one == other.as_str()).count() == below.len()
            && path.len() > below.len()
        {
            path.drain(..below.len());
        }
        let path = repository(product, &remote.host, path)?;
        Ok(Self { product, api: api(product, site, &path), path })
    }

    /// The product.
    #[must_use]
    pub const fn product(&self) -> Product {
        self.product
    }

    /// The root of its API.
    #[must_use]
    pub const fn api(&self) -> &Url {
        &self.api
    }

    /// Whether a login for the remote at an address may be shown to this forge: it is the same server, or the service's own API.
    #[must_use]
    pub fn is_at(&self, remote: &str) -> bool {
        let Some(remote) = Remote::parse(remote) else { return false };
        match self.api.host_str() {
            Some("api.github.com") => remote.host == "github.com",
            Some("api.bitbucket.org") => remote.host == "bitbucket.org",
            Some("dev.azure.com") => by_host(&remote.host) == Some(Product::AzureDevOps),
            Some(host) if host.starts_with("api.") && host.ends_with(".ghe.com") => host[4..] == *remote.host,
            host => match &remote.origin {
                Some(origin) => origin.origin() == self.api.origin(),
                None => host == Some(remote.host.as_str()) && self.api.port().is_none(),
            },
        }
    }

    /// Who has the repository: all but the last part.
    pub(crate) fn owner(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// The parts of its path.
    pub(crate) fn path(&self) -> &[String] {
        &self.path
    }

    /// An address of the API: each part is one segment, whatever it has.
    pub(crate) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("/"))
    }
}

impl Remote {
    fn parse(text: &str) -> Option<Self> {
        let parts = |path: &str| {
            let path = path.trim_matches('/');
            let path = path.strip_suffix(".git").unwrap_or(path);
            let parts = path.split('/').filter(|part| !part.is_empty());
            parts.map(decoded).collect::<Vec<String>>()
        };
        if let Some((authority, path)) = text.split_once(':').filter(|_| !text.contains("://")) {
            let host = authority.rsplit('@').next()?.to_ascii_lowercase();
            return (!host.is_empty() && !host.contains('/')).then(|| Self { host, origin: None, path: parts(path) });
        }
        let url = Url::parse(text).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        let origin = match url.scheme() {
            "https" | "http" => {
                let mut origin = url.clone();
                origin.set_path("");
                let _ = (origin.set_username(""), origin.set_password(None));
                Some(origin)
            }
            "ssh" => None,
            _ => return None,
        };
        Some(Self { host, origin, path: parts(url.path()) })
    }

    /// Where the website of its forge is, if nobody says.
    fn site(&self, product: Product) -> Option<Url> {
        let text = match (product, self.host.as_str(), &self.origin) {
            (Product::AzureDevOps, "ssh.dev.azure.com" | "vs-ssh.visualstudio.com", _) => {
                "https://dev.azure.com".to_owned()
            }
            (_, _, Some(origin)) => return Some(origin.clone()),
            (_, host, None) => format!("https://{host}"),
        };
        Url::parse(&text).ok()
    }
}

fn decoded(part: &str) -> String {
    let escaped = part.replace('+', "%2B");
    url::form_urlencoded::parse(escaped.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

fn by_host(host: &str) -> Option<Product> {
    Some(match host {
        "github.com" | "ssh.github.com" => Product::GitHub,
        "gitlab.com" | "altssh.gitlab.com" => Product::GitLab,
        "codeberg.org" => Product::Forgejo,
        "gitea.com" => Product::Gitea,
        "bitbucket.org" | "altssh.bitbucket.org" => Product::Bitbucket,
        "dev.azure.com" | "ssh.dev.azure.com" | "vs-ssh.visualstudio.com" => Product::AzureDevOps,
        _ if host.ends_with(".visualstudio.com") => Product::AzureDevOps,
        _ if host.ends_with(".ghe.com") => Product::GitHub,
        _ => return None,
    })
}

/// Reads the address of a website.
fn site(address: &str) -> Result<Url, Unrecognised> {
    let url = Url::parse(address).map_err(|_| Unrecognised::Address("is no URL"))?;
    match () {
        () if !matches!(url.scheme(), "http" | "https") => {
            Err(Unrecognised::Address("begins with neither https:// nor http://"))
        }
        () if url.host_str().is_none_or(str::is_empty) => Err(Unrecognised::Address("names no host")),
        () if !url.username().is_empty() || url.password().is_some() => Err(Unrecognised::Address("has a login in it")),
        () if url.query().is_some() || url.fragment().is_some() => {
            Err(Unrecognised::Address("has a query or a fragment"))
        }
        () => Ok(url),
    }
}

/// The root of the API of a website.
fn api(product: Product, mut site: Url, path: &[String]) -> Url {
    let host = site.host_str().unwrap_or_default().to_owned();
    let below = site.path().trim_end_matches('/').to_owned();
    let suffix = match product {
        Product::GitHub if host == "github.com" || host.ends_with(".ghe.com") && !host.starts_with("api.") => {
            let _ = site.set_host(Some(&format!("api.{host}")));
            ""
        }
        Product::GitHub if host.starts_with("api.") || below.ends_with("/api/v3") => "",
        Product::GitHub => "/api/v3",
        Product::GitLab if below.ends_with("/api/v4") => "",
        Product::GitLab => "/api/v4",
        Product::Gitea | Product::Forgejo if below.ends_with("/api/v1") => "",
        Product::Gitea | Product::Forgejo => "/api/v1",
        Product::Bitbucket => {
            if host == "bitbucket.org" {
                let _ = site.set_host(Some("api.bitbucket.org"));
            }
            "/2.0"
        }
        Product::BitbucketDataCenter => "/rest",
        // An organisation is the first label of the host, or the first part of the path.
        Product::AzureDevOps if host.ends_with(".visualstudio.com") => "",
        Product::AzureDevOps => {
            let organisation = path.first().map_or("", String::as_str);
            site.set_path(&below);
            if let Ok(mut segments) = site.path_segments_mut() {
                segments.pop_if_empty().push(organisation);
            }
            return site;
        }
    };
    site.set_path(&format!("{below}{suffix}"));
    site
}

/// The parts of a path that name a repository of a product.
fn repository(product: Product, host: &str, path: Vec<String>) -> Result<Vec<String>, Unrecognised> {
    let fail = |form| Err(Unrecognised::Path(product.name(), form));
    let two = |path: &[String]| (path.len() == 2).then(|| path.to_vec());
    match product {
        Product::GitHub | Product::Gitea | Product::Forgejo | Product::Bitbucket => match two(&path) {
            Some(path) => Ok(path),
            None => fail("has OWNER/NAME"),
        },
        Product::GitLab if path.len() >= 2 => Ok(path),
        Product::GitLab => fail("has GROUP/NAME, perhaps with more groups between"),
        Product::BitbucketDataCenter => {
            let path = path.strip_prefix(&["scm".to_owned()]).unwrap_or(&path);
            match two(path) {
                Some(path) => Ok(path),
                None => fail("has /scm/PROJECT/NAME"),
            }
        }
        Product::AzureDevOps => {
            let parts: Vec<&str> = path.iter().map(String::as_str).collect();
            let of_host = host.strip_suffix(".visualstudio.com").filter(|label| *label != "vs-ssh");
            let found = match (of_host, parts.as_slice()) {
                (_, ["v3", organisation, project, name]) | (None, [organisation, project, "_git", name]) => {
                    [*organisation, *project, *name]
                }
                (None, [organisation, "_git", name]) => [*organisation, *name, *name],
                (Some(organisation), ["DefaultCollection", project, "_git", name] | [project, "_git", name]) => {
                    [organisation, *project, *name]
                }
                (Some(organisation), ["_git", name]) => [organisation, *name, *name],
                _ => return fail("has ORGANISATION/PROJECT/_git/NAME"),
            };
            Ok(found.map(str::to_owned).to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn remotes() {
        let cases = [
            ("https://github.com/acme/config.git", None, None, "https://api.github.com/ acme/config"),
            ("git@github.com:acme/config.git", None, None, "https://api.github.com/ acme/config"),
            ("ssh://git@github.com/acme/config", None, None, "https://api.github.com/ acme/config"),
            ("https://acme.ghe.com/a/b", None, None, "https://api.acme.ghe.com/ a/b"),
            ("https://git.io:8443/a/b", Some("github"), None, "https://git.io:8443/api/v3 a/b"),
            ("git@git.io:a/b", Some("github"), Some("https://code.io/"), "https://code.io/api/v3 a/b"),
            ("https://gitlab.com/acme/ops/config.git", None, None, "https://gitlab.com/api/v4 acme/ops/config"),
            (
                "https://x.io/gitlab/acme/a",
                Some("gitlab"),
                Some("https://x.io/gitlab"),
                "https://x.io/gitlab/api/v4 acme/a",
            ),
            ("ssh://git@x.io:2222/acme/a.git", Some("gitlab"), None, "https://x.io/api/v4 acme/a"),
            ("https://codeberg.org/a/b", None, None, "https://codeberg.org/api/v1 a/b"),
            ("http://127.0.0.1:3000/a/b", Some("gitea"), None, "http://127.0.0.1:3000/api/v1 a/b"),
            ("https://bitbucket.org/team/a.git", None, None, "https://api.bitbucket.org/2.0 team/a"),
            ("https://b.io/scm/ops/config.git", Some("bitbucket-data-center"), None, "https://b.io/rest ops/config"),
            ("ssh://git@b.io:7999/ops/config.git", Some("bitbucket-data-center"), None, "https://b.io/rest ops/config"),
            ("https://dev.azure.com/acme/My%20Shop/_git/a", None, None, "https://dev.azure.com/acme acme/My Shop/a"),
            ("https://acme@dev.azure.com/acme/shop/_git/a", None, None, "https://dev.azure.com/acme acme/shop/a"),
            ("git@ssh.dev.azure.com:v3/acme/shop/a", None, None, "https://dev.azure.com/acme acme/shop/a"),
            ("https://acme.visualstudio.com/shop/_git/a", None, None, "https://acme.visualstudio.com/ acme/shop/a"),
        ];
        for (remote, product, address, expect) in cases {
            let product = product.map(|word| Product::of_word(word).unwrap());
            let place = Place::of(remote, product, address).unwrap();
            assert_eq!(format!("{} {place}", place.api()), expect, "{remote}");
        }
    }

    #[test]
    fn what_is_none() {
        let cases = [
            ("https://git.acme.example/a/b", None, None, "git.acme.example is no forge that is known by its name"),
            ("https://evilgithub.com/a/b", None, None, "evilgithub.com is no forge that is known by its name"),
            ("/srv/config.git", Some(Product::Gitea), None, "the remote is on no host"),
            ("file:///srv/config.git", Some(Product::Gitea), None, "the remote is on no host"),
            (
                "https://github.com/acme",
                None,
                None,
                "the path of the remote names no repository of GitHub, which has OWNER/NAME",
            ),
            (
                "https://a.io/b/c",
                Some(Product::Gitea),
                Some("ftp://x"),
                "the address of the forge begins with neither https:// nor http://",
            ),
            (
                "https://a.io/b/c",
                Some(Product::Gitea),
                Some("https://u:p@x/"),
                "the address of the forge has a login in it",
            ),
        ];
        for (remote, product, address, expect) in cases {
            let error = Place::of(remote, product, address).unwrap_err();
            assert_eq!(error.to_string(), expect, "{remote}");
        }
    }

    #[test]
    fn whose_login_goes_there() {
        let is_at = |remote: &str, product, address| Place::of(remote, product, address).unwrap().is_at(remote);
        let gitea = Some(Product::Gitea);
        assert!(is_at("https://github.com/a/b", None, None));
        assert!(is_at("git@github.com:a/b", None, None));
        assert!(is_at("https://acme.ghe.com/a/b", None, None));
        assert!(is_at("https://x.io/a/b", gitea, None));
        assert!(is_at("https://x.io/a/b", gitea, Some("https://x.io/")));
        assert!(!is_at("https://x.io/a/b", gitea, Some("https://y.io/")), "another host");
        assert!(!is_at("https://x.io/a/b", gitea, Some("http://x.io/")), "the way down");
        assert!(!is_at("https://x.io/a/b", gitea, Some("https://x.io:3000/")), "another port is another server");
        assert!(!is_at("https://x.io/a/b", Some(Product::GitHub), Some("https://github.com")), "another host");
    }
}
