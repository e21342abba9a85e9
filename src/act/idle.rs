//! Why an automation can never write anything as things are: nothing at its paths, no markers, none of its policies named, or
//! nothing selected by those that are.

use tagwright_core::automation::Automation;
use tagwright_core::change::{Code, Diagnostic};
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::plan::{MarkedFile, about_path};

use crate::observe::Polls;
use crate::run::Lack;

/// That nothing can ever be written.
pub(super) struct Idle {
    /// Why, in one sentence.
    pub(super) reason: String,
    /// The same as a finding, where no other finding says it.
    pub(super) finding: Option<Diagnostic>,
}

/// What the markers of an automation's files come to, taken together.
#[derive(Default)]
struct Markers {
    /// One names a policy that selects something, or will in a while, or of which that is not known.
    hopeful: bool,
    /// One names a policy of the automation.
    own: bool,
    /// One names a policy that nobody has.
    unknown: bool,
}

/// Says why nothing can ever be written to these files; none where something can. `missing` are the paths that do not exist.
pub(super) fn idle(
    automation: &Automation,
    missing: &[String],
    files: &[MarkedFile],
    selections: &Selections,
    polls: &Polls,
) -> Option<Idle> {
    let waits = |name: &str| {
        let policy = automation.policies.iter().find(|policy| policy.id.marker() == name);
        let report = policy.and_then(|policy| polls.of(policy));
        report.is_some_and(|report| matches!(report.selection, Err(Lack::Waiting(_) | Lack::Doubted(_))))
    };
    let mut markers = Markers::default();
    for marker in files.iter().flat_map(|file| &file.scan.markers) {
        match selections.get(marker.policy()) {
            Some(Selection::Selected(_) | Selection::Open) => return None,
            Some(Selection::NoSelection(_)) => {
                markers.own = true;
                markers.hopeful |= !markers.hopeful && waits(marker.policy());
            }
            Some(Selection::Elsewhere) => {}
            None => markers.unknown = true,
        }
    }
    if markers.hopeful {
        return None;
    }
    let told = |reason: String| Some(Idle { reason, finding: None });
    let untold = |reason: &str| {
        let path = if let [path] = automation.paths.as_slice() { path } else { "" };
        let finding = about_path(path, Code::NothingMarked, reason);
        Some(Idle { reason: reason.to_owned(), finding: Some(finding) })
    };
    match missing {
        [path] if automation.paths.len() == 1 => return told(format!("the path {path:?} does not exist")),
        [_, ..] if missing.len() == automation.paths.len() => return told("none of its paths exists".to_owned()),
        _ => {}
    }
    if markers.own {
        return told("none of the policies that its markers name selects anything".to_owned());
    }
    match files.iter().any(|file| !file.scan.markers.is_empty()) {
        true if markers.unknown => told("no marker in its paths names a policy that there is".to_owned()),
        true => untold("no marker in its paths names a policy of this automation"),
        false if files.iter().any(|file| file.scan.diagnostics.iter().any(is_of_marker)) => {
            told("none of the markers in its paths can be followed".to_owned())
        }
        false => untold("no file in its paths has a marker"),
    }
}

/// Whether a finding is about a comment that would have been a marker.
fn is_of_marker(finding: &Diagnostic) -> bool {
    matches!(finding.code, Code::UnknownField | Code::MalformedMarker | Code::MisplacedMarker)
}
