//! Puts markers on images and makes the policies they name: what to mark, under which name, and with which policy.
//!
//! Pure: files with their [`Inventory`] go in, a [`Marking`] comes out; [`edits`] turns it into new bytes and [`policies`]
//! into a document. The rules:
//!
//! - An image that has a marker stays as it is, whole: its unmarked fields are its owner's choice.
//! - Images of one repository, **written alike**, share a policy when their tags lead to the same one but for the version to
//!   start from, which is then the lowest. Other spellings of a repository get policies of their own, since a policy writes
//!   its repository's name as it knows it.
//! - A policy that a marker or the configuration at hand already has for such images is used again, and not written again.
//! - A field with a digest gets a policy with a digest, so that the digest is never left behind by the tag.
//! - Only ends of lines change. What has no room for a marker is reported, never reformatted.

pub mod extend;
mod insert;
mod name;
pub mod policies;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use image::Repository;
use thiserror::Error;

use crate::automation::DigestReflection;
use crate::inventory::{Image, Inventory, LineEnd, Obstacle, Taken};
use crate::marker::Field;
use crate::policy::{Order, Policy};
use crate::suggest::{self, Derived, Reason, Suggestion};
use insert::Insertion;
use policies::Dialect;

pub use name::{automation_name, is_label};

/// Files with more images than this are marked in one go or not at all; in smaller ones an image that does not verify is
/// left out and the others are tried again.
const MAX_RETRIED_IMAGES: usize = 256;

/// A file with what is in it.
#[derive(Debug, Clone)]
pub struct File {
    /// The path below the folder to mark, with `/` between folders.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The images in it.
    pub inventory: Inventory,
}

/// The treatment of tags that have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Moving {
    /// They are reported.
    #[default]
    Leave,
    /// The tag is kept, and the digest behind it followed.
    Track,
}

/// The names, the known policies and the wishes that a marking follows.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The namespace of the policies.
    pub namespace: String,
    /// The treatment of tags that have no order.
    pub moving: Moving,
    /// Who will read the markers.
    pub dialect: Dialect,
    /// Policies that exist already.
    pub known: Vec<Known>,
    /// The tags of repositories, by name, as far as they are known: evidence for what a tag's numbers mean.
    pub tags: BTreeMap<String, Vec<String>>,
}

/// A policy that exists already.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The name of its image repository.
    pub repository: String,
    /// Filter and order.
    pub policy: Policy,
    /// Whether its selection carries a digest.
    pub digest: DigestReflection,
}

/// The images to mark, by policy, and those to leave alone.
#[derive(Debug, Clone, Default)]
pub struct Marking {
    /// One for each policy, in the order of the files.
    pub groups: Vec<Group>,
    /// The images that stay unmarked.
    pub left: Vec<Left>,
    /// How many images had a marker.
    pub marked: usize,
}

/// The images that one policy is for.
#[derive(Debug, Clone)]
pub struct Group {
    /// The namespace of the policy that the markers name.
    pub namespace: String,
    /// The policy's name, a DNS label.
    pub name: String,
    /// The repository as it is written.
    pub repository: Repository,
    /// A tag in use, the lowest.
    pub tag: String,
    /// Filter and order.
    pub policy: Policy,
    /// Whether the selection carries a digest.
    pub digest: DigestReflection,
    /// One clause for the reader, such as `the same major version`.
    pub explanation: String,
    /// Where the policy comes from.
    pub origin: Origin,
    /// The tag that the registry has for it now, where somebody asked.
    pub outlook: Outlook,
    /// The images to mark.
    pub members: Vec<Member>,
}

/// Where a policy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was derived and has to be written.
    Derived,
    /// It exists.
    Known,
}

/// The selection of a policy among the tags that its registry lists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// A tag, of so many.
    Selects {
        /// The tag as it stands in the file.
        tag: String,
        /// How many tags the repository has.
        tags: usize,
    },
    /// The tag in use, and its filter matches no other of so many tags.
    Alone {
        /// The tag as it stands in the file.
        tag: String,
        /// How many tags the repository has.
        tags: usize,
    },
    /// Nothing, and why.
    SelectsNone(String),
    /// The registry could not be asked, and why.
    Unknown(String),
    /// The registry was not asked.
    NotAsked,
}

/// An image, by its place in the files given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The index of its file among those given.
    pub file: usize,
    /// Which image of the file's inventory.
    pub image: usize,
}

