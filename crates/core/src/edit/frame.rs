//! What stands around an image in a value, and stays: `name=`, a scheme, the other words of a command line.

use std::ops::Range;

use image::{Reference, Repository, is_tag};

use crate::edit::pin::DigestForm;
use crate::edit::value::{is_same, tagged};
use crate::edit::variables;
use crate::marker::{Field, Marker};

/// The longest command line in which an image is looked for, in bytes.
const MAX_LINE: usize = 1024;

/// How many images a command line may name, so that the one to update is looked for.
const MAX_IMAGES: usize = 16;

/// What may stand around a word of a command line, a list or JSON; all of one byte, and in no image.
const AROUND_WORDS: [char; 17] =
    [' ', '\t', '"', '\'', '`', ',', ';', '(', ')', '[', ']', '{', '}', '=', '|', '<', '>'];

/// Where the image, or the part of it, is in a value of a field; of several images in a command line the one of this repository
/// counts.
pub(crate) fn within(marker: &Marker, value: &str, repository: Option<&Repository>) -> Range<usize> {
    word(marker.field, value, repository).unwrap_or(prefix_length(marker, value)..value.len())
}

/// The only image among the words of a command line, such as `docker run ghcr.io/acme/web:1.0 --debug`, of a list or of a text in
/// JSON; of several the only one of the repository. What has no path is not sure to be one.
fn word(field: Field, value: &str, repository: Option<&Repository>) -> Option<Range<usize>> {
    let is_line = value.contains(AROUND_WORDS) && !value.contains(['\n', '\r']) && value.len() <= MAX_LINE;
    if field != Field::Image || !is_line || variables::has_variable(value) {
        return None;
    }
    let mut next = 0;
    let images: Vec<(Range<usize>, Repository)> = value
        .split(AROUND_WORDS)
        .filter_map(|word| {
            let (start, end) = (next + scheme_length(word, field), next + word.len());
            next = end + 1;
            let image = &value[start..end];
            let reference = Reference::parse(image).ok().filter(|_| image.contains('/'))?;
            (reference.tag.is_some() || reference.digest.is_some()).then_some((start..end, reference.repository))
        })
        .take(MAX_IMAGES + 1)
        .collect();
    if images.len() > MAX_IMAGES {
        return None;
    }
    let is_meant = |image: &&(Range<usize>, Repository)| {
        images.len() == 1 || repository.is_some_and(|repository| is_same(&image.1, repository))
    };
    let mut meant = images.iter().filter(is_meant);
    meant.next().filter(|_| meant.next().is_none()).map(|(span, _)| span.clone())
}

/// How much of a value stays before the image: `name=`, a scheme, or both.
fn prefix_length(marker: &Marker, value: &str) -> usize {
    // A sign of equality there is one of a range.
    if marker.scalar.is_chart_version {
        return 0;
    }
    // What follows may be a variable, in which an equals sign means something else.
    let head = value.find(['$', '{']).map_or(value, |end| &value[..end]);
    let assigned = head.rfind('=').map_or(0, |at| at + 1);
    let (name, rest) = (value[..assigned].trim_end_matches('='), &value[assigned..]);
    let is_name = !name.is_empty() && !rest.is_empty() && !value.contains(char::is_whitespace);
    let is_item = marker.scalar.is_item && !name.contains('=');
    let assigned = if is_name && (is_item || reads(rest, marker.field)) { assigned } else { 0 };
    assigned + scheme_length(&value[assigned..], marker.field)
}

/// The length of `scheme://` before an image or its name.
fn scheme_length(text: &str, field: Field) -> usize {
    let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
    match text.split_once("://") {
        Some((scheme, rest))
            if matches!(field, Field::Image | Field::Name)
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(within)
                && !rest.is_empty() =>
        {
            scheme.len() + 3
        }
        _ => 0,
    }
}

/// Whether a text is what a field of this kind holds.
fn reads(text: &str, field: Field) -> bool {
    let image = &text[scheme_length(text, field)..];
    let has_sign = image.contains([':', '/', '@']);
    match field {
        Field::Image => has_sign && reads_expanded(image, |it| Reference::parse(it).is_ok()),
        Field::Name => has_sign && reads_expanded(image, |it| Repository::parse(it).is_ok()),
        Field::Tag => reads_expanded(text, |it| tagged(it).is_some() && it.split('@').next().is_some_and(is_tag)),
        Field::Digest => DigestForm::of(text) != DigestForm::Other,
    }
}

fn reads_expanded(text: &str, is_one: impl Fn(&str) -> bool) -> bool {
    variables::expand(text).map_or(true, |expanded| is_one(&expanded.text))
}
