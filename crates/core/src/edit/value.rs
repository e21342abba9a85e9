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
//! - The version of a Helm chart has `+` where its tag has `_`.
//! - The name stays where the selection is one of an image layout.
//! - A name that means the selected repository stays as it is written, and one beside a key for the registry is the name
//!   without that.

use std::ops::Range;

use image::{DOCKER_HUB, Digest, Reference, Repository, Tag};
use words::one_line;

use crate::chart;
use crate::edit::frame;
use crate::edit::kept::{Kept, Seal};
use crate::edit::pin::{DigestForm, TagForm, has_pin, is_hex};
use crate::edit::variables::{self, Expanded};
use crate::marker::registry::{Beside, has_host};
use crate::marker::{Field, Marker};
use crate::sops;

/// Other names of Docker Hub.
const DOCKER_HUBS: [&str; 4] = [DOCKER_HUB, "docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// How much of a value is repeated in a sentence, in characters.
const MAX_QUOTED: usize = 60;

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
        Field::Tag if marker.scalar.is_chart_version => tagged(&chart::tag(text)),
        Field::Tag => tagged(text),
        Field::Digest => match DigestForm::of(text) {
            DigestForm::Other => None,
            form => Some(Current { digest: form.digest(text), pinned: true, ..Current::default() }),
        },
    };
    found.ok_or(if sops::is_encrypted(value) { Unread::Sealed } else { Unread::Malformed })
}

/// What the value of a field for a tag says.
pub(crate) fn tagged(text: &str) -> Option<Current> {
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

/// Whether two names mean one repository. Images of a layout may have any name where they run.
pub(crate) fn is_same(one: &Repository, other: &Repository) -> bool {
    one.layout().is_some() || other.layout().is_some() || canonical(one) == canonical(other)
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
        let word = frame::within(marker, value, repository);
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
        let is_nameless = reference.repository.layout().is_some();
        if !expanded.has_variables && !is_nameless && !self.is_behind_registry(text, reference) {
            return Ok(reference.to_string());
        }
        if is_nameless && Reference::parse(text).is_err() {
            return Err(Kept::Nameless);
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
        if self.marker.scalar.is_chart_version {
            return self.with(&[(0..self.expanded()?.text.len(), chart::version(new))]);
        }
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
        if repository.layout().is_some() {
            return if old.is_empty() { Err(Kept::Nameless) } else { Ok(old.to_owned()) };
        }
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
