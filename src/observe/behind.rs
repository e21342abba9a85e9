//! Which tag a digest belongs to, where the file does not say.
//!
//! A field with nothing but a digest (`:digest`, `image@sha256:…`) does not tell which of several tags that rank equal is in use, and a
//! bot that has lost its state does not know it either. Then the registry is asked for the digests of these tags, and of no others.

use image::{Digest, Reference, Tag};
use tagwright_core::automation::{DigestReflection, ImagePolicy};
use tagwright_core::edit::TagsBehind;
use tagwright_core::plan::{self, MarkedFile};

use super::digests::{Answer, Digests};

/// How many tags are asked for at once; the first that have the digests are enough.
const AT_ONCE: usize = 8;

/// Finds the tags behind digests in files that say none, among the selected one and those that rank equal to it. Nothing is asked where
/// there are no equals, or where the selected one has all of the digests. What the registry did not answer is the error, in one sentence.
pub(crate) async fn tags_behind(
    client: &registry::Client,
    digests: &mut Digests,
    policy: &ImagePolicy,
    files: &[MarkedFile],
    (selected, as_good): (&Reference, &[String]),
) -> Result<TagsBehind, String> {
    let mut behind = TagsBehind::new();
    if policy.digest == DigestReflection::Never || as_good.is_empty() {
        return Ok(behind);
    }
    let mut open = plan::bare_digests(files, &policy.id.marker(), &selected.repository);
    let mut candidates: Vec<(Tag, Option<Digest>)> = Vec::new();
    candidates.extend(selected.tag.clone().map(|tag| (tag, selected.digest.clone())));
    candidates.extend(as_good.iter().filter_map(|tag| Some((Tag::parse(tag).ok()?, None))));
    // Mostly it is the selected one.
    let (first, others) = candidates.split_at(candidates.len().min(1));
    for some in std::iter::once(first).chain(others.chunks(AT_ONCE)) {
        if open.is_empty() {
            break;
        }
        let wanted =
            some.iter().filter(|(_, known)| known.is_none()).map(|(tag, _)| (&*policy.repository, tag)).collect();
        digests.look_for(client, wanted).await;
        for (tag, known) in some {
            let digest = match (known, digests.answer(&policy.repository, tag)) {
                (Some(digest), _) | (None, Some(Answer::Digest(digest))) => digest,
                (None, Some(Answer::Failed(reason))) => return Err(reason.clone()),
                (None, Some(Answer::NoImage(_)) | None) => continue,
            };
            if open.remove(digest) {
                behind.insert(digest.clone(), tag.as_str().to_owned());
            }
        }
    }
    Ok(behind)
}
