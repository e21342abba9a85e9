//! Applies a filter: which tags it keeps, and the value of each.

use std::borrow::Cow;
use std::cmp::Ordering;

use gotext::pattern::{Pattern, Replacement};
use regex::CaptureLocations;

use super::rank::{self, Rank};
use super::{Error, Filter, MAX_EXTRACT_LENGTH, Reason, Rejection};

/// The longest value that is made from a template, in bytes; a longer one is cut here.
const MAX_VALUE_LENGTH: usize = 1024;

/// The value that a tag which matches gives.
enum Extract {
    /// The whole tag is the value.
    Tag,
    /// The text of one group, which is a part of the tag.
    Group(usize),
    /// A template that the groups of the pattern fill.
    Template(Replacement),
}

impl Filter {
    /// Pattern and template for tags of Helm charts: the version without its build, which stands behind `_` and has no rank.
    pub const WITHOUT_BUILD: (&str, &str) = ("^([^_]+)", "$1");

    /// Reads a filter as a user writes it.
    ///
    /// # Errors
    /// [`Error::Pattern`], or those of [`Filter::new`].
    pub fn parse(pattern: &str, extract: &str) -> Result<Self, Error> {
        Self::new(Pattern::parse(pattern)?, extract)
    }

    /// Puts a pattern and a template together.
    ///
    /// # Errors
    /// [`Error::ExtractTooLong`] or [`Error::UnknownGroup`].
    pub fn new(pattern: Pattern, extract: &str) -> Result<Self, Error> {
        if extract.len() > MAX_EXTRACT_LENGTH {
            return Err(Error::ExtractTooLong);
        }
        match pattern.unknown_group(extract) {
            Some(unknown) => Err(Error::UnknownGroup(unknown)),
            None => Ok(Self { pattern, extract: extract.to_owned() }),
        }
    }

    /// Whether every tag has the same value, because the template names no group.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        !self.extract.is_empty() && self.pattern.replacement(&self.extract).is_constant()
    }

    /// The tag that ranks first among those the filter keeps.
    pub(super) fn best<'t>(&self, rank: &impl Rank, tags: impl Iterator<Item = &'t str>) -> Option<&'t str> {
        let mut locations = self.pattern.regex().capture_locations();
        match self.extract() {
            Extract::Template(replacement) => {
                rank::best_made(rank, tags, |tag, value| self.expand(&replacement, tag, &mut locations, value))
            }
            Extract::Group(group) => {
                rank::best(rank, tags.filter_map(|tag| Some((tag, self.group(group, tag, &mut locations)?))))
            }
            Extract::Tag => rank::best(rank, tags.filter(|tag| self.pattern.is_match(tag)).map(|tag| (tag, tag))),
        }
    }

    /// Hands out the tags whose values rank equal to that of one of them.
    pub(super) fn equal<'t>(
        &self,
        rank: &impl Rank,
        selected: &str,
        tags: impl Iterator<Item = &'t str>,
        take: impl FnMut(&'t str),
    ) {
        let mut locations = self.pattern.regex().capture_locations();
        let extract = self.extract();
        let Some(wanted) = self.value(&extract, selected, &mut locations) else { return };
        let is_equal = |tag: &&str| {
            let value = self.value(&extract, tag, &mut locations);
            value.is_some_and(|value| rank::compare(rank, &value, &wanted) == Some(Ordering::Equal))
        };
        tags.filter(is_equal).for_each(take);
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
            Extract::Template(replacement) => {
                let mut value = String::new();
                self.expand(replacement, tag, locations, &mut value)?;
                Some(Cow::Owned(value))
            }
        }
    }

    fn group<'t>(&self, group: usize, tag: &'t str, locations: &mut CaptureLocations) -> Option<&'t str> {
        self.pattern.regex().captures_read(locations, tag)?;
        Some(locations.get(group).map_or("", |(start, end)| &tag[start..end]))
    }

    fn expand(
        &self,
        replacement: &Replacement,
        tag: &str,
        locations: &mut CaptureLocations,
        value: &mut String,
    ) -> Option<()> {
        self.pattern.regex().captures_read(locations, tag)?;
        replacement.expand_locations(tag, locations, value);
        value.truncate(value.floor_char_boundary(MAX_VALUE_LENGTH));
        Some(())
    }
}
