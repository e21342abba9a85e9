//! Where the next page of a list is asked for.
//!
//! A registry behind a proxy does not know under which scheme, host, port and path it is asked, and writes what it takes for
//! its own into its links: Nexus on a connector, Artifactory with a repository in the path, anything behind a proxy that ends
//! TLS. What tells one page from the next is the query, so that is taken, and the page is asked for where the one before came
//! from. So no link, whatever it says, makes us ask anybody else.

use reqwest::header;
use url::Url;
use web::{Origin, show};

use super::error::Error;
use super::exchange::Reply;
use super::link;

/// Returns the address of the page after a page, if that has a link.
///
/// # Errors
/// The link leads nowhere.
pub(crate) fn after(page: &Reply) -> Result<Option<Url>, Error> {
    let target = link::next(page.texts(header::LINK)).map_err(|reason| error(&page.url, reason))?;
    target.map(|target| follow(&page.url, &target).map_err(|reason| error(&page.url, reason))).transpose()
}

/// Says what is wrong with the link of a page.
pub(crate) fn error(page: &Url, reason: impl Into<String>) -> Error {
    Error::Link { url: show(page), reason: reason.into() }
}

/// Returns where a link of the page at `page` leads, which is on the same server. Without a query its address is taken as it is.
fn follow(page: &Url, target: &str) -> Result<Url, String> {
    let target = target.split('#').next().unwrap_or_default();
    if let Some((_, query)) = target.split_once('?').filter(|(_, query)| !query.is_empty()) {
        let mut next = page.clone();
        next.set_query(Some(query));
        return Ok(next);
    }
    let next = page.join(target).map_err(|_| "is not an address".to_owned())?;
    let is_same =
        Origin::of(page).covers(&Origin::of(&next)) && next.username().is_empty() && next.password().is_none();
    if is_same { Ok(next) } else { Err(format!("leads to another server, {}", show(&next))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Cases are lines of `fixtures/registry/links.txt`: the page, what its link says, and where it leads or why nowhere.
    #[test]
    fn where_links_lead() {
        for line in include_str!("../../../fixtures/registry/links.txt").lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let [page, target, expect] = words.as_slice() else { continue };
            let page = Url::parse(page).unwrap();
            let found = follow(&page, target).map_or_else(|reason| reason, String::from);
            assert_eq!(found, *expect, "{line}");
        }
    }
}
