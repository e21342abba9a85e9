//! The tags that the registries list: evidence for the policies, which are tried on them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use gotext::pattern::Pattern;
use image::Repository;
use tagwright_core::mark::{Group, Outlook};
use tagwright_core::policy::Order;

use crate::config::DEFAULT_EXCLUSION;
use crate::failure::{Failure, Result};
use crate::observe;

/// How long one registry may take: this is a courtesy, and who is offline should not wait for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Repositories asked at the same time.
const CONCURRENT: usize = 8;

/// The machine's own logins, and a short deadline.
pub(super) fn access(insecure: bool) -> access::Registry {
    access::Registry {
        logins: Vec::new(),
        provider: None,
        account: None,
        tls: access::Tls::default(),
        proxy: None,
        insecure,
        timeout: TIMEOUT,
    }
}

/// What the registries list, by the name of the repository; or why not.
pub(super) type Listings = BTreeMap<String, std::result::Result<Vec<String>, String>>;

/// Lists the tags of repositories; what fails is an answer too.
pub(super) async fn ask(
    settings: registry::Settings,
    access: &access::Registry,
    repositories: BTreeMap<String, Repository>,
) -> Result<Listings> {
    let client = &registry::Client::new(settings)?;
    let exclusion = &Pattern::parse(DEFAULT_EXCLUSION)?;
    let listings = futures_util::stream::iter(repositories).map(|(name, repository)| async move {
        let listing = client.tags(&repository, access).await.map_err(|error| Failure::from(error).line());
        let tags = listing.map(|listing| {
            let tags = listing.tags.iter().map(image::Tag::as_str).filter(|tag| !exclusion.is_match(tag));
            tags.map(str::to_owned).collect()
        });
        (name, tags)
    });
    Ok(listings.buffered(CONCURRENT).collect().await)
}

/// Notes what the policies select of the tags listed.
///
/// A plain range is narrowed where the repository turns out to spell versions in two ways.
pub(super) fn note(groups: &mut [Group], listings: &Listings) {
    for group in groups {
        group.outlook = match listings.get(group.repository.name()) {
            Some(Ok(tags)) => of_tags(group, &tags.iter().map(String::as_str).collect::<Vec<_>>()),
            Some(Err(reason)) => Outlook::Unknown(reason.clone()),
            None => Outlook::NotAsked,
        };
    }
}

/// Says what a group's policy selects of some tags.
fn of_tags(group: &mut Group, tags: &[&str]) -> Outlook {
    group.keep_spelling(tags);
    if group.policy.order == Order::Newest && group.policy.select(tags).is_some() {
        return Outlook::Unknown("which image came last is asked when it runs".to_owned());
    }
    let nothing = || Outlook::SelectsNone(observe::no_match(&group.policy.evaluate(tags), tags.len()));
    group.outlook(tags).unwrap_or_else(nothing)
}
