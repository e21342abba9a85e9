//! SemVer's order of pre-releases.

use std::cmp::Ordering;

use super::scan::number_at;

/// Compares pre-releases; none is above every other.
pub(super) fn cmp_prerelease(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => cmp_identifier(left, right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn cmp_identifier(left: &str, right: &str) -> Ordering {
    match (numeric(left), numeric(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => left.cmp(right),
    }
}

fn numeric(identifier: &str) -> Option<u64> {
    let bytes = identifier.as_bytes();
    bytes.iter().all(u8::is_ascii_digit).then(|| number_at(bytes)).flatten()
}
