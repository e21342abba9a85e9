//! Reads the configuration of other image updaters, and says the same in this program's words.
//!
//! Pure: files go in; automations with their images, the places that these are written to, and all that has no counterpart come
//! out ([`read`]). [`settle()`] turns places into markers, or leaves them as targets; [`document`](document::document) writes what is
//! to be configured. What a source says is taken as that program takes it; what it says and this program has no word for is [`Left`],
//! with its file and line, and never passed over.
//!
//! | source | says what to follow in |
//! |---|---|
//! | argocd-image-updater | annotations of Applications, `ImageUpdater` objects, its ConfigMap |
//! | Fleet | `imageScans` of `fleet.yaml`, `$imagescan` comments, `GitRepo` objects |
//! | Renovate | `renovate.json` and the like, for the images that its managers find |
//! | Updatecli | manifests with sources of kind `dockerimage` and targets of kind `yaml` |
//! | Keel | labels and annotations of workloads, `keel` in values of charts |
//! | Watchtower | labels of Compose services |

mod argocd;
mod argocd_common;
mod argocd_places;
mod argocd_settings;
pub mod document;
mod files;
mod fleet;
mod glob;
mod keel;
mod look;
mod node;
mod place;
mod renovate;
mod renovate_left;
mod renovate_rules;
mod renovate_said;
mod renovate_schedule;
mod settle;
#[cfg(test)]
mod tests;
mod updatecli;
mod updatecli_commit;
mod watchtower;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use gotext::version::Range;
use image::Repository;

use crate::automation::DigestReflection;
use crate::mark::{File, name};
use crate::policy::{Direction, Filter, Order, Policy};

use files::Files;
pub(crate) use place::of_file;
pub use place::{Form, Place};
pub use renovate::is_configuration;
pub use settle::{Fields, Settled, settle};

/// Who wrote what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// argocd-image-updater.
    ArgocdImageUpdater,
    /// Rancher Fleet's image scan.
    Fleet,
    /// Renovate.
    Renovate,
    /// Updatecli.
    Updatecli,
    /// Keel.
    Keel,
    /// Watchtower.
    Watchtower,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgocdImageUpdater => "argocd-image-updater",
            Self::Fleet => "fleet",
            Self::Renovate => "renovate",
            Self::Updatecli => "updatecli",
            Self::Keel => "keel",
            Self::Watchtower => "watchtower",
        })
    }
}

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Spot {
    /// The path from the root.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// A setting without a counterpart, or one that means something else here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// Where it is written.
    pub spot: Spot,
    /// Who understood it.
    pub source: Source,
    /// The setting as its owner knows it.
    pub what: String,
    /// What becomes of it, and what to do.
    pub why: String,
}

/// All that was read.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Whose configuration was found.
    pub sources: BTreeSet<Source>,
    /// In the order of the files.
    pub automations: Vec<Automation>,
    /// What has no counterpart, by place.
    pub left: Vec<Left>,
    /// The names that are taken.
    names: Names,
    automation_names: Names,
    /// Where the automation is that commits like this.
    by_delivery: HashMap<Delivery, usize>,
    /// Where in an automation the image is that is followed like this.
    by_choice: HashMap<(usize, Repository, Policy, Choice), usize>,
}

/// Images that are committed alike.
#[derive(Debug, Clone)]
pub struct Automation {
    /// A DNS label, which no other automation here has.
    pub name: String,
    /// How they are committed.
    pub delivery: Delivery,
    /// What is followed.
    pub images: Vec<Image>,
    /// The files that have markers of its now.
    pub marked: BTreeSet<String>,
}

