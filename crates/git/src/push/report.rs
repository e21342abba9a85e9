//! The remote's report on a push.

use std::collections::{HashMap, HashSet};

use web::words;

use crate::error::Error;
use crate::packet::{self, Packet, Reader};
use crate::problem::Problem;

/// The longest report: 2 MiB, where the longest names of the most references that are pushed at once take one.
const MAX_REPORT: usize = 2 << 20;

/// Collects side band 1, which is packets again, and the words of side band 2. A report that comes without side bands is
/// taken as well, whatever was asked for: no line of it begins as they do. It is empty where there is none.
pub(super) async fn read(reader: &mut Reader) -> Result<(Vec<u8>, String), Error> {
    let (mut report, mut said) = (Vec::new(), Vec::new());
    loop {
        let data = match reader.next().await? {
            Packet::Data(data) => data,
            Packet::Flush | Packet::End => break,
            Packet::Delimiter => return Err(reader.problem(Problem::Push)),
        };
        match data.split_first() {
            Some((1, report_part)) if report.len() + report_part.len() <= MAX_REPORT => {
                report.extend_from_slice(report_part);
            }
            Some((2, words_part)) => words::collect(&mut said, words_part),
            Some((3, fatal)) => {
                words::collect(&mut said, fatal);
                return Err(reader.said(&said));
            }
            Some(_) if is_line(&data) && report.len() + data.len() < MAX_REPORT => packet::push(&mut report, &data),
            _ => return Err(reader.said_or(packet::line(&data), Problem::Push)),
        }
    }
    Ok((report, words::clean(&said)))
}

/// Whether a packet is a line of a report.
fn is_line(data: &[u8]) -> bool {
    [&b"unpack "[..], b"ok ", b"ng "].iter().any(|start| data.starts_with(start))
}

/// What the remote reports of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reported {
    /// It is done.
    Done,
    /// It is not, for this reason.
    Refused(String),
    /// It says nothing, as it has said that it would.
    Nothing,
}

/// Reads `unpack …`, `ok REF` and `ng REF REASON`; what a refusal means is not told here. None when it is no such report.
pub(super) fn outcomes(report: &[u8], references: &[&str]) -> Option<Vec<Reported>> {
    let packets = packet::split(report)?;
    let mut lines = packets.iter().filter_map(|packet| match packet {
        Packet::Data(data) => Some(packet::line(data)),
        _ => None,
    });
    let unpacked = lines.next()?.strip_prefix(b"unpack ")?;
    let asked: HashSet<&str> = references.iter().copied().collect();
    let known = |name: &[u8]| asked.get(std::str::from_utf8(name).ok()?).copied();
    let mut found: HashMap<&str, Reported> = HashMap::new();
    for line in lines {
        if let Some(name) = line.strip_prefix(b"ok ") {
            found.extend(known(name).map(|name| (name, Reported::Done)));
        } else if let Some(rest) = line.strip_prefix(b"ng ") {
            let (name, reason) = rest.split_at(rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len()));
            let reason = reason.get(1..).map_or("rejected".into(), String::from_utf8_lossy);
            let reason = words::clean(reason.as_bytes());
            found.extend(known(name).map(|name| (name, Reported::Refused(reason))));
        }
    }
    if unpacked != b"ok" {
        let reason = format!("the remote could not unpack: {}", words::clean(unpacked));
        return Some(references.iter().map(|_| Reported::Refused(reason.clone())).collect());
    }
    references.iter().map(|reference| found.remove(*reference)).collect()
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
        let show = |reported: &Reported| match reported {
            Reported::Done => "done".to_owned(),
            Reported::Refused(reason) => format!("refused ({reason})"),
            Reported::Nothing => "nothing".to_owned(),
        };
        let shown = outcomes(&report(lines), references).map(|all| all.iter().map(show).collect::<Vec<_>>().join(", "));
        assert_eq!(shown.as_deref(), expect, "{lines:?}");
    }

    #[test]
    fn reports_are_understood() {
        let main = &["refs/heads/main"][..];
        check(main, &["unpack ok\n", "ok refs/heads/main\n"], Some("done"));
        for reason in ["fetch first", "pre-receive hook declined", "\u{1b}[31mno"] {
            let clean = words::clean(reason.as_bytes());
            check(main, &["unpack ok", &format!("ng refs/heads/main {reason}")], Some(&format!("refused ({clean})")));
        }
        check(main, &["unpack ok", "ng refs/heads/main"], Some("refused (rejected)"));
        check(
            main,
            &["unpack index-pack abnormal exit"],
            Some("refused (the remote could not unpack: index-pack abnormal exit)"),
        );
        check(
            &["refs/heads/a", "refs/heads/b"],
            &["unpack ok", "ng refs/heads/b fetch first", "ok refs/heads/a"],
            Some("done, refused (fetch first)"),
        );
        check(main, &["unpack ok"], None);
        check(main, &["nonsense"], None);
        check(main, &[], None);
    }
}
