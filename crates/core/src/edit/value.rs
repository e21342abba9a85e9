//! What a marked value says, and the value that its marker asks for.
//!
//! A value is what stands before the image, which stays, and the rest, which is the image or a part of it:
//!
//! - `name=` in an item of Argo CD's and Kustomize's `images` and of command arguments (`--image=`), elsewhere where an image,
//!   tag or digest follows it; behind that a scheme, such as `oci://`. Both stay, and so do the other words of a command line.
//! - Variables stay; defaults in them are updated where they stand ([`variables`]).
//! - Who pinned a tag or an image to a digest gets the digest of the selection with it. A pin is never dropped: where the
//!   selection has no digest, the field stays.
//! - What SOPS has encrypted stays, and what its MAC covers does, too.
//! - A digest that is written without its algorithm, as 64 hexadecimal digits, stays so.
//! - A name that means the selected repository stays as it is written, and one beside a key for the registry is the name
//!   without that.

use std::ops::Range;

use image::{DOCKER_HUB, Digest, Reference, Repository, Tag, is_tag};
use words::one_line;

use crate::change::Code;
use crate::edit::variables::{self, Expanded};
use crate::marker::registry::{Beside, has_host};
use crate::marker::{Field, Marker};
use crate::sops;

/// Other names of Docker Hub.
const DOCKER_HUBS: [&str; 4] = [DOCKER_HUB, "docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// The longest command line in which an image is looked for, in bytes.
const MAX_LINE: usize = 1024;

/// How many images a command line may name, so that the one to update is looked for.
const MAX_IMAGES: usize = 16;

/// What may stand around a word of a command line, a list or JSON; all of one byte, and in no image.
const AROUND_WORDS: [char; 17] =
    [' ', '\t', '"', '\'', '`', ',', ';', '(', ')', '[', ']', '{', '}', '=', '|', '<', '>'];

/// How much of a value is repeated in a sentence, in characters.
const MAX_QUOTED: usize = 60;

/// Why a field keeps its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The selection has no tag.
    NoTag,
    /// The selection has no digest for a field that is one.
    NoDigest,
    /// The value has a digest and the selection has none, or there is no place for one. With the value that would drop it.
    Pinned(String),
    /// The value has this variable.
    Variable(String),
    /// The key beside it has another registry than the selection.
    Registry(String),
    /// It is encrypted, or in an encrypted file.
    Sealed(Seal),
}

/// What SOPS has to do with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    /// It is plain, and the file's MAC covers it.
    Mac,
    /// It is encrypted.
    Value,
}

impl Seal {
    /// What keeps a field from being written; nothing where SOPS has no part in it.
    pub(crate) fn of(marker: &Marker) -> Option<Self> {
        match marker.scalar.sealed {
            _ if sops::is_encrypted(&marker.value) => Some(Self::Value),
            true => Some(Self::Mac),
            false => None,
        }
    }

    /// One sentence about a field.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Mac => {
                "the file is encrypted with SOPS, and its MAC covers the plain values, too, so that a change of any makes the \
                 file unreadable; the field stays"
            }
            Self::Value => "the value is encrypted with SOPS; the field stays",
        }
    }
}

impl Kept {
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::NoTag => Code::NoSelection,
            Self::NoDigest => Code::NoDigest,
            Self::Pinned(_) => Code::PinnedValue,
            Self::Variable(_) => Code::Variable,
            Self::Registry(_) => Code::UnreachableValue,
            Self::Sealed(_) => Code::Sealed,
        }
    }

    /// One sentence about a field of a policy.
    pub(crate) fn sentence(&self, policy: &str) -> String {
        match self {
            Self::NoTag => format!("the selection of policy {policy:?} has no tag; the field stays"),
            Self::NoDigest => format!("the selection of policy {policy:?} has no digest; the field stays"),
            Self::Pinned(_) => {
                format!(
                    "the value is pinned to a digest, and the selection of policy {policy:?} has none; the field stays"
                )
            }
            Self::Variable(variable) => {
                format!("the value has the variable {variable}, which is never written over; the field stays")
            }
            Self::Registry(registry) => {
                format!("the registry beside it is {registry:?}, not that of policy {policy:?}; the field stays")
            }
            Self::Sealed(seal) => seal.sentence().to_owned(),
        }
    }
}

