//! The digests that tags point to, as far as they were asked for.

use std::collections::{BTreeMap, HashMap};

use futures_util::StreamExt;
use image::{Digest, Tag};
use tagwright_core::automation::{ImageRepository, ObjectName};

use super::poll::CONCURRENT_POLLS;
use crate::run::Error;

/// Digests looked up during one run, so that each tag is asked for once.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    answers: HashMap<(ObjectName, Tag), Answer>,
    failures: Vec<Error>,
}

/// What a registry said when it was asked for the digest of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This one.
    Digest(Digest),
    /// It has no such image, though it may list the tag; in one sentence.
    NoImage(String),
    /// It did not say; why, in one sentence.
    Failed(String),
}

impl Digests {
    /// Looks up the digests of tags that are not known yet. What could not be looked up is a failure.
    pub(crate) async fn look_up(&mut self, client: &registry::Client, wanted: Vec<(&ImageRepository, &Tag)>) {
        self.ask(client, wanted, |_| true).await;
    }

    /// Looks up the digests of tags that are not known yet. That the registry has no image behind one is an answer.
    pub(crate) async fn look_for(&mut self, client: &registry::Client, wanted: Vec<(&ImageRepository, &Tag)>) {
        self.ask(client, wanted, |answer| !matches!(answer, Answer::NoImage(_))).await;
    }

    async fn ask(
        &mut self,
        client: &registry::Client,
        wanted: Vec<(&ImageRepository, &Tag)>,
        is_failure: fn(&Answer) -> bool,
    ) {
        let unknown: BTreeMap<_, _> = wanted
            .into_iter()
            .map(|(repository, tag)| ((repository.id.clone(), tag.clone()), repository))
            .filter(|(key, _)| !self.answers.contains_key(key))
            .collect();
        // Collected before the first is awaited: a closure that is kept meanwhile makes the future one that no task can take.
        let questions: Vec<_> = unknown.into_iter().map(|(key, repository)| ask(client, key, repository)).collect();
        let answers: Vec<_> = futures_util::stream::iter(questions).buffer_unordered(CONCURRENT_POLLS).collect().await;
        for (key, answer) in answers {
            let answer = match answer {
                Ok(digest) => Answer::Digest(digest),
                Err(error) => {
                    let text = error.chain();
                    let answer = if lacks(&error) { Answer::NoImage(text) } else { Answer::Failed(text) };
                    self.failures.extend(Some(error).filter(|_| is_failure(&answer)));
                    answer
                }
            };
            self.answers.insert(key, answer);
        }
    }

    /// Returns why some could not be looked up.
    pub(crate) fn into_failures(self) -> Vec<Error> {
        self.failures
    }

    /// Returns the digest of a tag that was looked up, or in one sentence why it is not known.
    pub(crate) fn digest(&self, repository: &ImageRepository, tag: &Tag) -> Result<Digest, String> {
        match self.answer(repository, tag) {
            Some(Answer::Digest(digest)) => Ok(digest.clone()),
            Some(Answer::NoImage(reason) | Answer::Failed(reason)) => Err(reason.clone()),
            None => Err(format!("the digest of {}:{tag} was not looked up", repository.image)),
        }
    }

    /// Returns what was said of a tag, if it was asked for.
    pub(crate) fn answer(&self, repository: &ImageRepository, tag: &Tag) -> Option<&Answer> {
        self.answers.get(&(repository.id.clone(), tag.clone()))
    }
}

/// Whether the registry says that there is nothing of that name.
pub(super) fn lacks(error: &Error) -> bool {
    matches!(error, Error::Registry { source, .. } if matches!(source.cause(), registry::Error::NotFound { .. }))
}

/// Asks for the digest of one tag.
async fn ask(
    client: &registry::Client,
    key: (ObjectName, Tag),
    repository: &ImageRepository,
) -> ((ObjectName, Tag), Result<Digest, Error>) {
    let answer = client.digest(&repository.image, &key.1, &repository.access).await;
    let (image, registry) = (format!("{}:{}", repository.image, key.1), repository.image.registry().to_owned());
    (key, answer.map_err(|source| Error::Registry { image, registry, source: source.into() }))
}
