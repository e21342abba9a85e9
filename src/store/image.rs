//! Image repositories as they were last seen: their tags, since when, and what the registry said to recognise an unchanged list.

use std::collections::{BTreeMap, BTreeSet};

use image::Tag;
use jiff::Timestamp;
use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};

use super::engine::Pace;
use super::error::Error;
use super::schema::{IMAGES, POLLED};
use super::{Store, tags, time};

/// One image repository as it was last seen. Its size is bounded by what the registry's client reads of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Image {
    /// The tags of the last list that was believed.
    #[serde(with = "tags")]
    pub tags: Vec<SeenTag>,
    /// The registry's validator for this list (`ETag` or the like), by which an unchanged one is recognised.
    pub validator: Option<String>,
    /// When the registry was last asked.
    #[serde(skip)]
    pub polled: Timestamp,
    /// Whether the list after this one lost so much that it has to be seen twice to be believed.
    pub doubted: bool,
    /// The digests that were asked for, by tag.
    pub digests: BTreeMap<String, String>,
}

/// A tag, and since when. Times are kept to the millisecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenTag {
    /// The tag itself.
    pub name: Tag,
    /// When this bot first saw it.
    pub first_seen: Timestamp,
    /// When it was pushed, where the registry says so.
    pub pushed: Option<Timestamp>,
}

impl Store {
    /// Returns what is known of an image repository.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn image(&self, key: &str) -> Result<Option<Image>, Error> {
        let found = self.engine.read(|transaction| {
            let bytes = transaction.open_table(IMAGES)?.get(key)?.map(|bytes| bytes.value().to_vec());
            let polled = transaction.open_table(POLLED)?.get(key)?.map(|polled| polled.value());
            Ok(bytes.zip(polled))
        })?;
        Ok(found.and_then(|(bytes, polled)| {
            let image: Image = serde_json::from_slice(&bytes).ok()?;
            Some(Image { polled: time::of(polled), ..image })
        }))
    }

    /// Keeps what is known of image repositories. Where only the time of the poll is new, that is all that is written, and
    /// it is on the disk with what is written next.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_images(&self, images: Vec<(String, Image)>) -> Result<(), Error> {
        let json = |image: &Image| serde_json::to_vec(image).map_err(|source| Error::Json { what: "an image", source });
        let rows = images.iter().map(|(key, image)| Ok((key.as_str(), json(image)?, image.polled.as_millisecond())));
        let rows = rows.collect::<Result<Vec<_>, Error>>()?;
        self.engine.write_at(|transaction| {
            let (mut images, mut polls) = (transaction.open_table(IMAGES)?, transaction.open_table(POLLED)?);
            let mut pace = Pace::Relaxed;
            for (key, json, polled) in &rows {
                if images.get(key)?.is_none_or(|known| known.value() != json.as_slice()) {
                    images.insert(key, json.as_slice())?;
                    pace = Pace::Now;
                }
                polls.insert(key, polled)?;
            }
            Ok(((), pace))
        })
    }

    /// Forgets the image repositories that are not among these.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn retain_images(&self, keys: &BTreeSet<String>) -> Result<(), Error> {
        let is_wanted = |key: &str| keys.contains(key);
        let has_unwanted = self.engine.read(|transaction| {
            let polls = transaction.open_table(POLLED)?;
            for row in polls.iter()? {
                if !is_wanted(row?.0.value()) {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        if !has_unwanted {
            return Ok(());
        }
        self.engine.write(|transaction| {
            transaction.open_table(IMAGES)?.retain(|key, _| is_wanted(key))?;
            Ok(transaction.open_table(POLLED)?.retain(|key, _| is_wanted(key))?)
        })
    }
}