impl Kept {
    /// Whether the other parts of an image have to stay because of this one.
    pub(crate) fn holds_others(&self, marker: &Marker) -> bool {
        match self {
            Self::NoTag => false,
            // An empty field for a digest waits to be filled in.
            Self::NoDigest => current(marker).is_ok_and(|current| current.digest.is_some()),
            Self::Variable(_) => marker.field != Field::Name,
            Self::Pinned(_) | Self::Registry(_) | Self::Sealed(_) => true,
        }
    }

    /// One sentence about another part of the image.
    pub(crate) fn beside(&self, policy: &str) -> String {
        let part = match self {
            Self::NoDigest | Self::Pinned(_) => {
                "the digest beside it cannot be written, because the selection has none"
            }
            Self::Variable(_) => "a part of the image beside it is a variable",
            Self::Sealed(_) => "a part of the image beside it is encrypted with SOPS",
            Self::NoTag | Self::Registry(_) => "the registry beside it is another one",
        };
        format!("{part}; the fields of policy {policy:?} stay together")
    }
}

/// What a value says, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) repository: Option<Repository>,
    pub(crate) tag: Option<Tag>,
    pub(crate) digest: Option<Digest>,
    /// Whether a digest, or something in its place, belongs to the value.
    pub(crate) pinned: bool,
}

/// Why a value does not say anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It has this variable without a default.
    Variable(String),
    /// It is encrypted.
    Sealed,
    /// It is not what it should be.
    Malformed,
}

/// The new decoded value of a marked field.
pub(crate) fn of(marker: &Marker, reference: &Reference) -> Result<String, Kept> {
    if let Some(seal) = Seal::of(marker) {
        return Err(Kept::Sealed(seal));
    }
    let written = Written::of(marker, &marker.value, Some(&reference.repository));
    let new = match marker.field {
        Field::Image => written.image(reference),
        Field::Name => written.name(reference),
        Field::Tag => written.tag(reference),
        Field::Digest => written.digest(reference),
    };
    new.map(|new| written.framed(&new))
}

/// What a marked value says when no variable in it is set.
pub(crate) fn current(marker: &Marker) -> Result<Current, Unread> {
    read(marker, &marker.value, None)
}

/// As [`current`], of another value of the field. Line ends of a block scalar say nothing; of several images in a command line
/// the one of this repository counts.
pub(crate) fn read(marker: &Marker, value: &str, repository: Option<&Repository>) -> Result<Current, Unread> {
    let written = Written::of(marker, value.trim_end_matches(['\n', '\r']), repository);
    let text = match &written.expanded {
        Ok(expanded) => expanded.text.as_str(),
        Err(variable) => return Err(Unread::Variable(one_line(variable, MAX_QUOTED))),
    };
    let found = match marker.field {
        Field::Image => Reference::parse(text).ok().map(|it| Current {
            repository: with_own_registry(marker, it.repository.name()).or(Some(it.repository)),
            tag: it.tag,
            pinned: it.digest.is_some(),
            digest: it.digest,
        }),
        Field::Name => named(text, marker.scalar.registry.as_ref()),
        Field::Tag => tagged(text),
        Field::Digest => match DigestForm::of(text) {
            DigestForm::Other => None,
            form => Some(Current { digest: form.digest(text), pinned: true, ..Current::default() }),
        },
    };
    found.ok_or(if sops::is_encrypted(value) { Unread::Sealed } else { Unread::Malformed })
}

