//! Which reference is checked out and which branch is pushed to.
//!
//! Of several parts of a reference the first of commit, name, semver, tag, branch counts. The push branch is the one that
//! is given, or else the reference's branch. A reference without a branch needs a push branch. No reference at all means
//! the remote's default branch, where Flux takes `master` and then does not know where to push.

use crate::automation::{Checkout, Push};
use crate::version::Range;

use super::decode::Text;
use super::raw::{self, Reference};
use super::report::{Checked, Finding, Report};
use super::value;

/// Applies the rules of this module.
pub(super) fn resolve(report: &Report, reference: Option<&Reference>, push: &raw::Push) -> Checked<(Checkout, Push)> {
    let reference = reference.cloned().unwrap_or_default();
    let checkout = checkout(report, &reference);
    let branch = reference.branch.as_ref().map(|branch| branch.parsed(report, value::branch)).transpose();
    let given = push.branch.as_ref().map(|branch| branch.parsed(report, value::branch)).transpose();
    let refspec = push.refspec.as_ref().map(|refspec| refspec.parsed(report, value::refspec)).transpose();
    let options = options(report, push);
    let (checkout, place) = checkout?;
    let (branch, given) = (branch?, given?);
    let target = match (&place, given.or(branch)) {
        // Onto the branch that is checked out: nothing to name.
        (None, target) => target.filter(|target| !matches!(&checkout, Checkout::Branch(branch) if branch == target)),
        (Some(_), Some(target)) => Some(target),
        (Some(part), None) => {
            let message =
                "push spec not provided, and cannot be inferred from .spec.git.checkout.ref or GitRepository .spec.ref";
            return Err(
                report.add(Finding::at(part.place, message).hint("name the branch to push to in `push.branch`"))
            );
        }
    };
    Ok((checkout, Push { branch: target, refspec: refspec?, options: options? }))
}

/// What is checked out, and the part that says so unless it is a branch or nothing.
fn checkout<'r>(report: &Report, reference: &'r Reference) -> Checked<(Checkout, Option<&'r Text>)> {
    let Reference { branch, tag, semver, name, commit } = reference;
    let parts = [("commit", commit), ("name", name), ("semver", semver), ("tag", tag)];
    let mut given = parts.into_iter().filter_map(|(field, text)| text.as_ref().map(|text| (field, text)));
    let Some((field, text)) = given.next() else {
        let branch = branch.as_ref().map(|branch| branch.parsed(report, value::branch).map(Checkout::Branch));
        return Ok((branch.transpose()?.unwrap_or(Checkout::DefaultBranch), None));
    };
    for (other, text) in given {
        report.notice(format!("{}: `{other}` has no effect beside `{field}`", report.line_of(text.place)));
    }
    let checkout = match field {
        "commit" => {
            let branch = branch.as_ref().map(|branch| branch.value.clone());
            text.parsed(report, value::commit).map(|id| Checkout::Commit { id, branch })
        }
        "name" => text.parsed(report, value::reference).map(by_name),
        "semver" => text.parsed(report, Range::parse).map(Checkout::Semver),
        _ => text.parsed(report, value::tag).map(Checkout::Tag),
    };
    Ok((checkout?, Some(text)))
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

/// Push options are lines of the protocol, so they have no line breaks.
fn options(report: &Report, push: &raw::Push) -> Checked<std::collections::BTreeMap<String, String>> {
    let option = |(key, text): (&String, &Text)| {
        if key.chars().chain(text.value.chars()).any(char::is_control) {
            return Err(report.error(text.place, "a push option cannot have control characters"));
        }
        Ok((key.clone(), text.value.clone()))
    };
    let options: Vec<_> = push.options.iter().map(option).collect();
    options.into_iter().collect()
}
