//! The headers of registries: one a line; `Link` and `WWW-Authenticate` are read from the same text.
#![no_main]

#[path = "../../crates/registry/src/challenge.rs"]
mod challenge;
#[path = "../../crates/registry/src/link.rs"]
mod link;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for challenge in challenge::Challenge::all(text.lines()) {
        if let challenge::Challenge::Bearer(challenge::Bearer { realm, service, scope }) = challenge {
            let parts = realm.len() + service.unwrap_or_default().len() + scope.unwrap_or_default().len();
            assert!(parts <= text.len());
        }
    }
    if let Ok(Some(next)) = link::next(text.lines()) {
        assert!(text.contains(&next));
    }
});
