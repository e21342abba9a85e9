//! What docs/troubleshooting.md quotes is what the program says: each message and each code is in the sources.

use regex::Regex;
use tagwright_core::change::Code;

use crate::{files, read};

const PAGE: &str = "docs/troubleshooting.md";

/// What stands for anything in a quoted message.
const ANYTHING: char = '…';

/// A message with less of its own could be anybody's.
const MIN_LENGTH: usize = 12;

/// All sources as one text, with what is continued on a next line put together.
fn sources() -> String {
    let continued = Regex::new(r"\\\n\s*").unwrap();
    let all = ["src", "crates"].iter().flat_map(|place| files(place, &["rs"])).map(|file| read(&file));
    all.map(|text| continued.replace_all(&text, "").replace("\\\"", "\"")).collect()
}

/// The quoted messages: each line of a block of plain text.
fn quoted(page: &str) -> Vec<&str> {
    let blocks = page.split("```text\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0);
    blocks.flat_map(str::lines).collect()
}

#[test]
fn every_quoted_message_exists() {
    let (page, sources) = (read(PAGE), sources());
    let messages = quoted(&page);
    assert!(messages.len() >= 25, "{}", messages.len());
    for message in messages {
        let parts: Vec<&str> = message.split(ANYTHING).collect();
        let longest = parts.iter().map(|part| part.chars().count()).max().unwrap();
        assert!(longest >= MIN_LENGTH, "too little to find: {message}");
        // Beside a placeholder, punctuation may belong to what stands there.
        let edge = |part: &&str| part.trim_matches([' ', ';', ':', ',', '\'']).to_owned();
        let missing = parts.iter().map(edge).find(|part| !sources.contains(part));
        assert_eq!(missing, None, "no source says: {message}");
    }
}

#[test]
fn every_code_in_the_documents_exists() {
    let code = Regex::new(r"\bTW\d{3}\b").unwrap();
    let known = Code::ALL.map(|code| code.to_string());
    for page in files("docs", &["md"]).into_iter().chain(["README.md".to_owned()]) {
        for found in code.find_iter(&read(&page)) {
            assert!(known.iter().any(|code| code == found.as_str()), "{page}: {}", found.as_str());
        }
    }
}