impl Group {
    /// Narrows a plain range to tags spelled as the one in use, when `tags` have both spellings, `1.4.2` and `v1.4.2`.
    pub fn keep_spelling(&mut self, tags: &[&str]) {
        let plain = self.policy.filter.is_none() && matches!(self.policy.order, Order::Semver(_));
        let other = |tag: &str| tag.starts_with('v') != self.tag.starts_with('v');
        if plain && self.policy.select(tags).is_some_and(other) {
            self.policy.filter = suggest::spelled_alike(&self.tag);
        }
    }

    /// Says what the policy selects of the tags that its repository lists; none where it selects nothing. Of tags that are
    /// equally good the one in use stays.
    #[must_use]
    pub fn outlook(&self, tags: &[&str]) -> Option<Outlook> {
        let selected = self.policy.select(tags)?;
        let tie = self.policy.compare(selected, &self.tag) == Some(std::cmp::Ordering::Equal);
        let tag = if tie && tags.contains(&self.tag.as_str()) { self.tag.clone() } else { selected.to_owned() };
        let matched = |other: &&&str| self.policy.filter.as_ref().is_none_or(|filter| filter.pattern.is_match(other));
        let alone = tags.len() > 1
            && self.digest != DigestReflection::Always
            && tags.iter().filter(|other| **other != tag).find(matched).is_none();
        let tags = tags.len();
        Some(if alone { Outlook::Alone { tag, tags } } else { Outlook::Selects { tag, tags } })
    }
}

/// An image that stays unmarked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The image that stays without a marker.
    pub member: Member,
    /// The reason, for the person who may change that.
    pub why: Why,
}

/// Why an image stays unmarked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Why {
    /// Nothing can be derived from its tag.
    #[error("{0}")]
    NotOrderable(Reason),
    /// The same, and there is no field for the digest that is to be tracked.
    #[error("{0}, and there is no field for its digest")]
    NoDigestField(Reason),
    /// A marker would do the wrong thing.
    #[error("{0}")]
    Obstacle(Obstacle),
    /// Flux would write over what this program keeps.
    #[error(
        "Flux would not keep the form of its value (a digest behind the tag or without its algorithm, or a prefix)"
    )]
    FluxForm,
    /// There is no room for a marker.
    #[error("{0}")]
    Taken(Taken),
    /// The marked file would not read as the old one; a bug or a parser's limit.
    #[error("the marked file did not verify: {0}")]
    Refused(String),
    /// The person asked said so.
    #[error("skipped")]
    Skipped,
}

/// Decides for every image of the files, which must be in the order of their paths.
#[must_use]
pub fn plan(files: &[File], settings: &Settings) -> Marking {
    let mut marking = Marking::default();
    let mut drafts: Vec<Draft> = Vec::new();
    let suggestions = suggestions(files, settings);
    for (member, image) in images(files) {
        if image.marked().is_some() {
            marking.marked += 1;
            continue;
        }
        match draft(image, settings, &suggestions) {
            Ok(draft) => join(&mut drafts, draft, member),
            Err(why) => marking.left.push(Left { member, why }),
        }
    }
    let mut names = name::Names::new(taken(files, settings));
    marking.groups = drafts.into_iter().map(|draft| draft.named(files, settings, &suggestions, &mut names)).collect();
    marking
}

impl Marking {
    /// The repositories whose tags say more about the images: those with a policy, and those whose tag means one thing or
    /// another depending on the tags beside it.
    #[must_use]
    pub fn repositories(&self, files: &[File]) -> BTreeMap<String, Repository> {
        let of_groups = self.groups.iter().map(|group| &group.repository);
        let doubtful =
            self.left.iter().filter(|left| matches!(&left.why, Why::NotOrderable(it) if it.depends_on_tags()));
        let of_left = doubtful
            .filter_map(|Left { member, .. }| files[member.file].inventory.images[member.image].repository.as_ref());
        of_groups.chain(of_left).map(|repository| (repository.name().to_owned(), repository.clone())).collect()
    }
}

fn images(files: &[File]) -> impl Iterator<Item = (Member, &Image)> {
    files.iter().enumerate().flat_map(|(file, it)| {
        it.inventory.images.iter().enumerate().map(move |(image, it)| (Member { file, image }, it))
    })
}

/// A group without a name.
struct Draft {
    repository: Repository,
    tag: String,
    derived: Derived,
    digest: DigestReflection,
    members: Vec<Member>,
}

/// What the tags in use suggest, by repository and tag.
type Suggestions<'f> = BTreeMap<(&'f str, &'f str), Suggestion>;

