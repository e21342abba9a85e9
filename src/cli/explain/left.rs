//! The state of a policy in the data directory of a bot.

use std::path::Path;
use std::sync::Arc;

use image::{Digest, Tag};
use jiff::Timestamp;
use tagwright_core::automation::ImagePolicy;

use crate::cli::{at, streams};
use crate::failure::Result;
use crate::observe::{self, Ranked};
use crate::store::{Digests, Image, Pushes, Switches};

/// The state that a bot has left about a policy; all of it is absent where no bot ran.
#[derive(Default)]
pub(super) struct Left {
    /// The tags of its image repository, and since when they are known.
    image: Image,
    /// What it knows of the digests of its image repository.
    pub(super) digests: Digests,
    /// The orders that people gave the bot.
    pub(super) switches: Switches,
    /// What it has pushed.
    pub(super) pushes: Pushes,
}

impl Left {
    /// Looks into a data directory. Of a bot that runs, nothing is known.
    pub(super) fn of(folder: Option<&Path>, policy: &ImagePolicy) -> Result<Self> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let Ok(store) = at::left(folder) else {
            streams::sentence(
                "note",
                &format!(
                    "the state in {} is in use: what is held, suspended or released by hand is not looked at, nor what is \
                 known of the tags",
                    folder.display()
                ),
            );
            return Ok(Self::default());
        };
        let Some(store) = store else { return Ok(Self::default()) };
        let image = store.image(&observe::image_key(&policy.repository))?.unwrap_or_default();
        let digests = store.digests(&observe::image_key(&policy.repository))?.unwrap_or_default();
        Ok(Self { image, digests, switches: store.switches()?, pushes: store.pushes()? })
    }

    /// When tags were pushed, or first seen.
    pub(super) fn ages(&self) -> impl Iterator<Item = (Tag, Timestamp)> {
        let age = |tag: &crate::store::SeenTag| (tag.name.clone(), tag.pushed.unwrap_or(tag.first_seen));
        self.image.tags.iter().map(age)
    }

    /// A tag with what is known of when it came. One that the bot has not listed yet has come since.
    pub(super) fn ranked(
        &self,
        tag: Tag,
        value: String,
        pushed: Option<Timestamp>,
        digest: Option<Digest>,
        now: Timestamp,
    ) -> Ranked {
        let begin = self.image.tags.iter().map(|tag| tag.first_seen).min();
        let known = self.image.tags.iter().find(|known| known.name == tag);
        let seen = known.map(|known| known.first_seen).or(begin.map(|_| now));
        let arrived = begin.zip(seen).is_some_and(|(begin, seen)| begin < seen);
        Ranked { tag, value, pushed, digest, seen, arrived }
    }

    /// Why what the registry lists now would not be believed.
    pub(super) fn doubt(
        &self,
        policy: &ImagePolicy,
        all: &[Arc<ImagePolicy>],
        listed: &[Tag],
        now: Timestamp,
    ) -> Option<String> {
        let looks = |other: &&Arc<ImagePolicy>| Arc::ptr_eq(&other.repository, &policy.repository);
        let looking: Vec<Arc<ImagePolicy>> = all.iter().filter(looks).cloned().collect();
        observe::believe(&self.image, listed, &looking, (&observe::Polls::default(), now))
            .err()
            .map(|hold| hold.to_string())
    }
}
