//! The headers of registries: one a line; `Link` and `WWW-Authenticate` are read from the same text.
#![no_main]

#[path = "../../crates/registry/src/challenge.rs"]
mod challenge;
#[path = "../../crates/registry/src/link.rs"]
mod link;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(challenge::Challenge::Bearer { realm, service, scope }) = challenge::Challenge::first(text.lines()) {
        let parts = realm.len() + service.unwrap_or_default().len() + scope.unwrap_or_default().len();
        assert!(parts <= text.len());
    }
    if let Ok(Some(next)) = link::next(text.lines()) {
        assert!(text.contains(&next));
    }
});