/// Derives from each tag once, as a long list is costly to look through.
fn suggestions<'f>(files: &'f [File], settings: &Settings) -> Suggestions<'f> {
    let mut suggestions = Suggestions::new();
    for (_, image) in images(files) {
        let Some(repository) = &image.repository else { continue };
        suggestions.entry((repository.name(), &image.tag)).or_insert_with(|| {
            let tags = settings.tags.get(repository.name()).into_iter().flatten();
            let tags: Vec<&str> = tags.map(String::as_str).collect();
            match image.is_chart {
                true => suggest::for_chart_among(&image.tag, &tags),
                false => suggest::for_tag_among(&image.tag, &tags),
            }
        });
    }
    suggestions
}

fn draft(image: &Image, settings: &Settings, suggestions: &Suggestions<'_>) -> Result<Draft, Why> {
    let moving = settings.moving;
    let repository = match (image.obstacle, &image.repository) {
        (None, Some(repository)) => repository.clone(),
        (obstacle, _) => return Err(Why::Obstacle(obstacle.unwrap_or(Obstacle::Variable))),
    };
    if image.own_form && settings.dialect == Dialect::Flux {
        return Err(Why::FluxForm);
    }
    // A name has no news; it is marked where there is room, and does without where there is none.
    for scalar in image.scalars.iter().filter(|scalar| scalar.field != Field::Name) {
        if let LineEnd::Taken(taken) = scalar.line_end {
            return Err(Why::Taken(taken));
        }
    }
    let pinned = if image.digest.is_some() { DigestReflection::IfNotPresent } else { DigestReflection::Never };
    let suggestion = suggestions.get(&(repository.name(), &image.tag)).cloned();
    let (derived, digest) = match suggestion.unwrap_or(Suggestion::NotOrderable(Reason::NoTag)) {
        Suggestion::Policy(derived) => (*derived, pinned),
        Suggestion::NotOrderable(reason) => {
            let holds_digest = image.scalars.iter().any(|scalar| matches!(scalar.field, Field::Image | Field::Digest));
            match suggest::tracking(&image.tag) {
                Some(policy) if moving == Moving::Track && reason.trackable() && holds_digest => {
                    (tracked(&image.tag, policy), DigestReflection::Always)
                }
                Some(_) if moving == Moving::Track && reason.trackable() => return Err(Why::NoDigestField(reason)),
                _ => return Err(Why::NotOrderable(reason)),
            }
        }
    };
    Ok(Draft { repository, tag: image.tag.clone(), derived, digest, members: Vec::new() })
}

fn tracked(tag: &str, policy: Policy) -> Derived {
    let explanation = format!("the digest behind {tag}");
    Derived { policy, variant: tag.to_owned(), line: String::new(), explanation }
}

/// Adds an image to the draft it belongs to.
fn join(drafts: &mut Vec<Draft>, draft: Draft, member: Member) {
    let alike = |other: &&mut Draft| {
        other.repository.name() == draft.repository.name()
            && other.digest == draft.digest
            && other.derived.same_line(&draft.derived)
    };
    match drafts.iter_mut().find(alike) {
        Some(other) => {
            let higher = other.derived.policy.select(&[&other.tag, &draft.tag]) == Some(draft.tag.as_str());
            if !higher {
                (other.tag, other.derived) = (draft.tag, draft.derived);
            }
            other.members.push(member);
        }
        None => drafts.push(Draft { members: vec![member], ..draft }),
    }
}

impl Draft {
    fn named(
        self,
        files: &[File],
        settings: &Settings,
        suggestions: &Suggestions<'_>,
        names: &mut name::Names,
    ) -> Group {
        let Self { repository, tag, derived, digest, members } = self;
        let known = known(files, settings, suggestions, &repository, &tag, &derived, digest);
        let (origin, namespace, name) = match known {
            Some((namespace, name)) => (Origin::Known, namespace, name),
            None => (Origin::Derived, settings.namespace.clone(), names.choose(&repository, &derived)),
        };
        let Derived { policy, explanation, .. } = derived;
        let outlook = Outlook::NotAsked;
        Group { namespace, name, repository, tag, policy, digest, explanation, origin, outlook, members }
    }
}