/// What the value of a field for a tag says.
fn tagged(text: &str) -> Option<Current> {
    match TagForm::of(text) {
        TagForm::Tag => {
            Some(Current { tag: Tag::parse(text).ok(), ..Current::default() }).filter(|it| it.tag.is_some())
        }
        TagForm::Pinned(at) => {
            let (tag, digest) = (Tag::parse(&text[..at]).ok()?, Digest::parse(&text[at + 1..]).ok()?);
            Some(Current { tag: Some(tag), digest: Some(digest), pinned: true, repository: None })
        }
        TagForm::Digest => {
            let form = DigestForm::of(text);
            Some(Current { digest: form.digest(text), pinned: true, ..Current::default() })
        }
    }
}

/// What the value of a field for a name says, with the registry beside it.
fn named(text: &str, beside: Option<&Beside>) -> Option<Current> {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let own = Repository::parse(name);
    let repository = match beside {
        Some(beside) if !has_host(name) => Repository::parse(&beside.with(name)).or(own),
        _ => own,
    };
    let digest_value = digest.and_then(|digest| Digest::parse(digest).ok());
    Some(Current { repository: Some(repository.ok()?), tag: None, digest: digest_value, pinned: digest.is_some() })
}

/// What a name without a registry means in an image that has one under a key beside it.
fn with_own_registry(marker: &Marker, name: &str) -> Option<Repository> {
    let beside = marker.scalar.registry.as_ref().filter(|beside| beside.is_own && !has_host(name))?;
    Repository::parse(&beside.with(name)).ok()
}

/// Whether two names mean one repository.
pub(crate) fn is_same(one: &Repository, other: &Repository) -> bool {
    canonical(one) == canonical(other)
}

fn canonical(repository: &Repository) -> String {
    let registry = repository.registry().to_ascii_lowercase();
    let registry = registry.strip_suffix(":443").unwrap_or(&registry);
    match (DOCKER_HUBS.contains(&registry), repository.path()) {
        (true, path) if !path.contains('/') => format!("{DOCKER_HUB}/library/{path}"),
        (true, path) => format!("{DOCKER_HUB}/{path}"),
        (false, path) => format!("{registry}/{path}"),
    }
}

/// Whether a registry is Docker Hub, by any of its names.
pub(crate) fn is_docker_hub(registry: &str) -> bool {
    DOCKER_HUBS.contains(&registry.trim_matches('/'))
}

/// A marked value, taken apart.
struct Written<'m> {
    marker: &'m Marker,
    /// What stays before the image.
    prefix: &'m str,
    /// The image, or the part of it.
    raw: &'m str,
    /// What stays behind it.
    suffix: &'m str,
    expanded: Result<Expanded, &'m str>,
}

impl<'m> Written<'m> {
    fn of(marker: &'m Marker, value: &'m str, repository: Option<&Repository>) -> Self {
        let word = word(marker.field, value, repository).unwrap_or(prefix_length(marker, value)..value.len());
        let (prefix, raw, suffix) = (&value[..word.start], &value[word.clone()], &value[word.end..]);
        Self { marker, prefix, raw, suffix, expanded: variables::expand(raw) }
    }

    /// A new image, or part of it, with what stands around the old one.
    fn framed(&self, new: &str) -> String {
        format!("{}{new}{}", self.prefix, self.suffix)
    }

    /// The value as it reads when no variable is set.
    fn expanded(&self) -> Result<&Expanded, Kept> {
        self.expanded.as_ref().map_err(|variable| Kept::Variable(one_line(variable, MAX_QUOTED)))
    }

    /// The value with other parts.
    fn with(&self, parts: &[(Range<usize>, String)]) -> Result<String, Kept> {
        let variable = || Kept::Variable(one_line(self.raw, MAX_QUOTED));
        self.expanded()?.with(self.raw, parts).ok_or_else(variable)
    }

