//! Image references, in OCI's terms: repository, tag, digest.
//!
//! Two dialects meet here. What a user writes as an image repository is read as Flux reads it (`Repository::parse`: no
//! scheme, no tag; a registry is the part before the first `/` if it has a `.` or a `:`), and what goes into a file is a
//! [`Reference`]: the repository **exactly as written**, a tag, and perhaps a digest.

use std::borrow::Borrow;
use std::fmt;

use compact_str::CompactString;
use thiserror::Error;

/// The longest tag that OCI allows, in bytes.
const MAX_TAG_LENGTH: usize = 128;

/// Docker Hub's host in canonical names.
pub const DOCKER_HUB: &str = "index.docker.io";

/// What Helm and Flux write before the repository of a chart or an artifact.
pub const OCI_SCHEME: &str = "oci://";

/// What an image layout's name begins with, and what stands for its registry.
const LAYOUT: &str = "oci-layout";

/// The longest path of an image layout, in bytes.
const MAX_LAYOUT_PATH: usize = 4096;

/// How much of a text that is none a message repeats, in characters.
const MAX_SHOWN: usize = 300;

/// Why a text is not an image repository, tag, digest or reference. A message repeats the text on one line, escaped and bounded, and
/// without what may be a login in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The text starts with a URL scheme.
    #[error("image '{}' should not include URL scheme; remove '{}://'", shown(text), shown(scheme))]
    Scheme {
        /// The text as given.
        text: String,
        /// The text before `://`.
        scheme: String,
    },
    /// A repository was asked for, and the text has a tag or digest.
    #[error("image '{}' should not include a tag; remove ':{}'", shown(text), shown(tag))]
    Tagged {
        /// The text as given.
        text: String,
        /// The text behind the colon.
        tag: String,
    },
    /// What was probably meant is a repository.
    #[error("image '{}' {reason}; write '{}'", shown(text), shown(meant))]
    Miswritten {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
        /// What was probably meant.
        meant: String,
    },
    /// An image layout has no path, or one that no folder has.
    #[error("'{}' names no folder; write 'oci-layout:PATH', where the file index.json is in", shown(.0))]
    Layout(String),
    /// The text is no reference at all.
    #[error("could not parse reference: {}", shown(.0))]
    Malformed(String),
    /// The text is not a tag that OCI allows.
    #[error("not a valid tag: \"{}\"", shown(.0))]
    Tag(String),
    /// The text is not a digest of a known algorithm.
    #[error("not a valid digest: \"{}\"", shown(.0))]
    Digest(String),
}

/// A tag that OCI allows: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
///
/// ```
/// use image::Tag;
/// // Up to 24 bytes stand in the value itself, since a repository may have a million tags.
/// assert!(Tag::parse("v1.2.3").is_ok() && size_of::<Tag>() == 24);
/// assert!(Tag::parse("{{ .Values }}").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(CompactString);

impl Tag {
    /// Checks a text against OCI's grammar.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if is_tag(text) { Ok(Self(text.into())) } else { Err(Error::Tag(text.to_owned())) }
    }

    /// The tag's text, without the colon before it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<String> for Tag {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

impl PartialEq<&str> for Tag {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Whether OCI allows this text as a tag.
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= MAX_TAG_LENGTH
        && !matches!(bytes[0], b'.' | b'-')
        && bytes.iter().copied().all(is_tag_byte)
}

fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Whether a tag belongs to another image of its repository and is none itself: the digest of that image with `-` for `:`, and
/// behind it perhaps what it is (`.sig`, `.att`, `.sbom`).
///
/// Without an ending it is the tag of OCI's referrers, for registries that have no API for them; the digest is cut after 64 digits
/// there. With one it is how cosign names signatures, attestations and the like.
///
/// ```
/// let digest = "0123456789abcdef".repeat(4);
/// assert!(image::is_referrers_tag(&format!("sha256-{digest}")));
/// assert!(image::is_referrers_tag(&format!("sha256-{digest}.sbom")));
/// assert!(!image::is_referrers_tag("sha256-0123456") && !image::is_referrers_tag("sha-0123456"));
/// ```
#[must_use]
pub fn is_referrers_tag(tag: &str) -> bool {
    const ALGORITHMS: [(&str, usize); 3] = [("sha256-", 64), ("sha384-", 96), ("sha512-", 128)];
    ALGORITHMS.iter().any(|(prefix, length)| {
        let Some(rest) = tag.strip_prefix(prefix) else { return false };
        let (digest, ending) = rest.split_once('.').map_or((rest, None), |(digest, ending)| (digest, Some(ending)));
        matches!(digest.len(), 64 | 96 | 128)
            && digest.len() <= *length
            && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && ending.is_none_or(|ending| !ending.is_empty())
    })
}

