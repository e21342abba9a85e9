//! The fields of places, as markers to write: all that a file has are looked up together.

use std::collections::HashMap;

use super::{Form, Image, Place};
use crate::automation::DigestReflection;
use crate::change::Code;
use crate::inventory;
use crate::mark::File;
use crate::mark::insert::Insertion;
use crate::marker::{self, Field, Marker, Marking, Target};

/// How often a file is read for places that are in each other's way.
const MAX_ROUNDS: usize = 16;

/// The namespace that the policies of the search have, which no policy has.
const SEARCH: &str = "-";

/// A place to look up, and the image that is written there.
pub(super) struct Wanted<'w> {
    image: &'w Image,
    place: &'w Place,
}

impl<'w> Wanted<'w> {
    pub(super) fn of(image: &'w Image, place: &'w Place) -> Self {
        Self { image, place }
    }
}

/// The fields of a place.
pub(super) struct Found {
    pub(super) insertions: Vec<Insertion>,
    /// Whether their lines have no comments yet.
    pub(super) has_room: bool,
}

/// Looks up places of one file; for each its fields, or why nothing is set there.
pub(super) fn look(file: &File, wanted: &[Wanted<'_>], namespace: &str) -> Vec<Result<Found, String>> {
    let Ok(text) = std::str::from_utf8(&file.bytes) else {
        return wanted.iter().map(|_| Err("the file is not UTF-8 text".to_owned())).collect();
    };
    let mut found: Vec<Option<Result<Found, String>>> = wanted.iter().map(|_| None).collect();
    let mut open = Vec::new();
    for (index, it) in wanted.iter().enumerate() {
        let policy = format!("{namespace}:{}", it.image.name);
        match &it.place.form {
            Form::Comment { comment, scalar, field } => {
                let setter = format!("{policy}{}", ending(*field));
                let it = Insertion { scalar: *scalar, start: comment.start, end: comment.end, setter };
                found[index] = Some(Ok(Found { insertions: vec![it], has_room: true }));
            }
            form => match form.fields(&it.image.repository) {
                Ok(fields) => {
                    let target = Target { path: String::new(), policy: format!("{SEARCH}:{index}"), fields };
                    open.push((index, policy, target));
                }
                Err(why) => found[index] = Some(Err(why)),
            },
        }
    }
    for _ in 0..MAX_ROUNDS {
        if open.is_empty() {
            break;
        }
        let targets = open.iter().map(|(.., target)| target.clone()).collect();
        let scan = marker::scan_with(&file.bytes, &Marking { targets, ..Marking::default() });
        let round = Round::of(&scan);
        let before = open.len();
        open.retain(|(index, policy, target)| {
            let it = round.result(text, wanted[*index].image, policy, &target.policy);
            found[*index] = it;
            found[*index].is_none()
        });
        if open.len() == before {
            break;
        }
    }
    found.into_iter().map(|it| it.unwrap_or_else(|| Err("it has a marker already".to_owned()))).collect()
}

/// What one search came to, by the policies of its targets.
struct Round<'s> {
    markers: HashMap<&'s str, Vec<&'s Marker>>,
    /// Why a target sets nothing.
    whys: HashMap<&'s str, &'s str>,
    is_broken: bool,
}

impl<'s> Round<'s> {
    fn of(scan: &'s marker::Scan) -> Self {
        let mut markers: HashMap<&str, Vec<&Marker>> = HashMap::new();
        for marker in &scan.markers {
            markers.entry(marker.policy()).or_default().push(marker);
        }
        let mut whys = HashMap::new();
        for finding in &scan.diagnostics {
            // Of a whole target, or of one of its fields.
            let rest =
                ["the target of policy \"", "the target of \""].iter().find_map(|it| finding.message.strip_prefix(it));
            let said = rest.and_then(|it| it.split_once('"')).zip(finding.message.split_once("sets nothing: "));
            if let Some(((setter, _), (_, why))) = said {
                let end = setter.match_indices(':').nth(1).map_or(setter.len(), |(at, _)| at);
                whys.insert(&setter[..end], why);
            }
        }
        let is_broken = scan.diagnostics.iter().any(|it| it.code == Code::UnparsableDocument);
        Self { markers, whys, is_broken }
    }

    /// What a target came to; none where another of the search was in its way.
    fn result(&self, text: &str, image: &Image, policy: &str, target: &str) -> Option<Result<Found, String>> {
        let why = self.whys.get(target);
        let of_other = why.and_then(|why| why.strip_prefix("the value is that of \""));
        if of_other.is_some_and(|it| it.starts_with(&format!("{SEARCH}:"))) {
            return None;
        }
        let is_own = |it: &str| it.strip_prefix(policy).is_some_and(|rest| rest.starts_with(['"', ':']));
        let Some(found) = self.markers.get(target) else {
            return match why {
                Some(_) if of_other.is_some_and(is_own) => Some(Err("it has a marker already".to_owned())),
                Some(why) => Some(Err((*why).to_owned())),
                None if self.is_broken => Some(Err("a document of the file cannot be read".to_owned())),
                // Where it is not known which document one of them means, none of them is looked up.
                None => None,
            };
        };
        Some(self.checked(text, image, policy, found))
    }

    fn checked(&self, text: &str, image: &Image, policy: &str, found: &[&Marker]) -> Result<Found, String> {
        if found.iter().any(|marker| marker.scalar.sealed) {
            return Err(inventory::Obstacle::Sealed.to_string());
        }
        let holds_digest =
            found.iter().any(|it| matches!(it.field, Field::Image | Field::Digest) || it.value.contains('@'));
        if image.choice.digest == DigestReflection::Always && !holds_digest {
            return Err("there is no field for its digest; write one beside the tag to begin with".to_owned());
        }
        let line_end = |from: usize| from + text[from..].find(['\n', '\r']).unwrap_or(text.len() - from);
        let insertion = |marker: &&Marker| {
            let end = line_end(marker.span.end);
            let setter = format!("{policy}{}", ending(marker.field));
            Insertion { scalar: marker.span.start, start: end, end, setter }
        };
        let rest = |marker: &Marker| &text[marker.span.end..line_end(marker.span.end)];
        let has_room = !found.iter().any(|it| rest(it).contains([' ', '\t']) && rest(it).trim_start().starts_with('#'));
        Ok(Found { insertions: found.iter().map(insertion).collect(), has_room })
    }
}

fn ending(field: Field) -> &'static str {
    match field {
        Field::Image => "",
        Field::Name => ":name",
        Field::Tag => ":tag",
        Field::Digest => ":digest",
    }
}
