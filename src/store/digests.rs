//! What is known of the digests of an image repository: which tags had them, since when, and what was answered about each.

use std::collections::BTreeMap;

use image::Digest;
use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};
use tagwright_core::guard::{Sighting, Sightings};

use super::error::Error;
use super::schema::DIGESTS;
use super::{Store, cut, time};

/// The most answers that are kept of one image repository, those about all digests together.
const MAX_ANSWERS: usize = 4096;

/// The longest answer that is kept, in bytes.
const MAX_ANSWER: usize = 16 * 1024;

/// What is known of the digests of an image repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    /// Which tags had them, and since when they are known.
    pub sightings: Sightings,
    /// What was answered about them, so that nothing is asked twice: what a digest stands for never changes.
    answers: BTreeMap<String, BTreeMap<String, String>>,
    /// The tag that was the last to be asked for in turn.
    pub turn: Option<String>,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Row {
    /// Each tag with the digests that it had, the last one at the end, and the times in milliseconds since 1970.
    tags: Vec<(String, Vec<(String, i64)>)>,
    answers: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    turn: Option<String>,
}

impl Digests {
    /// What was answered about a digest to a question, in the words in which it was kept.
    #[must_use]
    pub fn answer(&self, digest: &Digest, question: &str) -> Option<&str> {
        Some(self.answers.get(digest.as_str())?.get(question)?.as_str())
    }

    /// Keeps an answer that holds for as long as the digest is this one. What is too long to be kept is asked for again.
    pub fn keep(&mut self, digest: &Digest, question: &str, answer: String) {
        if answer.len() <= MAX_ANSWER {
            self.answers.entry(digest.as_str().to_owned()).or_default().insert(question.to_owned(), answer);
        }
    }

    /// Forgets answers about digests that no tag is known to have had, and of the others all, where they are too many.
    pub fn trim(&mut self) {
        let known: std::collections::BTreeSet<&str> = self
            .sightings
            .tags()
            .flat_map(|(_, sightings)| sightings.iter().map(|sighting| sighting.digest.as_str()))
            .collect();
        self.answers.retain(|digest, _| known.contains(digest.as_str()));
        if self.answers.values().map(BTreeMap::len).sum::<usize>() > MAX_ANSWERS {
            self.answers.clear();
        }
    }

    fn row(&self) -> Row {
        let kept = |sighting: &Sighting| (sighting.digest.as_str().to_owned(), sighting.since.as_millisecond());
        let tag = |(tag, sightings): (&str, &[Sighting])| (tag.to_owned(), sightings.iter().map(kept).collect());
        Row { tags: self.sightings.tags().map(tag).collect(), answers: self.answers.clone(), turn: self.turn.clone() }
    }
}

impl From<Row> for Digests {
    fn from(row: Row) -> Self {
        // What is no digest was not written by us.
        let sighting = |(digest, since): (String, i64)| {
            Some(Sighting { digest: Digest::parse(&digest).ok()?, since: time::of(since) })
        };
        let tags = row.tags.into_iter().map(|(mut tag, sightings)| {
            cut(&mut tag, super::MAX_TEXT);
            (tag, sightings.into_iter().filter_map(sighting).collect())
        });
        Self { sightings: Sightings::kept(tags), answers: row.answers, turn: row.turn }
    }
}

impl Store {
    /// Returns what is known of the digests of an image repository.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn digests(&self, key: &str) -> Result<Option<Digests>, Error> {
        self.engine.read(|transaction| {
            let Some(bytes) = transaction.open_table(DIGESTS)?.get(key)? else { return Ok(None) };
            let row: Option<Row> = serde_json::from_slice(bytes.value()).ok();
            Ok(row.map(Digests::from))
        })
    }

    /// Keeps what is known of the digests of image repositories.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_digests(&self, digests: &[(String, Digests)]) -> Result<(), Error> {
        let json = |digests: &Digests| {
            serde_json::to_vec(&digests.row()).map_err(|source| Error::Json { what: "digests", source })
        };
        let rows = digests.iter().map(|(key, digests)| Ok((key.as_str(), json(digests)?)));
        let rows = rows.collect::<Result<Vec<_>, Error>>()?;
        self.engine.write(|transaction| {
            let mut table = transaction.open_table(DIGESTS)?;
            for (key, json) in &rows {
                if table.get(key)?.is_none_or(|known| known.value() != json.as_slice()) {
                    table.insert(key, json.as_slice())?;
                }
            }
            Ok(())
        })
    }
}
