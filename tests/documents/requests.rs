//! docs/reference/requests.md names tests that there are.

use std::path::Path;

use regex::Regex;

use crate::read;

#[test]
fn what_shows_it_is_there() {
    let page = read("docs/reference/requests.md");
    let place = Regex::new(r"`((?:tests|fixtures|crates)/[\w./-]+)`").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named: Vec<&str> = place.captures_iter(&page).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(named.len() > 30, "{}", named.len());
    let missing: Vec<&&str> = named.iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // A request has a test, or somebody else who does it.
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| it says"));
    for row in rows {
        let shown = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        assert!(place.is_match(row) || row.contains("not this program's") || !shown.is_empty(), "{row}");
    }
}