/// A content digest: `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Checks a text against OCI's grammar for the two registered algorithms.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let valid = match text.split_once(':') {
            Some(("sha256", hex)) => hex.len() == 64 && is_lower_hex(hex),
            Some(("sha512", hex)) => hex.len() == 128 && is_lower_hex(hex),
            _ => false,
        };
        if valid { Ok(Self(text.to_owned())) } else { Err(Error::Digest(text.to_owned())) }
    }

    /// The digest's text, algorithm included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where tags of one image live: a registry and a path, with the name as the user wrote it.
///
/// ```
/// use image::Repository;
/// let alpine = Repository::parse("alpine")?;
/// assert_eq!(alpine.name(), "alpine");
/// assert_eq!(alpine.canonical(), "index.docker.io/library/alpine");
/// # Ok::<(), image::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    name: String,
    registry: String,
    path: String,
}

impl Repository {
    /// Reads a repository name: no scheme, no tag, no digest.
    ///
    /// # Errors
    /// [`Error::Scheme`] with what to remove, [`Error::Tagged`] where a good name is followed by a tag (even an empty one, or
    /// one that OCI does not allow) or a digest, [`Error::Malformed`] for everything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(Error::Scheme { text: text.to_owned(), scheme: scheme.to_owned() });
        }
        let malformed = || Error::Malformed(text.to_owned());
        let (registry, rest) = split_registry(text);
        let path = rest.split([':', '@']).next().unwrap_or(rest);
        let name = &text[..text.len() - rest.len() + path.len()];
        let repository = locate(name, registry, path).ok_or_else(malformed)?;
        let suffix = &rest[path.len()..];
        match suffix.split_once(':') {
            None if suffix.is_empty() => Ok(repository),
            Some((_, tag)) if is_suffix(suffix) => Err(Error::Tagged { text: text.to_owned(), tag: tag.to_owned() }),
            _ => Err(malformed()),
        }
    }

    /// Reads what somebody has written to ask a registry for it. Flux also takes names with empty parts, which no registry has.
    ///
    /// ```
    /// let error = image::Repository::parse_written("ghcr.io/Acme//app/").unwrap_err();
    /// assert_eq!(error.to_string(), "image 'ghcr.io/Acme//app/' ends with '/'; write 'ghcr.io/acme/app'");
    /// ```
    ///
    /// # Errors
    /// As [`Repository::parse`], and [`Error::Miswritten`] with what was probably meant.
    pub fn parse_written(text: &str) -> Result<Self, Error> {
        let name = |path: &str| path.split([':', '@']).next().unwrap_or_default().to_owned();
        let (registry, path) = split_registry(text.trim());
        let reason = match text {
            _ if text.contains("://") => return Self::parse(text),
            _ if text.trim() != text => "has a blank at its begin or end",
            _ if text.ends_with('/') => "ends with '/'",
            _ if text.starts_with('/') => "begins with '/'",
            _ if text.contains("//") => "has nothing between two '/'",
            _ if name(path).contains(|c: char| c.is_ascii_uppercase()) => {
                "has upper-case letters, which no repository has"
            }
            _ => return Self::parse(text),
        };
        let path = name(path).to_ascii_lowercase();
        let parts = [registry].into_iter().chain(path.split('/')).filter(|part| !part.is_empty());
        let meant = parts.collect::<Vec<_>>().join("/");
        match Self::parse(&meant) {
            Ok(_) if split_registry(&meant).0 == registry => {
                Err(Error::Miswritten { text: text.to_owned(), reason, meant })
            }
            _ => Self::parse(text),
        }
    }

    /// Reads `oci-layout:PATH`, the name of an image layout: a folder that holds images as a registry does. None where the text is
    /// something else.
    ///
    /// ```
    /// let layout = image::Repository::parse_layout("oci-layout:/srv/images/app").expect("a layout")?;
    /// assert_eq!(layout.layout(), Some("/srv/images/app"));
    /// assert!(image::Repository::parse_layout("ghcr.io/acme/app").is_none());
    /// # Ok::<(), image::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Layout`] where no folder can be meant.
    pub fn parse_layout(text: &str) -> Option<Result<Self, Error>> {
        let path = text.strip_prefix(LAYOUT)?.strip_prefix(':')?;
        let is_path = !path.is_empty() && path.len() <= MAX_LAYOUT_PATH && !path.contains(char::is_control);
        Some(match is_path && !path.starts_with("//") {
            true => Ok(Self { name: text.to_owned(), registry: LAYOUT.to_owned(), path: path.to_owned() }),
            false => Err(Error::Layout(text.to_owned())),
        })
    }

    /// Reads where images, charts or other artifacts are, as somebody has written it: `oci-layout:PATH`, or a repository with or
    /// without the scheme `oci://`, which Helm and Flux write before charts and artifacts.
    ///
    /// # Errors
    /// As [`Repository::parse_written`] and [`Repository::parse_layout`].
    pub fn parse_source(text: &str) -> Result<Self, Error> {
        let written = || Self::parse_written(text.strip_prefix(OCI_SCHEME).unwrap_or(text));
        Self::parse_layout(text).unwrap_or_else(written)
    }

    /// The folder, of an image layout. It has no name that could be written where an image runs.
    #[must_use]
    pub fn layout(&self) -> Option<&str> {
        // No registry is called that, as its name has a dot or a port.
        (self.registry == LAYOUT).then_some(self.path.as_str())
    }

    /// The name exactly as it was written; this is what goes into files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The registry's authority, `host[:port]`; Docker Hub is [`DOCKER_HUB`]. Image layouts have `oci-layout`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below the registry, such as `library/alpine`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Registry and path, joined by a slash: the same for every way to write one repository.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A repository with the tag, and perhaps the digest, to run: `name:tag` or `name:tag@digest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The repository, its name as written.
    pub repository: Repository,
    /// The tag, if the reference has one.
    pub tag: Option<Tag>,
    /// The digest, if the reference has one.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Reads `name`, `name:tag`, `name@digest` or `name:tag@digest`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed(text.to_owned());
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest).map_err(|_| malformed())?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(Tag::parse(tag).map_err(|_| malformed())?)),
            _ => (rest, None),
        };
        let (registry, path) = split_registry(name);
        let repository = locate(name, registry, path).ok_or_else(malformed)?;
        Ok(Self { repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// What stands before the first `/` is a registry if it has a `.` or a `:`; otherwise there is none, which is Docker Hub.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) => (host, path),
        _ => ("", name),
    }
}

