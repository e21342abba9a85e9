//! The fast lane: what fixes a vulnerability need not wait for its age. Everything else that a policy requires, it has to have.

use std::collections::BTreeMap;

use image::{Digest, Tag};
use jiff::Timestamp;
use tagwright_core::advisory::labelled;
use tagwright_core::automation::ImagePolicy;
use words::one_line;

use super::admit::{Ranked, Walk};
use super::contents;

/// How much of a text that is not ours is repeated, in characters.
const MAX_SHOWN: usize = 100;

/// What is known to fix something, for one policy.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Tags that are the release which does, by documents, each with the reason.
    tags: BTreeMap<String, String>,
    /// Images that did not have to become older, each with the reason.
    passed: BTreeMap<Digest, String>,
}

/// What an image says of itself that somebody wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// When it says that it was created.
    pub(super) created: Option<Timestamp>,
    /// What its label says, where a policy goes by one.
    label: String,
}

impl Lane {
    /// What documents say of the tags that a policy could select.
    pub(super) fn of(policy: &ImagePolicy, ranked: &[Ranked]) -> Self {
        let mut lane = Self::default();
        let Some(fast) = policy.guards.fast_lane.as_ref().filter(|_| policy.digest_age().is_some()) else {
            return lane;
        };
        let listed: Vec<(&str, &str)> = ranked.iter().map(|it| (it.tag.as_str(), it.value.as_str())).collect();
        for document in &fast.documents {
            for (tag, fixed) in document.fixed_tags(&policy.repository.image, &fast.packages, &listed) {
                lane.tags.entry(tag.to_owned()).or_insert_with(|| because(fixed, &document.name));
            }
        }
        lane
    }

    /// Why an image did not have to become older, in one sentence.
    pub(super) fn told(&self, digest: &Digest) -> Option<String> {
        self.passed.get(digest).map(|reason| format!("it need not become older, since it {reason}"))
    }
}

fn because(fixed: &str, source: &str) -> String {
    format!("fixes {}, as {} says", one_line(fixed, MAX_SHOWN), one_line(source, MAX_SHOWN))
}

impl Walk<'_> {
    /// Whether an image that is too young need not become older.
    pub(super) async fn passes(&mut self, policy: &ImagePolicy, tag: &str, digest: &Digest) -> Result<bool, String> {
        let Some(fast) = &policy.guards.fast_lane else { return Ok(false) };
        let reason = match self.by_document(policy, tag, digest) {
            Some(reason) => Some(reason),
            None => match &fast.label {
                Some(label) => {
                    let claims = self.claims(policy, digest).await?;
                    labelled(&claims.label).first().map(|fixed| because(fixed, &format!("its label {label}")))
                }
                None => None,
            },
        };
        let passes = reason.is_some();
        if let Some(reason) = reason {
            tracing::debug!(image.digest = digest.as_str(), image.tag = tag, reason, "an image takes the fast lane");
            self.lane.passed.insert(digest.clone(), reason);
        }
        Ok(passes)
    }

    /// Whether an image might take the fast lane, as far as that is known without asking for it.
    pub(super) fn may_pass(&self, policy: &ImagePolicy, tag: &Tag, digest: &Digest) -> bool {
        let Some(fast) = &policy.guards.fast_lane else { return false };
        let by_label = || match self.kept_claims(policy, digest) {
            Some(claims) => !labelled(&claims.label).is_empty(),
            None => true,
        };
        self.by_document(policy, tag.as_str(), digest).is_some() || fast.label.is_some() && by_label()
    }

    fn by_document(&self, policy: &ImagePolicy, tag: &str, digest: &Digest) -> Option<String> {
        let fast = policy.guards.fast_lane.as_ref()?;
        let image = &policy.repository.image;
        let by_itself =
            || fast.documents.iter().find_map(|it| Some(because(it.fixed_by(image, tag, digest)?, &it.name)));
        self.lane.tags.get(tag).cloned().or_else(by_itself)
    }

    /// What an image says of itself. One that cannot be read says nothing.
    ///
    /// # Errors
    /// In one sentence, why the registry did not answer.
    pub(super) async fn claims(&mut self, policy: &ImagePolicy, digest: &Digest) -> Result<Claims, String> {
        if let Some(kept) = self.kept_claims(policy, digest) {
            return Ok(kept);
        }
        let found = Box::pin(contents::config(self.client, &policy.repository, digest)).await;
        let config = match found {
            Ok(config) => config,
            Err(error) if contents::is_unreadable(&error) => {
                tracing::warn!(
                    image.repository = policy.repository.image.name(),
                    error = error.chain(),
                    "an image says nothing of itself that can be read"
                );
                registry::Config::default()
            }
            Err(error) => return Err(self.failed(error)),
        };
        let label = policy.guards.fast_lane.as_ref().and_then(|fast| config.labels.get(fast.label.as_ref()?));
        let label = label.map(|label| labelled(label).join(" ")).unwrap_or_default();
        let claims = Claims { created: config.created, label };
        let created = claims.created.map(|created| created.to_string()).unwrap_or_default();
        self.known.keep(digest, &question(policy), format!("{created}\n{}", claims.label));
        Ok(claims)
    }

    /// What an image says of itself, as far as that is known.
    pub(super) fn kept_claims(&self, policy: &ImagePolicy, digest: &Digest) -> Option<Claims> {
        let (created, label) = self.known.answer(digest, &question(policy))?.split_once('\n')?;
        Some(Claims { created: created.parse().ok(), label: label.to_owned() })
    }
}

/// How the answer is kept.
fn question(policy: &ImagePolicy) -> String {
    let label = policy.guards.fast_lane.as_ref().and_then(|fast| fast.label.as_deref());
    format!("says:{}", label.unwrap_or_default())
}
