//! What a walk of admission came to, as a report has it.

use image::{Digest, Reference, Tag};
use tagwright_core::automation::ImagePolicy;
use tagwright_core::guard::{Hold, PassedOver, Refusal};

use super::admit::Walked;
use crate::run::{Lack, PolicyReport, Short};

/// How many that are passed over are told.
const MAX_TOLD: usize = 16;

pub(super) fn passed_over(tag: &Tag, digest: Option<&Digest>, refusal: Refusal) -> PassedOver {
    PassedOver { tag: tag.as_str().to_owned(), digest: digest.cloned(), moved: false, refusal }
}

/// Writes into the report of a policy what its walk came to.
pub(super) fn tell(policy: &ImagePolicy, report: &mut PolicyReport, walked: Walked, mut passed: Vec<PassedOver>) {
    let listed = report.tags.unwrap_or_default();
    report.as_good = Vec::new();
    report.alternatives = Vec::new();
    report.short = None;
    match walked {
        Walked::Admitted(tag, digest, all) => {
            let image = &policy.repository.image;
            let reference = |(tag, digest): (Tag, Digest)| Reference {
                repository: image.clone(),
                tag: Some(tag),
                digest: Some(digest).filter(|_| policy.writes_digests()),
            };
            if policy.guards.together.is_some() {
                report.alternatives = all.into_iter().map(reference).collect();
            }
            passed.iter_mut().for_each(|passed| passed.moved = passed.tag == tag.as_str());
            let digest = Some(digest).filter(|_| policy.writes_digests());
            let repository = policy.repository.image.clone();
            report.selection = Ok(Reference { repository, tag: Some(tag), digest });
        }
        Walked::Nothing => {
            let waits = passed.iter().any(|passed| passed.refusal.until().is_some() || passed.refusal.holds());
            let sentence = nothing(&passed, listed);
            report.selection = Err(if waits { Lack::Waiting(sentence) } else { Lack::NoTag(sentence) });
        }
        Walked::Undated(reason) => report.selection = Err(Lack::Waiting(reason)),
        Walked::TooMany(reason) => report.selection = Err(Lack::NoTag(reason)),
        Walked::NoAnswer(tag, reason) => {
            report.short = Some(Short::WithoutDigest(tag.as_str().to_owned()));
            report.selection = Err(Lack::NoAnswer(reason));
        }
    }
    report.hold = passed.first().map(|best| Hold::PassedOver(Box::new(best.clone())));
    passed.truncate(MAX_TOLD);
    report.passed_over = passed;
}

/// Says in one sentence why no image is admitted.
pub(super) fn nothing(passed: &[PassedOver], listed: usize) -> String {
    let mut reasons: Vec<(&PassedOver, usize)> = Vec::new();
    for one in passed {
        let kind = std::mem::discriminant(&one.refusal);
        match reasons.iter_mut().find(|(first, _)| std::mem::discriminant(&first.refusal) == kind) {
            Some((_, count)) => *count += 1,
            None => reasons.push((one, 1)),
        }
    }
    let reasons: Vec<String> = reasons.iter().map(|(first, count)| first.counted(*count)).collect();
    let of = if listed == 1 {
        "the only tag cannot be selected".to_owned()
    } else {
        format!("none of {listed} tags can be selected")
    };
    format!("{of}: {}", reasons.join("; "))
}
