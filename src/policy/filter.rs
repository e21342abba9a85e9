//! Applies a filter: which tags it keeps, and the value of each.

use std::borrow::Cow;

use regex::CaptureLocations;

use super::rank::{self, Rank};
use super::{Filter, Reason, Rejection};
use crate::pattern::Replacement;

/// What is taken from a tag that matches.
enum Extract {
    /// The whole tag.
    Tag,
    /// The text of one group, which is a part of the tag.
    Group(usize),
    /// An expanded template.
    Template(Replacement),
}

impl Filter {
    /// The tag that ranks first among those the filter keeps.
    pub(super) fn best<'t>(&self, rank: &impl Rank, tags: &[&'t str]) -> Option<&'t str> {
        let mut locations = self.pattern.regex().capture_locations();
        match self.extract() {
            Extract::Template(replacement) => {
                let values: Vec<(&str, String)> = tags
                    .iter()
                    .filter_map(|tag| Some((*tag, self.expanded(&replacement, tag, &mut locations)?)))
                    .collect();
                rank::best(rank, values.iter().map(|(tag, value)| (*tag, value.as_str())))
            }
            Extract::Group(group) => {
                rank::best(rank, tags.iter().filter_map(|tag| Some((*tag, self.group(group, tag, &mut locations)?))))
            }
            Extract::Tag => {
                rank::best(rank, tags.iter().filter(|tag| self.pattern.is_match(tag)).map(|tag| (*tag, *tag)))
            }
        }
    }

    /// The tags that the filter keeps, each with its value; the others are added to `rejected`.
    pub(super) fn values<'t>(&self, tags: &[&'t str], rejected: &mut Vec<Rejection<'t>>) -> Vec<(&'t str, String)> {
        let mut locations = self.pattern.regex().capture_locations();
        let extract = self.extract();
        let mut kept = Vec::new();
        for tag in tags {
            match self.value(&extract, tag, &mut locations) {
                Some(value) => kept.push((*tag, value.into_owned())),
                None => rejected.push(Rejection { tag, reason: Reason::NotMatched }),
            }
        }
        kept
    }

    fn extract(&self) -> Extract {
        if self.extract.is_empty() {
            return Extract::Tag;
        }
        let replacement = self.pattern.replacement(&self.extract);
        match replacement.as_group() {
            Some(group) => Extract::Group(group),
            None => Extract::Template(replacement),
        }
    }

    fn value<'t>(&self, extract: &Extract, tag: &'t str, locations: &mut CaptureLocations) -> Option<Cow<'t, str>> {
        match extract {
            Extract::Tag => self.pattern.is_match(tag).then_some(Cow::Borrowed(tag)),
            Extract::Group(group) => self.group(*group, tag, locations).map(Cow::Borrowed),
            Extract::Template(replacement) => self.expanded(replacement, tag, locations).map(Cow::Owned),
        }
    }

    fn group<'t>(&self, group: usize, tag: &'t str, locations: &mut CaptureLocations) -> Option<&'t str> {
        self.pattern.regex().captures_read(locations, tag)?;
        Some(locations.get(group).map_or("", |(start, end)| &tag[start..end]))
    }

    fn expanded(&self, replacement: &Replacement, tag: &str, locations: &mut CaptureLocations) -> Option<String> {
        self.pattern.regex().captures_read(locations, tag)?;
        let mut value = String::new();
        replacement.expand_locations(tag, locations, &mut value);
        Some(value)
    }
}
