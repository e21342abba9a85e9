//! All tags of a repository, page by page.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use image::Tag;
use indexmap::IndexSet;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderValue};
use url::Url;
use web::words::{one_line, shorten};
use web::{Origin, show};

use super::error::Error;
use super::exchange::{Reply, Request};
use super::link;
use super::session::Session;
use super::settings::Limits;
use super::{Fresh, Listing, page, pushed, truncation, validator};

/// How many tags are asked for in one page; if a registry cannot (400, 5xx), how many then.
pub(crate) const PAGE_SIZES: [&str; 2] = ["1000", "100"];
/// How many pages in a row may add nothing new. Registries that filter after cutting pages do send some.
const MAX_IDLE_PAGES: usize = 10;
/// How many refused tags are shown.
const MAX_REFUSED_SHOWN: usize = 5;
/// How much of a refused tag is shown, in characters.
const MAX_REFUSED_LENGTH: usize = 80;

/// Reads all pages, unless the list is the one that is known.
pub(crate) async fn list(session: &Session<'_>, limits: &Limits, known: Option<HeaderValue>) -> Result<Fresh, Error> {
    let mut reply = first(session, limits, known).await?;
    if reply.status == StatusCode::NOT_MODIFIED {
        // Only a list of one page is recognised, and this one has got another.
        if next(session, &reply)?.is_none() {
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
    for page in 1.. {
        let added = tags.add(&reply, limits)?;
        idle = if added == 0 { idle + 1 } else { 0 };
        seen.insert(reply.url.clone());
        let next = next(session, &reply)?;
        if next.as_ref().is_some_and(|next| seen.contains(next)) {
            return Err(link_error(&reply.url, "leads back to an earlier page"));
        }
        if next.is_some() && idle > MAX_IDLE_PAGES {
            return Err(link_error(&reply.url, "leads on and on to pages with nothing new"));
        }
        let following = match next {
            Some(next) if page < limits.pages => {
                seen.insert(next.clone());
                doubt.linked = true;
                Some(session.fetch(&[request(next, limits)]).await?)
            }
            Some(_) => return Err(too_many_pages(&reply, limits)),
            None => truncation::beyond(session, limits, &reply, &mut doubt, |tag| tags.is_new(tag)).await?,
        };
        reply = match following {
            Some(_) if page >= limits.pages => return Err(too_many_pages(&reply, limits)),
            Some(following) => following,
            None => {
                let validator = validator::of_single_page(reply.texts(header::ETAG), tags.entries);
                return Ok(tags.finish(validator.filter(|_| page == 1)));
            }
        };
    }
    Ok(tags.finish(None))
}

async fn first(session: &Session<'_>, limits: &Limits, known: Option<HeaderValue>) -> Result<Reply, Error> {
    let sized = |size: &str| {
        let mut url = session.address("tags/list");
        url.query_pairs_mut().append_pair("n", size);
        Request { known: known.clone(), ..request(url, limits) }
    };
    let requests = PAGE_SIZES.map(sized);
    match session.fetch(&requests).await {
        Err(Error::Status { status: 400, .. }) => session.fetch(&requests[1..]).await,
        settled => settled,
    }
}

pub(crate) fn request(url: Url, limits: &Limits) -> Request {
    Request::get(url, HeaderValue::from_static("application/json"), limits.page_bytes)
}

/// Returns the address of the next page. It must be on the registry, or on the server that the registry sent us to, which
/// gets nothing that is for the registry, and has no say either in what the registry is asked for.
fn next(session: &Session<'_>, reply: &Reply) -> Result<Option<Url>, Error> {
    let target = link::next(reply.texts(header::LINK)).map_err(|reason| link_error(&reply.url, reason))?;
    let Some(target) = target else { return Ok(None) };
    let mut url = reply.url.join(&target).map_err(|_| link_error(&reply.url, "is not an address"))?;
    url.set_fragment(None);
    let target = Origin::of(&url);
    let origin = Origin::of(&reply.url);
    let known = origin.covers(&target) || (reply.is_home && Origin::of(&session.endpoint.root).covers(&target));
    let is_downgrade = reply.url.scheme() == "https" && url.scheme() == "http";
    match known && !is_downgrade && url.username().is_empty() && url.password().is_none() {
        true => Ok(Some(url)),
        false => Err(link_error(&reply.url, &format!("leads to another server, {}", show(&url)))),
    }
}

fn too_many_pages(reply: &Reply, limits: &Limits) -> Error {
    Error::TooLarge { url: show(&reply.url), limit: limits.pages, what: "pages" }
}

fn link_error(url: &Url, reason: &str) -> Error {
    Error::Link { url: show(url), reason: reason.to_owned() }
}

#[derive(Default)]
struct Gathered {
    tags: IndexSet<Tag>,
    refused: Refused,
    pushed: BTreeMap<Tag, Timestamp>,
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
    fn add(&mut self, reply: &Reply, limits: &Limits) -> Result<usize, Error> {
        let before = self.count();
        let page = page::read(reply)?;
        for tag in page.tags {
            self.entries += 1;
            let _ = match Tag::of(tag) {
                Ok(tag) => self.tags.insert(tag),
                Err(text) => self.refused.insert(&text),
            };
            if self.count() > limits.tags {
                return Err(Error::TooLarge { url: show(&reply.url), limit: limits.tags, what: "tags" });
            }
        }
        if let Some(manifests) = page.manifest {
            pushed::read(manifests, |tag, time| self.add_time(tag, time));
        }
        Ok(self.count() - before)
    }

    /// Takes the time of a tag that is in the list, so that there are no more than those. Of two the later one counts.
    fn add_time(&mut self, tag: &str, time: Timestamp) {
        if let Some(tag) = self.tags.get(tag) {
            let known = self.pushed.entry(tag.clone()).or_insert(time);
            *known = time.max(*known);
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
            validator,
        }
    }
}
