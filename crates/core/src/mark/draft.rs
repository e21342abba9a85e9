//! From images to the policies that they are to have: one for all that are written alike and follow the same versions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use image::Repository;

use super::name::Names;
use super::policies::{self, Dialect};
use super::{File, Group, Known, Member, Moving, Origin, Outlook, Settings, Targeted, Why, images};
use crate::automation::DigestReflection;
use crate::inventory::{Image, LineEnd, Obstacle, Taken};
use crate::marker::Field;
use crate::suggest::{self, Derived, Line, Reason, Suggestion};

/// A group without a name.
pub(super) struct Draft {
    repository: Repository,
    tag: String,
    derived: Derived,
    digest: DigestReflection,
    pub(super) members: Vec<Member>,
    pub(super) targeted: Vec<Targeted>,
}

/// What the tags in use suggest, by repository and tag.
type Suggestions<'f> = BTreeMap<(&'f str, &'f str), Suggestion>;

/// The drafts of all groups, in the order of the files.
pub(super) struct Drafts<'f> {
    files: &'f [File],
    settings: &'f Settings,
    suggestions: Suggestions<'f>,
    all: Vec<Draft>,
    /// The place of the draft for a repository, a treatment of digests, and a line of versions.
    places: HashMap<(String, DigestReflection, Line), usize>,
}

impl<'f> Drafts<'f> {
    /// Derives from each tag once, as a long list is costly to look through.
    pub(super) fn of(files: &'f [File], settings: &'f Settings) -> Self {
        let mut suggestions = Suggestions::new();
        for (_, image) in images(files) {
            let Some(repository) = &image.repository else { continue };
            suggestions.entry((repository.name(), &image.tag)).or_insert_with(|| {
                let tags = settings.tags.get(repository.name()).into_iter().flatten();
                let tags: Vec<&str> = tags.map(String::as_str).collect();
                match image.is_chart {
                    true => suggest::for_chart_among(&image.tag, &tags),
                    false => policies::fitted(suggest::for_tag_among(&image.tag, &tags), &image.tag, &tags, settings),
                }
            });
        }
        Self { files, settings, suggestions, all: Vec::new(), places: HashMap::new() }
    }

    /// The draft of an image; where it has no room for a marker and is to be followed all the same, with the reason.
    pub(super) fn draft(&self, image: &Image) -> Result<(Draft, Option<Taken>), Why> {
        let settings = self.settings;
        let repository = match (image.obstacle, &image.repository) {
            (None, Some(repository)) => repository.clone(),
            (obstacle, _) => return Err(Why::Obstacle(obstacle.unwrap_or(Obstacle::Variable))),
        };
        if image.own_form && settings.dialect == Dialect::Flux {
            return Err(Why::FluxForm);
        }
        // A name has no news; it is marked where there is room, and does without where there is none.
        let taken = image.scalars.iter().filter(|scalar| scalar.field != Field::Name).find_map(|scalar| {
            match scalar.line_end {
                LineEnd::Taken(taken) => Some(taken),
                _ => None,
            }
        });
        // A block of text cannot be set by a target either.
        let is_aimed = settings.targets.is_some() && settings.dialect == Dialect::Native && taken != Some(Taken::Block);
        if let Some(taken) = taken.filter(|_| !is_aimed) {
            return Err(Why::Taken(taken));
        }
        let suggestion = self.suggestions.get(&(repository.name(), image.tag.as_str())).cloned();
        let (derived, digest) = match suggestion.unwrap_or(Suggestion::NotOrderable(Reason::NoTag)) {
            Suggestion::Policy(derived) => {
                let pinned =
                    if image.digest.is_some() { DigestReflection::IfNotPresent } else { DigestReflection::Never };
                (*derived, pinned)
            }
            Suggestion::NotOrderable(reason) => (tracked(image, settings, reason)?, DigestReflection::Always),
        };
        let tag = image.tag.clone();
        Ok((Draft { repository, tag, derived, digest, members: Vec::new(), targeted: Vec::new() }, taken))
    }

