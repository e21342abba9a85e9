//! Where an automation reads from and commits to.

use git::{self, Advertisement, CommitId, Mirror, Want};
use gotext::version::{Range, Version};
use tagwright_core::automation::{Automation, Checkout};

use crate::run::{Error, aside};

/// Where an automation reads from and commits to.
pub(crate) struct Target {
    /// The commit to plan on. When the push branch exists, it is that branch's head, so that earlier commits stay.
    pub(crate) base: CommitId,
    /// The push branch, without `refs/heads/`.
    pub(crate) branch: String,
    /// What the push branch is on the remote; none when it does not exist yet.
    pub(crate) old: Option<CommitId>,
    /// What was fetched, and the history of which led to the commit.
    pub(crate) want: Want,
}

/// The same before anything was fetched.
pub(crate) struct Aim {
    /// The push branch, without `refs/heads/`.
    pub(crate) branch: String,
    old: Option<CommitId>,
    want: Want,
}

/// Finds what an automation reads and where it commits to.
pub(crate) async fn aim(mirror: &Mirror, advertisement: &Advertisement, automation: &Automation) -> Result<Aim, Error> {
    let url = &automation.remote.url;
    let checkout = checkout_branch(advertisement, &automation.checkout);
    let branch = automation.push.branch.clone().or(checkout);
    let branch = match (branch, &automation.checkout) {
        (Some(branch), _) => branch,
        // An empty remote has no default branch; fetching says so better than we could.
        (None, Checkout::DefaultBranch) => {
            let fetched = mirror.fetch(advertisement, &[Want::DefaultBranch]).await;
            fetched.map_err(|source| Error::git("fetch from", url, source))?;
            return Err(Error::NoPushBranch);
        }
        (None, _) => return Err(Error::NoPushBranch),
    };
    if let Some(refspec) = automation.push.refspec.as_deref()
        && !has_source(refspec, &branch, advertisement)
    {
        return Err(Error::NoRefspecSource { url: url.clone(), refspec: refspec.to_owned() });
    }
    let old = advertisement.branch(&branch);
    let want = match old {
        Some(_) => Want::Branch(branch.clone()),
        None => want(advertisement, &automation.checkout, url)?,
    };
    Ok(Aim { branch, old, want })
}

impl Aim {
    /// The commit to plan on, if the advertisement tells.
    pub(crate) fn base(&self, advertisement: &Advertisement) -> Option<CommitId> {
        let at = |name: &str| advertisement.find(name).map(git::Advertised::commit);
        match &self.want {
            Want::DefaultBranch => advertisement.branch(advertisement.default_branch()?),
            Want::Branch(branch) => advertisement.branch(branch),
            Want::Tag(tag) => at(&format!("refs/tags/{tag}")),
            Want::Reference(name) => at(name),
            Want::Commit { id, .. } => Some(*id),
        }
    }

    /// Fetches the commit to plan on.
    pub(crate) async fn fetch(
        self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        url: &str,
    ) -> Result<Target, Error> {
        let fetched = mirror.fetch(advertisement, std::slice::from_ref(&self.want)).await;
        match fetched.map_err(|source| Error::git("fetch from", url, source))?.first() {
            Some(fetched) => Ok(Target { base: fetched.commit, branch: self.branch, old: self.old, want: self.want }),
            None => Err(Error::NoPushBranch),
        }
    }
}

/// Whether the source of a refspec is the push branch, which may be about to come, or a reference of the remote.
fn has_source(refspec: &str, branch: &str, advertisement: &Advertisement) -> bool {
    let source = refspec.trim_start_matches('+').split(':').next().unwrap_or_default();
    source.strip_prefix("refs/heads/") == Some(branch) || advertisement.find(source).is_some()
}

/// The branch that is checked out, if the checkout is one.
fn checkout_branch(advertisement: &Advertisement, checkout: &Checkout) -> Option<String> {
    match checkout {
        Checkout::DefaultBranch => advertisement.default_branch().map(str::to_owned),
        Checkout::Branch(branch) | Checkout::Commit { branch: Some(branch), .. } => Some(branch.clone()),
        Checkout::Tag(_) | Checkout::Semver(_) | Checkout::Reference(_) | Checkout::Commit { branch: None, .. } => None,
    }
}

fn want(advertisement: &Advertisement, checkout: &Checkout, url: &str) -> Result<Want, Error> {
    Ok(match checkout {
        Checkout::DefaultBranch => Want::DefaultBranch,
        Checkout::Branch(branch) => Want::Branch(branch.clone()),
        Checkout::Tag(tag) => Want::Tag(tag.clone()),
        Checkout::Reference(name) => Want::Reference(name.clone()),
        // There may be a million tags.
        Checkout::Semver(range) => match aside(|| highest(advertisement, range)) {
            Some(tag) => Want::Tag(tag.to_owned()),
            None => return Err(Error::NoTagInRange { url: url.to_owned(), range: range.as_str().to_owned() }),
        },
        Checkout::Commit { id, branch } => {
            let id = CommitId::parse(id).ok_or_else(|| Error::NotACommitId { text: id.clone() })?;
            Want::Commit { id, branch: branch.clone() }
        }
    })
}

/// The highest tag in a range; of equal versions the last by name.
fn highest<'a>(advertisement: &'a Advertisement, range: &Range) -> Option<&'a str> {
    advertisement
        .tags()
        .filter_map(|(name, _)| Some((name, Version::parse_tag(name)?)))
        .filter(|(_, version)| range.matches(version))
        .max_by(|(_, left), (_, right)| left.cmp_precedence(right))
        .map(|(name, _)| name)
}