    fn image(&self, reference: &Reference) -> Result<String, Kept> {
        let new = reference.tag.as_ref().ok_or(Kept::NoTag)?;
        let expanded = self.expanded()?;
        let text = expanded.text.as_str();
        if has_pin(text) && reference.digest.is_none() {
            return Err(Kept::Pinned(self.framed(&reference.to_string())));
        }
        if !expanded.has_variables && !self.is_behind_registry(text, reference) {
            return Ok(reference.to_string());
        }
        let Ok(old) = Reference::parse(text) else { return self.with(&[(0..text.len(), reference.to_string())]) };
        let name = old.repository.name();
        let same = is_same(&old.repository, &reference.repository) || self.is_behind_registry(text, reference);
        let new_name = if same { name } else { reference.repository.name() };
        let digest = |sign: &str| reference.digest.as_ref().map(|it| format!("{sign}{it}")).unwrap_or_default();
        let behind = if old.digest.is_none() { digest("@") } else { String::new() };
        let mut parts = match &old.tag {
            None => vec![(0..name.len(), format!("{new_name}:{new}{behind}"))],
            Some(tag) => {
                let start = name.len() + 1;
                let tag = start..start + tag.as_str().len();
                vec![(0..name.len(), new_name.to_owned()), (tag, format!("{new}{behind}"))]
            }
        };
        if let Some(old) = &old.digest {
            parts.push((text.len() - old.as_str().len()..text.len(), digest("")));
        }
        self.with(&parts)
    }

    /// Whether an image is the selected one with the registry beside it, so that its name is right as it is.
    fn is_behind_registry(&self, text: &str, reference: &Reference) -> bool {
        let old = Reference::parse(text).ok();
        let meant = old.and_then(|old| with_own_registry(self.marker, old.repository.name()));
        meant.is_some_and(|meant| is_same(&meant, &reference.repository))
    }

    fn tag(&self, reference: &Reference) -> Result<String, Kept> {
        let new = reference.tag.as_ref().ok_or(Kept::NoTag)?.as_str();
        let text = self.expanded()?.text.as_str();
        let whole = 0..text.len();
        let pinned = || Kept::Pinned(self.framed(new));
        match (TagForm::of(text), &reference.digest) {
            (TagForm::Tag, _) if has_pin(text) => Err(pinned()),
            (TagForm::Tag, _) => self.with(&[(whole, new.to_owned())]),
            // What is a tag of this kind is no digest.
            (TagForm::Digest, _) if is_hex(text) && is_hex(new) => self.with(&[(whole, new.to_owned())]),
            (_, None) => Err(pinned()),
            (TagForm::Digest, Some(_)) if is_hex(text) => Err(pinned()),
            (TagForm::Digest, Some(digest)) => self.with(&[(whole, DigestForm::of(text).write(digest))]),
            (TagForm::Pinned(at), Some(digest)) => {
                self.with(&[(0..at, new.to_owned()), (at + 1..text.len(), digest.to_string())])
            }
        }
    }

    fn digest(&self, reference: &Reference) -> Result<String, Kept> {
        let digest = reference.digest.as_ref().ok_or(Kept::NoDigest)?;
        let text = self.expanded()?.text.as_str();
        self.with(&[(0..text.len(), DigestForm::of(text).write(digest))])
    }

    fn name(&self, reference: &Reference) -> Result<String, Kept> {
        let text = self.expanded()?.text.as_str();
        let (name, pin) = text.split_once('@').map_or((text, None), |(name, pin)| (name, Some(pin)));
        let pin = match (pin, &reference.digest) {
            (None, _) if !has_pin(text) => String::new(),
            (Some(pin), Some(digest)) if pin.contains(':') => format!("@{digest}"),
            _ => return Err(Kept::Pinned(self.framed(reference.repository.name()))),
        };
        let new = self.new_name(name, &reference.repository)?;
        if pin.is_empty() {
            return self.with(&[(0..text.len(), new)]);
        }
        self.with(&[(0..name.len(), new), (name.len()..text.len(), pin)])
    }

