//! Filters: the first line of the input is a pattern in Go's syntax, the second a template, the others are texts.
#![no_main]

use gotext::pattern::{Pattern, Reason};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut lines = input.lines();
    let pattern = match Pattern::parse(lines.next().unwrap_or_default()) {
        Ok(pattern) => pattern,
        Err(error) => {
            assert_ne!(error.reason, Reason::Internal, "what was translated must compile: {error}");
            return;
        }
    };
    // What is repeated zero times is no group of the compiled expression.
    assert!(pattern.names().len() >= pattern.regex().captures_len());
    let template = lines.next().unwrap_or_default();
    for text in lines {
        let expanded = pattern.expand_first(text, template);
        assert_eq!(expanded.is_some(), pattern.is_match(text));
        let replaced = pattern.replace_all(text, template);
        assert!(expanded.is_some() || replaced == text);
        assert_eq!(pattern.replace_all(text, "$0"), text);
    }
});
