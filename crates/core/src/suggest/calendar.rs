//! Tags that are dates and nothing else, as formats of calendar versions.
//!
//! A format is proposed where it is sure: the tag alone is in no other, or of all that it is in one has the tags like it, too. `2024.10.12`
//! could be a day or a third number; with `2024.01.02` beside it, it is a day.

use crate::policy::{Calver, Order, Policy};

/// The formats that are looked for, with a separator in place of `-`.
const FORMATS: [&str; 5] = ["YYYY-0M-0D", "YYYY-0M-MICRO", "YYYY-MM-MICRO", "YYYY-0M", "YYYY-MM"];

/// What may stand between the parts; a day may follow a month without.
const SEPARATORS: [&str; 3] = [".", "-", "_"];

/// The policy that takes the latest date, where a tag is one as a whole.
pub(crate) fn policy(tag: &str, tags: &[&str]) -> Option<Policy> {
    let start = tag.find(|c: char| c.is_ascii_digit())?;
    let prefix = &tag[..start];
    if !prefix.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'.' | b'-' | b'_')) {
        return None;
    }
    let formats = SEPARATORS.iter().flat_map(|separator| FORMATS.iter().map(move |it| it.replace('-', separator)));
    let formats = formats.chain(["YYYY0M0D".to_owned()]);
    let policies = formats.filter_map(|format| {
        let order = Order::Calver(Calver::parse(&format!("{prefix}{format}")).ok()?);
        Some(Policy { filter: None, order })
    });
    let has = |policy: &Policy, tag: &str| policy.select(&[tag]).is_some() && !is_filled(policy, tag);
    let own: Vec<Policy> = policies.filter(|policy| has(policy, tag)).collect();
    let like: Vec<&str> =
        tags.iter().copied().filter(|other| own.iter().any(|policy| policy.select(&[*other]).is_some())).collect();
    let mut sure = own.into_iter().filter(|policy| like.iter().all(|other| has(policy, other)));
    match (sure.next(), sure.next()) {
        (Some(policy), None) => Some(policy),
        _ => None,
    }
}

/// Whether a number, which has no zeros before it, has some.
fn is_filled(policy: &Policy, tag: &str) -> bool {
    let is_number = matches!(&policy.order, Order::Calver(format) if format.as_str().ends_with("MICRO"));
    let last = tag.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    is_number && last.len() > 1 && last.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_that_are_sure() {
        for (tag, tags, expect) in [
            ("2024.01.02", &[][..], "YYYY.0M.0D"),
            ("2024-01-02", &[], "YYYY-0M-0D"),
            ("20240102", &[], "YYYY0M0D"),
            ("v2024.1.2", &[], "vYYYY.MM.MICRO"),
            ("2024.01.125", &[], "YYYY.0M.MICRO"),
            ("release-2024-01", &[], "release-YYYY-0M"),
            // A day, or a number: the others tell.
            ("2024.10.12", &[], ""),
            ("2024.10.12", &["2024.10.12", "2024.01.02"], "YYYY.0M.0D"),
            ("2024.10.12", &["2024.10.12", "2024.9.1"], "YYYY.MM.MICRO"),
            ("2024.10", &["2024.09", "2024.10"], "YYYY.0M"),
            ("2024.10", &["2024.9", "2024.10"], "YYYY.MM"),
            // What is none, or not only that.
            ("2024.13.02", &[], ""),
            ("1.4.2", &[], ""),
            ("24.04", &[], ""),
            ("2024.01.02-alpine", &[], ""),
            ("RELEASE.2024-01-02", &[], ""),
            ("", &[], ""),
        ] {
            let found = policy(tag, tags).map(|it| match it.order {
                Order::Calver(format) => format.as_str().to_owned(),
                other => format!("{other:?}"),
            });
            assert_eq!(found.unwrap_or_default(), expect, "{tag} {tags:?}");
        }
    }
}