/// The namespace and name of a policy that already does what a draft is for.
fn known(
    files: &[File],
    settings: &Settings,
    suggestions: &Suggestions<'_>,
    repository: &Repository,
    tag: &str,
    derived: &Derived,
    digest: DigestReflection,
) -> Option<(String, String)> {
    let of_settings = |known: &&Known| {
        known.repository == repository.name() && known.digest == digest && known.policy.select(&[tag]) == Some(tag)
    };
    if let Some(known) = settings.known.iter().find(of_settings) {
        return Some((known.namespace.clone(), known.name.clone()));
    }
    let of_files =
        images(files).filter(|(_, image)| image.repository.as_ref().is_some_and(|it| it.name() == repository.name()));
    let policy = of_files.filter_map(|(_, image)| Some((image, image.marked()?))).find(|(image, _)| {
        let pinned = image.digest.is_some() == (digest != DigestReflection::Never);
        pinned && matches!(suggestions.get(&(repository.name(), &image.tag)), Some(Suggestion::Policy(other)) if other.same_line(derived))
    });
    let (namespace, name) = policy?.1.split_once(':')?;
    Some((namespace.to_owned(), name.to_owned()))
}

/// The names in use in the namespace.
fn taken(files: &[File], settings: &Settings) -> BTreeSet<String> {
    let namespace = settings.namespace.as_str();
    let of_markers = files.iter().flat_map(|file| &file.inventory.markers).filter_map(|policy| policy.split_once(':'));
    let of_objects = files.iter().flat_map(|file| &file.inventory.policies).map(|policy| {
        let here = if policy.namespace.is_empty() { namespace } else { policy.namespace.as_str() };
        (here, policy.name.as_str())
    });
    let of_settings = settings.known.iter().map(|known| (known.namespace.as_str(), known.name.as_str()));
    let all = of_markers.chain(of_objects).chain(of_settings);
    all.filter(|(other, _)| *other == namespace).map(|(_, name)| name.to_owned()).collect()
}

/// A file with its markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The path below the folder to mark.
    pub path: String,
    /// The file as it was.
    pub old: Vec<u8>,
    /// The file with the markers.
    pub new: Vec<u8>,
    /// How many markers are new.
    pub markers: usize,
}

/// Writes the markers of a marking's groups; images whose markers do not verify move to `left`.
#[must_use]
pub fn edits(files: &[File], marking: &mut Marking) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut by_file: BTreeMap<usize, Vec<(Member, Vec<Insertion>)>> = BTreeMap::new();
    for group in &marking.groups {
        for member in &group.members {
            let image = &files[member.file].inventory.images[member.image];
            by_file.entry(member.file).or_default().push((*member, insertions(image, group)));
        }
    }
    for (index, wanted) in by_file {
        let file = &files[index];
        let (new, markers) = match insert::all(&file.bytes, wanted.iter().flat_map(|(_, insertions)| insertions)) {
            Ok(new) => (new, wanted.iter().map(|(_, insertions)| insertions.len()).sum()),
            Err(reason) => one_by_one(file, &wanted, &reason, marking),
        };
        if markers > 0 {
            edits.push(Edit { path: file.path.clone(), old: file.bytes.clone(), new, markers });
        }
    }
    marking.left.sort_by_key(|left| (left.member.file, left.member.image));
    marking.groups.retain(|group| !group.members.is_empty());
    edits
}

/// Adds image after image, leaving out those that do not verify.
fn one_by_one(
    file: &File,
    wanted: &[(Member, Vec<Insertion>)],
    reason: &insert::Refused,
    marking: &mut Marking,
) -> (Vec<u8>, usize) {
    let mut good: Vec<&Insertion> = Vec::new();
    let mut bytes = file.bytes.clone();
    for (member, insertions) in wanted {
        let attempt = if wanted.len() > MAX_RETRIED_IMAGES {
            Err(reason.clone())
        } else {
            insert::all(&file.bytes, good.iter().copied().chain(insertions))
        };
        match attempt {
            Ok(new) => {
                good.extend(insertions);
                bytes = new;
            }
            Err(refused) => marking.leave(*member, Why::Refused(refused.to_string())),
        }
    }
    (bytes, good.len())
}

impl Marking {
    /// Takes an image out of its group.
    pub fn leave(&mut self, member: Member, why: Why) {
        for group in &mut self.groups {
            group.members.retain(|other| *other != member);
        }
        self.left.push(Left { member, why });
    }
}

fn insertions(image: &Image, group: &Group) -> Vec<Insertion> {
    let policy = format!("{}:{}", group.namespace, group.name);
    let scalars = image.scalars.iter().filter_map(|scalar| {
        let LineEnd::Free(end) = scalar.line_end else { return None };
        let setter = match scalar.field {
            Field::Image => policy.clone(),
            Field::Name => format!("{policy}:name"),
            Field::Tag => format!("{policy}:tag"),
            Field::Digest => format!("{policy}:digest"),
        };
        Some(Insertion { scalar: scalar.span.start, end, setter })
    });
    scalars.collect()
}
