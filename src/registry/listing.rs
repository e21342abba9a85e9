//! All tags of a repository, page by page.

use std::collections::HashSet;

use indexmap::IndexSet;
use reqwest::header::{self, HeaderValue};
use serde::Deserialize;
use url::Url;

use crate::image::is_tag;

use super::Listing;
use super::endpoint::same_server;
use super::error::Error;
use super::exchange::{Reply, Request};
use super::link;
use super::remote::{shorten, show};
use super::session::Session;
use super::settings::Limits;

/// How many tags are asked for in one page; if a registry cannot (400, 5xx), how many then.
const PAGE_SIZES: [&str; 2] = ["1000", "100"];
/// How many pages in a row may add nothing new. Registries that filter after cutting pages do send some.
const MAX_IDLE_PAGES: usize = 10;
/// How many refused tags are shown.
const MAX_REFUSED_SHOWN: usize = 5;
/// How much of a refused tag is shown, in characters.
const MAX_REFUSED_LENGTH: usize = 80;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

/// Reads all pages.
pub(crate) async fn list(session: &Session<'_>, limits: &Limits) -> Result<Listing, Error> {
    let mut tags = Gathered::default();
    let mut seen = HashSet::new();
    let mut reply = first(session, limits).await?;
    let mut idle = 0;
    for page in 1.. {
        let added = tags.add(&reply, limits)?;
        idle = if added == 0 { idle + 1 } else { 0 };
        seen.insert(reply.url.clone());
        let Some(next) = next(session, &reply)? else { return Ok(tags.finish()) };
        if seen.contains(&next) {
            return Err(link_error(&reply.url, "leads back to an earlier page"));
        }
        if idle > MAX_IDLE_PAGES {
            return Err(link_error(&reply.url, "leads on and on to pages with nothing new"));
        }
        if page >= limits.pages {
            return Err(Error::TooLarge { url: show(&reply.url), limit: limits.pages, what: "pages" });
        }
        seen.insert(next.clone());
        reply = session.fetch(&[request(next, limits)]).await?;
    }
    Ok(tags.finish())
}

async fn first(session: &Session<'_>, limits: &Limits) -> Result<Reply, Error> {
    let sized = |size: &str| {
        let mut url = session.address("tags/list");
        url.query_pairs_mut().append_pair("n", size);
        request(url, limits)
    };
    let requests = PAGE_SIZES.map(sized);
    match session.fetch(&requests).await {
        Err(Error::Status { status: 400, .. }) => session.fetch(&requests[1..]).await,
        settled => settled,
    }
}

fn request(url: Url, limits: &Limits) -> Request {
    Request::get(url, HeaderValue::from_static("application/json"), limits.page_bytes)
}

/// Returns the address of the next page. It must be on the registry, or on the server that the registry sent us to.
fn next(session: &Session<'_>, reply: &Reply) -> Result<Option<Url>, Error> {
    let target = link::next(reply.texts(header::LINK)).map_err(|reason| link_error(&reply.url, reason))?;
    let Some(target) = target else { return Ok(None) };
    let mut url = reply.url.join(&target).map_err(|_| link_error(&reply.url, "is not an address"))?;
    url.set_fragment(None);
    let known = same_server(&reply.url, &url) || same_server(&session.endpoint.root, &url);
    match known && url.username().is_empty() && url.password().is_none() {
        true => Ok(Some(url)),
        false => Err(link_error(&reply.url, &format!("leads to another server, {}", show(&url)))),
    }
}

fn link_error(url: &Url, reason: &str) -> Error {
    Error::Link { url: show(url), reason: reason.to_owned() }
}

#[derive(Default)]
struct Gathered {
    tags: IndexSet<String>,
    refused: HashSet<String>,
}

impl Gathered {
    /// Takes the tags of one page and returns how many of them are new.
    fn add(&mut self, reply: &Reply, limits: &Limits) -> Result<usize, Error> {
        let before = self.count();
        for tag in read(reply)? {
            let valid = is_tag(&tag);
            let _ = if valid { self.tags.insert(tag) } else { self.refused.insert(tag) };
            if self.count() > limits.tags {
                return Err(Error::TooLarge { url: show(&reply.url), limit: limits.tags, what: "tags" });
            }
        }
        Ok(self.count() - before)
    }

    fn count(&self) -> usize {
        self.tags.len() + self.refused.len()
    }

    fn finish(self) -> Listing {
        let mut refused: Vec<String> = self.refused.into_iter().collect();
        refused.sort_unstable();
        Listing {
            tags: self.tags.into_iter().collect(),
            refused: refused.len(),
            refused_sample: refused
                .iter()
                .take(MAX_REFUSED_SHOWN)
                .map(|tag| shorten(tag, MAX_REFUSED_LENGTH))
                .collect(),
        }
    }
}

/// Reads one page; `"tags": null` is how some registries write an empty list.
fn read(reply: &Reply) -> Result<Vec<String>, Error> {
    let page: Page = serde_json::from_slice(&reply.body).map_err(|error| Error::Malformed {
        url: show(&reply.url),
        // The parser's own message may repeat what the registry wrote.
        reason: format!("something else than a list of tags (line {}, column {})", error.line(), error.column()),
    })?;
    Ok(page.tags.unwrap_or_default())
}
