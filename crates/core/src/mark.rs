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

mod draft;
mod edit;
pub mod extend;
pub(crate) mod insert;
pub(crate) mod name;
pub mod policies;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use image::Repository;
use thiserror::Error;

use crate::automation::DigestReflection;
use crate::import::{self, Form, Place, Spot};
use crate::inventory::{Image, ImageScalar, Inventory, Obstacle, Taken};
use crate::marker;
use crate::policy::{Order, Policy};
use crate::suggest;
use draft::Drafts;
use policies::Dialect;

pub use crate::suggest::Reason;
pub use edit::{Edit, edits};
pub use name::{automation_name, is_label};

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
    /// Whether images whose tags are commit hashes are followed by time, which Flux's objects cannot say.
    pub newest: bool,
    /// Who will read the markers.
    pub dialect: Dialect,
    /// Whether images without room for a marker are followed by targets, where Flux's objects have none; the folder of the files, from
    /// the root of the repository.
    pub targets: Option<String>,
    /// Policies that exist already.
    pub known: Vec<Known>,
    /// What these set without a marker; paths are those of the files.
    pub known_targets: Vec<marker::Target>,
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
    /// The images to follow without a marker.
    pub targeted: Vec<Targeted>,
}

/// An image that is followed without a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targeted {
    /// The image.
    pub member: Member,
    /// Why it can have none.
    pub taken: Taken,
    /// Its fields, from the root of the repository.
    pub places: Vec<Place>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The index of its file among those given.
    pub file: usize,
    /// Which image of the file's inventory.
    pub image: usize,
}

impl Group {
    /// Whether nothing is to be followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.targeted.is_empty()
    }

    /// All images that are followed.
    pub fn images(&self) -> impl Iterator<Item = Member> {
        self.members.iter().copied().chain(self.targeted.iter().map(|it| it.member))
    }

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
    let mut drafts = Drafts::of(files, settings);
    let set = known_targets(files, settings);
    let mut forms = Forms::default();
    for (member, image) in images(files) {
        let is_set = |scalar: &ImageScalar| set.contains(&(member.file, scalar.span.start));
        if image.marked().is_some() || image.scalars.iter().any(is_set) {
            marking.marked += 1;
            continue;
        }
        match drafts.draft(image) {
            Ok((mut draft, None)) => {
                draft.members.push(member);
                drafts.join(draft);
            }
            Ok((mut draft, Some(taken))) => match targeted(files, image, member, (taken, &mut forms), settings) {
                Some(it) => {
                    draft.targeted.push(it);
                    drafts.join(draft);
                }
                None => marking.left.push(Left { member, why: Why::Taken(taken) }),
            },
            Err(why) => marking.left.push(Left { member, why }),
        }
    }
    marking.groups = drafts.named();
    // A policy that is there is not written again, and cannot get a target.
    for group in marking.groups.iter_mut().filter(|group| group.origin == Origin::Known) {
        let left = std::mem::take(&mut group.targeted);
        marking.left.extend(left.into_iter().map(|it| Left { member: it.member, why: Why::Taken(it.taken) }));
    }
    marking.groups.retain(|group| !group.is_empty());
    marking.left.sort_by_key(|left| left.member);
    marking
}

/// The fields that are set without a marker, each by its file and where it begins.
fn known_targets(files: &[File], settings: &Settings) -> BTreeSet<(usize, usize)> {
    let mut of_files: BTreeMap<&str, Vec<marker::Target>> = BTreeMap::new();
    for target in &settings.known_targets {
        of_files.entry(&target.path).or_default().push(target.clone());
    }
    let mut set = BTreeSet::new();
    for (index, file) in files.iter().enumerate() {
        let Some(targets) = of_files.get(file.path.as_str()) else { continue };
        let marking = marker::Marking { targets: targets.as_slice().into(), ..marker::Marking::default() };
        set.extend(marker::scan_with(&file.bytes, &marking).markers.iter().map(|marker| (index, marker.span.start)));
    }
    set
}

/// The places of the images of the file that was asked for last; files come one after the other.
#[derive(Default)]
struct Forms {
    file: Option<usize>,
    of_images: Vec<Vec<Form>>,
}

impl Forms {
    fn of(&mut self, files: &[File], member: Member) -> &[Form] {
        if self.file != Some(member.file) {
            (self.file, self.of_images) = (Some(member.file), import::of_file(&files[member.file]));
        }
        &self.of_images[member.image]
    }
}

/// An image as targets; none where it has no place that can be said.
fn targeted(
    files: &[File],
    image: &Image,
    member: Member,
    (taken, forms): (Taken, &mut Forms),
    settings: &Settings,
) -> Option<Targeted> {
    let file = &files[member.file];
    let folder = settings.targets.as_deref().filter(|folder| !folder.is_empty());
    let path = folder.map_or_else(|| file.path.clone(), |folder| format!("{folder}/{}", file.path));
    let spot = Spot { file: path.clone(), line: image.line() };
    let place = |form: &Form| Place { path: path.clone(), spot: spot.clone(), form: form.clone() };
    let places: Vec<Place> = forms.of(files, member).iter().map(place).collect();
    (!places.is_empty()).then_some(Targeted { member, taken, places })
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

    /// Takes an image out of its group.
    pub fn leave(&mut self, member: Member, why: Why) {
        self.leave_all(BTreeMap::from([(member, why)]));
    }

    /// Takes images out of their groups.
    fn leave_all(&mut self, left: BTreeMap<Member, Why>) {
        if left.is_empty() {
            return;
        }
        for group in &mut self.groups {
            group.members.retain(|member| !left.contains_key(member));
            group.targeted.retain(|it| !left.contains_key(&it.member));
        }
        self.left.extend(left.into_iter().map(|(member, why)| Left { member, why }));
    }
}

fn images(files: &[File]) -> impl Iterator<Item = (Member, &Image)> {
    files.iter().enumerate().flat_map(|(file, it)| {
        it.inventory.images.iter().enumerate().map(move |(image, it)| (Member { file, image }, it))
    })
}
