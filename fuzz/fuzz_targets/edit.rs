//! Editing: the first line of the input is the reference that is selected, the rest is the file.
//!
//! The laws: nothing but marked scalars changes, in the bytes and for two parsers that had no part in finding them; twice
//! is once; without a selection nothing happens.
#![no_main]

use std::mem::MaybeUninit;

use image::Reference;
use libfuzzer_sys::{Corpus, fuzz_target};
use tagwright_core::edit::{self, Edited, Selection, Selections};
use tagwright_core::marker::{self, Scan};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(line_end) = input.iter().position(|byte| *byte == b'\n') else { return Corpus::Reject };
    let (reference, file) = (&input[..line_end], &input[line_end + 1..]);
    let Some(reference) = std::str::from_utf8(reference).ok().and_then(|text| Reference::parse(text).ok()) else {
        return Corpus::Reject;
    };
    check_laws(file, &reference);
    Corpus::Keep
});

fn check_laws(file: &[u8], reference: &Reference) {
    let scan = marker::scan(file);
    check_no_selection(file, &scan);
    let selections = selections(&scan, reference);
    let edited = edit::apply(file, &scan, &selections);
    assert_eq!(edited.bytes.is_some(), !edited.changes.is_empty());
    let Some(new) = &edited.bytes else { return };
    let again = marker::scan(new);
    assert_eq!(edit::apply(new, &again, &selections).bytes, None, "twice is not once");
    check_bytes(file, &scan, new, &again);
    let (rust, c) = (rust_scalars(file), c_scalars(file));
    // Where they differ, one of them goes on with a scalar after a `---`, and misses what follows.
    if rust == c {
        check_values(&edited, rust, rust_scalars(new));
    }
    if !has_old_line_ends(file) {
        check_values(&edited, c, c_scalars(new));
    }
}

fn check_no_selection(file: &[u8], scan: &Scan) {
    assert_eq!(edit::apply(file, scan, &Selections::new()).bytes, None);
}

/// The reference for every policy but those named `none`.
fn selections(scan: &Scan, reference: &Reference) -> Selections {
    let selection = |name: &str| match name {
        "none" => Selection::NoSelection("no tag matches".to_owned()),
        _ => Selection::Selected(reference.clone()),
    };
    scan.markers.iter().map(|marker| (marker.policy(), selection(marker.policy_name()))).collect()
}

/// Checks that the text between the marked scalars is the same, but for headers of block scalars and removed tags.
fn check_bytes(old: &[u8], scan: &Scan, new: &[u8], again: &Scan) {
    assert_eq!(scan.markers.len(), again.markers.len());
    let blank = scan.markers.iter().any(|marker| marker.value.trim().is_empty());
    for (before, after) in gaps(old, scan).into_iter().zip(gaps(new, again)) {
        // An empty block scalar becomes a plain one in the place of its header.
        let same = before == after || is_like(&before, &after) || blank;
        assert!(same, "{before:?} became {after:?}");
    }
}

fn gaps(bytes: &[u8], scan: &Scan) -> Vec<String> {
    let mut from = 0;
    let mut gaps = Vec::new();
    for marker in &scan.markers {
        gaps.push(String::from_utf8_lossy(&bytes[from..marker.span.start]).into_owned());
        from = marker.span.end;
    }
    gaps.push(String::from_utf8_lossy(&bytes[from..]).into_owned());
    gaps
}

/// Whether what differs is one tag that is gone, an indicator in the header of a block scalar, and its indentation, where
/// the span begins with blank lines.
fn is_like(before: &str, after: &str) -> bool {
    let after = chomped(after);
    let untagged = |start: usize| {
        let end = before[start..].find([' ', '\t', '\r', '\n']).map_or(before.len(), |end| start + end);
        format!("{}{}", &before[..start], before[end..].trim_start_matches([' ', '\t']))
    };
    chomped(before) == after || before.match_indices('!').any(|(tag, _)| chomped(&untagged(tag)) == after)
}

/// A text without the `+` and `-` of headers of block scalars, and without blanks at its end.
fn chomped(text: &str) -> String {
    let mut in_header = false;
    let keep = |c: &char| {
        in_header = matches!(c, '|' | '>') || in_header && matches!(c, '+' | '-' | '0'..='9');
        !(in_header && matches!(c, '+' | '-'))
    };
    text.trim_end_matches(' ').chars().filter(keep).collect()
}