/// Whether a text is what may follow a repository in a reference: `:tag`, `@digest` or both.
fn is_suffix(text: &str) -> bool {
    let (tag, digest) = text.split_once('@').map_or((text, None), |(tag, digest)| (tag, Some(digest)));
    let tag_ok = tag.strip_prefix(':').is_none_or(|tag| tag.len() <= MAX_TAG_LENGTH && tag.bytes().all(is_tag_byte));
    tag_ok && digest.is_none_or(|digest| Digest::parse(digest).is_ok())
}

/// A text as a message repeats it.
fn shown(text: &str) -> String {
    let plain = words::without_logins(text);
    let plain = plain.split_once('?').map_or(plain.as_str(), |(before, _)| before);
    words::escape(&words::shorten(plain, MAX_SHOWN))
}

fn locate(name: &str, registry: &str, path: &str) -> Option<Repository> {
    let path_ok = (2..=255).contains(&path.len())
        && path.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'/' | b'-'));
    if !path_ok || !is_authority(registry) {
        return None;
    }
    let registry = match registry {
        "" | "docker.io" => DOCKER_HUB,
        other => other,
    };
    let path = if registry == DOCKER_HUB && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
    Some(Repository { name: name.to_owned(), registry: registry.to_owned(), path })
}

/// `host`, `host:port` or `[v6]:port`; empty stands for Docker Hub.
fn is_authority(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((v6, port)) if v6.parse::<std::net::Ipv6Addr>().is_ok() => (None, port),
            _ => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), &text[text.len() - port.len() - 1..]),
            None => (Some(text), ""),
        },
    };
    let host_ok = host.is_none_or(|host| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    });
    let port_ok =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    host_ok && port_ok
}

#[cfg(test)]
mod tests;
