//! Ranges and versions: the first line of the input is a range, the others are versions.
#![no_main]

use std::cmp::Ordering;

use gotext::version::{Range, Version};
use libfuzzer_sys::fuzz_target;

/// Enough to compare each with each, and three at a time.
const MAX_VERSIONS: usize = 12;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let range = Range::parse(lines.next().unwrap_or_default());
    let lines: Vec<&str> = lines.take(MAX_VERSIONS).collect();
    for line in &lines {
        if let Some(tag) = Version::parse_tag(line) {
            assert_eq!(Version::parse(line).as_ref(), Ok(&tag), "{line:?}");
        }
    }
    let versions: Vec<Version> = lines.iter().filter_map(|line| Version::parse(line).ok()).collect();
    check_order(&versions);
    if let Ok(range) = range {
        assert_eq!(Range::parse(range.as_str()).as_ref(), Ok(&range));
        for version in &versions {
            let admitted = range.matches(version);
            assert_eq!(range.admits(version.as_ref()), admitted);
            assert!(!(admitted && range.refuses_as_prerelease(version.as_ref())), "{range:?} {version:?}");
        }
    }
});

fn check_order(versions: &[Version]) {
    for a in versions {
        assert_eq!(a.cmp_precedence(a), Ordering::Equal);
        for b in versions {
            assert_eq!(a.cmp_precedence(b), b.cmp_precedence(a).reverse(), "{a:?} {b:?}");
            for c in versions {
                if a.cmp_precedence(b).is_le() && b.cmp_precedence(c).is_le() {
                    assert!(a.cmp_precedence(c).is_le(), "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
}