    /// The name to write: that of the repository, unless the old one, perhaps with the registry beside it, means the same.
    fn new_name(&self, old: &str, repository: &Repository) -> Result<String, Kept> {
        let means = |text: &str| Repository::parse(text).is_ok_and(|it| is_same(&it, repository));
        if means(old) {
            return Ok(old.to_owned());
        }
        let Some(beside) = &self.marker.scalar.registry else { return Ok(repository.name().to_owned()) };
        if beside.is_variable() {
            // Whatever the registry is, this is the rest of the name.
            let stays = old.trim_matches('/') == repository.path();
            return if stays { Ok(old.to_owned()) } else { Err(Kept::Variable(beside.registry.clone())) };
        }
        if !has_host(old) && means(&beside.with(old)) {
            return Ok(old.to_owned());
        }
        match without_registry(repository, &beside.registry) {
            Some(rest) => Ok(rest.to_owned()),
            None if beside.is_own => Err(Kept::Registry(one_line(&beside.registry, MAX_QUOTED))),
            None => Ok(repository.name().to_owned()),
        }
    }
}

/// The name of a repository without a registry, which may have a path; none where that is another one.
fn without_registry<'r>(repository: &'r Repository, registry: &str) -> Option<&'r str> {
    let registry = registry.trim_matches('/');
    let name = repository.name();
    if let Some(rest) = name.strip_prefix(registry).and_then(|rest| rest.strip_prefix('/')) {
        return Some(rest);
    }
    let is_there = Repository::parse(&format!("{registry}/xx/xx"))
        .is_ok_and(|it| it.path() == "xx/xx" && canonical(&it).trim_end_matches("/xx/xx") == registry_of(repository));
    is_there.then(|| if has_host(name) { name.split_once('/').map_or(name, |(_, rest)| rest) } else { name })
}

fn registry_of(repository: &Repository) -> String {
    let canonical = canonical(repository);
    canonical.split('/').next().unwrap_or_default().to_owned()
}

/// How a field for a tag is written.
enum TagForm {
    Tag,
    /// `tag@digest`; where the `@` is.
    Pinned(usize),
    /// Nothing but a digest.
    Digest,
}

impl TagForm {
    fn of(text: &str) -> Self {
        match text.find('@') {
            Some(at) if at > 0 => Self::Pinned(at),
            None if DigestForm::of(text) == DigestForm::Other => Self::Tag,
            _ => Self::Digest,
        }
    }
}

/// How a digest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DigestForm {
    /// `sha256:…`
    Full,
    /// `@sha256:…`
    At,
    /// 64 hexadecimal digits, which are one of SHA-256.
    Hex,
    /// Not at all.
    Other,
}

impl DigestForm {
    fn of(text: &str) -> Self {
        match text.strip_prefix('@') {
            Some(rest) if Digest::parse(rest).is_ok() => Self::At,
            _ if Digest::parse(text).is_ok() => Self::Full,
            _ if is_hex(text) => Self::Hex,
            _ => Self::Other,
        }
    }

    fn digest(self, text: &str) -> Option<Digest> {
        match self {
            Self::Full => Digest::parse(text).ok(),
            Self::At => Digest::parse(&text[1..]).ok(),
            Self::Hex => Digest::parse(&format!("sha256:{text}")).ok(),
            Self::Other => None,
        }
    }

    fn write(self, digest: &Digest) -> String {
        match (self, digest.as_str().strip_prefix("sha256:")) {
            (Self::Hex, Some(hex)) => hex.to_owned(),
            (Self::At, _) => format!("@{digest}"),
            _ => digest.to_string(),
        }
    }
}

/// Whether a text is a digest, with its algorithm or, as SHA-256 gives it, without.
pub(crate) fn is_digest(text: &str) -> bool {
    DigestForm::of(text) != DigestForm::Other
}

