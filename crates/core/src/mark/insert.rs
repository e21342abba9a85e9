//! Markers at the ends of lines, and the proof that nothing else changed.

use thiserror::Error;
use yamlspan::document;
use yamlspan::lines::{self, Lines};
use yamlspan::verify;

use crate::marker::{self, TOKEN};

/// A marker to write.
#[derive(Debug, Clone)]
pub(crate) struct Insertion {
    /// Where the scalar starts.
    pub(crate) scalar: usize,
    /// Where what the marker takes the place of begins; where nothing makes room, the end.
    pub(crate) start: usize,
    /// Where its line ends, before the line break.
    pub(crate) end: usize,
    /// The marker's value: `namespace:policy`, perhaps with the field behind it.
    pub(crate) setter: String,
}

/// Why markers cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("a marker would not count for its field")]
    NotFound,
    #[error("{0}")]
    SecondParser(String),
}

/// Writes markers and verifies that exactly these are there, for exactly these scalars, and that nothing else reads
/// otherwise to a second, independent parser.
pub(crate) fn all<'i>(bytes: &[u8], insertions: impl Iterator<Item = &'i Insertion>) -> Result<Vec<u8>, Refused> {
    let mut insertions: Vec<&Insertion> = insertions.collect();
    insertions.sort_by_key(|insertion| insertion.end);
    if insertions.windows(2).any(|two| two[1].start < two[0].end) {
        return Err(Refused::NotFound);
    }
    let new = written(bytes, &insertions);
    verify_markers(bytes, &new, &insertions)?;
    verify_events(bytes, &new)?;
    Ok(new)
}

fn written(bytes: &[u8], insertions: &[&Insertion]) -> Vec<u8> {
    let mut new = Vec::with_capacity(bytes.len() + insertions.len() * 48);
    let mut from = 0;
    for insertion in insertions {
        new.extend_from_slice(&bytes[from..insertion.start]);
        new.extend_from_slice(comment(bytes, insertion).as_bytes());
        from = insertion.end;
    }
    new.extend_from_slice(&bytes[from..]);
    new
}

fn comment(bytes: &[u8], insertion: &Insertion) -> String {
    let spaced = matches!(insertion.start.checked_sub(1).map(|before| bytes[before]), Some(b' ' | b'\t'));
    let space = if spaced { "" } else { " " };
    format!("{space}# {{{TOKEN}: \"{}\"}}", insertion.setter)
}

fn verify_markers(old: &[u8], new: &[u8], insertions: &[&Insertion]) -> Result<(), Refused> {
    // How much text has come, and gone, up to the end of each.
    let (mut come, mut gone) = (0, 0);
    let grown: Vec<(usize, usize, usize)> = insertions
        .iter()
        .map(|insertion| {
            come += comment(old, insertion).len();
            gone += insertion.end - insertion.start;
            (insertion.end, come, gone)
        })
        .collect();
    let shifted = |at: usize| match grown.partition_point(|(end, ..)| *end <= at) {
        0 => at,
        passed => at + grown[passed - 1].1 - grown[passed - 1].2,
    };
    let kept = marker::scan(old).markers;
    let mut expected: Vec<(usize, String)> = kept.into_iter().map(|it| (shifted(it.span.start), it.setter)).collect();
    expected.extend(insertions.iter().map(|insertion| (shifted(insertion.scalar), insertion.setter.clone())));
    let mut found: Vec<_> = marker::scan(new).markers.into_iter().map(|it| (it.span.start, it.setter)).collect();
    expected.sort();
    found.sort();
    if expected == found { Ok(()) } else { Err(Refused::NotFound) }
}

fn verify_events(old: &[u8], new: &[u8]) -> Result<(), Refused> {
    let (Ok(old), Ok(new)) = (std::str::from_utf8(old), std::str::from_utf8(new)) else { return Err(Refused::NotText) };
    let before = lines::documents(old, &Lines::of(old));
    let after = lines::documents(new, &Lines::of(new));
    if before.len() != after.len() {
        return Err(Refused::NotFound);
    }
    for (before, after) in before.into_iter().zip(after) {
        let (before, after) = (&old[before], &new[after]);
        if before != after {
            let document = document::parse(before).map_err(|_| Refused::NotFound)?;
            let refused = |refusal: verify::Refusal| Refused::SecondParser(refusal.to_string());
            verify::verify(before, after, document.fingerprint(&[]), &[]).map_err(refused)?;
        }
    }
    Ok(())
}
