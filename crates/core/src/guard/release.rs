//! Tags that name one release, and so should never point to anything else.

use gotext::version::VersionRef;

/// Whether a tag looks as if it named one release for good: a whole version, `1.2.3` or more, with a build or without, and no
/// `1.2`, `latest` or `main`, which are made to move. Pre-releases without a number, such as `1.2.3-rc` or `1.2.3-SNAPSHOT`, are
/// made to move as well, and what names a variant beside the version, such as `1.2.3-alpine`, is rebuilt by many.
///
/// ```
/// use tagwright_core::guard::looks_immutable;
/// for tag in ["1.2.3", "v1.2.3", "2026.11.27", "1.2.3-rc.1", "1.2.3-beta4"] {
///     assert!(looks_immutable(tag), "{tag}");
/// }
/// for tag in ["1.2", "1", "latest", "main", "1.2.3-rc", "1.2.3-SNAPSHOT", "1.2.3-alpine", "1.2.3-alpine3.18", "nightly"] {
///     assert!(!looks_immutable(tag), "{tag}");
/// }
/// ```
#[must_use]
pub fn looks_immutable(tag: &str) -> bool {
    const STAGES: [&str; 5] = ["rc", "beta", "alpha", "pre", "m"];
    if VersionRef::parse(tag).is_err() {
        return false;
    }
    let (version, stage) = tag.split_once('-').map_or((tag, None), |(version, stage)| (version, Some(stage)));
    let numbers = version.split('+').next().unwrap_or_default().trim_start_matches('v');
    let is_whole = numbers.split('.').count() == 3;
    let is_counted = |stage: &str| {
        let word: String = stage.chars().take_while(char::is_ascii_alphabetic).collect();
        let rest = stage[word.len()..].trim_start_matches(['.', '-']);
        let is_number = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        is_number && STAGES.contains(&word.to_ascii_lowercase().as_str())
    };
    is_whole && stage.is_none_or(is_counted)
}
