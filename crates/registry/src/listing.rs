//! All tags of a repository, page by page.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use image::{Digest, Tag};
use indexmap::IndexSet;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderValue};
use web::show;
use web::words::{one_line, shorten};

use super::error::Error;
use super::exchange::Reply;
use super::page::{self, Page};
use super::room::LARGE_LIST;
use super::session::Session;
use super::settings::Limits;
use super::{Fresh, Listing, next, pushed, size, truncation, validator};

/// How many pages in a row may add nothing new. Registries that filter after cutting pages do send some.
const MAX_IDLE_PAGES: usize = 10;
/// How many refused tags are shown.
const MAX_REFUSED_SHOWN: usize = 5;
/// How much of a refused tag is shown, in characters.
const MAX_REFUSED_LENGTH: usize = 80;

/// Reads all pages, unless the list is the one that is known.
pub(crate) async fn list(session: &Session<'_>, limits: &Limits, known: Option<HeaderValue>) -> Result<Fresh, Error> {
    let mut reply = first(session, limits, known.as_ref()).await?;
    if reply.status == StatusCode::NOT_MODIFIED {
        // Only a list of one page is recognised, and this one has got another.
        if next::after(&reply)?.is_none() {
            return Ok(Fresh::Unchanged);
        }
        reply = first(session, limits, None).await?;
    }
    Ok(Fresh::Listing(pages(session, limits, reply).await?))
}

async fn pages(session: &Session<'_>, limits: &Limits, mut reply: Reply) -> Result<Listing, Error> {
    let mut tags = Gathered::default();
    let mut seen = HashSet::new();
    let mut idle = 0;
    let mut doubt = truncation::Doubt::default();
    for number in 1.. {
        let page = page::read(&reply, limits).map_err(|error| error.on_page(number))?;
        let is_empty = page.tags.is_empty();
        let added = tags.add(page, &reply, limits)?;
        if tags.count() > LARGE_LIST {
            session.place.take().await;
        }
        idle = if added == 0 { idle + 1 } else { 0 };
        seen.insert(reply.url.clone());
        let next = match next::after(&reply)? {
            // It leads on from where there is nothing more.
            Some(next) if is_empty && seen.contains(&next) => None,
            Some(next) if seen.contains(&next) => {
                return Err(next::error(&reply.url, "leads back to an earlier page"));
            }
            next => next,
        };
        if next.is_some() && idle > MAX_IDLE_PAGES {
            return Err(next::error(&reply.url, "leads on and on to pages with nothing new"));
        }
        let following = match next {
            Some(next) if number < limits.pages => {
                seen.insert(next.clone());
                doubt.linked = true;
                size::fetch(session, limits, next, None).await.map(Some)
            }
            Some(_) => return Err(too_many_pages(&reply, limits)),
            None => truncation::beyond(session, limits, &reply, &mut doubt, |tag| tags.is_new(tag)).await,
        };
        reply = match following.map_err(|error| error.on_page(number + 1))? {
            Some(_) if number >= limits.pages => return Err(too_many_pages(&reply, limits)),
            Some(following) => following,
            None => {
                let validator = validator::of_single_page(reply.texts(header::ETAG), tags.entries);
                return Ok(tags.finish(validator.filter(|_| number == 1)));
            }
        };
    }
    Ok(tags.finish(None))
}

async fn first(session: &Session<'_>, limits: &Limits, known: Option<&HeaderValue>) -> Result<Reply, Error> {
    let mut url = session.address("tags/list");
    url.query_pairs_mut().append_pair("n", &size::USUAL.to_string());
    size::fetch(session, limits, url, known).await
}

fn too_many_pages(reply: &Reply, limits: &Limits) -> Error {
    Error::TooLarge { url: show(&reply.url), limit: limits.pages, what: "pages" }
}

#[derive(Default)]
struct Gathered {
    tags: IndexSet<Tag>,
    refused: Refused,
    pushed: BTreeMap<Tag, Timestamp>,
    digests: BTreeMap<Tag, Digest>,
    /// How many tags came, those that came twice included.
    entries: usize,
}

/// What is no tag, of which nothing is kept but that it was there: it may be of any length.
#[derive(Default)]
struct Refused {
    hasher: RandomState,
    seen: HashSet<u64>,
    /// The first ones in the order of their texts, cut.
    sample: BTreeSet<String>,
}

impl Refused {
    fn insert(&mut self, text: &str) -> bool {
        let is_new = self.seen.insert(self.hasher.hash_one(text));
        if is_new {
            self.sample.insert(shorten(text, MAX_REFUSED_LENGTH));
            if self.sample.len() > MAX_REFUSED_SHOWN {
                self.sample.pop_last();
            }
        }
        is_new
    }

    fn contains(&self, text: &str) -> bool {
        self.seen.contains(&self.hasher.hash_one(text))
    }
}

impl Gathered {
    /// Takes the tags of one page and returns how many of them are new.
    fn add(&mut self, page: Page<'_>, reply: &Reply, limits: &Limits) -> Result<usize, Error> {
        let before = self.count();
        for tag in page.tags {
            self.entries += 1;
            let _ = match Tag::parse(&tag) {
                Ok(tag) => self.tags.insert(tag),
                Err(_) => self.refused.insert(&tag),
            };
            if self.count() > limits.tags {
                return Err(Error::TooLarge { url: show(&reply.url), limit: limits.tags, what: "tags" });
            }
        }
        if let Some(manifests) = page.manifest {
            pushed::read(manifests, limits.tags, |tag, digest, time| self.add_time(tag, digest, time));
        }
        Ok(self.count() - before)
    }

    /// Takes the time of a tag that is in the list, so that there are no more than those. Of two the later one counts.
    fn add_time(&mut self, tag: &str, digest: &str, time: Timestamp) {
        let Some(tag) = self.tags.get(tag) else { return };
        if self.pushed.get(tag).is_some_and(|known| *known >= time) {
            return;
        }
        self.pushed.insert(tag.clone(), time);
        match Digest::parse(digest) {
            Ok(digest) => drop(self.digests.insert(tag.clone(), digest)),
            Err(_) => drop(self.digests.remove(tag)),
        }
    }

    fn is_new(&self, tag: &str) -> bool {
        !self.tags.contains(tag) && !self.refused.contains(tag)
    }

    fn count(&self) -> usize {
        self.tags.len() + self.refused.seen.len()
    }

    fn finish(self, validator: Option<String>) -> Listing {
        Listing {
            tags: self.tags.into_iter().collect(),
            refused: self.refused.seen.len(),
            refused_sample: self.refused.sample.iter().map(|tag| one_line(tag, MAX_REFUSED_LENGTH + 1)).collect(),
            pushed: self.pushed,
            digests: self.digests,
            validator,
        }
    }
}
