//! Which reference is checked out and which branch is pushed to.
//!
//! Of several parts of a reference the first of commit, name, semver, tag, branch counts. The push branch is the one that
//! is given, or else the reference's branch. A reference without a branch needs a push branch. No reference at all means
//! the remote's default branch, where Flux takes `master` and then does not know where to push.

use tagwright_core::automation::{Checkout, Push};

use super::raw::{self, Reference};
use super::report::{Checked, Finding, Report};
use super::yaml::Place;

/// Applies the rules of this module. `place` is where the automation stands.
pub(super) fn resolve(
    report: &Report,
    reference: &Reference,
    push: raw::Push,
    place: Place,
) -> Checked<(Checkout, Push)> {
    let checkout = checkout(report, reference, place);
    let is_branch = matches!(checkout, Checkout::Branch(_) | Checkout::DefaultBranch) && reference.name.is_none();
    let target = match push.branch.or_else(|| reference.branch.clone()) {
        // Onto the branch that is checked out: nothing to name.
        Some(target) if matches!(&checkout, Checkout::Branch(branch) if *branch == target) => None,
        Some(target) => Some(target),
        None if is_branch => None,
        None => {
            let message =
                "push spec not provided, and cannot be inferred from .spec.git.checkout.ref or GitRepository .spec.ref";
            let finding = Finding::at(reference.place.unwrap_or(place), message);
            return Err(report.add(finding.hint("name the branch to push to in `push.branch`")));
        }
    };
    Ok((checkout, Push { branch: target, refspec: push.refspec, options: push.options }))
}

fn checkout(report: &Report, reference: &Reference, place: Place) -> Checkout {
    let Reference { branch, tag, semver, name, commit, .. } = reference.clone();
    let given =
        [("commit", commit.is_some()), ("name", name.is_some()), ("semver", semver.is_some()), ("tag", tag.is_some())];
    let mut given = given.iter().filter(|(_, given)| *given).map(|(field, _)| field);
    if let Some(first) = given.next() {
        for other in given {
            report.idle(reference.place.unwrap_or(place), format!("`{other}` has no effect beside `{first}`"));
        }
    }
    match (commit, name, semver, tag, branch) {
        (Some(id), _, _, _, branch) => Checkout::Commit { id, branch },
        (None, Some(name), ..) => by_name(name),
        (None, None, Some(range), ..) => Checkout::Semver(range),
        (None, None, None, Some(tag), _) => Checkout::Tag(tag),
        (None, None, None, None, Some(branch)) => Checkout::Branch(branch),
        (None, None, None, None, None) => Checkout::DefaultBranch,
    }
}

/// A full name of a branch or tag is that branch or tag.
fn by_name(name: String) -> Checkout {
    match (name.strip_prefix("refs/heads/"), name.strip_prefix("refs/tags/")) {
        (Some(branch), _) => Checkout::Branch(branch.to_owned()),
        (None, Some(tag)) => Checkout::Tag(tag.to_owned()),
        (None, None) if name == "HEAD" => Checkout::DefaultBranch,
        (None, None) => Checkout::Reference(name),
    }
}
