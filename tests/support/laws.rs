//! What gives way with an old value, where the laws of edits compare what is around it.

use tagwright_core::marker::Scan;

/// Blank lines between the header of a block scalar and its first line of text go with the old value.
pub(crate) fn without_leading_blank_lines(gap: &str) -> &str {
    let header = gap.trim_end_matches([' ', '\t', '\r', '\n']);
    let is_header = header.lines().last().is_some_and(|line| line.contains(['|', '>']));
    if is_header { header } else { gap }
}

/// Whether a value is blank: if it is that of a block scalar, its header gives way too.
pub(crate) fn has_blank(scan: &Scan) -> bool {
    scan.markers.iter().any(|marker| marker.value.trim().is_empty())
}
