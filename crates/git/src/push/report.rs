//! The remote's report on a push.

use std::collections::{HashMap, HashSet};

use web::words;

use super::Outcome;
use crate::error::Error;
use crate::packet::{self, Packet, Reader};
use crate::problem::Problem;

/// The longest report: 2 MiB, where the longest names of the most references that are pushed at once take one.
const MAX_REPORT: usize = 2 << 20;

/// Collects side band 1, which is packets again, and the words of side band 2.
pub(super) async fn read(reader: &mut Reader) -> Result<(Vec<u8>, String), Error> {
    let (mut report, mut said) = (Vec::new(), Vec::new());
    loop {
        let data = match reader.next().await? {
            Packet::Data(data) => data,
            Packet::Flush => break,
            Packet::End if report.is_empty() => return Err(reader.unexpected_end().await),
            Packet::End => break,
        };
        match data.split_first() {
            Some((1, report_part)) if report.len() + report_part.len() <= MAX_REPORT => {
                report.extend_from_slice(report_part);
            }
            Some((2, words_part)) => words::collect(&mut said, words_part),
            Some((3, fatal)) => {
                words::collect(&mut said, fatal);
                return Err(Error::Remote { remote: reader.remote().to_owned(), words: words::clean(&said) });
            }
            _ => return Err(reader.problem(Problem::Push)),
        }
    }
    Ok((report, words::clean(&said)))
}

/// Reads `unpack …`, `ok REF` and `ng REF REASON`. None when it is no such report.
pub(super) fn outcomes(report: &[u8], references: &[&str]) -> Option<Vec<Outcome>> {
    let packets = packet::split(report)?;
    let mut lines = packets.iter().filter_map(|packet| match packet {
        Packet::Data(data) => Some(packet::line(data)),
        _ => None,
    });
    let unpacked = lines.next()?.strip_prefix(b"unpack ")?;
    let asked: HashSet<&str> = references.iter().copied().collect();
    let known = |name: &[u8]| asked.get(std::str::from_utf8(name).ok()?).copied();
    let mut found: HashMap<&str, Outcome> = HashMap::new();
    for line in lines {
        if let Some(name) = line.strip_prefix(b"ok ") {
            found.extend(known(name).map(|name| (name, Outcome::Updated)));
        } else if let Some(rest) = line.strip_prefix(b"ng ") {
            let (name, reason) = rest.split_at(rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len()));
            let reason = reason.get(1..).map_or("rejected".into(), String::from_utf8_lossy);
            found.extend(known(name).map(|name| (name, refusal(&reason))));
        }
    }
    if unpacked != b"ok" {
        let reason = format!("the remote could not unpack: {}", words::clean(unpacked));
        return Some(references.iter().map(|_| Outcome::Declined { reason: reason.clone() }).collect());
    }
    references.iter().map(|reference| found.remove(*reference)).collect::<Option<Vec<_>>>().map(blame)
}

/// Tells a lost race from a refusal.
///
/// The report has free text only, so that the phrases of git, JGit and the forges decide. What is not known is a refusal: it
/// is shown, where a lost race is just tried again.
fn refusal(reason: &str) -> Outcome {
    const MOVED: &[&str] = &[
        "fetch first",
        "non-fast-forward",
        "non-fast forward",
        "failed to update ref",
        "cannot lock ref",
        "failed to lock",
        "unable to lock",
        "lock failure",
        "stale info",
        "reference already exists",
        "incorrect old value",
        "but expected",
    ];
    let lower = reason.to_ascii_lowercase();
    let reason = words::clean(reason.as_bytes());
    match MOVED.iter().any(|phrase| lower.contains(phrase)) {
        true => Outcome::Moved { reason },
        false => Outcome::Declined { reason },
    }
}

/// In an atomic push the innocent are refused with the guilty; their outcome is that of the guilty.
fn blame(mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let innocent = |outcome: &Outcome| match outcome {
        Outcome::Moved { reason } | Outcome::Declined { reason } => reason.contains("atomic"),
        _ => false,
    };
    let all_moved =
        outcomes.iter().filter(|outcome| !innocent(outcome)).all(|outcome| matches!(outcome, Outcome::Moved { .. }));
    let any_moved = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Moved { .. }));
    if all_moved && any_moved {
        for outcome in &mut outcomes {
            if let Outcome::Declined { reason } = outcome {
                *outcome = Outcome::Moved { reason: reason.clone() };
            }
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        lines.iter().for_each(|line| packet::push(&mut out, line.as_bytes()));
        packet::push_flush(&mut out);
        out
    }

    fn check(references: &[&str], lines: &[&str], expect: Option<&str>) {
        let show = |outcome: &Outcome| match outcome {
            Outcome::Updated => "updated".to_owned(),
            Outcome::UpToDate => "up to date".to_owned(),
            Outcome::Moved { reason } => format!("moved ({reason})"),
            Outcome::Declined { reason } => format!("declined ({reason})"),
        };
        let shown = outcomes(&report(lines), references).map(|all| all.iter().map(show).collect::<Vec<_>>().join(", "));
        assert_eq!(shown.as_deref(), expect, "{lines:?}");
    }

    #[test]
    fn reports_are_understood() {
        let main = &["refs/heads/main"][..];
        check(main, &["unpack ok\n", "ok refs/heads/main\n"], Some("updated"));
        for (reason, expect) in [
            ("fetch first", "moved"),
            ("non-fast-forward", "moved"),
            ("failed to update ref", "moved"),
            ("cannot lock ref 'refs/heads/main': is at 1 but expected 2", "moved"),
            ("pre-receive hook declined", "declined"),
            ("protected branch hook declined", "declined"),
            ("branch is currently checked out", "declined"),
            ("deny updating a hidden ref", "declined"),
            ("\u{1b}[31mno", "declined"),
        ] {
            let clean = words::clean(reason.as_bytes());
            check(main, &["unpack ok", &format!("ng refs/heads/main {reason}")], Some(&format!("{expect} ({clean})")));
        }
        check(
            main,
            &["unpack index-pack abnormal exit"],
            Some("declined (the remote could not unpack: index-pack abnormal exit)"),
        );
        check(main, &["unpack ok"], None);
        check(main, &["nonsense"], None);
        check(main, &[], None);
    }

    #[test]
    fn an_atomic_push_is_outdated_as_a_whole() {
        let both = &["refs/heads/a", "refs/heads/b"][..];
        check(
            both,
            &["unpack ok", "ng refs/heads/a fetch first", "ng refs/heads/b atomic push failure"],
            Some("moved (fetch first), moved (atomic push failure)"),
        );
        check(
            both,
            &["unpack ok", "ng refs/heads/a hook declined", "ng refs/heads/b atomic push failure"],
            Some("declined (hook declined), declined (atomic push failure)"),
        );
    }
}