/// How changes are committed, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// The Git remote; none is that of the checkout.
    pub url: Option<String>,
    /// What is read; none is the branch checked out, or elsewhere the remote's default.
    pub branch: Option<String>,
    /// Where commits go; none is what is read.
    pub push_branch: Option<String>,
    /// Whether they are proposed.
    pub request: Option<Request>,
    /// The commit message, a template of this program.
    pub message: Option<String>,
    /// The author's name and address.
    pub author: Option<(String, String)>,
    /// Whether the author's sign-off is added.
    pub signed_off: bool,
    /// How often registries are asked, such as `5m`.
    pub interval: Option<String>,
    /// At which times instead, as a cron expression with a zone.
    pub schedule: Option<(String, Option<String>)>,
    /// When commits may be made.
    pub windows: Vec<Window>,
}

/// A pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// The product of the forge, where it is said.
    pub forge: Option<&'static str>,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who is asked for a review.
    pub reviewers: Vec<String>,
    /// Who it is assigned to.
    pub assignees: Vec<String>,
    /// Whether it is merged once the forge wants nothing more.
    pub auto_merge: bool,
    /// Whether it is opened as a draft.
    pub draft: bool,
}

/// A time in which commits may be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// A cron expression.
    pub schedule: String,
    /// How long it is open, such as `6h`.
    pub duration: String,
    /// The zone; none is UTC.
    pub zone: Option<String>,
}

/// An image to follow.
#[derive(Debug, Clone)]
pub struct Image {
    /// The name of the policy: a DNS label, which no other image here has.
    pub name: String,
    /// The repository, as it is written there.
    pub repository: Repository,
    /// Filter and order.
    pub policy: Policy,
    /// All else that says which tags are selected.
    pub choice: Choice,
    /// Where it was said.
    pub spot: Spot,
    /// By whom.
    pub source: Source,
    /// Where the selection is written.
    pub places: Vec<Place>,
}

/// What a policy has besides filter and order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Choice {
    /// Whether digests are written.
    pub digest: DigestReflection,
    /// Patterns of tags that do not count; what signatures are is left out by itself.
    pub exclusions: Vec<String>,
    /// What the image has to be for.
    pub platforms: Vec<String>,
    /// How long a tag has to be known, such as `72h`.
    pub minimum_age: Option<String>,
    /// The name of the secret with the registry's login.
    pub secret: Option<String>,
    /// The name of the secret with the keys that signatures need.
    pub verify: Option<String>,
    /// How often this image is looked at.
    pub interval: Option<String>,
    /// Whether it is not followed for now.
    pub suspended: bool,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            digest: DigestReflection::Never,
            exclusions: Vec::new(),
            platforms: Vec::new(),
            minimum_age: None,
            secret: None,
            verify: None,
            interval: None,
            suspended: false,
        }
    }
}

/// What is read, and what is known beside it.
pub struct Input<'i> {
    files: &'i [File],
    known: Files<'i>,
    is_asked: &'i dyn Fn(&str) -> bool,
    from: Option<Source>,
    is_here: &'i dyn Fn(&str) -> bool,
}

impl<'i> Input<'i> {
    /// Takes files whose paths are from the root of the checkout.
    ///
    /// Configuration is looked for where `is_asked` says so of a path, and images where a source names none; fields are found in all of
    /// the files. Whether a Git URL is that of the checkout says `is_here`.
    #[must_use]
    pub fn of(files: &'i [File], is_asked: &'i dyn Fn(&str) -> bool, is_here: &'i dyn Fn(&str) -> bool) -> Self {
        Self { files, known: Files::of(files), is_asked, from: None, is_here }
    }

    /// The same, where the configuration of one source alone is looked for; none is everybody's.
    #[must_use]
    pub fn from(self, from: Option<Source>) -> Self {
        Self { from, ..self }
    }

    /// The same without a file: what has the path of one of another repository here is another file.
    fn elsewhere(&self) -> Self {
        Self { from: self.from, ..Self::of(&[], self.is_asked, self.is_here) }
    }

    /// The files with configuration.
    fn asked(&self) -> impl Iterator<Item = &'i File> {
        self.files.iter().filter(|file| (self.is_asked)(&file.path))
    }
}