/// Checks that where a parser reads both texts it finds the changes and no others.
fn check_values(edited: &Edited, before: Option<Vec<String>>, after: Option<Vec<String>>) {
    let Some(before) = before else { return };
    let after = after.expect("what was readable is so after the edit");
    assert_eq!(before.len(), after.len(), "the structure changed");
    let differing: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert_eq!(differing.len(), edited.changes.len(), "{differing:?} {:?}", edited.changes);
    for ((before, after), change) in differing.into_iter().zip(&edited.changes) {
        // Parsers disagree on where some names of anchors end, and on whether a last line without an end has one.
        if *before == change.old {
            assert_eq!(*after, change.new);
        }
    }
}

/// Whether a file has characters that ended a line until YAML 1.2.
fn has_old_line_ends(file: &[u8]) -> bool {
    String::from_utf8_lossy(file).contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

/// The events of a stream: scalars as their values, others as a sign; nothing if it cannot be read.
fn rust_scalars(bytes: &[u8]) -> Option<Vec<String>> {
    use yaml_rust2::Event;
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{FEFF}');
    let mut parser = yaml_rust2::parser::Parser::new_from_str(text);
    let mut events = Vec::new();
    loop {
        match parser.next_token().ok()?.0 {
            Event::StreamEnd => return Some(events),
            Event::Scalar(value, ..) => events.push(value),
            Event::SequenceStart(..) => events.push("[".to_owned()),
            Event::MappingStart(..) => events.push("{".to_owned()),
            Event::SequenceEnd => events.push("]".to_owned()),
            Event::MappingEnd => events.push("}".to_owned()),
            Event::Alias(_) => events.push("*".to_owned()),
            Event::DocumentStart => events.push("---".to_owned()),
            Event::DocumentEnd => events.push("...".to_owned()),
            Event::StreamStart | Event::Nothing => {}
        }
    }
}

/// As [`rust_scalars`], by the parser that most of the world uses.
fn c_scalars(bytes: &[u8]) -> Option<Vec<String>> {
    use unsafe_libyaml as yaml;
    let mut parser = MaybeUninit::<yaml::yaml_parser_t>::uninit();
    let parser = parser.as_mut_ptr();
    let mut events = Vec::new();
    // SAFETY: as the C library wants it: the parser is initialised first, the input outlives it, each event that was
    // parsed is read as its type says and deleted once, and the parser is deleted last.
    unsafe {
        assert!(yaml::yaml_parser_initialize(parser).ok);
        yaml::yaml_parser_set_input_string(parser, bytes.as_ptr(), bytes.len() as u64);
        let ended = loop {
            let mut event = MaybeUninit::<yaml::yaml_event_t>::uninit();
            let event = event.as_mut_ptr();
            if yaml::yaml_parser_parse(parser, event).fail {
                break false;
            }
            let end = (*event).type_ == yaml::YAML_STREAM_END_EVENT;
            events.extend(describe(&*event));
            yaml::yaml_event_delete(event);
            if end {
                break true;
            }
        };
        yaml::yaml_parser_delete(parser);
        ended.then_some(events)
    }
}

/// A scalar's value, or a sign for another event.
///
/// # Safety
/// The event comes from the parser and was not deleted.
unsafe fn describe(event: &unsafe_libyaml::yaml_event_t) -> Option<String> {
    let sign = match event.type_ {
        unsafe_libyaml::YAML_SCALAR_EVENT => {
            // SAFETY: this is what the type says the event holds.
            let scalar = unsafe { &event.data.scalar };
            let value = unsafe { std::slice::from_raw_parts(scalar.value, scalar.length as usize) };
            return Some(String::from_utf8_lossy(value).into_owned());
        }
        unsafe_libyaml::YAML_SEQUENCE_START_EVENT => "[",
        unsafe_libyaml::YAML_MAPPING_START_EVENT => "{",
        unsafe_libyaml::YAML_SEQUENCE_END_EVENT => "]",
        unsafe_libyaml::YAML_MAPPING_END_EVENT => "}",
        unsafe_libyaml::YAML_ALIAS_EVENT => "*",
        unsafe_libyaml::YAML_DOCUMENT_START_EVENT => "---",
        unsafe_libyaml::YAML_DOCUMENT_END_EVENT => "...",
        _ => return None,
    };
    Some(sign.to_owned())
}
