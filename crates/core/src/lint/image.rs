//! Images that no marker keeps current: suggestions, not faults.

use super::scope::name;
use super::{Finding, Rules};
use crate::change::{Code, Excerpt, Location};
use crate::inventory::{self, Image, Place};

/// Finds the images of a file that have no marker and could have one.
#[must_use]
pub fn unmarked(path: &str, bytes: &[u8], rules: Option<Rules<'_>>) -> Vec<Finding> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    let inventory = inventory::find(bytes);
    let images = inventory.images.iter().filter(|image| image.marked().is_none() && image.obstacle.is_none());
    images.filter_map(|image| suggestion(path, text, image, rules)).collect()
}

fn suggestion(path: &str, text: &str, image: &Image, rules: Option<Rules<'_>>) -> Option<Finding> {
    let site = image.sites.first()?;
    let excerpt = Excerpt::of(text, site.span.clone());
    let location = Location { file: path.to_owned(), line: site.line, column: site.column, excerpt };
    let repository = image.repository.name();
    let finding = Finding::new(Code::UnmarkedImage, location, format!("the image {repository:?} has no marker"));
    let same = |policy: &&std::sync::Arc<crate::automation::ImagePolicy>| {
        policy.repository.image.canonical() == image.repository.canonical()
    };
    let policy = rules.and_then(|rules| rules.policies.iter().find(same));
    Some(match (&site.place, policy) {
        (Place::Taken(taken), _) => finding.hint(taken.to_string()),
        (_, Some(policy)) => finding.hint(format!("policy {:?} is of this image", name(policy))),
        _ => finding.hint("`tagwright mark` derives a policy from its tag and puts the marker there"),
    })
}