    /// Adds the draft of an image to the one it belongs to.
    pub(super) fn join(&mut self, draft: Draft) {
        let key = (draft.repository.name().to_owned(), draft.digest, draft.derived.line_of());
        let place = *self.places.entry(key).or_insert(self.all.len());
        match self.all.get_mut(place) {
            Some(other) => {
                let higher = other.derived.policy.select(&[&other.tag, &draft.tag]) == Some(draft.tag.as_str());
                if !higher {
                    (other.tag, other.derived) = (draft.tag, draft.derived);
                }
                other.members.extend(draft.members);
                other.targeted.extend(draft.targeted);
            }
            None => self.all.push(draft),
        }
    }

    /// The groups: those that a policy is there for already have its name, and the others one of their own.
    pub(super) fn named(self) -> Vec<Group> {
        let Self { files, settings, suggestions, all, .. } = self;
        let in_use = InUse::of(files, settings, &suggestions);
        let mut names = Names::new(taken(files, settings));
        let named = |draft: Draft| {
            let (origin, namespace, name) = match in_use.by(&draft) {
                Some((namespace, name)) => (Origin::Known, namespace.to_owned(), name.to_owned()),
                None => {
                    let name = names.choose(&draft.repository, &draft.derived);
                    (Origin::Derived, settings.namespace.clone(), name)
                }
            };
            let Draft { repository, tag, derived, digest, members, targeted } = draft;
            let Derived { policy, explanation, .. } = derived;
            let outlook = Outlook::NotAsked;
            Group { namespace, name, repository, tag, policy, digest, explanation, origin, outlook, members, targeted }
        };
        all.into_iter().map(named).collect()
    }
}

/// The policy that follows the digest behind a tag which has no order.
fn tracked(image: &Image, settings: &Settings, reason: Reason) -> Result<Derived, Why> {
    let tag = &image.tag;
    let followed = suggest::tracking(tag).filter(|_| settings.moving == Moving::Track && reason.trackable());
    let Some(policy) = followed else { return Err(Why::NotOrderable(reason)) };
    if !image.scalars.iter().any(|scalar| matches!(scalar.field, Field::Image | Field::Digest)) {
        return Err(Why::NoDigestField(reason));
    }
    let explanation = format!("the digest behind {tag}");
    Ok(Derived { policy, variant: tag.clone(), line: String::new(), explanation })
}

/// The policies that are there already, by what they are for.
struct InUse<'a> {
    /// Those that the settings name, by repository.
    known: HashMap<&'a str, Vec<&'a Known>>,
    /// Those that markers name, by repository, whether there is a digest, and the line of versions: the first of each.
    marked: HashMap<(&'a str, bool, Line), &'a str>,
}

impl<'a> InUse<'a> {
    fn of(files: &'a [File], settings: &'a Settings, suggestions: &Suggestions<'_>) -> Self {
        let mut known: HashMap<&str, Vec<&Known>> = HashMap::new();
        for it in &settings.known {
            known.entry(&it.repository).or_default().push(it);
        }
        let mut marked = HashMap::new();
        for (_, image) in images(files) {
            let (Some(repository), Some(policy)) = (&image.repository, image.marked()) else { continue };
            if let Some(Suggestion::Policy(derived)) = suggestions.get(&(repository.name(), image.tag.as_str())) {
                let key = (repository.name(), image.digest.is_some(), derived.line_of());
                marked.entry(key).or_insert(policy);
            }
        }
        Self { known, marked }
    }

    /// The namespace and name of the policy that already does what a draft is for.
    fn by(&self, draft: &Draft) -> Option<(&'a str, &'a str)> {
        let (repository, tag) = (draft.repository.name(), draft.tag.as_str());
        let does = |known: &&&Known| known.digest == draft.digest && known.policy.select(&[tag]) == Some(tag);
        if let Some(known) = self.known.get(repository).and_then(|all| all.iter().find(does)) {
            return Some((&known.namespace, &known.name));
        }
        let has_digest = draft.digest != DigestReflection::Never;
        self.marked.get(&(repository, has_digest, draft.derived.line_of()))?.split_once(':')
    }
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
