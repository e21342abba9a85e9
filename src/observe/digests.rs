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
    answers: HashMap<(ObjectName, Tag), Result<Digest, String>>,
    failures: Vec<Error>,
}

impl Digests {
    /// Looks up the digests of tags that are not known yet.
    pub(crate) async fn look_up(&mut self, client: &registry::Client, wanted: Vec<(&ImageRepository, &Tag)>) {
        let unknown: BTreeMap<_, _> = wanted
            .into_iter()
            .map(|(repository, tag)| ((repository.id.clone(), tag.clone()), repository))
            .filter(|(key, _)| !self.answers.contains_key(key))
            .collect();
        // Collected before the first is awaited: a closure that is kept meanwhile makes the future one that no task can take.
        let questions: Vec<_> = unknown.into_iter().map(|(key, repository)| ask(client, key, repository)).collect();
        let answers: Vec<_> = futures_util::stream::iter(questions).buffer_unordered(CONCURRENT_POLLS).collect().await;
        for (key, answer) in answers {
            let known = answer.map_err(|error| {
                let text = error.chain();
                self.failures.push(error);
                text
            });
            self.answers.insert(key, known);
        }
    }

    /// Returns why some could not be looked up.
    pub(crate) fn into_failures(self) -> Vec<Error> {
        self.failures
    }

    /// Returns the digest of a tag that was looked up, or in one sentence why it is not known.
    pub(crate) fn digest(&self, repository: &ImageRepository, tag: &Tag) -> Result<Digest, String> {
        match self.answers.get(&(repository.id.clone(), tag.clone())) {
            Some(answer) => answer.clone(),
            None => Err(format!("the digest of {}:{tag} was not looked up", repository.image)),
        }
    }
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