/// Reads whatever of these sources is in the files.
#[must_use]
pub fn read(input: &Input<'_>) -> Import {
    type Read = fn(&Input<'_>, &mut Import);
    const READERS: [(Source, Read); 6] = [
        (Source::ArgocdImageUpdater, argocd::read),
        (Source::Fleet, fleet::read),
        (Source::Renovate, renovate::read),
        (Source::Updatecli, updatecli::read),
        (Source::Keel, keel::read),
        (Source::Watchtower, watchtower::read),
    ];
    let mut import = Import::default();
    for (source, read) in READERS {
        if input.from.is_none_or(|from| from == source) {
            let before = (import.automations.iter().map(|it| it.images.len()).sum::<usize>(), import.left.len());
            read(input, &mut import);
            if before != (import.automations.iter().map(|it| it.images.len()).sum(), import.left.len()) {
                import.sources.insert(source);
            }
        }
    }
    import.once_each();
    import.left.sort();
    import.left.dedup();
    import
}

impl Import {
    /// Notes a setting that has no counterpart.
    fn leave(&mut self, source: Source, spot: &Spot, what: impl Into<String>, why: impl Into<String>) {
        self.left.push(Left { spot: spot.clone(), source, what: what.into(), why: why.into() });
    }

    /// Adds an image to the automation that commits like this; one that is followed alike gets the places.
    fn add(&mut self, name: &str, delivery: Delivery, image: Image) {
        let index = *self.by_delivery.entry(delivery).or_insert_with_key(|delivery| {
            let (name, delivery) = (self.automation_names.take(name), delivery.clone());
            self.automations.push(Automation { name, delivery, images: Vec::new(), marked: BTreeSet::new() });
            self.automations.len() - 1
        });
        let images = &mut self.automations[index].images;
        let key = (index, image.repository.clone(), image.policy.clone(), image.choice.clone());
        match self.by_choice.entry(key) {
            Entry::Occupied(known) => images[*known.get()].places.extend(image.places),
            Entry::Vacant(free) => {
                free.insert(images.len());
                images.push(Image { name: self.names.take(&image.name), ..image });
            }
        }
    }

    /// Leaves one of several that say the same place.
    fn once_each(&mut self) {
        for image in self.automations.iter_mut().flat_map(|it| &mut it.images) {
            let mut known = HashSet::new();
            image.places.retain(|place| known.insert((place.path.clone(), place.form.clone())));
        }
    }
}

/// DNS labels that are taken, each with the number that the next of the name gets.
#[derive(Debug, Clone, Default)]
struct Names(HashMap<String, u64>);

impl Names {
    /// A DNS label that was not taken, with a number behind it where that is needed.
    fn take(&mut self, wanted: &str) -> String {
        let label = name::label(wanted);
        let label = if label.is_empty() { "images".to_owned() } else { label };
        let mut free = label.clone();
        while self.0.contains_key(&free) {
            let number = self.0.entry(label.clone()).or_insert(2);
            free = format!("{label}-{number}");
            *number += 1;
        }
        self.0.insert(free.clone(), 2);
        free
    }
}

/// The last part of a repository's name, which a policy is named after.
fn short(repository: &Repository) -> &str {
    repository.path().rsplit('/').next().unwrap_or_default()
}

/// A policy that takes the highest version of a range.
fn semver(range: &str) -> Result<Policy, String> {
    let range = Range::parse(range).map_err(|error| error.plain())?;
    Ok(Policy { filter: None, order: Order::Semver(range) })
}

/// A policy that takes the last of all names.
fn alphabetical() -> Policy {
    Policy { filter: None, order: Order::Alphabetical(Direction::Ascending) }
}

/// The same policy among the tags that match a pattern.
fn among(policy: Policy, pattern: &str, extract: &str) -> Result<Policy, String> {
    let filter = Filter::parse(pattern, extract).map_err(|error| error.to_string())?;
    Ok(Policy { filter: Some(filter), ..policy })
}
