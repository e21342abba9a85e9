//! Image repositories as they were last seen: their tags, since when, and what the registry said to recognise an unchanged list.

use std::collections::BTreeSet;
use std::sync::Arc;

use image::Tag;
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable as _};
use serde::{Deserialize, Serialize};

use super::engine::Pace;
use super::error::Error;
use super::schema::{DIGESTS, IMAGES, POLLED};
use super::{Store, tags, time};

/// How many bytes of a written list are not many: some 20,000 tags.
const LARGE_ROW: usize = 256 * 1024;

/// How many bytes of a written list are so few that it may be in memory while its registry is asked: some 1,000 tags.
const SMALL_ROW: usize = 16 * 1024;

/// One image repository as it was last seen. Its size is bounded by what the registry's client reads of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Image {
    /// The tags of the last list that was believed, in the order of their names.
    #[serde(with = "tags")]
    pub tags: Arc<Vec<SeenTag>>,
    /// Tags that were listed before and are not now, the last ones to go: one that comes back is as old as it was.
    #[serde(default, with = "tags")]
    pub gone: Arc<Vec<SeenTag>>,
    /// The registry's validator for this list (`ETag` or the like), by which an unchanged one is recognised.
    pub validator: Option<String>,
    /// When the registry was last asked.
    #[serde(skip)]
    pub polled: Timestamp,
    /// Whether the list after this one lost so much that it has to be seen twice to be believed.
    pub doubted: bool,
}

/// What is known of an image repository before its registry is asked: all of it, where that takes little memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// All that is known; none where that is nothing.
    All(Option<Image>),
    /// That there is a long list.
    List {
        /// [`Image::validator`].
        validator: Option<String>,
        /// Whether reading it takes many megabytes.
        is_large: bool,
    },
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
        self.engine.read(|transaction| {
            let Some(bytes) = transaction.open_table(IMAGES)?.get(key)? else { return Ok(None) };
            image(transaction, key, bytes.value())
        })
    }

    /// Returns what is known of an image repository; of a long list only by what an unchanged one is recognised, and whether it
    /// is large, which costs no memory, however large it is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn known(&self, key: &str) -> Result<Known, Error> {
        #[derive(Deserialize)]
        struct Row {
            validator: Option<String>,
        }
        self.engine.read(|transaction| {
            let Some(bytes) = transaction.open_table(IMAGES)?.get(key)? else { return Ok(Known::All(None)) };
            let bytes = bytes.value();
            if bytes.len() <= SMALL_ROW {
                return image(transaction, key, bytes).map(Known::All);
            }
            let row: Option<Row> = serde_json::from_slice(bytes).ok();
            Ok(Known::List { validator: row.and_then(|row| row.validator), is_large: bytes.len() > LARGE_ROW })
        })
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
            transaction.open_table(DIGESTS)?.retain(|key, _| is_wanted(key))?;
            Ok(transaction.open_table(POLLED)?.retain(|key, _| is_wanted(key))?)
        })
    }
}

/// An image repository as it is written, with the time of its last poll.
fn image(transaction: &ReadTransaction, key: &str, written: &[u8]) -> Result<Option<Image>, redb::Error> {
    let Some(polled) = transaction.open_table(POLLED)?.get(key)? else { return Ok(None) };
    let image: Option<Image> = serde_json::from_slice(written).ok();
    Ok(image.map(|image| Image { polled: time::of(polled.value()), ..image }))
}
