//! Looking at what a run would look at, without a commit.

use image::Reference;
use jiff::Timestamp;
use tagwright_core::automation::{Automation, DigestReflection, ImagePolicy};
use tagwright_core::change::Diagnostic;
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::guard::Newer;
use tagwright_core::plan::{self, Guards, MarkedFile};

use super::push_branch::{self, PushBranch};
use super::releases::Releases;
use super::reverts::{Asked, Line, Search};
use super::{MARKED_FILES, found_diagnostics, survey};
use crate::run::{Doing, Error, Progress, guards};
use crate::store::{Pushes, Switches};

/// What an automation would plan on.
pub struct Inspected<'a> {
    automation: &'a Automation,
    mirror: git::Mirror,
    advertisement: git::Advertisement,
    branch: PushBranch,
    /// The files that mention a marker.
    pub files: Vec<MarkedFile>,
    /// Paths that do not exist, and files that are not read.
    pub diagnostics: Vec<Diagnostic>,
}

/// Fetches what an automation would plan on, and finds its marked files. Nothing is committed or pushed.
///
/// # Errors
/// Those that a run would have before it plans: of the connection, the login, the checkout, the mirror.
pub async fn inspect<'a>(git: &git::Git, automation: &'a Automation) -> Result<Inspected<'a>, Error> {
    let remote = &automation.remote;
    let failed = |doing| move |source| Error::git(doing, &remote.url, source);
    let mirror = git.open(&remote.url, &remote.access).map_err(failed(Doing::Open))?;
    let advertisement = mirror.ask_for(&push_branch::names([automation])).await.map_err(failed(Doing::Read))?;
    let (branch, found) = survey::find(&mirror, &advertisement, automation, MARKED_FILES).await?;
    let diagnostics = found_diagnostics(&found);
    let marked = |file: git::FoundFile| {
        let marking = automation.marking(&file.path);
        MarkedFile::with(file.path, file.bytes, marking)
    };
    let files = found.files.into_iter().map(marked).collect();
    Ok(Inspected { automation, mirror, advertisement, branch, files, diagnostics })
}

impl Inspected<'_> {
    /// The branch that the automation would push to.
    #[must_use]
    pub fn branch(&self) -> &str {
        &self.branch.name
    }

    /// What would hold fields of the automation if its policies selected this: what people asked for by hand, the window,
    /// and what they took back or other bots moved away, found in the history; `pushes` are the bot's own. `newer` are tags that
    /// came after the selected ones.
    ///
    /// # Errors
    /// The history could not be read.
    pub async fn guards(
        &self,
        (selections, newer): (&Selections, Newer),
        pushes: Pushes,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Guards<'_>, Error> {
        let mut guards = Guards { newer, ..guards(self.automation, switches, now) };
        let PushBranch { base, name, want, .. } = &self.branch;
        let releases = Releases::on((&self.automation.remote.url, name), *base, switches, now);
        let mut search =
            Search::new(releases, std::slice::from_ref(&self.automation.commit.author), Box::new(|| pushes), now);
        let plan = plan::guarded(&self.files, selections, &guards);
        search.ask(0, self.automation, &self.files, &plan, &Asked::new());
        let line = Line { mirror: &self.mirror, advertisement: &self.advertisement, branch: name, want, tip: *base };
        let found = search.along(line, &Progress::default()).await;
        let found = found.map_err(|source| Error::git(Doing::ReadHistory, &self.automation.remote.url, source))?;
        guards.fields.extend(found.into_iter().map(|(_, field, hold)| (field, hold)));
        Ok(guards)
    }
}

/// A selection with the digest of its tag, if the policy asks for one.
pub async fn reflected(
    client: &registry::Client,
    policy: &ImagePolicy,
    reference: Reference,
    files: &[MarkedFile],
) -> Selection {
    let name = policy.id.marker();
    let held = match policy.digest {
        DigestReflection::Never => return Selection::Selected(reference),
        DigestReflection::IfNotPresent => {
            plan::held_digest(files, &name, &reference).or_else(|| reference.digest.clone())
        }
        DigestReflection::Always => reference.digest.clone(),
    };
    let (None, Some(tag)) = (&held, &reference.tag) else {
        return Selection::Selected(Reference { digest: held, ..reference });
    };
    match client.digest(&reference.repository, tag, &policy.repository.access).await {
        Ok(digest) => Selection::Selected(Reference { digest: Some(digest), ..reference }),
        Err(source) => {
            let (image, registry) = (reference.to_string(), reference.repository.registry().to_owned());
            Selection::NoSelection(Error::Registry { image, registry, source: source.into() }.chain())
        }
    }
}
