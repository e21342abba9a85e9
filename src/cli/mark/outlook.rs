//! Derived policies, tried on the tags that the registries list.

use std::time::Duration;

use futures_util::StreamExt;
use gotext::pattern::Pattern;
use tagwright_core::mark::{Group, Outlook};

use crate::config::DEFAULT_EXCLUSION;
use crate::failure::Result;
use crate::observe;

/// How long one registry may take: this is a courtesy, and who is offline should not wait for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Repositories asked at the same time.
const CONCURRENT: usize = 8;

/// The machine's own logins, and a short deadline.
pub(super) fn access(insecure: bool) -> access::Registry {
    access::Registry { logins: Vec::new(), tls: access::Tls::default(), proxy: None, insecure, timeout: TIMEOUT }
}

/// Lists the tags of every group's repository and notes what the policies select; what fails is an answer too.
///
/// A plain range is narrowed where the repository turns out to spell versions in two ways.
pub(super) async fn ask(settings: registry::Settings, access: &access::Registry, groups: &mut [Group]) -> Result<()> {
    let client = registry::Client::new(settings)?;
    let exclusion = Pattern::parse(DEFAULT_EXCLUSION)?;
    let client = &client;
    let repositories: Vec<_> = groups.iter().map(|group| group.repository.clone()).collect();
    let listings: Vec<_> = futures_util::stream::iter(repositories)
        .map(|repository| async move { client.tags(&repository, access).await })
        .buffered(CONCURRENT)
        .collect()
        .await;
    for (group, listing) in groups.iter_mut().zip(listings) {
        group.outlook = match listing {
            Ok(listing) => {
                let tags = listing.tags.iter().map(image::Tag::as_str).filter(|tag| !exclusion.is_match(tag));
                of_tags(group, &tags.collect::<Vec<_>>())
            }
            Err(error) => Outlook::Unknown(chain(&error)),
        };
    }
    Ok(())
}

/// Says what a group's policy selects of some tags.
fn of_tags(group: &mut Group, tags: &[&str]) -> Outlook {
    group.keep_spelling(tags);
    match group.policy.select(tags) {
        Some(tag) => Outlook::Selects { tag: tag.to_owned(), tags: tags.len() },
        None => Outlook::SelectsNone(observe::no_match(&group.policy.evaluate(tags), tags.len())),
    }
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
