//! Looking at what a run would look at, without a commit.

use super::commit::{MARKED_FILES, found_diagnostics, marker_name};
use super::{Error, survey};
use crate::automation::{Automation, DigestReflection, ImagePolicy};
use crate::change::Diagnostic;
use crate::edit::Selection;
use crate::image::{Reference, Repository, Tag};
use crate::marker::Embedded;
use crate::plan::{self, MarkedFile};
use crate::{git, registry};

/// What an automation would plan on.
#[derive(Debug)]
pub struct Inspected {
    /// The branch that it would push to.
    pub branch: String,
    /// The commit that was read.
    pub commit: String,
    /// The files that mention a marker.
    pub files: Vec<MarkedFile>,
    /// Paths that do not exist, and files that are not read.
    pub diagnostics: Vec<Diagnostic>,
}

/// Fetches what an automation would plan on, and finds its marked files. Nothing is committed or pushed.
///
/// # Errors
/// Those that a run would have before it plans: of the connection, the login, the checkout, the mirror.
pub async fn inspect(git: &git::Git, automation: &Automation) -> Result<Inspected, Error> {
    let remote = &automation.remote;
    let failed = |doing| move |source| Error::git(doing, &remote.url, source);
    let mirror = git.open(&remote.url, &remote.access).map_err(failed("open"))?;
    let advertisement = mirror.advertise().await.map_err(failed("read"))?;
    let (target, found) = survey::find(&mirror, &advertisement, automation, MARKED_FILES).await?;
    let diagnostics = found_diagnostics(&found);
    let embedded = Embedded::everywhere(automation.embedded);
    let files = found.files.into_iter().map(|file| MarkedFile::with(file.path, file.bytes, embedded)).collect();
    Ok(Inspected { branch: target.branch, commit: target.base.to_string(), files, diagnostics })
}

/// What a policy selects when it selects a tag of a repository, with the digest if it asks for one.
pub async fn reflected(
    client: &registry::Client,
    policy: &ImagePolicy,
    repository: &Repository,
    tag: Tag,
    files: &[MarkedFile],
) -> Selection {
    let name = marker_name(policy);
    let reference = Reference { repository: repository.clone(), tag: Some(tag.clone()), digest: None };
    let held = match policy.digest {
        DigestReflection::Never => return Selection::Selected(reference),
        DigestReflection::IfNotPresent => plan::held_digest(files, &name, &reference),
        DigestReflection::Always => None,
    };
    if held.is_some() {
        return Selection::Selected(Reference { digest: held, ..reference });
    }
    match client.digest(repository, &tag, &policy.repository.access).await {
        Ok(digest) => Selection::Selected(Reference { digest: Some(digest), ..reference }),
        Err(source) => {
            let image = format!("{repository}:{tag}");
            Selection::NoSelection(Error::Registry { image, source }.chain())
        }
    }
}
