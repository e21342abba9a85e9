//! Whether an image is signed as its policy requires: what its registry has as evidence, put before the verifier.
//!
//! Whoever may push to a repository can add to what is found. So what cannot be read is one more signature that will not do, and
//! the next one is looked at; only a registry that does not answer leaves the question open. That an image is verified is kept for its
//! digest and for what was required; that it is not is asked again at the next poll, since signatures come after images.

use image::Digest;
use jiff::Timestamp;
use registry::{By, Client, Content, Descriptor, Error, Manifest};
use tagwright_core::automation::{ImagePolicy, ImageRepository, OnUnverified};
use tagwright_core::guard::Refusal;
use trust::{Evidence, MAX_BUNDLE, MAX_EVIDENCE, MAX_PAYLOAD, Simple, Verified, Verifier};

use crate::run;
use crate::store::Digests as Known;

/// What the media types of bundles begin with.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// The media type of what signatures of the older form sign.
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The ending of the tag with signatures of the older form.
const SIGNATURES: &str = ".sig";
/// How many that refer to one image are looked into.
const MAX_REFERRERS: usize = 128;
/// How many bytes of evidence of one image are read in all.
const MAX_READ: usize = 16 * 1024 * 1024;

/// What is asked of an image by a policy, as the answer is kept.
pub(super) fn question(policy: &ImagePolicy) -> Option<String> {
    Some(format!("verified:{}", policy.guards.verify.as_ref()?.verifier.fingerprint()))
}

/// When a trusted log or timestamp authority signed for the signature of an image, as far as that is known.
pub(super) fn time(known: &Known, policy: &ImagePolicy, digest: &Digest) -> Option<Timestamp> {
    let kept = known.answer(digest, &question(policy)?)?;
    kept.rsplit(' ').next()?.parse().ok()
}

/// Holds an image against what a policy requires of its signatures.
///
/// # Errors
/// The registry did not answer.
pub(super) async fn check(
    client: &Client,
    known: &mut Known,
    policy: &ImagePolicy,
    digest: &Digest,
) -> Result<Result<(), Refusal>, run::Error> {
    let Some(verify) = &policy.guards.verify else { return Ok(Ok(())) };
    let question = question(policy).unwrap_or_default();
    if known.answer(digest, &question).is_some() {
        return Ok(Ok(()));
    }
    let (repository, verifier) = (&*policy.repository, &*verify.verifier);
    let mut case = Case { client, repository, digest, verifier, refusals: Vec::new(), read: 0 };
    let judged = Box::pin(case.judge()).await.map_err(|source| {
        let image = format!("the signatures of {}@{digest}", policy.repository.image);
        run::Error::Registry { image, registry: policy.repository.image.registry().to_owned(), source: source.into() }
    })?;
    let name = policy.repository.image.name();
    Ok(match judged {
        Some(verified) => {
            let time = verified.time.map(|time| time.to_string()).unwrap_or_default();
            let (digest_text, by) = (digest.as_str(), verified.by.as_str());
            tracing::info!(image.repository = name, image.digest = digest_text, by, "verified an image");
            known.keep(digest, &question, format!("{} {time}", verified.by));
            Ok(())
        }
        None => {
            let reason = verifier.unverified(case.refusals).to_string();
            tracing::debug!(
                image.repository = name,
                image.digest = digest.as_str(),
                reason,
                "an image is not verified"
            );
            Err(Refusal::Unverified { reason, holds: verify.on_unverified == OnUnverified::Hold })
        }
    })
}

/// An image, and what was found of it so far.
struct Case<'c> {
    client: &'c Client,
    repository: &'c ImageRepository,
    digest: &'c Digest,
    verifier: &'c Verifier,
    refusals: Vec<trust::Refusal>,
    read: usize,
}

impl Case<'_> {
    /// Reads evidence until a piece of it suffices; none if none does.
    async fn judge(&mut self) -> Result<Option<Verified>, Error> {
        let (image, access) = (&self.repository.image, &self.repository.access);
        let referrers = self.client.referrers(image, self.digest, access).await;
        let referrers = self.readable(referrers)?.unwrap_or_default();
        // A list at a tag may lack the types.
        let may_sign =
            |referrer: &&Descriptor| referrer.artifact_type.as_ref().is_none_or(|kind| kind.starts_with(BUNDLE));
        for referrer in referrers.iter().filter(may_sign).take(MAX_REFERRERS) {
            if let Some(verified) = self.judge_referrer(referrer).await? {
                return Ok(Some(verified));
            }
        }
        self.judge_attached().await
    }

    /// Judges the bundles of something that refers to the image.
    async fn judge_referrer(&mut self, referrer: &Descriptor) -> Result<Option<Verified>, Error> {
        if self.is_full() {
            return Ok(None);
        }
        let (image, access) = (&self.repository.image, &self.repository.access);
        let manifest = self.client.manifest(image, By::Digest(&referrer.digest), access).await;
        for layer in self.layers(manifest)? {
            if !layer.media_type.starts_with(BUNDLE) {
                continue;
            }
            if let Some(bytes) = self.read_blob(&layer.digest, MAX_BUNDLE).await?
                && let Some(verified) = self.verdict(&Evidence::Bundle(bytes))
            {
                return Ok(Some(verified));
            }
        }
        Ok(None)
    }

    /// Judges the signatures of the older form.
    async fn judge_attached(&mut self) -> Result<Option<Verified>, Error> {
        let (image, access) = (&self.repository.image, &self.repository.access);
        let attached = self.client.attached(image, self.digest, SIGNATURES, access).await;
        let Some(Some(manifest)) = self.readable(attached)? else { return Ok(None) };
        for layer in self.layers(Ok(manifest))? {
            if layer.media_type != SIMPLE {
                continue;
            }
            if let Some(payload) = self.read_blob(&layer.digest, MAX_PAYLOAD).await?
                && let Some(verified) =
                    self.verdict(&Evidence::Simple(Simple { payload, annotations: layer.annotations }))
            {
                return Ok(Some(verified));
            }
        }
        Ok(None)
    }

    fn verdict(&mut self, evidence: &Evidence) -> Option<Verified> {
        match self.verifier.judge(self.digest, evidence) {
            Ok(verified) => Some(verified),
            Err(refusal) => {
                self.refusals.push(refusal);
                None
            }
        }
    }

    fn is_full(&self) -> bool {
        self.refusals.len() >= MAX_EVIDENCE || self.read >= MAX_READ
    }

    fn layers(&mut self, manifest: Result<Manifest, Error>) -> Result<Vec<Descriptor>, Error> {
        Ok(match self.readable(manifest)?.map(|manifest| manifest.content) {
            Some(Content::Image { layers, .. }) => layers,
            Some(Content::Index(_)) | None => Vec::new(),
        })
    }

    /// The bytes of a layer; none where enough has been read, or it cannot be.
    async fn read_blob(&mut self, digest: &Digest, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        if self.is_full() {
            return Ok(None);
        }
        let blob = self.client.blob(&self.repository.image, digest, limit, &self.repository.access).await;
        let blob = self.readable(blob)?;
        self.read += blob.as_ref().map_or(0, Vec::len);
        Ok(blob)
    }

    /// What the registry has, or none where that is not what it should be, which is evidence that cannot be read.
    fn readable<T>(&mut self, answer: Result<T, Error>) -> Result<Option<T>, Error> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => match error.cause() {
                Error::NotFound { .. } | Error::Malformed { .. } | Error::TooLarge { .. } | Error::Layout { .. } => {
                    let _none = self.verdict(&Evidence::Unreadable(error.to_string()));
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }
}
