//! The names that Go knows after `\p`: categories with their long names, scripts, and `Any`, `ASCII`, `Assigned`.
//!
//! The `regex` crate has the tables and compares names as Go does since 1.25, without regard to case, underscores, hyphens
//! and spaces. It knows more kinds of names (properties such as `Alphabetic`, short names of scripts such as `Grek`, an `is`
//! in front), which would make a pattern valid here and not there: so a name is asked for as a category or a script alone.
//! Only scripts that Unicode has had since its version 15 are known here and not yet to Go.

/// The scripts whose name has four letters. Any other script of four letters is a short name, which Go does not know.
const SCRIPTS_OF_FOUR_LETTERS: [&str; 9] = ["ahom", "cham", "kawi", "lisu", "miao", "modi", "newa", "thai", "toto"];

/// The class that a name stands for, in the `regex` crate's syntax; nothing where Go does not know the name.
pub(super) fn set(name: &str, negated: bool) -> Option<String> {
    let loose: String =
        name.chars().filter(|char| !matches!(char, '_' | '-' | ' ')).map(|char| char.to_ascii_lowercase()).collect();
    if !loose.bytes().all(|byte| byte.is_ascii_alphanumeric()) || loose.starts_with("is") {
        return None;
    }
    if matches!(loose.as_str(), "cs" | "surrogate") {
        // Surrogates occur in no text.
        return Some(if negated { r"[\x00-\x{10ffff}]" } else { super::class::NOTHING }.to_owned());
    }
    let sign = if negated { 'P' } else { 'p' };
    let known = |kind: &str| {
        let class = format!(r"\{sign}{{{kind}={loose}}}");
        regex_syntax::parse(&class).is_ok().then_some(class)
    };
    let is_short = loose.len() == 4 && !SCRIPTS_OF_FOUR_LETTERS.contains(&loose.as_str());
    known("gc").or_else(|| known("sc").filter(|_| !is_short))
}
