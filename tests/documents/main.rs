//! The documents, held against the project: links, the JSON they show, the messages they quote.

#![allow(clippy::unwrap_used)]

mod environment;
mod json;
mod links;
mod messages;
mod requests;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// All files at a place with one of these extensions, by their paths from the root.
fn files(place: &str, extensions: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut places = vec![root().join(place)];
    while let Some(path) = places.pop() {
        if path.is_dir() {
            places.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
            found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