/// Whether a digest stands in a text, or something in its place.
fn has_pin(text: &str) -> bool {
    ["@", "sha256:", "sha512:"].iter().any(|sign| text.contains(sign))
}

/// The digest that a text is, whatever its form.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    DigestForm::of(text).digest(text)
}

/// Whether a text is what SHA-256 gives, in lower-case digits.
fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text has a variable, with a default or without.
pub(crate) fn has_variable(text: &str) -> bool {
    variables::expand(text).map_or(true, |expanded| expanded.has_variables)
}

/// The only image among the words of a command line, such as `docker run ghcr.io/acme/web:1.0 --debug`, of a list or of a text in
/// JSON; of several the only one of the repository. What has no path is not sure to be one.
fn word(field: Field, value: &str, repository: Option<&Repository>) -> Option<Range<usize>> {
    let is_line = value.contains(AROUND_WORDS) && !value.contains(['\n', '\r']) && value.len() <= MAX_LINE;
    if field != Field::Image || !is_line || has_variable(value) {
        return None;
    }
    let mut next = 0;
    let images: Vec<(Range<usize>, Repository)> = value
        .split(AROUND_WORDS)
        .filter_map(|word| {
            let (start, end) = (next + scheme_length(word, field), next + word.len());
            next = end + 1;
            let image = &value[start..end];
            let reference = Reference::parse(image).ok().filter(|_| image.contains('/'))?;
            (reference.tag.is_some() || reference.digest.is_some()).then_some((start..end, reference.repository))
        })
        .take(MAX_IMAGES + 1)
        .collect();
    if images.len() > MAX_IMAGES {
        return None;
    }
    let is_meant = |image: &&(Range<usize>, Repository)| {
        images.len() == 1 || repository.is_some_and(|repository| is_same(&image.1, repository))
    };
    let mut meant = images.iter().filter(is_meant);
    meant.next().filter(|_| meant.next().is_none()).map(|(span, _)| span.clone())
}

/// How much of a value stays before the image: `name=`, a scheme, or both.
fn prefix_length(marker: &Marker, value: &str) -> usize {
    // What follows may be a variable, in which an equals sign means something else.
    let head = value.find(['$', '{']).map_or(value, |end| &value[..end]);
    let assigned = head.rfind('=').map_or(0, |at| at + 1);
    let (name, rest) = (value[..assigned].trim_end_matches('='), &value[assigned..]);
    let is_name = !name.is_empty() && !rest.is_empty() && !value.contains(char::is_whitespace);
    let is_item = marker.scalar.is_item && !name.contains('=');
    let assigned = if is_name && (is_item || reads(rest, marker.field)) { assigned } else { 0 };
    assigned + scheme_length(&value[assigned..], marker.field)
}

/// The length of `scheme://` before an image or its name.
fn scheme_length(text: &str, field: Field) -> usize {
    let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
    match text.split_once("://") {
        Some((scheme, rest))
            if matches!(field, Field::Image | Field::Name)
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(within)
                && !rest.is_empty() =>
        {
            scheme.len() + 3
        }
        _ => 0,
    }
}

/// Whether a text is what a field of this kind holds.
fn reads(text: &str, field: Field) -> bool {
    let image = &text[scheme_length(text, field)..];
    let has_sign = image.contains([':', '/', '@']);
    match field {
        Field::Image => has_sign && reads_expanded(image, |it| Reference::parse(it).is_ok()),
        Field::Name => has_sign && reads_expanded(image, |it| Repository::parse(it).is_ok()),
        Field::Tag => reads_expanded(text, |it| tagged(it).is_some() && it.split('@').next().is_some_and(is_tag)),
        Field::Digest => DigestForm::of(text) != DigestForm::Other,
    }
}

fn reads_expanded(text: &str, is_one: impl Fn(&str) -> bool) -> bool {
    variables::expand(text).map_or(true, |expanded| is_one(&expanded.text))
}
