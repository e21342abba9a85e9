//! What commits have put to use, for those who are told of the commit that an image was built from.

use std::sync::Arc;

use image::Reference;
use jiff::Timestamp;
use notify::{About, Commit};
use tagwright_core::automation::{Automation, Checkout, ImagePolicy, ImageRepository};

use super::{name, pushed};
use crate::observe;
use crate::run::AutomationReport;

/// How many images that commits put to use are asked for what they were built from, of one run.
const MAX_ASKED: usize = 32;

/// An image that a commit has put to use.
pub(crate) struct InUse {
    about: About,
    /// The sentence of the commit's own event.
    message: String,
    repository: Arc<ImageRepository>,
    reference: Reference,
    commit: String,
    page: Option<String>,
}

/// Whether what an automation pushes is what is read: it proposes nothing, and pushes to the branch that is checked out.
fn is_in_force(automation: &Automation, branch: &str) -> bool {
    let is_read = match (&automation.checkout, &automation.push.branch) {
        (Checkout::Branch(read), _) => read == branch,
        (Checkout::DefaultBranch, pushed) => pushed.is_none(),
        _ => false,
    };
    automation.requests.is_none() && is_read
}

/// What commits have put to use: `selected` says what each policy selects.
pub(crate) fn in_use(
    reports: &[AutomationReport],
    automations: &[Arc<Automation>],
    selected: impl Fn(&Arc<ImagePolicy>) -> Option<Reference>,
) -> Vec<InUse> {
    let mut found: Vec<InUse> = Vec::new();
    for report in reports {
        let Some(automation) = automations.iter().find(|automation| automation.id == report.id) else { continue };
        for event in pushed(report, Timestamp::UNIX_EPOCH) {
            let Some(Commit { id: commit, page, branch, .. }) = event.commit else { continue };
            if !is_in_force(automation, &branch) {
                continue;
            }
            let is_changed = |policy: &&Arc<ImagePolicy>| event.about.policies.contains(&name(&policy.id));
            for policy in automation.policies.iter().filter(is_changed) {
                let Some(reference) = selected(policy) else { continue };
                let about = About { policies: vec![name(&policy.id)], ..event.about.clone() };
                let repository = Arc::clone(&policy.repository);
                let (message, commit, page) = (event.message.clone(), commit.clone(), page.clone());
                found.push(InUse { about, message, repository, reference, commit, page });
            }
        }
    }
    found.truncate(MAX_ASKED);
    found
}

/// Finds out what images that are in use were built from, and tells that.
pub(crate) async fn tell_sources(client: &registry::Client, in_use: Vec<InUse>, voice: &notify::Voice) {
    for InUse { about, message, repository, reference, commit, page } in in_use {
        let found = observe::source(client, &repository, &reference).await;
        let Some((source, revision)) = found else { continue };
        let image = reference.to_string();
        voice.deployed(notify::Deployed { about, message, image, source, revision, commit, page });
    }
}
