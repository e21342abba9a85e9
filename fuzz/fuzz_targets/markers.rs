//! Finding markers: whatever a file holds, the spans are slices of it, in order, and the places are those of the spans.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tagwright_core::marker::{self, Marker};

fuzz_target!(|bytes: &[u8]| {
    let scan = marker::scan(bytes);
    if !marker::contains_token(bytes) {
        assert!(scan.markers.is_empty());
    }
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    assert!(scan.diagnostics.is_sorted_by_key(|diagnostic| diagnostic.line));
    for diagnostic in &scan.diagnostics {
        assert!(diagnostic.line <= lines, "{diagnostic:?}");
        assert!(!diagnostic.message.contains('\n'), "{diagnostic:?}");
    }
    let mut from = 0;
    for marker in &scan.markers {
        let text = std::str::from_utf8(bytes).expect("only text has markers");
        assert!(from <= marker.span.start, "{marker:?}");
        assert!(text.get(marker.span.clone()).is_some(), "{marker:?}");
        from = marker.span.end;
        check_names(marker);
        check_place(text, marker);
    }
});

fn check_names(marker: &Marker) {
    assert_eq!(marker.policy(), format!("{}:{}", marker.policy_namespace(), marker.policy_name()));
    assert!(marker.setter.starts_with(marker.policy()), "{marker:?}");
}

fn check_place(text: &str, marker: &Marker) {
    let line = |text: &str| 1 + text.matches('\n').count() + text.matches('\r').count() - text.matches("\r\n").count();
    // The span of a block scalar begins with the blank lines before its text.
    let lines = line(&text[..marker.span.start])..=line(&text[..marker.span.end]);
    assert!(lines.contains(&marker.line) && marker.column > 0, "{marker:?}");
}
